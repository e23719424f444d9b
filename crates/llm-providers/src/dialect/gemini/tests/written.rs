//! What clients get: whole answers and streams written by the server half read back as they were.

use llm_types::chat::{
    Audio, Citation, Image, LogProbs, Media, Opaque, Reasoning, Text, TokenLogProb, ToolCall,
};
use llm_types::{ApiError, Choice, Dialect, Event, Extra, Finish, FinishKind, Output, Usage};
use serde_json::{Value, json};

use super::*;
use crate::codec::{ReplyCx, ReplyForm};
use crate::replay::replay;

fn cx(upstream: Dialect, form: ReplyForm) -> ReplyCx {
    ReplyCx { model: "m".into(), id: "r".into(), upstream: Some(upstream), form, ..ReplyCx::default() }
}

fn written(reply: &Reply, upstream: Dialect) -> Value {
    let body = Server.encode(&Output::from(reply.clone()), &cx(upstream, ReplyForm::Usual));
    serde_json::from_slice(&body).unwrap()
}

fn streamed(reply: &Reply, upstream: Dialect, form: ReplyForm) -> String {
    let mut encoder = Server.encoder(cx(upstream, form));
    assert!(replay(reply, &mut *encoder).is_continue());
    encoder.finish();
    String::from_utf8(encoder.take().to_vec()).unwrap()
}

use llm_types::chat::Part;

/// An answer with a part of every kind.
fn reply() -> Reply {
    let mut mime = Extra::default();
    mime.set_json("mimeType", &"audio/L16;rate=24000").unwrap();
    let token = |text: &str, logprob| TokenLogProb { token: text.into(), logprob, ..TokenLogProb::default() };
    let parts = vec![
        Part::Reasoning(Reasoning { text: "Let me think about it.".into(), ..Reasoning::default() }),
        Part::Text(Text { signature: Some("c2ln".into()), ..Text::new("Grüße, 世界 und \"😀\"!") }),
        Part::ToolCall(ToolCall {
            id: "c1".into(),
            name: "f".into(),
            arguments: "{\"a\":[1,{\"b\":\"ü\"}]}".into(),
            signature: Some("c2lnMg==".into()),
            ..ToolCall::default()
        }),
        Part::ToolCall(ToolCall {
            id: "c2".into(),
            name: "g".into(),
            arguments: "{}".into(),
            ..ToolCall::default()
        }),
        Part::Image(Image::new(Media::Base64 {
            media_type: "image/png".into(),
            data: "iVBORw0KGgo=".into(),
        })),
        Part::Audio(Audio {
            media: Some(Media::Base64 { media_type: String::new(), data: "AAAA".into() }),
            extra: mime,
            ..Audio::default()
        }),
        Part::Opaque(Opaque {
            dialect: Dialect::Gemini,
            kind: "executableCode".into(),
            json: raw(&json!({"executableCode": {"code": "1"}})),
        }),
    ];
    let logprobs = LogProbs {
        content: vec![TokenLogProb { top: vec![token("x", -0.5), token("y", -2.0)], ..token("x", -0.5) }],
        refusal: Vec::new(),
    };
    Reply {
        id: "r-1".into(),
        model: "gemini-2.5-flash".into(),
        choices: vec![Choice {
            parts,
            finish: Some(Finish { kind: FinishKind::ToolCalls, ..Finish::default() }),
            logprobs: Some(logprobs),
            ..Choice::default()
        }],
        usage: Some(Usage {
            input: 10,
            cache_read: 4,
            input_audio: 2,
            output: 5,
            reasoning: 3,
            output_image: 7,
            ..Usage::default()
        }),
        ..Reply::default()
    }
}

#[test]
fn an_answer_reads_back_as_it_was() {
    let expect = reply();
    let body = written(&expect, Dialect::Gemini);
    let mut back = read_as(body.to_string().as_bytes(), "m", &Memo::default()).unwrap();
    assert_eq!(back.usage, {
        let mut usage = expect.usage.clone();
        // Cached tokens are inside the prompt's kinds here, and cannot be told apart by kind.
        usage.iter_mut().for_each(|usage| usage.input_audio = 2);
        usage
    });
    back.usage.clone_from(&expect.usage);
    assert_eq!(format!("{:?}", back.choices[0].parts), format!("{:?}", expect.choices[0].parts));
    assert_eq!(back.choices[0].logprobs, expect.choices[0].logprobs);
    assert_eq!((back.id, back.model), (expect.id, expect.model));
    assert_eq!(body["usageMetadata"]["totalTokenCount"], 31);
}

