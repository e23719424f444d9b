//! Whole ways: a client of one dialect, a provider of another, and the same client's next turn.

mod filed;
mod pictures;
mod seen;

use llm_types::{Call, Changes, Dialect, Op, ProviderSpec};
use serde_json::{Value, json};

use super::{client, server};
use crate::codec::{Asked, DecodeCx, EncodeCx, Memo, ReplyCx};

/// A provider of a dialect, as an OpenAI client sees it.
struct Way {
    spec: ProviderSpec,
    model: &'static str,
}

impl Way {
    fn to(dialect: Dialect, model: &'static str) -> Self {
        Self { spec: ProviderSpec { name: dialect.to_string(), dialect, ..ProviderSpec::default() }, model }
    }

    /// What the provider gets, what the decoder has to know, and the changes.
    fn ask(&self, body: &Value) -> (Value, Memo, String) {
        let front = server(Dialect::OpenaiChat).unwrap();
        let call: Call = front.decode(body.to_string().as_bytes(), &Asked::default()).unwrap();
        let mut changes = Changes::default();
        let mut cx =
            EncodeCx { spec: &self.spec, model: self.model, asked: &Asked::default(), changes: &mut changes };
        let wire = client(self.spec.dialect).unwrap().encode(&call, &mut cx).unwrap();
        (serde_json::from_slice(&wire.body.to_bytes()).unwrap(), wire.memo, changes.header())
    }

    /// The message of a whole answer.
    fn answer(&self, body: &Value, memo: &Memo, cx: &ReplyCx) -> Value {
        let codec = client(self.spec.dialect).unwrap();
        let at = DecodeCx { spec: &self.spec, model: self.model, memo };
        let reply = codec.decode(Op::Chat, body.to_string().as_bytes(), &at).unwrap();
        let out = server(Dialect::OpenaiChat).unwrap().encode(&reply, cx);
        serde_json::from_slice::<Value>(&out).unwrap()["choices"][0]["message"].clone()
    }

    /// The message that a client gathers from a stream, as OpenAI's own SDK does.
    fn gathered(&self, sse: &str, memo: &Memo, cx: ReplyCx) -> Value {
        let codec = client(self.spec.dialect).unwrap();
        let mut decoder = codec.decoder(Op::Chat, &DecodeCx { spec: &self.spec, model: self.model, memo });
        let mut encoder = server(Dialect::OpenaiChat).unwrap().encoder(cx);
        assert!(decoder.feed(sse.as_bytes(), &mut *encoder).unwrap().is_continue());
        decoder.finish(&mut *encoder).unwrap();
        encoder.finish();
        let out = encoder.take();
        let mut message = json!({});
        for line in std::str::from_utf8(&out).unwrap().lines() {
            let Some(data) = line.strip_prefix("data: ").filter(|data| *data != "[DONE]") else { continue };
            let chunk: Value = serde_json::from_str(data).unwrap();
            if let Some(choice) = chunk["choices"].get(0) {
                accumulate(&mut message, &choice["delta"]);
            }
        }
        message
    }
}

/// The rules of `accumulate_delta` in OpenAI's SDKs: entries of lists are told apart by their `index`.
fn accumulate(whole: &mut Value, delta: &Value) {
    for (name, more) in delta.as_object().unwrap() {
        let known = whole.as_object_mut().unwrap().entry(name.clone()).or_insert(Value::Null);
        match (known, more) {
            (known, more) if known.is_null() || name == "index" || name == "type" => *known = more.clone(),
            (Value::String(known), Value::String(more)) => known.push_str(more),
            (known @ Value::Object(_), more @ Value::Object(_)) => accumulate(known, more),
            (Value::Array(known), Value::Array(more)) => {
                for entry in more {
                    let index = entry["index"].as_u64().unwrap_or_else(|| panic!("{name} without index"));
                    match known.get_mut(usize::try_from(index).unwrap()) {
                        Some(known) => accumulate(known, entry),
                        None => known.push(entry.clone()),
                    }
                }
            }
            (known, more) => *known = more.clone(),
        }
    }
}

