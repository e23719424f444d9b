//! `llmctl speak`, `transcribe`, `image` and `files upload`: sound as it comes, files as they are read, every setting.

use std::fs::File;

use llm_testkit::{Gate, Script, Upstream};
use serde_json::json;

use crate::harness::{Gateway, Llmctl, PROVIDER_KEY, llmctl, model};

fn direct(upstream: &Upstream, args: &[&str]) -> Llmctl {
    let base = format!("{}/v1", upstream.url());
    let with_openai = llmctl(args).env("OPENAI_API_KEY", PROVIDER_KEY).env("OPENAI_BASE_URL", &base);
    with_openai.env("GROQ_API_KEY", PROVIDER_KEY).env("GROQ_API_BASE", &base)
}

#[test]
fn sound_is_written_as_it_comes() {
    let upstream = Upstream::start().unwrap();
    let gate = Gate::new();
    let sound = Script::status(200).header("content-type", "audio/mpeg").chunked().chunk("ID3 the first");
    upstream.push(sound.gate(&gate).chunk(" and the last"));
    let mut going = direct(&upstream, &["speak", "tts-1", "Hello", "--output", "-"]).start();
    going.until("ID3 the first");
    gate.open();
    let ran = going.end();
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), " and the last"), "{ran:?}");

    // What was there before stays where nothing comes.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.mp3");
    std::fs::write(&file, "old").unwrap();
    upstream.push(Script::status(400).json_body(&json!({"error": {"message": "no such voice"}})));
    let args = ["speak", "tts-1", "Hello", "--output", file.to_str().unwrap()];
    direct(&upstream, &args).run().failed(1, &["no such voice"]);
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
}

#[test]
fn a_voice_is_not_made_up_for_others_than_openai() {
    let upstream = Upstream::start().unwrap();
    let sound = || Script::status(200).header("content-type", "audio/wav").body("RIFFsound");
    upstream.push(sound());
    direct(&upstream, &["speak", "groq/playai-tts", "Hello", "--output", "-"]).run().good();
    assert_eq!(upstream.last_request().unwrap().json(), json!({"model": "playai-tts", "input": "Hello"}));
    upstream.push(sound());
    let settings = ["--voice", "ash", "--instructions", "softly", "--speed", "1.25", "--format", "wav"];
    let asked = ["speak", "gpt-4o-mini-tts", "Hello", "--output", "-"];
    direct(&upstream, &[&asked[..], &settings].concat()).run().good();
    let expect = json!({"model": "gpt-4o-mini-tts", "input": "Hello", "voice": "ash", "instructions": "softly",
        "response_format": "wav", "speed": 1.25});
    assert_eq!(upstream.last_request().unwrap().json(), expect);
}

#[test]
fn a_file_of_any_size_is_sent_as_it_is_read() {
    const SIZE: u64 = 70 << 20;
    let upstream = Upstream::start().unwrap();
    let answer =
        json!({"id": "file-1", "bytes": SIZE, "created_at": 1, "filename": "big.jsonl", "purpose": "batch"});
    upstream.push(Script::json(&answer));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.jsonl");
    File::create(&path).unwrap().set_len(SIZE).unwrap();
    let ran = direct(&upstream, &["files", "upload", path.to_str().unwrap(), "--json"]).run();
    ran.good();
    assert_eq!(ran.json()["id"], "file-1");
    let sent = upstream.last_request().unwrap();
    // Its length is told before it: some providers take nothing else.
    let length = sent.header("content-length").map(str::to_owned);
    assert_eq!((sent.path(), length), ("/v1/files", Some(sent.body.len().to_string())));
    assert!(u64::try_from(sent.body.len()).unwrap() > SIZE);
    let head = String::from_utf8_lossy(&sent.body[..600]).into_owned();
    for part in ["name=\"purpose\"\r\n\r\nbatch\r\n", "filename=\"big.jsonl\""] {
        assert!(head.contains(part), "no {part} in {head}");
    }
    direct(&upstream, &["files", "upload", "/no/such.jsonl"]).run().failed(2, &["/no/such.jsonl"]);
}

/// Whether it is part of a form, all of the body, or stands in JSON.
#[test]
fn sound_goes_out_as_each_provider_takes_it() {
    let upstream = Upstream::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.wav");
    std::fs::write(&path, b"RIFFsound").unwrap();
    let path = path.to_str().unwrap();
    let ask = |model: &str, answer: &serde_json::Value| {
        upstream.push(Script::json(answer));
        let ran = llmctl(&["transcribe", model, path]).env("DEEPGRAM_API_KEY", PROVIDER_KEY);
        let ran = ran.env("DEEPGRAM_API_BASE", &format!("{}/v1", upstream.url()));
        let ran = ran.env("GEMINI_API_KEY", PROVIDER_KEY).env("GEMINI_API_BASE", &upstream.url()).run();
        assert_eq!(ran.good(), "Hello there.\n");
        upstream.last_request().unwrap()
    };
    let heard = json!({"metadata": {"duration": 1.0}, "results": {"channels": [{"alternatives": [
        {"transcript": "Hello there.", "words": []}]}]}});
    let sent = ask("deepgram/nova-3", &heard);
    assert_eq!((&*sent.body, sent.header("content-length")), (&b"RIFFsound"[..], Some("9")));
    let heard = json!({"candidates": [{"index": 0, "finishReason": "STOP",
        "content": {"role": "model", "parts": [{"text": "Hello there."}]}}]});
    let sent = ask("gemini/gemini-2.5-flash", &heard);
    assert!(sent.text().contains("UklGRnNvdW5k"), "{}", sent.text());
}

