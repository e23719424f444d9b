//! Whole answers, written.

use llm_testkit::{exchanges, is_complete};
use llm_types::chat::{
    Audio, Citation, Image, Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolCallKind,
};
use llm_types::{
    Call, Changes, Choice, Dialect, Embeddings, Extra, Finish, FinishKind, Op, Output, Reply, TokenCount,
    Usage,
};
use serde_json::{Value, json};

use super::{Server, cx, raw, spec};
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ServerCodec};
use crate::dialect::anthropic::Client;
use crate::dialect::client;

fn written(reply: Reply, upstream: Option<Dialect>) -> Value {
    serde_json::from_slice(&Server.encode(&Output::from(reply), &cx(upstream))).unwrap()
}

fn reply(parts: Vec<Part>) -> Reply {
    Reply { choices: vec![Choice { parts, ..Choice::default() }], ..Reply::default() }
}

fn content(parts: Vec<Part>, upstream: Option<Dialect>) -> Value {
    written(reply(parts), upstream)["content"].take()
}

#[test]
fn recorded_answers_come_out_as_they_came() {
    let mut seen = 0;
    for (name, recording) in exchanges("messages", &["anthropic"]) {
        let mut body = recording["response"]["body"].clone();
        if body["type"] != "message" {
            continue;
        }
        let (memo, row) = (Memo::default(), spec(Dialect::Anthropic));
        let at = DecodeCx { spec: &row, model: "m", memo: &memo };
        let output = Client.decode(Op::Chat, body.to_string().as_bytes(), &at).unwrap();
        let mut out: Value =
            serde_json::from_slice(&Server.encode(&output, &cx(Some(Dialect::Anthropic)))).unwrap();
        // A null says no more than nothing, and counts of nothing no more than none.
        for message in [&mut body, &mut out] {
            for object in ["", "/usage"] {
                let members = message.pointer_mut(object).unwrap().as_object_mut().unwrap();
                members.retain(|_, value| !value.is_null());
            }
            message["usage"].as_object_mut().unwrap().remove("cache_creation");
            for block in message["content"].as_array_mut().unwrap() {
                block.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            }
        }
        assert_eq!(out, body, "{name}");
        seen += 1;
    }
    assert!(!is_complete() || seen >= 5, "{seen}");
}

#[test]
fn encrypted_thoughts_of_the_responses_api_find_their_way_back() {
    let codec = client(Dialect::OpenaiResponses).unwrap();
    let mut seen = 0;
    for (name, recording) in exchanges("responses", &["openai"]) {
        let body = &recording["response"]["body"];
        let items = body["output"].as_array().into_iter().flatten();
        let Some(encrypted) = items.filter_map(|item| item["encrypted_content"].as_str()).next() else {
            continue;
        };
        let (memo, row) = (Memo::default(), spec(Dialect::OpenaiResponses));
        let at = DecodeCx { spec: &row, model: "m", memo: &memo };
        let output = codec.decode(Op::Chat, body.to_string().as_bytes(), &at).unwrap();
        let answer = Server.encode(&output, &cx(Some(Dialect::OpenaiResponses)));
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let call: Call = super::read(&super::with(json!({"messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": "Go on"}
        ]})))
        .into();
        let (asked, mut changes) = (Asked::default(), Changes::default());
        let mut cx = EncodeCx { spec: &row, model: "gpt-5", asked: &asked, changes: &mut changes };
        let wire = codec.encode(&call, &mut cx).unwrap();
        let sent: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
        let mut items = sent["input"].as_array().unwrap().iter();
        assert!(items.any(|item| item["encrypted_content"] == encrypted), "{name}: {sent}");
        seen += 1;
    }
    assert!(!is_complete() || seen >= 1);
}

#[test]
fn an_answer_has_all_members_that_clients_read() {
    let usage = Usage {
        input: 10,
        cache_read: 100,
        cache_write_5m: 5,
        cache_write_1h: 7,
        input_audio: 1,
        input_image: 2,
        output: 20,
        reasoning: 30,
        queries: 2,
        ..Usage::default()
    };
    let mut whole = reply(vec![Part::text("Hi")]);
    whole.id = "chatcmpl-1".into();
    whole.model = "gpt".into();
    whole.usage = Some(usage);
    whole.service_tier = Some("default".into());
    whole.extra.set("x_openai", raw("1"));
    whole.origin = Some(Dialect::OpenaiChat);
    assert_eq!(
        written(whole, None),
        json!({
            "id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "gpt",
            "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {
                "input_tokens": 13, "cache_creation_input_tokens": 12, "cache_read_input_tokens": 100,
                "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 7},
                "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 30},
                "server_tool_use": {"web_search_requests": 2}, "service_tier": "standard"
            }
        })
    );
    let empty = written(Reply::default(), None);
    assert_eq!((&empty["id"], &empty["model"]), (&json!("msg_req1"), &json!("asked")));
    assert_eq!(empty["content"], json!([]));
}