/// Events of Anthropic's stream around some blocks.
fn anthropic_stream(blocks: &[(Value, Vec<Value>)]) -> String {
    let mut events = vec![json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude"}})];
    for (index, (block, deltas)) in blocks.iter().enumerate() {
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        for delta in deltas {
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}));
    events.push(json!({"type": "message_stop"}));
    events.iter().map(|data| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())).collect()
}

/// A request with a custom tool whose name no other dialect takes.
fn custom_request() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "Go"}],
        "tools": [{"type": "custom", "custom": {"name": "run sql!"}}, {"type": "function", "function": {"name": "f"}}]})
}

fn assert_custom(message: &Value) {
    let calls = message["tool_calls"].as_array().unwrap();
    assert_eq!(calls[0]["type"], "custom", "{message}");
    assert_eq!(calls[0]["custom"], json!({"name": "run sql!", "input": "SELECT \"a\"\n"}), "{message}");
    assert_eq!(calls[1]["type"], "function", "{message}");
    assert_eq!(calls[1]["function"]["arguments"], "{\"input\":\"x\"}", "{message}");
}

#[test]
fn custom_tools_come_back_from_anthropic_as_custom_calls() {
    let way = Way::to(Dialect::Anthropic, "claude-sonnet-4-5");
    let (body, memo, _) = way.ask(&custom_request());
    let sent = body["tools"][0]["name"].clone();
    let custom = |input: Value| json!({"type": "tool_use", "id": "toolu_1", "name": sent, "input": input});
    let plain = |input: Value| json!({"type": "tool_use", "id": "toolu_2", "name": "f", "input": input});
    let whole = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "tool_use",
        "content": [custom(json!({"input": "SELECT \"a\"\n"})), plain(json!({"input": "x"}))]});
    assert_custom(&way.answer(&whole, &memo, &ReplyCx::default()));
    let piece = |text: &str| json!({"type": "input_json_delta", "partial_json": text});
    let pieces = [r#"{"inp"#, r#"ut":"SELECT \"#, r#""a\"\n"}"#].map(piece).to_vec();
    let stream = anthropic_stream(&[
        (custom(json!({})), pieces),
        (plain(json!({})), vec![piece("{\"input\":"), piece("\"x\"}")]),
    ]);
    assert_custom(&way.gathered(&stream, &memo, ReplyCx::default()));
}

#[test]
fn custom_tools_come_back_from_gemini_as_custom_calls() {
    let way = Way::to(Dialect::Gemini, "gemini-3-pro-preview");
    let (body, memo, _) = way.ask(&custom_request());
    let sent = body["tools"][0]["functionDeclarations"][0]["name"].clone();
    let answer = json!({"candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
        {"functionCall": {"name": sent, "args": {"input": "SELECT \"a\"\n"}}},
        {"functionCall": {"name": "f", "args": {"input": "x"}}}]}}]});
    assert_custom(&way.answer(&answer, &memo, &ReplyCx::default()));
    assert_custom(&way.gathered(&format!("data: {answer}\n\n"), &memo, ReplyCx::default()));
}

