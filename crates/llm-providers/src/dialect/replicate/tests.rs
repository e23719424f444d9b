//! Tests of the dialect as a whole: what we send, what we read, where the rest is.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use llm_types::chat::ChatRequest;
use llm_types::{Call, Changes, ErrorKind, Op, ProviderSpec, Reply, ReplyBuilder, Result};
use serde_json::{Value, json};

use super::Client;
use super::follow::{Streamed, Whole};
use crate::codec::{
    Asked, ClientCodec, DecodeCx, EncodeCx, Follow, Memo, Next, Over, Seen, ServerCodec, WireRequest,
};
use crate::table::ProviderTable;

const OFFICIAL: &str = "meta/meta-llama-3-70b-instruct";

fn spec() -> Arc<ProviderSpec> {
    Arc::clone(ProviderTable::builtin().get("replicate").unwrap())
}

/// What is sent for an OpenAI client's request, and what was recorded about it.
fn try_send(members: &Value, model: &str) -> Result<(WireRequest, Vec<String>)> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let server = crate::dialect::openai_chat::Server;
    let Call::Chat(request) = server.decode(body.to_string().as_bytes(), &Asked::default()).unwrap() else {
        panic!("no chat");
    };
    send(*request, model)
}

fn send(request: ChatRequest, model: &str) -> Result<(WireRequest, Vec<String>)> {
    let (mut changes, spec) = (Changes::default(), spec());
    let mut cx = EncodeCx { spec: &spec, model, asked: &Asked::default(), changes: &mut changes };
    let wire = Client.encode(&Call::from(request), &mut cx)?;
    let line = |change: &llm_types::Change| format!("{:?} {}", change.action, change.path).to_lowercase();
    Ok((wire, changes.list().iter().map(line).collect()))
}

fn sent(members: Value, model: &str) -> (String, Value, Vec<String>) {
    let (wire, changes) = try_send(&members, model).unwrap();
    (wire.path, serde_json::from_slice(&wire.body.to_bytes()).unwrap(), changes)
}

fn read(body: &Value) -> Result<Reply> {
    let (spec, memo) = (spec(), Memo::default());
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    Ok(Client.decode(Op::Chat, body.to_string().as_bytes(), &cx)?.into_chat().unwrap())
}

fn gather<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Result<Reply> {
    let (spec, memo) = (spec(), Memo::default());
    let mut decoder = Client.decoder(Op::Chat, &DecodeCx { spec: &spec, model: "m", memo: &memo });
    let mut builder = ReplyBuilder::default();
    for chunk in chunks {
        let _ = decoder.feed(chunk, &mut builder)?;
    }
    decoder.finish(&mut builder)?;
    builder.finish()
}

#[test]
fn models_deployments_and_versions_are_called_each_in_its_way() {
    let version = "5".repeat(64);
    let check = |model: &str, path: &str, versioned: bool, bound: &str| {
        let (at, body, changes) = sent(json!({"max_tokens": 5}), model);
        assert_eq!((at.as_str(), body.get("version").is_some()), (path, versioned), "{model}");
        assert_eq!(body["input"], json!({"prompt": "Hi", bound: 5}), "{model}");
        assert!(changes.is_empty(), "{changes:?}");
    };
    check(OFFICIAL, "/models/meta/meta-llama-3-70b-instruct/predictions", false, "max_tokens");
    check("deployments/me/mine", "/deployments/me/mine/predictions", false, "max_tokens");
    check(&version, "/predictions", true, "max_new_tokens");
    check(&format!("a/b:{version}"), "/predictions", true, "max_new_tokens");
    check(&format!("a/vicuna-13b:{version}"), "/predictions", true, "max_length");
    check(&format!("meta/codellama-13b:{version}"), "/predictions", true, "max_tokens");
}

