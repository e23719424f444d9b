//! Failures in the provider's own words, and what is heard.

use http::{HeaderMap, StatusCode};
use llm_types::{Call, Changes, ErrorKind, Op, Output, SpeechRequest, TranscribeRequest, Transcript, Upload};
use serde_json::{Value, json};

use super::Client;
use crate::codec::{Asked, ClientCodec as _, DecodeCx, EncodeCx};
use crate::table::ProviderTable;

#[test]
fn failures_are_told_in_its_words() {
    let check = |status: u16, body: &str, expect: (ErrorKind, &str)| {
        let status = StatusCode::from_u16(status).unwrap();
        let error = Client.decode_error(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!((error.kind, error.message.contains(expect.1)), (expect.0, true), "{error:?}");
    };
    check(
        401,
        r#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"1"}"#,
        (ErrorKind::Auth, "Invalid credentials"),
    );
    check(
        400,
        r#"{"category":"INVALID_JSON","message":"Bad body","details":"line 1","request_id":"1"}"#,
        (ErrorKind::BadRequest, "Bad body: line 1"),
    );
    check(502, "<html>", (ErrorKind::BadGateway, ""));
}

/// What is read of an answer to a request in this language.
fn heard(language: Option<&str>, answer: &Value) -> Transcript {
    let spec = ProviderTable::builtin().get("deepgram").unwrap().as_ref().clone();
    let language = language.map(str::to_owned);
    let request =
        TranscribeRequest { language, ..TranscribeRequest::new(Upload::new("a.wav", &b"RIFF"[..])) };
    let (asked, mut changes) = (Asked::of(Op::Transcribe), Changes::default());
    let mut cx = EncodeCx { spec: &spec, model: "nova-3", asked: &asked, changes: &mut changes };
    let wire = Client.encode(&Call::Transcribe(Box::new(request)), &mut cx).unwrap();
    let cx = DecodeCx { spec: &spec, model: "nova-3", memo: &wire.memo };
    match Client.decode(Op::Transcribe, answer.to_string().as_bytes(), &cx).unwrap() {
        Output::Transcript(transcript) => *transcript,
        other => panic!("{other:?}"),
    }
}

#[test]
fn channels_that_are_apart_are_all_told_and_paid() {
    let word = |word: &str, start: f64| json!({"punctuated_word": word, "start": start, "end": start + 0.5});
    let channel = |text: &str, words: Value| json!({"alternatives": [{"transcript": text, "words": words}]});
    let answer = json!({"metadata": {"duration": 4.0, "channels": 2}, "results": {"channels": [
        channel("Hello. Fine.", json!([word("Hello.", 0.0), word("Fine.", 2.0)])),
        channel("How are you?", json!([word("How", 1.0), word("are", 1.2), word("you?", 1.4)])),
    ], "utterances": [{"transcript": "Hello.", "start": 0.0, "end": 0.5, "channel": 0},
        {"transcript": "How are you?", "start": 1.0, "end": 1.9, "channel": 1, "speaker": 3}]}});
    let told = heard(None, &answer);
    assert_eq!(told.text, "Channel 0: Hello. Fine.\nChannel 1: How are you?");
    let words: Vec<_> =
        told.words.iter().map(|one| (one.text.as_str(), one.speaker.as_deref().unwrap())).collect();
    let (one, two) = ("channel 0", "channel 1");
    assert_eq!(words, [("Hello.", one), ("How", two), ("are", two), ("you?", two), ("Fine.", one)]);
    let who: Vec<_> = told.segments.iter().map(|one| one.speaker.as_deref().unwrap()).collect();
    assert_eq!(who, ["channel 0", "channel 1, speaker 3"]);
    // Each is listened to for as long as the sound is.
    assert_eq!((told.duration, told.usage.unwrap().units.input_audio_ms), (Some(4.0), 8_000));
}

#[test]
fn the_language_is_what_was_heard_or_asked_for() {
    let check = |asked: Option<&str>, detected: Option<&str>, several: &[&str], expect: Option<&str>| {
        let mut channel = json!({"alternatives": [{"transcript": "x", "languages": several}]});
        if let Some(detected) = detected {
            channel["detected_language"] = detected.into();
        }
        let told = heard(asked, &json!({"results": {"channels": [channel]}}));
        assert_eq!(told.language.as_deref(), expect, "{asked:?} {detected:?} {several:?}");
    };
    check(Some("de"), None, &[], Some("de"));
    check(Some("de"), Some("fr"), &[], Some("fr"));
    check(Some("multi"), None, &["es", "en"], Some("es"));
    check(Some("multi"), None, &[], None);
    check(None, None, &[], Some("en"));
}

#[test]
fn a_voice_does_not_lead_to_another_model() {
    let spec = ProviderTable::builtin().get("deepgram").unwrap().as_ref().clone();
    let asked = Asked::of(Op::Speech);
    let check = |model: &str, voice: &str, expect: Option<(&str, bool)>| {
        let mut changes = Changes::default();
        let mut cx = EncodeCx { spec: &spec, model, asked: &asked, changes: &mut changes };
        let call = Call::Speak(Box::new(SpeechRequest::new("a", voice)));
        let path = Client.encode(&call, &mut cx).map(|wire| wire.path.to_string());
        let told = changes.list().iter().any(|change| change.path == "voice");
        let got = path.ok().map(|path| (path.split(['=', '&']).nth(1).unwrap_or_default().to_owned(), told));
        assert_eq!(got, expect.map(|(model, told)| (model.to_owned(), told)), "{model} {voice}");
    };
    check("aura-2", "thalia", Some(("aura-2-thalia-en", false)));
    check("aura-2", "aura-2-apollo-en", Some(("aura-2-apollo-en", false)));
    check("aura", "asteria", Some(("aura-asteria-en", false)));
    check("aura-2-thalia-en", "aura-2-thalia-en", Some(("aura-2-thalia-en", false)));
    check("aura-2-thalia-en", "aura-2-apollo-en", Some(("aura-2-thalia-en", true)));
    check("aura", "aura-2-apollo-en", None);
    check("aura", "2-apollo", None);
    check("aura-2", "aura-asteria-en", None);
}

#[test]
fn speech_is_counted_by_characters() {
    let spec = ProviderTable::builtin().get("deepgram").unwrap().as_ref().clone();
    let (asked, mut changes) = (Asked::of(Op::Speech), Changes::default());
    let mut cx = EncodeCx { spec: &spec, model: "aura-2", asked: &asked, changes: &mut changes };
    let call = Call::Speak(Box::new(SpeechRequest::new("Hällo!", "thalia")));
    let wire = Client.encode(&call, &mut cx).unwrap();
    let used = wire.memo.used().unwrap();
    assert_eq!((used.units.characters, used.total_tokens(), used.estimated), (6, 0, false));
}

#[test]
fn an_address_beside_a_file_is_told() {
    let spec = ProviderTable::builtin().get("deepgram").unwrap();
    let asked = Asked::of(Op::Transcribe);
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec, model: "nova-3", asked: &asked, changes: &mut changes };
    let fields = vec![("url".to_owned(), "https://a.example/talk.wav".to_owned())];
    let both = TranscribeRequest { fields, ..TranscribeRequest::new(Upload::new("a.wav", "RIFF")) };
    Client.encode(&Call::Transcribe(Box::new(both)), &mut cx).unwrap();
    assert!(changes.header().contains("dropped url"), "{}", changes.header());
}
