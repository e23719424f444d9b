//! Whole answers and errors.

use http::{HeaderMap, StatusCode};
use llm_types::chat::{Part, ToolCallKind};
use llm_types::{ErrorKind, FinishKind};
use serde_json::json;

use super::*;

fn answer(content: Value, reason: &str) -> Value {
    json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": reason,
        "usage": {"inputTokens": 10, "cacheReadInputTokens": 100, "cacheWriteInputTokens": 5, "outputTokens": 20,
            "totalTokens": 135}, "trace": {"guardrail": {}}, "serviceTier": {"type": "flex"}})
}

fn read(body: &Value, memo: &Memo) -> Reply {
    read_as(body.to_string().as_bytes(), memo).unwrap()
}

#[test]
fn every_kind_of_block() {
    let served = json!({"toolUse": {"toolUseId": "t", "name": "nova_code_interpreter", "input": {}, "type": "server_tool_use"}});
    let content = json!([
        {"reasoningContent": {"reasoningText": {"text": "T", "signature": "S"}}},
        {"reasoningContent": {"redactedContent": "UkVE"}},
        {"text": "A"},
        {"citationsContent": {"content": [{"text": "B"}], "citations": [{"title": "facts", "sourceContent": [{"text": "q"}]}]}},
        served,
        {"newBlock": {"x": 1}},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {"a": 1}}}]);
    let reply = read(&answer(content, "tool_use"), &Memo::default());
    assert_eq!((reply.text().as_str(), reply.reasoning().as_str()), ("AB", "T"));
    assert_eq!(reply.finish(), Some(FinishKind::ToolCalls));
    assert_eq!(reply.tool_calls().map(|call| call.arguments.as_str()).collect::<Vec<_>>(), ["{\"a\":1}"]);
    assert_eq!(reply.usage.as_ref().unwrap().total_tokens(), 135);
    assert_eq!(reply.service_tier.as_deref(), Some("flex"));
    assert!(reply.extra.get("trace").is_some());
    let parts = &reply.choices[0].parts;
    assert!(matches!(&parts[1], Part::Reasoning(r) if r.redacted.as_deref() == Some("UkVE")));
    assert!(
        matches!(&parts[4], Part::Citation(c) if c.title.as_deref() == Some("facts") && c.quote.as_deref() == Some("q"))
    );
    let kinds: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Opaque(opaque) => Some((opaque.kind.as_str(), opaque.json.get().to_owned())),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [("toolUse", served.to_string()), ("newBlock", r#"{"newBlock":{"x":1}}"#.to_owned())]);
    // What came from here goes back as it was.
    let mut request = ChatRequest::new([llm_types::chat::Message::user("q")]);
    request.messages.push(llm_types::chat::Message::new(llm_types::chat::Role::Assistant, parts.clone()));
    request.messages.push(llm_types::chat::Message::tool_result("tooluse_1", "r"));
    let (body, _) = send(request, CLAUDE);
    let sent = body["messages"][1]["content"].as_array().unwrap().clone();
    assert!(sent.contains(&served) && sent.contains(&json!({"newBlock": {"x": 1}})), "{sent:?}");
    let cited = sent.iter().find(|block| block.get("citationsContent").is_some()).unwrap();
    assert_eq!(cited["citationsContent"]["citations"][0]["title"], "facts");
}

#[test]
fn reasons_to_end() {
    let check = |reason: &str, kind: FinishKind, native: bool| {
        let reply = read(&answer(json!([{"text": "x"}]), reason), &Memo::default());
        let finish = reply.choices[0].finish.clone().unwrap();
        assert_eq!((finish.kind, finish.native.is_some()), (kind, native), "{reason}");
    };
    check("end_turn", FinishKind::Stop, false);
    check("stop_sequence", FinishKind::Stop, false);
    check("max_tokens", FinishKind::Length, false);
    check("model_context_window_exceeded", FinishKind::Length, true);
    check("guardrail_intervened", FinishKind::ContentFilter, true);
    check("content_filtered", FinishKind::ContentFilter, true);
    check("malformed_tool_use", FinishKind::Stop, true);
}

#[test]
fn structured_answers_and_custom_tools_come_back_as_they_were_asked_for() {
    let memo = Memo {
        json_tool: Some("json_tool_call"),
        custom_tools: vec!["run sql!".to_owned()],
        tool_names: vec![("run_sql_".to_owned(), "run sql!".to_owned())],
        ..Memo::default()
    };
    let json_answer =
        json!([{"toolUse": {"toolUseId": "1", "name": "json_tool_call", "input": {"values": [1]}}}]);
    let reply = read(&answer(json_answer, "tool_use"), &memo);
    assert_eq!((reply.text().as_str(), reply.finish()), ("[1]", Some(FinishKind::Stop)));
    let custom = json!([{"toolUse": {"toolUseId": "1", "name": "run_sql_", "input": {"input": "SELECT"}}}]);
    let reply = read(&answer(custom, "tool_use"), &memo);
    let call = reply.tool_calls().next().unwrap();
    assert_eq!(
        (call.name.as_str(), call.arguments.as_str(), call.kind),
        ("run sql!", "SELECT", ToolCallKind::Custom)
    );
}

#[test]
fn errors_are_told_apart_by_type_then_by_words() {
    let check = |status: u16, kind: &str, message: &str, expect: ErrorKind| {
        let mut headers = HeaderMap::new();
        headers.insert("x-amzn-errortype", format!("{kind}:http://internal.amazon.com/").parse().unwrap());
        let body = json!({"message": message}).to_string();
        let error = Client.decode_error(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes());
        assert_eq!((error.kind, error.message.as_str()), (expect, message), "{status} {kind}");
        let body = json!({"Message": message, "__type": format!("com.amazon.bedrock#{kind}")}).to_string();
        let error =
            Client.decode_error(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes());
        assert_eq!(error.kind, expect, "{status} {kind} in the body");
    };
    use ErrorKind as K;
    check(400, "ValidationException", "Input is too long for requested model.", K::ContextWindow);
    check(400, "ValidationException", "Too many input tokens. Max input tokens: 128000", K::ContextWindow);
    check(400, "ValidationException", "The provided model identifier is invalid.", K::BadRequest);
    check(400, "ValidationException", "Malformed input request: extraneous key [x]", K::BadRequest);
    check(403, "AccessDeniedException", "You don't have access to the model", K::Permission);
    check(
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        K::Auth,
    );
    check(403, "ExpiredTokenException", "The security token included in the request is expired", K::Auth);
    check(
        404,
        "ResourceNotFoundException",
        "This model version has reached the end of its life.",
        K::NotFound,
    );
    check(429, "ThrottlingException", "Too many tokens, please wait before trying again.", K::RateLimit);
    check(429, "ModelNotReadyException", "The model is not ready", K::Unavailable);
    check(400, "ServiceQuotaExceededException", "Your quota is used up", K::Quota);
    check(408, "ModelTimeoutException", "The request took too long", K::Timeout);
    check(424, "ModelErrorException", "The model failed", K::Internal);
    check(424, "ModelErrorException", "Could not process image", K::BadRequest);
    check(500, "InternalServerException", "The system failed", K::Internal);
    check(503, "ServiceUnavailableException", "Try later", K::Unavailable);
}

#[test]
fn what_is_no_answer_is_an_error() {
    for body in ["", "{}", "[]", r#"{"output":{}}"#, r#"{"output":{"message":{"content":[1]}}}"#] {
        let error = read_as(body.as_bytes(), &Memo::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::UpstreamFormat, "{body}: {error}");
    }
    let spec = spec();
    let memo = Memo::default();
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    let counted = Client.decode(Op::CountTokens, br#"{"inputTokens":7}"#, &cx).unwrap();
    assert!(matches!(counted, llm_types::Output::Tokens(count) if count.input == 7));
    Client.decode(Op::CountTokens, b"{}", &cx).unwrap_err();
}

#[test]
fn thoughts_that_nova_writes_into_its_text_are_thoughts() {
    let body = answer(json!([{"text": "<thinking>Hm.</thinking>\nRed."}]), "end_turn").to_string();
    let (spec, memo) = (spec(), Memo::default());
    let read = |model: &str| {
        let cx = DecodeCx { spec: &spec, model, memo: &memo };
        let reply = Client.decode(Op::Chat, body.as_bytes(), &cx).unwrap().into_chat().unwrap();
        (reply.reasoning(), reply.text())
    };
    assert_eq!(read("us.amazon.nova-lite-v1:0"), ("Hm.".to_owned(), "\nRed.".to_owned()));
    // Whoever has Claude write tags reads them.
    assert_eq!(read(CLAUDE).1, "<thinking>Hm.</thinking>\nRed.");
}