#[test]
fn every_setting_of_a_form_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // Longer than a text may be.
    File::create(file("talk.wav")).unwrap().set_len(65 << 20).unwrap();
    for name in ["dot.png", "mask.png"] {
        std::fs::write(file(name), name).unwrap();
    }
    let upstream = Upstream::start().unwrap();
    let holds = |parts: &[&str]| {
        let sent = upstream.last_request().unwrap();
        let (start, end) =
            (&sent.body[..sent.body.len().min(4096)], &sent.body[sent.body.len().saturating_sub(4096)..]);
        let text = [String::from_utf8_lossy(start), String::from_utf8_lossy(end)].concat();
        for part in parts {
            assert!(text.contains(part), "no {part} in {text}");
        }
    };
    upstream.push(Script::json(&json!({"text": "Hello.", "words": [], "segments": []})));
    let talk = file("talk.wav");
    let args = ["transcribe", "whisper-1", &talk, "--temperature", "0.5", "--format", "verbose_json"];
    direct(&upstream, &[&args[..], &["--granularity", "word", "--granularity", "segment"]].concat())
        .run()
        .good();
    holds(&[
        "name=\"temperature\"\r\n\r\n0.5\r\n",
        "name=\"timestamp_granularities[]\"\r\n\r\nword\r\n",
        "name=\"timestamp_granularities[]\"\r\n\r\nsegment\r\n",
    ]);

    upstream.push(Script::json(&json!({"created": 1, "data": [{"b64_json": "AAAA"}]})));
    let (dot, mask) = (file("dot.png"), file("mask.png"));
    let args = ["image", "gpt-image-1", "a dot", "--image", &dot, "--mask", &mask];
    let args = [&args[..], &["--background", "transparent", "--format", "webp"]].concat();
    direct(&upstream, &args).run().good();
    holds(&["filename=\"dot.png\"", "name=\"mask\"; filename=\"mask.png\""]);
    holds(&["name=\"background\"\r\n\r\ntransparent\r\n", "name=\"output_format\"\r\n\r\nwebp\r\n"]);
    direct(&upstream, &["image", "gpt-image-1", "a dot", "--mask", &mask]).run().failed(2, &["--image"]);
    upstream.push(Script::json(&json!({"created": 1, "data": [{"b64_json": "AAAA"}]})));
    direct(&upstream, &["image", "dall-e-2", "--image", &dot, "--vary", "-n", "2"]).run().good();
    assert_eq!(upstream.last_request().unwrap().path(), "/v1/images/variations");
    holds(&["filename=\"dot.png\"", "name=\"n\"\r\n\r\n2\r\n"]);
    direct(&upstream, &["image", "dall-e-2", "--vary"]).run().failed(2, &["--image"]);
}

#[test]
fn more_pictures_than_one_call_makes_are_asked_for_in_several() {
    let upstream = Upstream::start().unwrap();
    for data in ["YQ==", "Yg=="] {
        let part = json!({"inlineData": {"mimeType": "image/png", "data": data}});
        upstream.push(Script::json(
            &json!({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}),
        ));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.png");
    let args = ["image", "gemini/gemini-2.5-flash-image", "a dot", "-n", "2", "-o", file.to_str().unwrap()];
    let asking = llmctl(&args).env("GEMINI_API_KEY", PROVIDER_KEY).env("GEMINI_API_BASE", &upstream.url());
    asking.run().good();
    let mut made = [std::fs::read(&file).unwrap(), std::fs::read(folder.path().join("a-2.png")).unwrap()];
    made.sort();
    assert_eq!(made, [b"a".to_vec(), b"b".to_vec()]);
}

#[test]
fn what_takes_no_words_is_asked_without() {
    let upstream = Upstream::start().unwrap();
    let made = || Script::json(&json!({"image": "YQ==", "finish_reason": "SUCCESS"}));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.png");
    std::fs::write(&file, b"\x89PNG").unwrap();
    let named = |name: &str| {
        let base = upstream.url();
        let at = format!(
            "{{ model = \"stability/{name}\", api_base = \"{base}\", api_key = \"{PROVIDER_KEY}\" }}"
        );
        model(name, &[at])
    };
    let gateway = Gateway::start(&["remove-background", "search-and-replace"].map(named).concat());
    let image = |args: &[&str]| {
        upstream.push(made());
        let url = gateway.url();
        let args = [&["image"], args, &["--image", file.to_str().unwrap(), "--gateway", &url]].concat();
        llmctl(&args).run().good();
        let sent = upstream.last_request().unwrap();
        (sent.path().to_owned(), String::from_utf8_lossy(&sent.body).into_owned())
    };
    let (path, body) = image(&["remove-background"]);
    assert_eq!(path, "/v2beta/stable-image/edit/remove-background");
    assert!(!body.contains("name=\"prompt\""), "{body}");
    let (_, body) =
        image(&["search-and-replace", "a hat", "--set", "search_prompt=a cap", "--set", "seed=4"]);
    for field in ["name=\"search_prompt\"\r\n\r\na cap\r\n", "name=\"seed\"\r\n\r\n4\r\n"] {
        assert!(body.contains(field), "{field}: {body}");
    }
    llmctl(&["image", "stability/core", "a", "--set", "odd"])
        .env("STABILITY_API_KEY", PROVIDER_KEY)
        .run()
        .failed(2, &["NAME=VALUE"]);
}

#[test]
fn an_order_has_an_id_as_from_a_gateway() {
    let ran = llmctl(&["rerank", "mock/echo", "--query", "a boat", "a boat", "a car", "--json"]).run();
    ran.good();
    assert!(ran.json()["id"].as_str().is_some_and(|id| !id.is_empty()), "{ran:?}");
}