#[test]
fn a_stream_states_what_the_whole_answer_states() {
    let reply = reply();
    let whole = written(&reply, Dialect::Gemini);
    let events = streamed(&reply, Dialect::Gemini, ReplyForm::Usual);
    assert!(events.starts_with("data: {") && events.ends_with("}\r\n\r\n"), "{events}");
    let gathered = gather(&[events.as_bytes()]).unwrap();
    assert_eq!(format!("{:?}", gathered.choices[0].parts), format!("{:?}", reply.choices[0].parts));
    assert_eq!(gathered.usage, reply.usage);
    let chunks: Vec<Value> = events
        .split("\r\n\r\n")
        .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok())
        .collect();
    let last = chunks.last().unwrap();
    assert_eq!(last["usageMetadata"], whole["usageMetadata"]);
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    let calls = |body: &Value| -> Vec<Value> {
        let parts = body["candidates"][0]["content"]["parts"].as_array().unwrap();
        parts.iter().filter(|part| part.get("functionCall").is_some()).cloned().collect()
    };
    let streamed_calls: Vec<Value> = chunks.iter().flat_map(calls).collect();
    assert_eq!(streamed_calls, calls(&whole));
    // The array form holds the same chunks.
    let list = streamed(&reply, Dialect::Gemini, ReplyForm::List);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&list).unwrap(), chunks);
}

#[test]
fn finish_words() {
    let check = |kind, native: Option<&str>, reason: &str, message: Option<&str>| {
        let finish = Finish { kind, native: native.map(str::to_owned), stop_sequence: None };
        let reply =
            Reply { choices: vec![Choice { finish: Some(finish), ..Choice::default() }], ..Reply::default() };
        let candidate = written(&reply, Dialect::Anthropic)["candidates"][0].clone();
        let got = (candidate["finishReason"].as_str(), candidate["finishMessage"].as_str());
        assert_eq!(got, (Some(reason), message), "{kind:?} {native:?}");
    };
    check(FinishKind::Stop, None, "STOP", None);
    check(FinishKind::ToolCalls, None, "STOP", None);
    check(FinishKind::Length, None, "MAX_TOKENS", None);
    check(FinishKind::ContentFilter, None, "SAFETY", None);
    check(FinishKind::ContentFilter, Some("RECITATION"), "RECITATION", None);
    check(FinishKind::Stop, Some("pause_turn"), "STOP", Some("pause_turn"));
    check(FinishKind::ToolCalls, Some("MAX_TOKENS"), "MAX_TOKENS", None);
}

#[test]
fn sources_name_their_bytes() {
    let citation = |start, end| {
        Part::Citation(Citation {
            url: Some("https://a.example".into()),
            title: Some("A".into()),
            start,
            end,
            ..Citation::default()
        })
    };
    let parts = vec![
        Part::text("Erst."),
        Part::text("19 °C warm"),
        citation(Some(3), Some(5)),
        citation(None, None),
        Part::Citation(Citation { title: Some("a book".into()), ..Citation::default() }),
    ];
    let reply = Reply {
        choices: vec![Choice { parts, finish: Some(Finish::default()), ..Choice::default() }],
        ..Reply::default()
    };
    let grounding = written(&reply, Dialect::Anthropic)["candidates"][0]["groundingMetadata"].clone();
    assert_eq!(grounding["groundingChunks"], json!([{"web": {"uri": "https://a.example", "title": "A"}}]));
    assert_eq!(
        grounding["groundingSupports"][0],
        json!({"segment": {"startIndex": 8, "endIndex": 11, "text": "°C"}, "groundingChunkIndices": [0]})
    );
    assert_eq!(grounding["groundingSupports"][1]["segment"]["startIndex"], 5);
    let events = streamed(&reply, Dialect::Anthropic, ReplyForm::List);
    let chunks: Vec<Value> = serde_json::from_str(&events).unwrap();
    assert_eq!(chunks.last().unwrap()["candidates"][0]["groundingMetadata"], grounding);
}