#[test]
fn a_conversation_is_a_prompt_with_the_instructions_apart() {
    let messages = json!([{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Rhyme."},
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}, {"role": "user", "content": "And?"}]);
    let asked = json!({"messages": messages, "temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": ["a", "b"],
        "presence_penalty": 0.5, "stream": true, "min_tokens": 2});
    let (_, body, changes) = sent(asked, OFFICIAL);
    assert_eq!(
        body,
        json!({"stream": true, "input": {"system_prompt": "Be brief.\n\nRhyme.", "temperature": 0.5, "top_p": 0.9,
            "prompt": "User: Hi\n\nAssistant: Yo\n\nUser: And?\n\nAssistant:", "seed": 3, "stop_sequences": "a,b",
            "presence_penalty": 0.5, "min_tokens": 2}})
    );
    assert_eq!(changes, ["altered messages"]);
}

#[test]
fn what_cannot_be_asked_is_told() {
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let asks = json!({"user": "u", "logit_bias": {"1": 2}, "service_tier": "flex", "store": true, "odd": 1,
        "tools": [tool], "tool_choice": "auto", "reasoning_effort": "low", "logprobs": true,
        "response_format": {"type": "json_object"}, "stop": ["a,b"]});
    let (_, _, changes) = sent(asks.clone(), OFFICIAL);
    for path in asks.as_object().unwrap().keys() {
        assert!(changes.iter().any(|line| line.ends_with(&format!(" {path}"))), "{path}: {changes:?}");
    }
    let refused = |members: Value| try_send(&members, OFFICIAL).unwrap_err().kind;
    assert_eq!(refused(json!({"n": 2})), ErrorKind::UnsupportedParam);
    let picture = json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]);
    assert_eq!(refused(json!({"messages": [{"role": "user", "content": picture}]})), ErrorKind::BadRequest);
}

#[test]
fn who_waits_asks_again_and_who_streams_goes_elsewhere() {
    let body = |status: &str| {
        json!({"id": "p", "status": status, "urls": {"get": "https://g", "cancel": "https://c", "stream": "https://s"}})
            .to_string()
    };
    let again = |millis: u64| Next::Again { url: "https://g".into(), after: Duration::from_millis(millis) };
    for status in ["starting", "processing"] {
        let body = body(status);
        assert_eq!(Whole.next(body.as_bytes(), 0), again(250));
        assert_eq!(Whole.next(body.as_bytes(), 2), again(1000));
        assert_eq!(Whole.next(body.as_bytes(), 40), again(5000));
        assert_eq!(
            Streamed.next(body.as_bytes(), 0),
            Next::Stream { url: "https://s".into(), get: Some("https://g".into()) }
        );
        assert_eq!(Whole.cancel(body.as_bytes()).as_deref(), Some("https://c"));
    }
    for body in [body("succeeded"), body("failed"), body("canceled"), String::new(), "[]".to_owned()] {
        assert_eq!((Whole.next(body.as_bytes(), 0), Whole.cancel(body.as_bytes())), (Next::Done, None));
        assert_eq!(Streamed.next(body.as_bytes(), 0), Next::Done);
    }
    let unstreamed = json!({"status": "starting", "urls": {"get": "https://g"}}).to_string();
    assert_eq!(Streamed.next(unstreamed.as_bytes(), 0), again(250));
    let (wire, _) = try_send(&json!({}), OFFICIAL).unwrap();
    assert_eq!(wire.headers["prefer"], "wait=1");
    assert!(format!("{:?}", wire.memo.follow).contains("Whole"));
}