#[test]
fn gemini_s_signatures_survive_an_openai_client() {
    let way = Way::to(Dialect::Gemini, "gemini-3-pro-preview");
    let answer = json!({"candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
        {"text": "t", "thought": true},
        {"text": "Well.", "thoughtSignature": "S0"},
        {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}, "thoughtSignature": "S1"},
        {"functionCall": {"id": "b", "name": "f", "args": {}}}]}}]});
    let memo = Memo::default();
    for message in [
        way.answer(&answer, &memo, &ReplyCx::default()),
        way.gathered(&format!("data: {answer}\n\n"), &memo, ReplyCx::default()),
    ] {
        let (body, _, changes) = way.ask(&json!({"model": "m", "messages": [
            {"role": "user", "content": "Go"}, message,
            {"role": "tool", "tool_call_id": "a", "content": "1"}, {"role": "tool", "tool_call_id": "b", "content": "2"}]}));
        let parts = body["contents"][1]["parts"].as_array().unwrap();
        let signed: Vec<_> = parts.iter().map(|part| part["thoughtSignature"].as_str()).collect();
        assert_eq!(signed, [None, Some("S0"), Some("S1"), None], "{message} {changes}");
        assert_eq!(parts[2]["functionCall"], json!({"id": "a", "name": "f", "args": {"x": 1}}));
    }
}

#[test]
fn anthropic_s_thoughts_survive_an_openai_client() {
    let way = Way::to(Dialect::Anthropic, "claude-sonnet-4-5");
    let thought =
        |text: &str, signature: &str| json!({"type": "thinking", "thinking": text, "signature": signature});
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}});
    let redacted = json!({"type": "redacted_thinking", "data": "R"});
    let content = json!([thought("one", "S1"), redacted, thought("two", "S2"), call]);
    let whole = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "stop_reason": "tool_use", "content": content});
    let pieces = |text: &str, signature: &str| {
        let (head, tail) = text.split_at(1);
        let piece = |text: &str| json!({"type": "thinking_delta", "thinking": text});
        (
            thought("", ""),
            vec![piece(head), piece(tail), json!({"type": "signature_delta", "signature": signature})],
        )
    };
    let input = json!({"type": "input_json_delta", "partial_json": "{\"x\":1}"});
    let empty = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}});
    let stream = anthropic_stream(&[
        pieces("one", "S1"),
        (redacted, vec![]),
        pieces("two", "S2"),
        (empty, vec![input]),
    ]);
    let memo = Memo::default();
    for message in
        [way.answer(&whole, &memo, &ReplyCx::default()), way.gathered(&stream, &memo, ReplyCx::default())]
    {
        assert_eq!(message["reasoning_content"], "onetwo");
        let (body, _, changes) = way.ask(&json!({"model": "m", "reasoning_effort": "low", "tools": [{"type": "function", "function": {"name": "f"}}], "messages": [
            {"role": "user", "content": "Go"}, message, {"role": "tool", "tool_call_id": "toolu_1", "content": "1"}]}));
        assert_eq!(body["messages"][1]["content"], content, "{message}");
        assert_eq!(changes, "", "{message}");
    }
}

#[test]
fn clients_of_the_deprecated_form_get_one_whole_call() {
    let way = Way::to(Dialect::Gemini, "gemini-2.5-flash");
    let answer = json!({"candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
        {"functionCall": {"name": "f", "args": {"x": 1}}}, {"functionCall": {"name": "g", "args": {}}}]}}]});
    let cx = ReplyCx { legacy_functions: true, ..ReplyCx::default() };
    let expect = json!({"name": "f", "arguments": "{\"x\":1}"});
    let memo = Memo::default();
    assert_eq!(way.answer(&answer, &memo, &cx)["function_call"], expect);
    assert_eq!(way.gathered(&format!("data: {answer}\n\n"), &memo, cx)["function_call"], expect);
}

#[test]
fn sources_in_a_stream_are_told_apart() {
    let way = Way::to(Dialect::Anthropic, "claude-sonnet-4-5");
    let cite = |url: &str| {
        json!({"type": "citations_delta", "citation":
        {"type": "web_search_result_location", "url": url, "title": "t", "cited_text": "c"}})
    };
    let quote = json!({"type": "citations_delta", "citation": {"type": "page_location", "cited_text": "c"}});
    let text = json!({"type": "text", "text": ""});
    let tool = |id: &str| json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": "q"}});
    let deltas = vec![
        json!({"type": "text_delta", "text": "A"}),
        cite("https://a"),
        quote.clone(),
        cite("https://b"),
        quote,
    ];
    let stream =
        anthropic_stream(&[(tool("srvtoolu_1"), vec![]), (tool("srvtoolu_2"), vec![]), (text, deltas)]);
    let message = way.gathered(&stream, &Memo::default(), ReplyCx::default());
    assert_eq!(message["annotations"][1]["url_citation"]["url"], "https://b", "{message}");
    let fields = &message["provider_specific_fields"];
    assert_eq!(fields["citations"].as_array().map(Vec::len), Some(2), "{message}");
    assert_eq!(fields["opaque"][1]["json"]["id"], "srvtoolu_2", "{message}");
}

