//! Failures in the provider's own words, and what is said how.

use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, Call, Changes, ErrorKind, Op, RawValue, SpeechRequest, TranscribeRequest, Upload};
use serde_json::{Value, json};

use super::Client;
use crate::codec::{Asked, ClientCodec as _, EncodeCx};
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
        r#"{"detail":{"status":"invalid_api_key","message":"Invalid API key"}}"#,
        (ErrorKind::Auth, "Invalid API key"),
    );
    check(
        422,
        r#"{"detail":[{"loc":["body","text"],"msg":"field required","type":"missing"}]}"#,
        (ErrorKind::Unprocessable, "field required"),
    );
    check(
        401,
        r#"{"detail":{"status":"quota_exceeded","message":"This request exceeds your quota of 10000."}}"#,
        (ErrorKind::Payment, "your quota"),
    );
    check(404, r#"{"detail":"Not Found"}"#, (ErrorKind::NotFound, "Not Found"));
}

/// What is sent for a request to say something, and what of it is lost.
fn said(speed: Option<f64>, settings: Option<&str>) -> Result<(Value, Vec<String>), ApiError> {
    let spec = ProviderTable::builtin().get("elevenlabs").unwrap().as_ref().clone();
    let mut request = SpeechRequest { speed, ..SpeechRequest::new("Hällo!", "alloy") };
    if let Some(settings) = settings {
        request.extra.set("voice_settings", RawValue::from_string(settings.to_owned()).unwrap());
    }
    let (asked, mut changes) = (Asked::of(Op::Speech), Changes::default());
    let mut cx = EncodeCx { spec: &spec, model: "eleven_v3", asked: &asked, changes: &mut changes };
    let wire = Client.encode(&Call::Speak(Box::new(request)), &mut cx)?;
    let used = wire.memo.used().unwrap();
    assert_eq!((used.units.characters, used.total_tokens(), used.estimated), (6, 0, false));
    let body: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
    let lost = changes.list().iter().map(|change| format!("{} {}", change.path, change.why)).collect();
    Ok((body["voice_settings"].clone(), lost))
}

#[test]
fn the_speed_is_one_of_the_voices_settings() {
    let check = |speed, settings, expect: Value, lost: &[&str]| {
        assert_eq!(said(speed, settings).unwrap(), (expect, lost.iter().map(ToString::to_string).collect()));
    };
    check(None, None, Value::Null, &[]);
    check(Some(1.1), None, json!({"speed": 1.1}), &[]);
    let own = Some(r#"{"stability":0.5,"style":0.1}"#);
    check(None, own, json!({"stability": 0.5, "style": 0.1}), &[]);
    check(Some(1.1), own, json!({"speed": 1.1, "stability": 0.5, "style": 0.1}), &[]);
    let named = Some(r#"{"speed":0.9}"#);
    check(Some(0.9), named, json!({"speed": 0.9}), &[]);
    check(Some(1.1), named, json!({"speed": 0.9}), &["speed `voice_settings` names another: 0.9"]);
    assert_eq!(said(None, Some("7")).unwrap_err().param.as_deref(), Some("voice_settings"));
}

#[test]
fn what_is_paid_is_said_once() {
    let spec = ProviderTable::builtin().get("elevenlabs").unwrap().as_ref().clone();
    let mut request = SpeechRequest::new("Hi", "alloy");
    for (name, value) in [("text", "\"a long one\""), ("model_id", "\"dear\""), ("seed", "1")] {
        request.extra.set(name, RawValue::from_string(value.to_owned()).unwrap());
    }
    let (asked, mut changes) = (Asked::of(Op::Speech), Changes::default());
    let mut cx = EncodeCx { spec: &spec, model: "eleven_v3", asked: &asked, changes: &mut changes };
    let wire = Client.encode(&Call::Speak(Box::new(request)), &mut cx).unwrap();
    let body = wire.body.to_bytes();
    assert_eq!(&*body, br#"{"text":"Hi","model_id":"eleven_v3","seed":1}"#);
    let lost: Vec<_> = changes.list().iter().map(|change| change.path.to_string()).collect();
    assert_eq!(lost, ["text", "model_id"]);
}

#[test]
fn sound_is_heard_by_the_model_that_is_paid_and_answered_here() {
    let spec = ProviderTable::builtin().get("elevenlabs").unwrap().as_ref().clone();
    let heard = |fields: &[(&str, &str)]| {
        let mut request = TranscribeRequest::new(Upload::new("a.wav", "RIFF"));
        request.fields = fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let (asked, mut changes) = (Asked::of(Op::Transcribe), Changes::default());
        let mut cx = EncodeCx { spec: &spec, model: "scribe_v1", asked: &asked, changes: &mut changes };
        let wire = Client.encode(&Call::Transcribe(Box::new(request)), &mut cx)?;
        let fields = crate::form::read(&wire.headers, &wire.body.to_bytes()).unwrap();
        let names: Vec<String> = fields.into_iter().map(|field| field.name).collect();
        Ok::<_, ApiError>((names, changes.list().len()))
    };
    let (names, lost) = heard(&[("model_id", "dear"), ("diarize", "true")]).unwrap();
    assert_eq!((names, lost), (["model_id", "diarize", "file"].map(str::to_owned).to_vec(), 1));
    for name in ["webhook", "callback"] {
        let refused = heard(&[(name, "true")]).unwrap_err();
        assert_eq!((refused.kind, refused.param.as_deref()), (ErrorKind::BadRequest, Some(name)));
    }
}
