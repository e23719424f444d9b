//! Sound, transcripts, pictures and verdicts: OpenAI's routes in front of providers with words of their own.

use llm_testkit::{End, Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Options, PROVIDER_KEY, Reply, llmctl, model};

const MASTER: &str = "sk-master-of-sound-and-pictures";
const BOUNDARY: &str = "----clientboundary42";

fn at(name: &str, base: &str) -> String {
    format!("{{ model = \"{name}\", api_base = \"{base}\", api_key = \"{PROVIDER_KEY}\" }}")
}

/// A form, in the order of its fields; `file` stands where a text has no value.
fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, text) in fields {
        out.extend_from_slice(format!("--{BOUNDARY}\r\n").as_bytes());
        if *text == "@" {
            let head = format!(
                "Content-Disposition: form-data; name=\"{name}\"; filename=\"talk.wav\"\r\nContent-Type: audio/wav\r\n\r\n"
            );
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(file);
        } else {
            let head = format!("Content-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}");
            out.extend_from_slice(head.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    out
}

async fn send(gateway: &Gateway, path: &str, fields: &[(&str, &str)], file: &[u8]) -> Reply {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    gateway.post(path).header("content-type", &kind).body(form(fields, file)).send().await
}

/// What a provider got, by the names of its fields.
fn fields(upstream: &Upstream) -> Vec<(String, String)> {
    let sent = upstream.last_request().unwrap();
    let kind = sent.header("content-type").unwrap().to_owned();
    let boundary = kind.split("boundary=").nth(1).unwrap().to_owned();
    let text = String::from_utf8_lossy(&sent.body).into_owned();
    let open = format!("--{boundary}");
    let parts = text.split(&open).filter_map(|part| {
        let (head, body) = part.split_once("\r\n\r\n")?;
        let name = head.split("name=\"").nth(1)?.split('"').next()?.to_owned();
        Some((name, body.trim_end_matches("\r\n").to_owned()))
    });
    parts.collect()
}

fn field(fields: &[(String, String)], name: &str) -> Option<String> {
    fields.iter().find(|(field, _)| field == name).map(|(_, text)| text.clone())
}

fn models(upstream: &Upstream) -> String {
    let url = upstream.url();
    let v1 = format!("{url}/v1");
    [
        model("whisper", &[at("openai/whisper-1", &v1)]),
        model("groq", &[at("groq/whisper-large-v3", &format!("{url}/openai/v1"))]),
        model("deepgram", &[at("deepgram/nova-3", &v1)]),
        model("elevenlabs", &[at("elevenlabs/scribe_v1", &url)]),
        model("gemini", &[at("gemini/gemini-2.5-flash", &url)]),
        model("tts", &[at("openai/tts-1", &v1)]),
        model("aura", &[at("deepgram/aura-2", &v1)]),
        model("eleven", &[at("elevenlabs/eleven_v3", &url)]),
        model("gemini-tts", &[at("gemini/gemini-2.5-flash-preview-tts", &url)]),
        model("picture", &[at("openai/gpt-image-1", &v1)]),
        model("grok", &[at("xai/grok-2-image", &v1)]),
        model("core", &[at("stability/core", &url)]),
        model("imagen", &[at("gemini/imagen-4.0-generate-001", &url)]),
        model("mistral", &[at("mistral/mistral-moderation-latest", &v1)]),
        model("moderate", &[at("openai/omni-moderation-latest", &v1)]),
    ]
    .concat()
}

fn heard() -> Script {
    Script::json(&json!({"text": "Hello there. Bye.", "usage": {"type": "duration", "seconds": 6}}))
}

#[tokio::test]
async fn a_transcript_passes_with_its_file() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&models(&upstream));
    upstream.push(heard());
    // The model may come behind the file; what no field names goes along.
    let asked = [("file", "@"), ("chunking_strategy", "auto"), ("model", "whisper"), ("language", "en")];
    let reply = send(&gateway, "/v1/audio/transcriptions", &asked, b"RIFF\r\n--\x00\xff").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["usage"], json!({"type": "duration", "seconds": 6}));
    assert_eq!(reply.header("x-gateway-cost-usd"), "0.0006");
    let sent = upstream.last_request().unwrap();
    assert_eq!(sent.path(), "/v1/audio/transcriptions");
    let got = fields(&upstream);
    for (name, expect) in [("model", "whisper-1"), ("language", "en"), ("chunking_strategy", "auto")] {
        assert_eq!(field(&got, name).as_deref(), Some(expect));
    }
    let raw: &[u8] = b"\r\n\r\nRIFF\r\n--\x00\xff\r\n--";
    assert!(sent.body.windows(raw.len()).any(|window| window == raw), "the file must go as it came");

    // Subtitles are a text, and pass as what they are.
    let srt = "1\n00:00:00,000 --> 00:00:02,500\nHello.\n\n";
    upstream.push(Script::status(200).header("content-type", "text/plain; charset=utf-8").body(srt));
    let asked = [("model", "whisper"), ("response_format", "srt"), ("file", "@")];
    let reply = send(&gateway, "/v1/audio/transcriptions", &asked, b"x").await;
    assert_eq!((reply.text(), reply.header("content-type")), (srt, "text/plain; charset=utf-8"));
    assert_eq!(reply.header("x-gateway-cost-usd"), "0.00025");

    upstream.push(heard());
    let reply = send(&gateway, "/v1/audio/translations", &[("model", "whisper"), ("file", "@")], b"x").await;
    assert_eq!((reply.status, upstream.last_request().unwrap().path()), (200, "/v1/audio/translations"));

    let events = [
        json!({"type": "transcript.text.delta", "delta": "Hello"}),
        json!({"type": "transcript.text.done", "text": "Hello", "usage": {"type": "tokens", "input_tokens": 3, "output_tokens": 2, "total_tokens": 5}}),
    ];
    upstream.push(Script::openai_sse(&events));
    let asked = [("model", "whisper"), ("stream", "true"), ("file", "@")];
    let reply = send(&gateway, "/v1/audio/transcriptions", &asked, b"x").await;
    assert!(
        reply.text().contains("transcript.text.done") && reply.text().contains("[DONE]"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn a_transcript_is_written_in_the_form_that_is_wanted() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&models(&upstream));
    let transcribe = async |model: &str, more: &[(&str, &str)]| {
        let mut asked = vec![("model", model), ("file", "@")];
        asked.extend_from_slice(more);
        send(&gateway, "/v1/audio/transcriptions", &asked, b"RIFFsound").await
    };
    upstream.push(Script::json(&json!({"text": "Hello. Bye.", "duration": 61.5, "language": "english",
        "segments": [{"id": 0, "start": 0.0, "end": 1.5, "text": " Hello."}, {"id": 1, "start": 60.0, "end": 61.25, "text": " Bye."}]})));
    let reply = transcribe("groq", &[("response_format", "srt")]).await;
    assert_eq!(
        reply.text(),
        "1\n00:00:00,000 --> 00:00:01,500\nHello.\n\n2\n00:01:00,000 --> 00:01:01,250\nBye.\n\n"
    );
    assert_eq!(field(&fields(&upstream), "response_format").as_deref(), Some("verbose_json"));

    upstream.push(Script::json(&json!({"metadata": {"duration": 2.5}, "results": {"channels": [{"alternatives": [{"transcript": "Hello there. Bye.",
        "words": [{"word": "hello", "punctuated_word": "Hello", "start": 0.0, "end": 0.5}, {"word": "there", "punctuated_word": "there.", "start": 0.5, "end": 1.0}, {"word": "bye", "punctuated_word": "Bye.", "start": 2.0, "end": 2.5}]}]}]}})));
    let reply = transcribe(
        "deepgram",
        &[("response_format", "verbose_json"), ("diarize", "true"), ("prompt", "p"), ("language", "de")],
    )
    .await;
    let said = reply.json();
    assert_eq!((said["duration"].clone(), said["words"][1]["word"].clone()), (json!(2.5), json!("there.")));
    assert_eq!(
        said["segments"],
        json!([{"id": 0, "start": 0.0, "end": 1.0, "text": "Hello there."}, {"id": 1, "start": 2.0, "end": 2.5, "text": "Bye."}])
    );
    assert_eq!(reply.header("x-gateway-cost-usd"), "0.000179175");
    assert!(reply.header("x-gateway-changes").contains("dropped prompt"), "{:?}", reply.headers);
    let sent = upstream.last_request().unwrap();
    assert_eq!(
        (sent.path(), sent.header("authorization")),
        ("/v1/listen", Some(&*format!("Token {PROVIDER_KEY}")))
    );
    assert_eq!(sent.query(), "model=nova-3&language=de&punctuate=true&utterances=true&diarize=true");
    assert_eq!((&sent.body[..], sent.header("content-type")), (&b"RIFFsound"[..], Some("audio/wav")));

    upstream.push(Script::json(&json!({"language_code": "en", "text": "Hi you", "words": [{"text": "Hi", "type": "word", "start": 0.1, "end": 0.2},
        {"text": " ", "type": "spacing", "start": 0.2, "end": 0.3}, {"text": "you", "type": "word", "start": 0.3, "end": 0.75}]})));
    let reply = transcribe("elevenlabs", &[("response_format", "vtt"), ("num_speakers", "2")]).await;
    assert_eq!(reply.text(), "WEBVTT\n\n00:00:00.100 --> 00:00:00.750\nHi you\n\n");
    let got = fields(&upstream);
    assert_eq!(
        (field(&got, "model_id").as_deref(), field(&got, "num_speakers").as_deref()),
        (Some("scribe_v1"), Some("2"))
    );
    assert_eq!(upstream.last_request().unwrap().header("xi-api-key"), Some(PROVIDER_KEY));

    upstream.push(Script::json(&json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello.\n"}]}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 40, "candidatesTokenCount": 3, "totalTokenCount": 43}})));
    let reply = transcribe("gemini", &[("response_format", "text")]).await;
    assert_eq!((reply.text(), reply.header("content-type")), ("Hello.\n", "text/plain; charset=utf-8"));
    // A whole answer is a stream of one piece to who wants one.
    upstream
        .push(Script::json(&json!({"results": {"channels": [{"alternatives": [{"transcript": "Hi."}]}]}})));
    let reply = transcribe("deepgram", &[("stream", "true")]).await;
    assert!(
        reply.text().starts_with("data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hi.\"}"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn a_form_that_is_no_good_is_refused_and_others_take_over() {
    let (first, second) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let both = [
        at("openai/whisper-1", &format!("{}/v1", first.url())),
        at("deepgram/nova-3", &format!("{}/v1", second.url())),
    ];
    let config = format!(
        "[[models]]\nname = \"both\"\nstrategy = \"round-robin\"\ndeployments = [{}]\n",
        both.join(", ")
    );
    let gateway = Gateway::start(&(config + &models(&first)));
    let check = async |fields: &[(&str, &str)], param: &str| {
        let reply = send(&gateway, "/v1/audio/transcriptions", fields, b"x").await;
        assert_eq!(reply.error(400).param, param, "{fields:?}");
    };
    check(&[("file", "@")], "model").await;
    check(&[("model", "whisper")], "file").await;
    check(&[("model", "whisper"), ("file", "text")], "file").await;
    check(&[("model", "whisper"), ("file", "@"), ("temperature", "warm")], "temperature").await;
    check(&[("model", "gemini"), ("file", "@"), ("response_format", "srt")], "response_format").await;
    let reply = gateway.post("/v1/audio/transcriptions").body("{\"model\":\"whisper\"}").send().await;
    reply.error(400).says(&["multipart/form-data"]);
    let reply = send(&gateway, "/v1/audio/transcriptions", &[("model", "nobody"), ("file", "@")], b"x").await;
    reply.error(404).says(&["nobody"]);

    first.always(Script::status(503).body("{}"));
    second
        .always(Script::json(&json!({"results": {"channels": [{"alternatives": [{"transcript": "Hi."}]}]}})));
    for _ in 0..4 {
        let reply =
            send(&gateway, "/v1/audio/transcriptions", &[("model", "both"), ("file", "@")], b"sound").await;
        assert_eq!((reply.status, reply.json()["text"].clone()), (200, json!("Hi.")), "{}", reply.text());
        assert_eq!(&second.last_request().unwrap().body[..], b"sound");
    }
}

fn say(model: &str, more: &Value) -> String {
    let mut body = json!({"model": model, "input": "Hello world", "voice": "alloy"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

#[tokio::test]
async fn speech_goes_on_as_it_comes() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&models(&upstream));
    let sound = |end| {
        Script::status(200)
            .header("content-type", "audio/mpeg")
            .chunked()
            .chunk(&b"ID3\x00"[..])
            .chunk(&b"\xff\xfb"[..])
            .then(end)
    };
    upstream.push(sound(End::Clean));
    let reply = gateway.post("/v1/audio/speech").body(say("tts", &json!({"speed": 1.5}))).send().await;
    assert_eq!((reply.status, &reply.body[..]), (200, &b"ID3\x00\xff\xfb"[..]));
    assert_eq!(reply.header("content-type"), "audio/mpeg");
    let sent = upstream.last_request().unwrap();
    assert_eq!(
        (sent.path(), sent.json()["model"].clone(), sent.json()["speed"].clone()),
        ("/v1/audio/speech", json!("tts-1"), json!(1.5))
    );

    // A cut stream does not end cleanly.
    upstream.push(sound(End::Reset));
    let cut = gateway.post("/v1/audio/speech").body(say("tts", &json!({}))).try_send().await;
    assert!(cut.is_none(), "what broke off must not look whole: {cut:?}");
    gateway.assert_alive().await;

    upstream.push(sound(End::Clean));
    let reply = gateway
        .post("/v1/audio/speech")
        .body(say("aura", &json!({"voice": "thalia", "response_format": "opus"})))
        .send()
        .await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let sent = upstream.last_request().unwrap();
    assert_eq!(
        (sent.path(), sent.query()),
        ("/v1/speak", "model=aura-2-thalia-en&encoding=opus&container=ogg")
    );
    assert_eq!(sent.json(), json!({"text": "Hello world"}));

    upstream.push(sound(End::Clean));
    let more = json!({"response_format": "pcm", "speed": 1.2, "instructions": "softly"});
    let reply = gateway.post("/v1/audio/speech").body(say("eleven", &more)).send().await;
    assert!(reply.header("x-gateway-changes").contains("instructions"), "{:?}", reply.headers);
    let sent = upstream.last_request().unwrap();
    assert_eq!(
        (sent.path(), sent.query()),
        ("/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM/stream", "output_format=pcm_24000")
    );
    assert_eq!(
        sent.json(),
        json!({"text": "Hello world", "model_id": "eleven_v3", "voice_settings": {"speed": 1.2}})
    );

    // Samples in base64 become a file.
    upstream.push(Script::json(&json!({"candidates": [{"content": {"role": "model", "parts": [{"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": "AQACAA=="}}]}, "finishReason": "STOP"}]})));
    let reply = gateway
        .post("/v1/audio/speech")
        .body(say("gemini-tts", &json!({"response_format": "wav"})))
        .send()
        .await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "audio/wav"), "{:?}", reply.body);
    assert!(reply.body.starts_with(b"RIFF") && reply.body.ends_with(&[1, 0, 2, 0]), "{:?}", reply.body);

    upstream.push(
        Script::status(400)
            .header("content-type", "application/json")
            .body("{\"error\":{\"message\":\"no such voice\"}}"),
    );
    let reply = gateway.post("/v1/audio/speech").body(say("tts", &json!({}))).send().await;
    reply.error(400).says(&["no such voice"]);
    let reply = gateway
        .post("/v1/audio/speech")
        .body("{\"model\":\"aura\",\"input\":\"a\",\"response_format\":\"midi\"}")
        .send()
        .await;
    assert_eq!(reply.error(400).param, "response_format");
}

#[tokio::test]
async fn pictures_are_made_and_changed() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&models(&upstream));
    let made = json!({"created": 7, "data": [{"b64_json": "aGVsbG8="}], "usage": {"input_tokens": 14, "input_tokens_details": {"image_tokens": 0, "text_tokens": 14}, "output_tokens": 272, "total_tokens": 286}});
    upstream.push(Script::json(&made));
    let body = json!({"model": "picture", "prompt": "a red circle", "quality": "low", "size": "1024x1024", "response_format": "b64_json"});
    let reply = gateway.post("/v1/images/generations").body(body.to_string()).send().await;
    assert_eq!((reply.status, reply.json()), (200, made.clone()), "{}", reply.text());
    // 14 tokens at 5 and 272 at 40 dollars a million.
    assert_eq!(reply.header("x-gateway-cost-usd"), "0.01095");
    assert!(reply.header("x-gateway-changes").contains("response_format"), "{:?}", reply.headers);
    assert_eq!(upstream.last_request().unwrap().json()["model"], "gpt-image-1");

    upstream.push(Script::json(&made));
    let asked =
        [("prompt", "make it green"), ("n", "1"), ("image[]", "@"), ("mask", "@"), ("model", "picture")];
    let reply = send(&gateway, "/v1/images/edits", &asked, b"\x89PNG").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let got = fields(&upstream);
    assert_eq!(upstream.last_request().unwrap().path(), "/v1/images/edits");
    for (name, expect) in [("model", "gpt-image-1"), ("prompt", "make it green"), ("n", "1")] {
        assert_eq!(field(&got, name).as_deref(), Some(expect));
    }
    assert!(field(&got, "image").is_some() && field(&got, "mask").is_some(), "{got:?}");

    upstream.push(Script::json(&json!({"data": [{"b64_json": "aGVsbG8=", "mime_type": "image/png"}], "usage": {"cost_in_usd_ticks": 700_000_000}})));
    let body = json!({"model": "grok", "prompt": "a lighthouse", "size": "1792x1024"});
    let reply = gateway.post("/v1/images/generations").body(body.to_string()).send().await;
    assert_eq!(
        upstream.last_request().unwrap().json(),
        json!({"model": "grok-2-image", "prompt": "a lighthouse", "aspect_ratio": "16:9"})
    );
    assert_eq!(
        (reply.header("x-gateway-cost-usd"), reply.json()["data"][0]["b64_json"].clone()),
        ("0.07", json!("aGVsbG8="))
    );

    upstream.push(Script::json(&json!({"image": "aGVsbG8=", "finish_reason": "SUCCESS", "seed": 1})));
    let body = json!({"model": "core", "prompt": "a lighthouse", "size": "1024x1024"});
    let reply = gateway.post("/v1/images/generations").body(body.to_string()).send().await;
    assert_eq!(reply.json()["data"], json!([{"b64_json": "aGVsbG8="}]));
    let got = fields(&upstream);
    assert_eq!(
        (upstream.last_request().unwrap().path(), field(&got, "aspect_ratio").as_deref()),
        ("/v2beta/stable-image/generate/core", Some("1:1"))
    );
    upstream.push(Script::json(&json!({"image": "", "finish_reason": "CONTENT_FILTERED"})));
    let reply = gateway.post("/v1/images/generations").body(body.to_string()).send().await;
    assert_eq!(reply.error(400).code, "content_policy_violation");

    upstream.push(Script::json(&json!({"predictions": [{"bytesBase64Encoded": "YQ==", "mimeType": "image/png"}, {"bytesBase64Encoded": "Yg=="}]})));
    let body = json!({"model": "imagen", "prompt": "a lighthouse", "n": 2, "size": "896x1280"});
    let reply = gateway.post("/v1/images/generations").body(body.to_string()).send().await;
    assert_eq!(reply.json()["data"], json!([{"b64_json": "YQ=="}, {"b64_json": "Yg=="}]));
    let sent = upstream.last_request().unwrap();
    assert_eq!(sent.path(), "/v1beta/models/imagen-4.0-generate-001:predict");
    assert_eq!(
        sent.json(),
        json!({"instances": [{"prompt": "a lighthouse"}], "parameters": {"sampleCount": 2, "aspectRatio": "3:4"}})
    );
}

#[tokio::test]
async fn verdicts_have_one_shape() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&models(&upstream));
    upstream.push(Script::json(&json!({"id": "m1", "model": "mistral-moderation-2411", "results": [{"categories": {"sexual": false, "pii": true}, "category_scores": {"sexual": 0.001, "pii": 0.9}}]})));
    let body = json!({"model": "mistral", "input": ["my number is 1"]}).to_string();
    let reply = gateway.post("/v1/moderations").body(body).send().await;
    assert_eq!(
        reply.json(),
        json!({"id": "m1", "model": "mistral-moderation-2411", "results": [{"flagged": true, "categories": {"sexual": false, "pii": true}, "category_scores": {"sexual": 0.001, "pii": 0.9}}]})
    );
    let found = json!({"id": "modr-1", "model": "omni-moderation-latest", "results": [{"flagged": false, "categories": {"violence/graphic": false}, "category_scores": {"violence/graphic": 1e-6}, "category_applied_input_types": {"violence/graphic": ["text"]}}]});
    upstream.push(Script::json(&found));
    let body = json!({"model": "moderate", "input": "fine"}).to_string();
    let reply = gateway.post("/v1/moderations").body(body).send().await;
    assert_eq!(reply.json(), found);
    assert_eq!(
        upstream.last_request().unwrap().json(),
        json!({"model": "omni-moderation-latest", "input": "fine"})
    );
    let reply = gateway.post("/v1/moderations").body(json!({"model": "moderate"}).to_string()).send().await;
    assert_eq!(reply.error(400).param, "input");
}