#[test]
fn the_tier_that_answered_is_told_whole_streamed_and_passed() {
    use llm_types::{Output, ReplyBuilder, ServiceTier};
    let check = |way: Way, whole: &Value, stream: &str| {
        let name = way.spec.name.clone();
        let codec = client(way.spec.dialect).unwrap();
        let memo = Memo::default();
        let at = DecodeCx { spec: &way.spec, model: way.model, memo: &memo };
        let whole = whole.to_string();
        let Output::Chat(reply) = codec.decode(Op::Chat, whole.as_bytes(), &at).unwrap() else { panic!() };
        let passed = codec.tap(Op::Chat, whole.as_bytes()).unwrap().usage.unwrap();
        let tiers = (reply.usage.unwrap().service, passed.service);
        assert_eq!(tiers, (ServiceTier::Flex, ServiceTier::Flex), "{name}");
        let mut gathered = ReplyBuilder::default();
        let mut decoder = codec.decoder(Op::Chat, &at);
        assert!(decoder.feed(stream.as_bytes(), &mut gathered).is_ok(), "{name}");
        let mut tap = codec.stream_tap(Op::Chat);
        for event in stream.split_inclusive("\n\n") {
            tap.see(event.as_bytes());
        }
        let tiers = (gathered.finish().unwrap().usage.unwrap().service, tap.usage().unwrap().service);
        assert_eq!(tiers, (ServiceTier::Flex, ServiceTier::Flex), "{name}, streamed");
    };
    let told = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3});
    let choices =
        json!([{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}]);
    let chunk = json!({"id": "c", "model": "m", "choices": [], "usage": told, "service_tier": "flex"});
    let begun = json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]});
    check(
        Way::to(Dialect::OpenaiChat, "m"),
        &json!({"id": "c", "model": "m", "choices": choices, "usage": told, "service_tier": "flex"}),
        &format!("data: {begun}\n\ndata: {chunk}\n\ndata: [DONE]\n\n"),
    );
    let response = json!({"id": "r", "object": "response", "status": "completed", "model": "m", "output": [],
        "service_tier": "flex", "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}});
    let last = json!({"type": "response.completed", "response": response});
    check(
        Way::to(Dialect::OpenaiResponses, "m"),
        &response,
        &format!("event: response.completed\ndata: {last}\n\n"),
    );
    let usage = json!({"input_tokens": 1, "output_tokens": 2, "service_tier": "flex"});
    let message = json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": "end_turn", "usage": usage});
    let start = json!({"type": "message_start", "message": message});
    let delta =
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}});
    let stop = json!({"type": "message_stop"});
    check(
        Way::to(Dialect::Anthropic, "m"),
        &message,
        &format!(
            "event: message_start\ndata: {start}\n\nevent: message_delta\ndata: {delta}\n\nevent: message_stop\ndata: {stop}\n\n"
        ),
    );
    for (name, tier) in [("trafficType", "ON_DEMAND_FLEX"), ("serviceTier", "flex")] {
        let mut answer = json!({"modelVersion": "m", "responseId": "r",
            "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "a"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}});
        answer["usageMetadata"][name] = json!(tier);
        check(Way::to(Dialect::Gemini, "m"), &answer, &format!("data: {answer}\n\n"));
    }
}
