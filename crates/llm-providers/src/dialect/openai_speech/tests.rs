//! Speech: requests and answers, as recorded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use llm_testkit::{exchanges, is_complete};
use llm_types::{Call, Changes, Dialect, Head, Op, Output, ProviderSpec, SpeechRequest};
use serde_json::{Value, json};

use super::{Client, Server};
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, ReplyCx, ServerCodec};
use crate::table::ProviderTable;

fn row(name: &str) -> ProviderSpec {
    ProviderTable::builtin().get(name).unwrap().as_ref().clone()
}

fn asked() -> Asked {
    Asked { dialect: Some(Dialect::OpenaiSpeech), ..Asked::of(Op::Speech) }
}

#[test]
fn recorded_requests_are_spliced_and_written_the_same() {
    let mut read = 0;
    for (name, all) in exchanges("speech", &["mistral", "openai", "openrouter", "xai"]) {
        let (spec, mut body) = (row(all["provider"].as_str().unwrap()), all["request"]["body"].clone());
        let expect = body.clone();
        // What OpenAI's clients send.
        let model = body["model"].as_str().unwrap_or("tts").to_owned();
        if let Some(text) = body.as_object_mut().unwrap().remove("text") {
            body = json!({"model": model, "input": text});
        }
        let head = Head::scan(Bytes::from(body.to_string())).unwrap();
        let call = Server.decode(body.to_string().as_bytes(), &asked()).unwrap();
        let asked = asked();
        let mut changes = Changes::default();
        let mut cx = EncodeCx { spec: &spec, model: &model, asked: &asked, changes: &mut changes };
        let written = Client.encode(&call, &mut cx).unwrap();
        let spliced = Client.splice(&head, &mut cx).unwrap().unwrap();
        for wire in [&written, &spliced] {
            let sent: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
            assert_eq!(sent, expect, "{name}");
            assert!(all["request"]["url"].as_str().unwrap().ends_with(&*wire.path), "{name}: {}", wire.path);
        }
        let answer = &all["response"];
        let bytes = match answer["base64"].as_str() {
            Some(base64) => STANDARD.decode(base64).unwrap(),
            None => answer["body"].to_string().into_bytes(),
        };
        let cx = DecodeCx { spec: &spec, model: &model, memo: &written.memo };
        let Output::Speech(said) = Client.decode(Op::Speech, &bytes, &cx).unwrap() else { panic!("{name}") };
        // An MPEG frame, with or without a head.
        assert!(said.audio.starts_with(b"ID3") || said.audio.starts_with(&[0xff, 0xf3]), "{name}");
        let characters = call_characters(&call);
        assert_eq!(
            (said.kind.as_str(), said.usage.unwrap().units.characters),
            ("audio/mpeg", characters),
            "{name}"
        );
        read += 1;
    }
    assert!(!is_complete() || read == 4, "{read}");
}

fn call_characters(call: &Call) -> u64 {
    let Call::Speak(request) = call else { panic!("{call:?}") };
    u64::try_from(request.input.chars().count()).unwrap()
}

#[test]
fn voices_of_ones_own_and_events_are_understood() {
    let body = json!({"model": "m", "input": "a", "voice": {"id": "v1"}, "stream_format": "sse", "new": 1});
    let Call::Speak(request) = Server.decode(body.to_string().as_bytes(), &asked()).unwrap() else {
        panic!()
    };
    assert!(request.events && request.voice.is_none());
    let head = Head::scan(Bytes::from(body.to_string())).unwrap();
    let peek = Server.peek(&head, &asked()).unwrap();
    assert_eq!((peek.stream, peek.binary), (true, false));
    let (spec, asked, mut changes) = (row("openai"), asked(), Changes::default());
    let mut cx = EncodeCx { spec: &spec, model: "m", asked: &asked, changes: &mut changes };
    let wire = Client.encode(&Call::Speak(request), &mut cx).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&wire.body.to_bytes()).unwrap(), body);
}

#[test]
fn a_whole_sound_is_events_to_who_wants_them() {
    let (spec, memo) = (row("openai"), Memo::default());
    let cx = DecodeCx { spec: &spec, model: "m", memo: &memo };
    let output = Client.decode(Op::Speech, b"abc", &cx).unwrap();
    let events = Server.streamed(&output, &ReplyCx::default()).unwrap();
    let text = std::str::from_utf8(&events).unwrap();
    assert_eq!(
        text,
        "data: {\"type\":\"speech.audio.delta\",\"audio\":\"YWJj\"}\n\ndata: {\"type\":\"speech.audio.done\"}\n\n"
    );
    assert!(Client.decode(Op::Speech, b"", &cx).is_err());
    assert!(Client.decode(Op::Speech, b"{}", &cx).is_err());
    assert_eq!(SpeechRequest::new("a", "b").voice.as_deref(), Some("b"));
}