#[tokio::test]
async fn everything_is_metered_and_stays_within_its_budget() {
    let upstream = Upstream::start().unwrap();
    let config = format!("[auth]\nmaster_key = \"{MASTER}\"\n")
        + &models(&upstream)
        + "[[keys]]\nname = \"k\"\nkey = \"sk-of-a-listener-with-little-money\"\nbudgets = [{ limit_usd = \"0.003\", window = \"day\" }]\n";
    let gateway = Options::config(config).start();
    let key = "Bearer sk-of-a-listener-with-little-money";
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let transcribe = async |file: &[u8]| {
        let body = form(&[("model", "whisper"), ("file", "@")], file);
        gateway
            .post("/v1/audio/transcriptions")
            .header("authorization", key)
            .header("content-type", &kind)
            .body(body)
            .send()
            .await
    };
    upstream.always(heard());
    for _ in 0..2 {
        let reply = transcribe(b"x").await;
        assert_eq!((reply.status, reply.header("x-gateway-cost-usd")), (200, "0.0006"), "{}", reply.text());
    }
    // A megabyte may be more than an hour.
    transcribe(&vec![0; 1_000_000]).await.error(402).says(&["budget"]);
    assert_eq!(upstream.requests().len(), 2);
    upstream.always(Script::status(200).header("content-type", "audio/mpeg").body("ID3"));
    let speak = async |input: &str| {
        let body = json!({"model": "tts", "input": input, "voice": "alloy"}).to_string();
        gateway.post("/v1/audio/speech").header("authorization", key).body(body).send().await
    };
    // 100 characters are 0.0015 USD; then 0.0003 are left.
    assert_eq!(speak(&"a".repeat(100)).await.status, 200);
    speak(&"a".repeat(100)).await.error(402).says(&["budget"]);
    assert_eq!(speak("short").await.status, 200);
}

