//! Speech in events: each piece goes out as it comes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_testkit::{End, Gate, Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, model};

fn at(name: &str, base: &str) -> String {
    format!("{{ model = \"{name}\", api_base = \"{base}\", api_key = \"{PROVIDER_KEY}\" }}")
}

fn asked(model: &str) -> String {
    json!({"model": model, "input": "Hello world", "voice": "alloy", "stream_format": "sse"}).to_string()
}

fn sound(gate: &Gate, kind: &str) -> Script {
    Script::status(200)
        .header("content-type", kind)
        .chunked()
        .chunk(&b"ID3\x00"[..])
        .gate(gate)
        .chunk(&b"\xff\xfb"[..])
}

/// The events of a stream.
fn events(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The sound in events.
fn said(events: &[Value]) -> Vec<u8> {
    let pieces = events.iter().filter(|event| event["type"] == "speech.audio.delta");
    pieces.flat_map(|event| STANDARD.decode(event["audio"].as_str().unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn sound_in_events_goes_on_as_it_comes() {
    let upstream = Upstream::start().unwrap();
    let url = upstream.url();
    let gateway = Gateway::start(
        &[
            model("tts", &[at("openai/tts-1", &format!("{url}/v1"))]),
            model("aura", &[at("deepgram/aura-2", &format!("{url}/v1"))]),
            model("eleven", &[at("elevenlabs/eleven_v3", &url)]),
        ]
        .concat(),
    );
    for (model, kind) in
        [("tts", "audio/mpeg"), ("aura", "audio/mpeg"), ("eleven", "application/octet-stream")]
    {
        let gate = Gate::new();
        upstream.push(sound(&gate, kind));
        let mut reply = gateway.post("/v1/audio/speech").body(asked(model)).open().await;
        let mut text = String::new();
        // The rest of the sound is not there yet.
        while said(&events(&text)) != b"ID3\x00" {
            text.push_str(std::str::from_utf8(&reply.chunk().await.unwrap()).unwrap());
        }
        gate.open();
        while let Some(chunk) = reply.chunk().await {
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let events = events(&text);
        assert_eq!(said(&events), b"ID3\x00\xff\xfb", "{model}: {text}");
        assert_eq!(events.last().unwrap()["type"], "speech.audio.done", "{model}: {text}");
    }
    // What breaks off says so.
    upstream.push(
        Script::status(200)
            .header("content-type", "audio/mpeg")
            .chunked()
            .chunk(&b"ID3"[..])
            .then(End::Reset),
    );
    let reply = gateway.post("/v1/audio/speech").body(asked("tts")).open().await.whole().await;
    assert!(reply.text().contains("\"error\"") && !reply.text().contains("audio.done"), "{}", reply.text());
}