#[test]
fn outputs_are_texts_or_pieces() {
    let done = |output: Value| {
        json!({"id": "p", "model": "m/n", "status": "succeeded", "output": output, "error": null,
            "metrics": {"input_token_count": 5, "output_token_count": 7, "predict_time": 1.5}})
    };
    for (output, text) in [
        (json!("Gr\u{fc}n."), "Gr\u{fc}n."),
        (json!(["Gr", "\u{fc}", "n."]), "Gr\u{fc}n."),
        (json!(null), ""),
    ] {
        let reply = read(&done(output)).unwrap();
        assert_eq!((reply.text().as_str(), reply.model.as_str()), (text, "m/n"));
        assert_eq!(reply.usage.unwrap().total_tokens(), 12);
    }
    let kind = |body: &Value| read(body).unwrap_err();
    assert_eq!(kind(&done(json!({"x": 1}))).kind, ErrorKind::UpstreamFormat);
    let failed = kind(&json!({"status": "failed", "error": "CUDA out of memory"}));
    assert_eq!((failed.kind, failed.message.as_str()), (ErrorKind::Internal, "CUDA out of memory"));
    assert_eq!(
        kind(&json!({"status": "failed", "error": "Your input is too long. Max 4096."})).kind,
        ErrorKind::ContextWindow
    );
    assert_eq!(kind(&json!({"status": "canceled"})).kind, ErrorKind::Internal);
    assert_eq!(kind(&json!({"status": "processing"})).kind, ErrorKind::Timeout);
    let error = Client.decode_error(
        StatusCode::UNAUTHORIZED,
        &HeaderMap::new(),
        br#"{"title":"Unauthenticated","detail":"You did not pass an authentication token","status":401}"#,
    );
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Auth, "You did not pass an authentication token")
    );
}

#[test]
fn streams_read_alike_wherever_they_are_cut() {
    let text = "event: output\nid: 1\ndata: Gr\u{fc}\n\nevent: output\ndata: n\ndata: \u{1f34b}\n\nevent: logs\ndata: x\n\n\
        event: output\ndata:  .\n\nevent: done\ndata: {}\n\n";
    let whole = gather([text.as_bytes()]).unwrap();
    assert_eq!(whole.text(), "Gr\u{fc}n\n\u{1f34b} .");
    for cut in 0..=text.len() {
        let (before, after) = text.as_bytes().split_at(cut);
        assert_eq!(format!("{:?}", gather([before, after]).unwrap()), format!("{whole:?}"), "{cut}");
    }
    assert_eq!(format!("{:?}", gather(text.as_bytes().chunks(1)).unwrap()), format!("{whole:?}"));
    let kind = |text: &str| gather([text.as_bytes()]).unwrap_err();
    assert_eq!(kind("event: output\ndata: a\n\n").kind, ErrorKind::Connection);
    assert_eq!(kind("event: done\ndata: {\"reason\":\"canceled\"}\n\n").kind, ErrorKind::Internal);
    let failed = kind("event: output\ndata: a\n\nevent: error\ndata: {\"detail\":\"it broke\"}\n\n");
    assert_eq!(failed.message, "it broke");
    let mut tap = Client.stream_tap(Op::Chat);
    assert!(matches!(tap.see(b"event: output\ndata: a\n\n"), Seen::Content));
    assert!(matches!(tap.see(b"event: error\ndata: a\n\n"), Seen::Failed(_)));
    assert!(matches!(tap.see(b"event: done\ndata: {}\n\n"), Seen::Done));
    assert!(tap.is_done());
    let over = |events: &str| Streamed.over(events.as_bytes());
    assert_eq!(over("event: output\ndata: x\n\nevent: done\ndata: {}\n\n"), Some(Over::Done));
    assert_eq!(over("event: error\r\ndata: x\r\n\r\n"), Some(Over::Failed));
    assert_eq!(over("event: output\ndata: event: done\n\n"), None);
    let told = Streamed.told(br#"{"metrics": {"input_token_count": 5, "output_token_count": 7}}"#).unwrap();
    let counted = gather([&*told, text.as_bytes()]).unwrap().usage.unwrap();
    assert_eq!((counted.input, counted.output), (5, 7));
    assert_eq!(Streamed.told(b"{}"), None);
    assert!(matches!(tap.see(&told), Seen::Quiet) && tap.usage().is_some());
}
