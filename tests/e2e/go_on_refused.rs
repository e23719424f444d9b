//! What is no plain text is not gone on with: tools, JSON and thoughts end in an error event, at every front in its own
//! shape, and nobody else is asked.

use llm_testkit::canned::anthropic_stream;
use llm_testkit::{End, Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Options, Reply, anthropic, model, streamed, with};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";
const GEMINI: &str = "/v1beta/models/smart:streamGenerateContent?alt=sse";
/// The same as one list.
const LIST: &str = "/v1beta/models/smart:streamGenerateContent";

/// A streamed request at each front; with the form that its answer is to have.
fn requests(form: bool) -> [(&'static str, Value); 5] {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}},
        "required": ["city"], "additionalProperties": false});
    let mut chat = streamed("smart");
    let mut messages = chat.clone();
    messages["max_tokens"] = 100.into();
    let mut responses = json!({"model": "smart", "stream": true, "store": false, "input": "Hello!"});
    let mut gemini = json!({"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]});
    if form {
        let named = json!({"name": "place", "schema": schema, "strict": true});
        chat["response_format"] = json!({"type": "json_schema", "json_schema": named});
        messages["output_config"] = json!({"format": {"type": "json_schema", "schema": schema}});
        responses["text"] = json!({"format": {"type": "json_schema", "name": "place", "schema": schema}});
        gemini["generationConfig"] = json!({"responseMimeType": "application/json"});
    }
    [(CHAT, chat), (MESSAGES, messages), (RESPONSES, responses), (GEMINI, gemini.clone()), (LIST, gemini)]
}

/// Asserts that the stream ends in an error in the front's shape, and in nothing else.
fn ends_in_an_error(front: &str, reply: &Reply) {
    let text = reply.text();
    assert_eq!(reply.status, 200, "{text}");
    let kind = if front == LIST { "application/json" } else { "text/event-stream" };
    assert!(reply.header("content-type").starts_with(kind), "{front}: {:?}", reply.headers);
    for end in ["[DONE]", "message_stop", "response.completed", "\"finishReason\"", "continued by"] {
        assert!(!text.contains(end), "`{end}` at {front}: {text}");
    }
    let events = if front == LIST { reply.json().as_array().unwrap().clone() } else { reply.events() };
    let last = events.last().unwrap();
    let words: &[&str] = match front {
        MESSAGES => {
            assert_eq!(last["type"], "error", "{text}");
            &["type", "message"]
        }
        RESPONSES => {
            let failed = events.iter().find(|event| event["type"] == "response.failed");
            let failed = failed.unwrap_or_else(|| panic!("no failed response: {text}"));
            assert_eq!(failed["response"]["status"], "failed", "{text}");
            assert!(failed["response"]["error"]["message"].is_string(), "{text}");
            assert_eq!(last["type"], "error", "{text}");
            &["type", "message"]
        }
        GEMINI | LIST => {
            assert!(last["error"]["code"].is_u64(), "{text}");
            &["status", "message"]
        }
        _ => &["type", "message"],
    };
    for word in words {
        assert!(
            last["error"][word].as_str().is_some_and(|word| !word.is_empty()),
            "no {word} at {front}: {text}"
        );
    }
}

/// Asserts that nobody goes on with what a provider begins like this and breaks off.
async fn is_not_gone_on_with(begun: &[String], form: bool) {
    ends_there(begun, requests(form)).await;
}

/// The same for these requests.
async fn ends_there(begun: &[String], requests: [(&'static str, Value); 5]) {
    for (front, body) in requests {
        let (bad, good) = (Upstream::start().unwrap(), Upstream::start().unwrap());
        bad.always(Script::sse(begun.to_vec()).then(End::Reset));
        good.always(Script::sse(anthropic_stream(5)));
        let models = model("smart", &[anthropic(&bad), with(&anthropic(&good), "order = 1")]);
        let gateway = Options::config(format!("[router]\nmid_stream = \"continue\"\n{models}")).start();
        let reply = gateway.post(front).body(body.to_string()).send().await;
        ends_in_an_error(front, &reply);
        assert_eq!((bad.requests().len(), good.requests().len()), (1, 0), "{front}: {}", reply.text());
        let told = gateway.explained(&reply).await;
        assert_eq!(told["outcome"], "broke off", "{told:#}");
        assert!(told["end"]["broke_off"].is_string() && told["end"]["continued_by"].is_null(), "{told:#}");
    }
}

/// The events of one part at Anthropic's, up to its end.
fn part(index: usize, block: &Value, deltas: &[Value]) -> Vec<String> {
    let event = |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap());
    let start = json!({"type": "content_block_start", "index": index, "content_block": block});
    let deltas =
        deltas.iter().map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta}));
    let stop = json!({"type": "content_block_stop", "index": index});
    std::iter::once(start).chain(deltas).chain([stop]).map(event).collect()
}

/// The head of a message, then these parts, of which the last one is not ended.
fn begun(parts: &[Vec<String>]) -> Vec<String> {
    let mut events: Vec<_> = anthropic_stream(0).into_iter().take(1).chain(parts.concat()).collect();
    events.pop();
    events
}

fn said(index: usize) -> Vec<String> {
    let text = json!({"type": "text_delta", "text": "Let me see. "});
    part(index, &json!({"type": "text", "text": ""}), &[text])
}

#[tokio::test]
async fn a_call_of_a_tool_is_not_gone_on_with() {
    let block = json!({"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}});
    let call = |index| {
        part(index, &block, &[json!({"type": "input_json_delta", "partial_json": "{\"city\": \"Oslo\"}"})])
    };
    is_not_gone_on_with(&begun(&[call(0)]), false).await;
    is_not_gone_on_with(&begun(&[said(0), call(1)]), false).await;
    // Neither is the text that follows one.
    is_not_gone_on_with(&begun(&[call(0), said(1)]), false).await;
}

#[tokio::test]
async fn a_text_is_not_gone_on_with_where_a_tool_may_be_called() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let named = json!({"name": "weather", "parameters": schema});
    let requests = requests(false).map(|(front, mut body)| {
        body["tools"] = match front {
            MESSAGES => json!([{"name": "weather", "input_schema": schema}]),
            RESPONSES => json!([{"type": "function", "name": "weather", "parameters": schema}]),
            GEMINI | LIST => json!([{"functionDeclarations": [named]}]),
            _ => json!([{"type": "function", "function": named}]),
        };
        (front, body)
    });
    ends_there(&begun(&[said(0)]), requests).await;
}

#[tokio::test]
async fn json_is_not_gone_on_with() {
    let text = json!({"type": "text_delta", "text": "{\"city\": \"Os"});
    is_not_gone_on_with(&begun(&[part(0, &json!({"type": "text", "text": ""}), &[text])]), true).await;
}

#[tokio::test]
async fn thinking_is_not_gone_on_with() {
    let block = json!({"type": "thinking", "thinking": "", "signature": ""});
    let thought = json!({"type": "thinking_delta", "thinking": "Two cities."});
    let signed = json!({"type": "signature_delta", "signature": "c2lnbmVk"});
    let thought = part(0, &block, &[thought, signed]);
    is_not_gone_on_with(&begun(std::slice::from_ref(&thought)), false).await;
    is_not_gone_on_with(&begun(&[thought, said(1)]), false).await;
}
