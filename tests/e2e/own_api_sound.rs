//! Sound at the own APIs of Deepgram and ElevenLabs: paid as the same through our own routes.

use llm_testkit::Script;
use serde_json::{Value, json};

use crate::own_api_usage::{Stand, dollars};

/// Model and dollars, to a hundred thousandth.
fn paid(row: &Value) -> (String, String) {
    (row["model"].as_str().unwrap_or_default().to_owned(), format!("{:.5}", dollars(row)))
}

fn is(model: &str, dollars: &str) -> (String, String) {
    (model.to_owned(), dollars.to_owned())
}

fn sound() -> Script {
    Script::status(200).header("content-type", "audio/mpeg").body(vec![1; 3000])
}

/// A form with sound, and fields behind it.
fn form(fields: &[(&str, &str)]) -> Vec<u8> {
    let file = "Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"";
    let mut body = format!("--b\r\n{file}\r\nContent-Type: audio/mpeg\r\n\r\nID3\r\n");
    for (name, value) in fields {
        body += &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    (body + "--b--\r\n").into_bytes()
}

const FORM: &str = "multipart/form-data; boundary=b";

#[tokio::test]
async fn deepgram_is_paid_by_seconds_and_characters() {
    let stand = Stand::start().await;
    let heard = |channels: usize| {
        let channel = json!({"alternatives": [{"transcript": "Hello.", "confidence": 0.9}]});
        Script::json(&json!({"metadata": {"request_id": "r", "duration": 60.0, "channels": channels},
            "results": {"channels": vec![channel; channels]}}))
    };
    // 0.00007167 dollars a second.
    stand.upstream.always(heard(1));
    let path = "/v1/deepgram/listen?model=nova-3&smart_format=true";
    let found = stand.row_of(path, "audio/wav", vec![0; 2000]).await;
    assert_eq!(paid(&found), is("ears", "0.00430"), "{found}");
    assert_eq!(stand.upstream.last_request().unwrap().body.len(), 2000);
    // Each channel that is written down for itself.
    stand.upstream.always(heard(2));
    let body = json!({"url": "https://a.example/sound.wav"});
    let found = stand.row(&format!("{path}&multichannel=true"), &body).await;
    assert_eq!(paid(&found), is("ears", "0.00860"), "{found}");

    stand.upstream.always(sound());
    let body = json!({"text": "a".repeat(1000)});
    let found = stand.row("/v1/deepgram/v1/speak?model=aura-2-thalia-en", &body).await;
    assert_eq!(paid(&found), is("mouth", "0.03000"), "{found}");
}

#[tokio::test]
async fn elevenlabs_is_paid_by_characters_and_seconds() {
    let stand = Stand::start().await;
    // 0.00018 dollars a character; a body that names no model means this one.
    stand.upstream.always(sound());
    let named = json!({"text": "a".repeat(1000), "model_id": "eleven_multilingual_v2"});
    for (path, body) in [
        ("/v1/elevenlabs/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM", named),
        (
            "/v1/elevenlabs/v1/text-to-speech/voice/stream?output_format=mp3",
            json!({"text": "a".repeat(1000)}),
        ),
    ] {
        let found = stand.row(path, &body).await;
        assert_eq!(paid(&found), is("teller", "0.18000"), "{path}: {found}");
    }

    // The model is in the form, behind the sound. 0.0000611 dollars a second.
    let path = "/v1/elevenlabs/v1/speech-to-text";
    let said = json!({"language_code": "en", "text": "Hello.", "audio_duration_secs": 100.0, "words": []});
    stand.upstream.always(Script::json(&said));
    let found = stand.row_of(path, FORM, form(&[("model_id", "scribe_v1"), ("diarize", "true")])).await;
    assert_eq!(format!("{:.5}", dollars(&found)), "0.00611", "{found}");
    // Where the length is not told, the end of the last word stands for it.
    let word = json!({"text": "Hello.", "start": 49.0, "end": 50.0, "type": "word"});
    stand.upstream.always(Script::json(&json!({"text": "Hello.", "words": [word]})));
    let found = stand.row_of(path, FORM, form(&[("model_id", "scribe_v1")])).await;
    assert_eq!(format!("{:.5}", dollars(&found)), "0.00305", "{found}");
}

#[tokio::test]
async fn forms_of_openais_are_paid_by_the_model_that_they_name() {
    let stand = Stand::start().await;
    let said = json!({"text": "Hello.", "usage": {"type": "duration", "seconds": 50}});
    stand.upstream.always(Script::json(&said));
    let part = "Content-Disposition: form-data;";
    let body = format!(
        "--b\r\n{part} name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\n{part} name=\"file\"; filename=\"a.mp3\"\r\n\r\nID3\r\n--b--\r\n"
    );
    let path = "/v1/openai/audio/transcriptions";
    let found = stand.row_of(path, "multipart/form-data; boundary=b", body.into_bytes()).await;
    // 0.0001 dollars a second.
    assert_eq!(format!("{:.4}", dollars(&found)), "0.0050", "{found}");
}

#[tokio::test]
async fn an_answer_that_goes_elsewhere_is_no_hard_budget_s() {
    let stand = Stand::start().await;
    stand.upstream.always(Script::json(&json!({"request_id": "r"})));
    let listen = "/v1/deepgram/listen?model=nova-3&callback=https://a.example";
    let body = json!({"url": "https://a.example/sound.wav"}).to_string().into_bytes();
    let scribe = "/v1/elevenlabs/v1/speech-to-text";
    let webhook = form(&[("model_id", "scribe_v1"), ("webhook", "true")]);
    let json = |path| (path, "application/json", body.clone(), "callback");
    for (path, kind, body, member) in [
        json(listen),
        json("/v1/deepgram/listen/?model=nova-3&callback=https://a.example"),
        json("/v1/deepgram/list%65n?model=nova-3&callback=https://a.example"),
        json("/v1/deepgram/listen%2F?model=nova-3&%63allback=https://a.example"),
        (scribe, FORM, webhook.clone(), "webhook"),
        ("/v1/elevenlabs/v1/speech-to-text/", FORM, webhook, "webhook"),
    ] {
        let reply = stand.call(path, kind, body).await;
        assert_eq!(reply.status, 400, "{path}: {}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!(
            (&error["param"], &error["code"]),
            (&json!(member), &json!("answered_elsewhere")),
            "{error}"
        );
    }
    assert!(stand.rows().await.iter().all(|row| dollars(row) == 0.0), "{:?}", stand.rows().await);
    let found = stand.row_of(scribe, FORM, form(&[("model_id", "scribe_v1"), ("webhook", "false")])).await;
    assert_eq!(found["served_model"], "scribe_v1", "{found}");
}

#[tokio::test]
async fn an_answer_that_goes_elsewhere_is_booked_as_what_is_not_known() {
    let listen = "/v1/deepgram/listen?model=nova-3&callback=https://a.example";
    for (pass_through, expect, incomplete) in
        [("", "0.00000", true), ("reserve_usd = \"0.40\"", "0.40000", false)]
    {
        let stand = Stand::start_for(false, pass_through).await;
        stand.upstream.always(Script::json(&json!({"request_id": "r"})));
        let found = stand.row(listen, &json!({"url": "https://a.example/sound.wav"})).await;
        assert_eq!(paid(&found), is("ears", expect), "{found}");
        assert_eq!(found["unpriced"], incomplete, "{found}");
    }
}

#[tokio::test]
async fn a_transcript_that_cannot_be_read_is_paid() {
    for hard in [false, true] {
        let stand = Stand::start_for(hard, "").await;
        stand.upstream.always(Script::status(200).header("content-type", "application/json").body("{\"oh"));
        let reply = stand.call("/v1/audio/transcriptions", FORM, form(&[("model", "ears")])).await;
        assert_eq!(reply.status, 500, "{}", reply.text());
        let rows = stand.rows().await;
        assert!(!rows.is_empty() && rows.iter().all(|row| dollars(row) > 0.0), "{hard}: {rows:?}");
    }
}