#[test]
fn thoughts_of_others_are_sealed_in_both_forms() {
    let thought = |signature: Option<&str>, redacted: Option<&str>| {
        Part::Reasoning(Reasoning {
            text: if redacted.is_none() { "T".into() } else { String::new() },
            signature: signature.map(str::to_owned),
            redacted: redacted.map(str::to_owned),
            ..Reasoning::default()
        })
    };
    let search = Part::Opaque(Opaque {
        dialect: Dialect::Anthropic,
        kind: "server_tool_use".into(),
        json: raw(&json!({"type": "server_tool_use", "id": "s"})),
    });
    let parts = vec![thought(Some("EqQB+/=="), None), thought(None, Some("hidden")), search, Part::text("A")];
    let reply = Reply {
        choices: vec![Choice { parts, finish: Some(Finish::default()), ..Choice::default() }],
        ..Reply::default()
    };
    let whole = written(&reply, Dialect::Anthropic)["candidates"][0]["content"].clone();
    let list: Vec<Value> =
        serde_json::from_str(&streamed(&reply, Dialect::Anthropic, ReplyForm::List)).unwrap();
    let chunks: Vec<Value> = list
        .iter()
        .flat_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array().unwrap().clone())
        .collect();
    for content in [whole, json!({"role": "model", "parts": chunks})] {
        let body = json!({"contents": [{"role": "user", "parts": [{"text": "?"}]}, content]}).to_string();
        let Call::Chat(request) = Server.decode(body.as_bytes(), &asked(Op::Chat, "m")).unwrap() else {
            panic!("no chat")
        };
        let [signed, hidden, search, ..] = request.messages[1].parts.as_slice() else {
            panic!("{request:?}")
        };
        let Part::Reasoning(signed) = signed else { panic!("{signed:?}") };
        assert_eq!((signed.text.as_str(), signed.signature.as_deref()), ("T", Some("EqQB+/==")));
        let Part::Reasoning(hidden) = hidden else { panic!("{hidden:?}") };
        assert_eq!((hidden.redacted.as_deref(), hidden.origin), (Some("hidden"), Some(Dialect::Anthropic)));
        assert!(
            matches!(search, Part::Opaque(opaque) if opaque.dialect == Dialect::Anthropic && opaque.kind == "server_tool_use")
        );
    }
}

#[test]
fn arguments_are_always_an_object() {
    let check = |kind, arguments: &str, expect: Value| {
        let call = ToolCall { name: "f".into(), arguments: arguments.into(), kind, ..ToolCall::default() };
        let reply = Reply {
            choices: vec![Choice { parts: vec![Part::ToolCall(call)], ..Choice::default() }],
            ..Reply::default()
        };
        let part = written(&reply, Dialect::OpenaiChat)["candidates"][0]["content"]["parts"][0].clone();
        assert_eq!(part, json!({"functionCall": {"name": "f", "args": expect}}), "{arguments}");
    };
    use llm_types::chat::ToolCallKind::{Custom, Function};
    check(Function, "{\"a\":1}", json!({"a": 1}));
    check(Function, "", json!({}));
    check(Function, "[1]", json!({"arguments": "[1]"}));
    check(Function, "{\"cut", json!({"arguments": "{\"cut"}));
    check(Custom, "free \"text\"", json!({"input": "free \"text\""}));
}

#[test]
fn a_stream_that_fails_ends_with_its_error() {
    let fail = |form, before: bool| {
        let mut encoder = Server.encoder(cx(Dialect::OpenaiChat, form));
        if before {
            let delta = llm_types::Delta::Text("a".into());
            let _ = encoder.event(Event::PartStart { choice: 0, part: 0, start: llm_types::PartStart::Text });
            let _ = encoder.event(Event::Delta { choice: 0, part: 0, delta });
        }
        encoder.fail(&ApiError::upstream(ErrorKind::Overloaded, "busy"));
        encoder.finish();
        String::from_utf8(encoder.take().to_vec()).unwrap()
    };
    for before in [true, false] {
        let list: Vec<Value> = serde_json::from_str(&fail(ReplyForm::List, before)).unwrap();
        assert_eq!(list.len(), usize::from(before) + 1);
        assert_eq!(list.last().unwrap()["error"]["status"], "UNAVAILABLE");
        let events = fail(ReplyForm::Usual, before);
        assert!(
            events.contains("data: {\"error\":{\"code\":503,\"message\":\"busy\"")
                && events.ends_with("\r\n\r\n")
        );
        assert!(!events.contains("finishReason"));
    }
    let mut empty = Server.encoder(cx(Dialect::OpenaiChat, ReplyForm::List));
    empty.finish();
    assert_eq!(&empty.take()[..], b"[]");
}

#[test]
fn a_refused_prompt_has_no_candidate() {
    let body = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}});
    let reply = read(&body).unwrap();
    let again = written(&reply, Dialect::Gemini);
    assert_eq!((again.get("candidates"), &again["promptFeedback"]), (None, &body["promptFeedback"]));
    let events = format!("data: {body}\r\n\r\n");
    let gathered = gather(&[events.as_bytes()]).unwrap();
    let list: Vec<Value> =
        serde_json::from_str(&streamed(&gathered, Dialect::Gemini, ReplyForm::List)).unwrap();
    assert_eq!(list.last().unwrap()["promptFeedback"], body["promptFeedback"]);
}
