//! Gemini's `generateContent` and its siblings. Each turn's first call is signed, and the signature must come
//! back with it. Gemini 3 takes a bypass in its place, for clients that keep nothing they do not know
//! (ai.google.dev/gemini-api/docs/thought-signatures).

use llm_testkit::{Received, Script};
use serde_json::{Value, json};

use super::{Asked, Call, TOOL, Wanted, failure, list, text};

const SIGNATURE: &str = "c2lnbmVk";
const BYPASS: &str = "skip_thought_signature_validator";

fn error(status: u16, message: &str) -> Value {
    json!({"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}})
}

/// Answers one request.
pub(crate) fn gemini(request: &Received) -> Script {
    let body = request.json();
    if let Some(script) = failure(request, error) {
        return script;
    }
    let call = request.path().rsplit(':').next().unwrap_or_default().to_owned();
    match call.as_str() {
        "countTokens" => return Script::json(&json!({"totalTokens": 19})),
        "embedContent" => return Script::json(&json!({"embedding": {"values": [0.5, -1.0]}})),
        "batchEmbedContents" => {
            let vectors: Vec<_> =
                list(&body["requests"]).iter().map(|_| json!({"values": [0.5, -1.0]})).collect();
            return Script::json(&json!({"embeddings": vectors}));
        }
        _ => {}
    }
    let bypass = request.path().contains("/gemini-3");
    match asked(&body, bypass).and_then(|asked| asked.wanted(|_| None)) {
        Ok(wanted) => answer(call == "streamGenerateContent", &wanted),
        Err(wrong) => Script::status(400).json_body(&error(400, &wrong)),
    }
}

fn asked(body: &Value, bypass: bool) -> Result<Asked, String> {
    let mut asked = Asked {
        tools: body.to_string().contains("\"functionDeclarations\""),
        schema: body["generationConfig"]["responseMimeType"] == "application/json",
        ..Asked::default()
    };
    for content in list(&body["contents"]) {
        let parts = list(&content["parts"]);
        for part in parts {
            if part["functionCall"].is_object() {
                asked.calls.push((String::new(), text(&part["functionCall"]["args"]["city"])));
            }
            if part["functionResponse"].is_object() {
                asked.results.push((String::new(), part["functionResponse"]["response"].to_string()));
            }
        }
        let call = parts.iter().find(|part| part["functionCall"].is_object());
        let unsigned = |call: &Value| {
            let signature = &call["thoughtSignature"];
            signature != SIGNATURE && !(bypass && signature == BYPASS)
        };
        if call.is_some_and(unsigned) {
            return Err(format!("a call without its signature: {content}"));
        }
    }
    Ok(asked)
}

fn answer(stream: bool, wanted: &Wanted) -> Script {
    let parts: Vec<Value> = match wanted {
        Wanted::Words(words) => words.iter().map(|word| json!({"text": word})).collect(),
        Wanted::Calls(calls) => calls.iter().enumerate().map(call).collect(),
    };
    let answer = |parts: &[Value], finish: Value| {
        json!({
            "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish, "index": 0}],
            "usageMetadata": {"promptTokenCount": 19, "candidatesTokenCount": 12, "totalTokenCount": 31},
            "modelVersion": "gemini-2.5-flash", "responseId": "r-1"
        })
    };
    if !stream {
        return Script::json(&answer(&parts, "STOP".into()));
    }
    let mut events: Vec<Value> = parts.chunks(1).map(|part| answer(part, Value::Null)).collect();
    events.push(answer(&[json!({"text": ""})], "STOP".into()));
    Script::sse(events.iter().map(|event| format!("data: {event}\r\n\r\n")))
}

fn call((index, call): (usize, &Call)) -> Value {
    let mut part = json!({"functionCall": {"name": TOOL, "args": call.input()}});
    if index == 0 {
        part["thoughtSignature"] = SIGNATURE.into();
    }
    part
}