#[test]
fn anthropic_s_own_members_stand_where_they_stood() {
    let mut extra = Extra::default();
    extra.set("container", raw("{\"id\":\"c\"}"));
    extra.set("speed", raw("\"fast\""));
    let whole = Reply { origin: Some(Dialect::Anthropic), extra, ..reply(vec![Part::text("Hi")]) };
    let out = written(whole, None);
    assert_eq!((&out["container"], &out["usage"]["speed"]), (&json!({"id": "c"}), &json!("fast")));
    assert_eq!(out.get("speed"), None);
}

#[test]
fn parts_of_every_kind_become_blocks() {
    let gemini = Some(Dialect::Gemini);
    let check = |part: Part, upstream: Option<Dialect>, expect: Value| {
        assert_eq!(content(vec![part.clone()], upstream), expect, "{part:?}");
    };
    let thought = |text: &str, signature: Option<&str>, redacted: Option<&str>| {
        Part::Reasoning(Reasoning {
            text: text.into(),
            signature: signature.map(str::to_owned),
            redacted: redacted.map(str::to_owned),
            ..Reasoning::default()
        })
    };
    check(Part::text("a"), None, json!([{"type": "text", "text": "a"}]));
    check(Part::text(""), None, json!([]));
    check(Part::Refusal(Refusal { text: "no".into() }), None, json!([{"type": "text", "text": "no"}]));
    check(thought("x", None, None), gemini, json!([{"type": "thinking", "thinking": "x", "signature": ""}]));
    check(
        thought("x", Some("S"), None),
        None,
        json!([{"type": "thinking", "thinking": "x", "signature": "S"}]),
    );
    check(
        thought("x", Some("S"), None),
        gemini,
        json!([{"type": "thinking", "thinking": "x", "signature": "sealed:gemini::S"}]),
    );
    check(thought("", None, Some("D")), None, json!([{"type": "redacted_thinking", "data": "D"}]));
    check(
        thought("x", None, Some("D")),
        Some(Dialect::OpenaiChat),
        json!([
            {"type": "thinking", "thinking": "x", "signature": ""},
            {"type": "redacted_thinking", "data": "sealed:openai_chat::D"}
        ]),
    );
    let signed = Part::Text(Text { signature: Some("S".into()), ..Text::new("a") });
    check(signed, gemini, json!([{"type": "text", "text": "a", "signature": "sealed:gemini::S"}]));
    let png = Media::Base64 { media_type: "image/png".into(), data: "AA".into() };
    check(
        Part::Image(Image::new(png)),
        gemini,
        json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}]),
    );
    let spoken = Audio { transcript: Some("said".into()), ..Audio::default() };
    check(Part::Audio(spoken), None, json!([{"type": "text", "text": "said"}]));
    let opaque = |dialect| Part::Opaque(Opaque { dialect, kind: "k".into(), json: raw("{\"type\":\"k\"}") });
    check(opaque(Dialect::Anthropic), None, json!([{"type": "k"}]));
    check(
        opaque(Dialect::Gemini),
        gemini,
        json!([{"type": "redacted_thinking", "data": "sealed:gemini:part.k:{\"type\":\"k\"}"}]),
    );
}

