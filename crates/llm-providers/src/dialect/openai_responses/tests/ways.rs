//! A client of another dialect, a provider of this one, and the same client's next turn.

use llm_types::{Changes, Dialect, Op};
use serde_json::{Value, json};

use super::{Client, encode_at, plain, sse};
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ReplyCx};
use crate::dialect::{client, server};

/// What OpenAI's client makes of a whole answer of this dialect: the message.
fn answered(body: &Value) -> Value {
    let reply = Client
        .decode(
            Op::Chat,
            body.to_string().as_bytes(),
            &DecodeCx { spec: &plain(), model: "m", memo: &Memo::default() },
        )
        .unwrap();
    let out = server(Dialect::OpenaiChat).unwrap().encode(&reply, &ReplyCx::default());
    serde_json::from_slice::<Value>(&out).unwrap()["choices"][0].take()
}

/// The chunks that OpenAI's client gets of a stream.
fn streamed(text: &str) -> Vec<Value> {
    let mut decoder =
        Client.decoder(Op::Chat, &DecodeCx { spec: &plain(), model: "m", memo: &Memo::default() });
    let mut encoder = server(Dialect::OpenaiChat).unwrap().encoder(ReplyCx::default());
    assert!(decoder.feed(text.as_bytes(), &mut *encoder).unwrap().is_continue());
    decoder.finish(&mut *encoder).unwrap();
    encoder.finish();
    let out = encoder.take();
    let data = std::str::from_utf8(&out).unwrap().lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn answer() -> Value {
    json!({"id": "resp_1", "created_at": 1, "status": "completed", "model": "m", "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAA"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{\"x\":1}"}]})
}

fn next_turn(message: Value) -> (Value, String) {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Go"}, message,
        {"role": "tool", "tool_call_id": "c1", "content": "1"}]});
    let call = server(Dialect::OpenaiChat).unwrap().decode(body.to_string().as_bytes(), &Asked::default());
    let llm_types::Call::Chat(request) = call.unwrap() else { panic!("no chat") };
    encode_at(*request, &plain(), "m").unwrap()
}

#[test]
fn thoughts_survive_a_client_of_chat_completions() {
    let choice = answered(&answer());
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["reasoning_content"], "hm");
    let whole = choice["message"].clone();
    // A client of streams puts the same message together.
    let events = [
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m"}}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "hm"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": answer()["output"][0]}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": answer()["output"][1]}),
        json!({"type": "response.completed", "response": answer()}),
    ];
    let deltas: Vec<Value> =
        streamed(&sse(&events)).iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect();
    let find = |name: &str| deltas.iter().find_map(|delta| delta.get(name)).cloned().unwrap();
    let calls =
        json!([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]);
    let gathered = json!({"role": "assistant", "content": null, "reasoning_content": find("reasoning_content"),
        "thinking_blocks": find("thinking_blocks"), "tool_calls": calls});
    for message in [whole, gathered] {
        let (body, changes) = next_turn(message.clone());
        assert_eq!(
            body["input"],
            json!([
                {"role": "user", "content": "Go"},
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gAAA"},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"x\":1}"},
                {"type": "function_call_output", "call_id": "c1", "output": "1"},
            ]),
            "{message}"
        );
        assert_eq!(changes, "");
    }
}

#[test]
fn no_other_provider_is_sent_what_this_one_sealed() {
    let message = answered(&answer())["message"].take();
    let body = json!({"model": "m", "max_tokens": 5000, "messages": [{"role": "user", "content": "Go"}, message,
        {"role": "tool", "tool_call_id": "c1", "content": "1"}]});
    let call =
        server(Dialect::OpenaiChat).unwrap().decode(body.to_string().as_bytes(), &Asked::default()).unwrap();
    for (dialect, model) in [
        (Dialect::Anthropic, "claude-sonnet-4-5"),
        (Dialect::Gemini, "gemini-3-pro-preview"),
        (Dialect::OpenaiChat, "gpt-4o"),
    ] {
        let mut changes = Changes::default();
        let mut spec = llm_types::ProviderSpec { dialect, ..plain() };
        spec.quirks.messages.push(llm_types::MessageQuirk::ReplayReasoningDetails);
        let mut cx = EncodeCx { spec: &spec, model, asked: &Asked::default(), changes: &mut changes };
        let wire = client(dialect).unwrap().encode(&call, &mut cx).unwrap();
        let sent = String::from_utf8(wire.body.to_bytes().to_vec()).unwrap();
        assert!(!sent.contains("gAAA"), "{dialect} {sent}");
        assert!(changes.header().contains("sealed by another provider"), "{dialect} {}", changes.header());
    }
}

#[test]
fn hosted_items_survive_a_client_of_chat_completions() {
    let item =
        json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}});
    let mut body = answer();
    body["output"] = json!([item, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi", "annotations": [
        {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2}]}]}]);
    let message = answered(&body)["message"].take();
    assert_eq!(message["content"], "Hi");
    assert_eq!(message["annotations"][0]["url_citation"]["url"], "https://a");
    let (body, changes) = next_turn(message);
    assert!(body["input"].as_array().unwrap().contains(&item), "{body} {changes}");
}
