//! What Gemini's clients send to each dialect, and what they get from it, as it stands on the wire.

use std::fmt::Write as _;

use bytes::Bytes;
use llm_providers::codec::{Asked, EncodeCx, Memo, ReplyCx, ReplyForm, ServerCodec};
use llm_providers::table::ProviderTable;
use llm_providers::{dialect, name};
use llm_types::{Changes, Dialect, Op, ProviderSpec};
use serde_json::{Value, json};

use crate::golden::{TARGETS, answers, golden, settled, streams};

fn gemini() -> &'static dyn ServerCodec {
    dialect::server(Dialect::Gemini).expect("Gemini's clients are served")
}

fn user(parts: Value) -> Value {
    json!({"contents": [{"role": "user", "parts": parts}]})
}

fn with(mut request: Value, members: Value) -> Value {
    if let (Some(request), Value::Object(members)) = (request.as_object_mut(), members) {
        request.extend(members);
    }
    request
}

/// The requests, by the name of their snapshots.
fn requests() -> Vec<(&'static str, Value)> {
    let weather = json!({"name": "get_weather", "description": "Weather by city", "parameters": {"type": "OBJECT",
        "properties": {"city": {"type": "STRING"}, "unit": {"type": "STRING", "format": "enum", "enum": ["c", "f"], "nullable": true}},
        "required": ["city"], "propertyOrdering": ["city", "unit"]}});
    let call = |name: &str, args: Value| json!({"functionCall": {"name": name, "args": args}});
    let result =
        |name: &str, response: Value| json!({"functionResponse": {"name": name, "response": response}});
    let history = json!([
        {"role": "user", "parts": [{"text": "Weather?"}, {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]},
        {"role": "model", "parts": [{"text": "T", "thought": true}, call("get_weather", json!({"city": "Oslo"})),
            call("get_weather", json!({"city": "Rome"})), call("now", json!({}))]},
        {"role": "user", "parts": [result("get_weather", json!({"temp": 4})), result("get_weather", json!({"error": "no such city"})),
            result("now", json!({"output": "noon"}))]},
        {"role": "user", "parts": [{"text": "And tomorrow?"}]}]);
    let signed = json!([
        {"role": "user", "parts": [{"text": "Weather?"}]},
        {"role": "model", "parts": [{"functionCall": {"id": "f1", "name": "now", "args": {}}, "thoughtSignature": "c2ln"}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "f1", "name": "now", "response": {"t": 1},
            "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]}}]}]);
    let pdf = json!({"fileData": {"mimeType": "application/pdf", "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}});
    vec![
        (
            "canonical",
            json!({"system_instruction": {"parts": {"text": "Be brief."}}, "contents": history,
            "tools": [{"functionDeclarations": [weather, {"name": "now", "description": "Time"}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
            "generationConfig": {"maxOutputTokens": 300, "temperature": 0.2, "topK": 40, "stopSequences": ["END"], "seed": 7},
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]}),
        ),
        (
            "signed_call",
            with(
                json!({"contents": signed}),
                json!({"tools": [{"functionDeclarations": [{"name": "now"}]}]}),
            ),
        ),
        (
            "structured",
            with(
                user(json!([{"text": "t?"}])),
                json!({"generationConfig": {"responseMimeType": "application/json",
                "responseSchema": {"type": "OBJECT", "properties": {"t": {"type": "INTEGER"}}, "required": ["t"]}}}),
            ),
        ),
        (
            "thinking",
            with(
                user(json!([{"text": "Hi"}])),
                json!({"generationConfig": {"maxOutputTokens": 4000, "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": true}}}),
            ),
        ),
        (
            "options",
            with(
                user(json!([{"text": "Hi"}])),
                json!({"cachedContent": "cachedContents/x", "labels": {"a": "b"}, "serviceTier": "flex",
                "generationConfig": {"candidateCount": 2, "responseLogprobs": true, "logprobs": 3, "presencePenalty": 0.5,
                    "frequencyPenalty": 0.25, "topP": 0.9, "mediaResolution": "MEDIA_RESOLUTION_LOW", "responseModalities": ["TEXT"]}}),
            ),
        ),
        (
            "hosted_tools",
            with(
                user(json!([{"text": "Search."}])),
                json!({"tools": [{"googleSearch": {}}, {"codeExecution": {}}, {"url_context": {}}]}),
            ),
        ),
        (
            "media",
            user(
                json!([{"text": "Compare."}, {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}, pdf]),
            ),
        ),
    ]
}

#[test]
fn requests_of_gemini_clients_in_every_dialect() {
    let mut failures = String::new();
    for (name, request) in requests() {
        for target in TARGETS {
            let file = format!("gemini-front-{name}-{}", target.replace('/', "-"));
            golden(&mut failures, &file, &encoded(&request, target));
        }
    }
    assert!(failures.is_empty(), "these snapshots differ:\n{failures}");
}

/// What is written for a request: path, headers of the dialect, changes and body.
fn encoded(request: &Value, target: &str) -> String {
    let (spec, model) = name::resolve(ProviderTable::builtin(), target).unwrap();
    let codec = dialect::client(spoken(&spec, &model)).expect("a provider that is called");
    let asked = Asked { model: Some("m".to_owned()), dialect: Some(Dialect::Gemini), ..Asked::of(Op::Chat) };
    let mut call = gemini().decode(request.to_string().as_bytes(), &asked).unwrap();
    call.set_model(&model);
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec: &spec, model: &model, asked: &asked, changes: &mut changes };
    let wire = match codec.encode(&call, &mut cx) {
        Ok(wire) => wire,
        Err(error) => return format!("refused: {error}"),
    };
    let mut out = format!("{} {}\n", wire.method, wire.path);
    for change in changes.list() {
        _ = writeln!(out, "{:?}: {} ({})", change.action, change.path, change.why);
    }
    let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    out + &serde_json::to_string_pretty(&body).unwrap()
}

#[test]
fn answers_for_a_gemini_client() {
    let mut failures = String::new();
    for (target, body) in answers() {
        let answer = whole(target, body.to_string().as_bytes());
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let text = settled(&serde_json::to_string_pretty(&answer).unwrap());
        golden(&mut failures, &format!("gemini-front-answer-{}", target.replace('/', "-")), &text);
    }
    for (target, stream) in streams() {
        for form in [ReplyForm::Usual, ReplyForm::List] {
            let events = streamed(target, [stream.as_bytes()], form);
            let name = format!("gemini-front-stream-{}-{form:?}", target.replace('/', "-")).to_lowercase();
            golden(&mut failures, &name, &settled(std::str::from_utf8(&events).unwrap()));
            // Cut anywhere, it comes to the same.
            for at in 0..stream.len() {
                let (head, tail) = stream.as_bytes().split_at(at);
                let cut = streamed(target, [head, tail], form);
                let same = settled(std::str::from_utf8(&cut).unwrap())
                    == settled(std::str::from_utf8(&events).unwrap());
                assert!(same, "{target} cut at {at}: {}", String::from_utf8_lossy(&cut));
            }
        }
    }
    assert!(failures.is_empty(), "these snapshots differ:\n{failures}");
}

/// What is spoken to a model when its client speaks Gemini's dialect.
fn spoken(spec: &ProviderSpec, model: &str) -> Dialect {
    spec.dialect_for(Op::Chat, Some(Dialect::Gemini), model)
}

fn reply_cx(upstream: Dialect, form: ReplyForm) -> ReplyCx {
    ReplyCx {
        include_usage: true,
        model: "m".to_owned(),
        id: "r-1".to_owned(),
        upstream: Some(upstream),
        form,
        ..ReplyCx::default()
    }
}

fn whole(target: &str, body: &[u8]) -> Vec<u8> {
    let (spec, model) = name::resolve(ProviderTable::builtin(), target).unwrap();
    let codec = dialect::client(spoken(&spec, &model)).expect("a provider that is called");
    let memo = Memo::default();
    let cx = llm_providers::codec::DecodeCx { spec: &spec, model: &model, memo: &memo };
    let output = codec.decode(Op::Chat, body, &cx).unwrap();
    gemini().encode(&output, &reply_cx(spoken(&spec, &model), ReplyForm::Usual))
}

fn streamed<'p>(target: &str, pieces: impl IntoIterator<Item = &'p [u8]>, form: ReplyForm) -> Bytes {
    let (spec, model) = name::resolve(ProviderTable::builtin(), target).unwrap();
    let codec = dialect::client(spoken(&spec, &model)).expect("a provider that is called");
    let memo = Memo::default();
    let cx = llm_providers::codec::DecodeCx { spec: &spec, model: &model, memo: &memo };
    let mut decoder = codec.decoder(Op::Chat, &cx);
    let mut encoder = gemini().encoder(reply_cx(spoken(&spec, &model), form));
    for piece in pieces {
        let _ = decoder.feed(piece, &mut *encoder).unwrap();
        if decoder.is_done() {
            break;
        }
    }
    decoder.finish(&mut *encoder).unwrap();
    encoder.finish();
    encoder.take()
}