#[test]
fn calls_have_objects_as_input() {
    let check = |arguments: &str, kind: ToolCallKind, expect: Value| {
        let call = ToolCall {
            id: "c".into(),
            name: "f".into(),
            arguments: arguments.into(),
            kind,
            ..ToolCall::default()
        };
        let expect = json!([{"type": "tool_use", "id": "c", "name": "f", "input": expect}]);
        assert_eq!(content(vec![Part::ToolCall(call)], None), expect, "{arguments}");
    };
    use ToolCallKind::{Custom, Function};
    check("{\"a\":1}", Function, json!({"a": 1}));
    check("", Function, json!({}));
    check("{\"a\":", Function, json!({"arguments": "{\"a\":"}));
    check("[1]", Function, json!({"arguments": "[1]"}));
    check("free", Custom, json!({"input": "free"}));
    let signed =
        ToolCall { name: "f".into(), id: "c".into(), signature: Some("a+b=".into()), ..ToolCall::default() };
    assert_eq!(content(vec![Part::ToolCall(signed)], None)[0]["id"], "c__thought__a-b");
    let nameless = content(vec![Part::ToolCall(ToolCall::default())], None);
    assert!(nameless[0]["id"].as_str().unwrap().starts_with("toolu_"), "{nameless}");
}

#[test]
fn sources_stand_at_their_text() {
    let source = |url: Option<&str>, native| {
        Part::Citation(Citation { url: url.map(str::to_owned), native, ..Citation::default() })
    };
    let own = source(None, Some((Dialect::Anthropic, raw("{\"type\":\"char_location\"}"))));
    let web = source(Some("https://a"), None);
    let out = content(vec![Part::text("a"), own, web.clone(), source(None, None), Part::text("b")], None);
    let made = json!({
        "type": "web_search_result_location", "cited_text": "", "url": "https://a", "title": null, "encrypted_index": ""
    });
    assert_eq!(
        out,
        json!([
            {"type": "text", "text": "a", "citations": [{"type": "char_location"}, made]},
            {"type": "text", "text": "b"}
        ])
    );
    assert_eq!(content(vec![web], None), json!([{"type": "text", "text": "", "citations": [made]}]));
}

#[test]
fn why_an_answer_ended() {
    let call = || Part::ToolCall(ToolCall { id: "c".into(), name: "f".into(), ..ToolCall::default() });
    let check = |finish: Option<Finish>, parts: Vec<Part>, reason: &str| {
        let mut whole = reply(parts);
        whole.choices[0].finish = finish.clone();
        let out = written(whole, None);
        assert_eq!(out["stop_reason"], reason, "{finish:?}");
        assert_eq!(out["stop_sequence"].as_str(), finish.and_then(|finish| finish.stop_sequence).as_deref());
    };
    let native = |kind, word: &str| Some(Finish { kind, native: Some(word.into()), stop_sequence: None });
    let text = || vec![Part::text("a")];
    check(None, text(), "end_turn");
    check(None, vec![call()], "tool_use");
    check(Some(FinishKind::Stop.into()), text(), "end_turn");
    check(Some(FinishKind::Stop.into()), vec![call()], "tool_use");
    check(Some(FinishKind::Stop.into()), vec![Part::Refusal(Refusal { text: "no".into() })], "refusal");
    check(Some(FinishKind::Length.into()), text(), "max_tokens");
    check(Some(FinishKind::ToolCalls.into()), vec![call()], "tool_use");
    check(Some(FinishKind::ContentFilter.into()), text(), "refusal");
    let met = Finish { kind: FinishKind::Stop, native: None, stop_sequence: Some("END".into()) };
    check(Some(met), text(), "stop_sequence");
    check(native(FinishKind::Stop, "pause_turn"), text(), "pause_turn");
    check(
        native(FinishKind::Length, "model_context_window_exceeded"),
        text(),
        "model_context_window_exceeded",
    );
    check(native(FinishKind::ContentFilter, "RECITATION"), text(), "refusal");
}

#[test]
fn only_the_first_choice_has_a_form() {
    let choice = |index, text: &str| Choice { index, parts: vec![Part::text(text)], ..Choice::default() };
    let whole = Reply { choices: vec![choice(1, "b"), choice(0, "a")], ..Reply::default() };
    assert_eq!(written(whole, None)["content"], json!([{"type": "text", "text": "a"}]));
}

#[test]
fn counts_of_tokens() {
    let mut count = TokenCount { input: 7, cached: Some(3), estimated: true, extra: Extra::default() };
    let out = |count: &TokenCount| {
        String::from_utf8(Server.encode(&Output::Tokens(count.clone()), &cx(None))).unwrap()
    };
    assert_eq!(out(&count), r#"{"input_tokens":7}"#);
    count.extra.set("context_management", raw("{}"));
    assert_eq!(out(&count), r#"{"input_tokens":7,"context_management":{}}"#);
    assert_eq!(Server.encode(&Output::Embed(Box::<Embeddings>::default()), &cx(None)), b"{}");
}