#[test]
fn the_command_line_does_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("talk.wav"), b"RIFFsound").unwrap();
    let upstream = Upstream::start().unwrap();
    upstream.push(Script::status(200).header("content-type", "text/plain").body("Hello there.\n"));
    let run = |args: &[&str]| {
        let base = format!("{}/v1", upstream.url());
        llmctl(args).env("OPENAI_API_KEY", PROVIDER_KEY).env("OPENAI_BASE_URL", &base).run()
    };
    let ran = run(&["transcribe", "whisper-1", &file("talk.wav"), "--language", "en"]);
    assert_eq!(ran.good(), "Hello there.\n");
    let got = fields(&upstream);
    assert_eq!(field(&got, "response_format").as_deref(), Some("text"));
    assert_eq!(field(&got, "file").as_deref(), Some("RIFFsound"));

    upstream.push(Script::status(200).header("content-type", "audio/mpeg").body("ID3sound"));
    run(&["speak", "tts-1", "Hello", "--output", &file("hello.mp3")]).good();
    assert_eq!(std::fs::read(file("hello.mp3")).unwrap(), b"ID3sound");
    assert_eq!(
        upstream.last_request().unwrap().json(),
        json!({"model": "tts-1", "input": "Hello", "voice": "alloy"})
    );

    let gateway = Options::args(&["--demo"]).start();
    let url = gateway.url();
    let (wav, png) = (file("talk.wav"), file("dot.png"));
    let through = |args: &[&str]| llmctl(&[args, &["--gateway", &url]].concat()).run();
    let ran = through(&["transcribe", "mock/echo", &wav, "--format", "srt"]);
    assert!(ran.good().contains(" --> 00:00:00,") && ran.good().contains("no model was called"), "{ran:?}");
    let ran = through(&["image", "mock/echo", "a dot", "-n", "2", "--output", &png]);
    assert_eq!(ran.good().lines().count(), 2);
    assert!(std::fs::read(file("dot-2.png")).unwrap().starts_with(b"\x89PNG"));
    let ran = through(&["speak", "mock/echo", "Hello", "--output", &file("said.wav")]);
    ran.good();
    assert!(std::fs::read(file("said.wav")).unwrap().starts_with(b"RIFF"));
    let ran = through(&["moderate", "mock/echo", "Hello"]);
    assert_eq!(
        ran.good().lines().last().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["violence", "0.0000", "no"]
    );
}
