//! What a large upload costs in memory: sound next to nothing, everything else its bytes once and little beside them.

use std::fs;

use llm_testkit::{Script, Upstream};
use serde_json::json;

use crate::harness::{Gateway, PROVIDER_KEY, Raw, deployment, model};

pub(crate) const MEGABYTE: u64 = 1024 * 1024;
const SIZE: usize = 25 * 1024 * 1024;
/// What it may take beside the bytes themselves.
const BESIDE: u64 = 15 * MEGABYTE;
/// What sound may take in all, which lies on the disk.
const SPOOLED: u64 = 12 * MEGABYTE;

/// A line of the process's status, in bytes.
pub(crate) fn status(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Where the file stands in a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    First,
    Last,
}

pub(crate) fn sound(size: usize) -> Vec<u8> {
    (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// A form whose boundary is `x`.
pub(crate) fn form(model: &str, size: usize, at: At) -> Vec<u8> {
    let name = format!("--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n");
    let head = "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n";
    let file = [head.as_bytes(), &sound(size), b"\r\n"].concat();
    let fields = if at == At::First { [&file, name.as_bytes()] } else { [name.as_bytes(), &file] };
    [&fields.concat()[..], b"--x--\r\n"].concat()
}

#[tokio::test]
async fn twenty_five_megabytes_of_sound_are_not_held() {
    let upstream = Upstream::start().unwrap();
    // Gemini's words and OpenAI's, in one answer.
    upstream.always(Script::json(&json!({"text": "Hi.", "usage": {"type": "duration", "seconds": 1},
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi."}]}, "finishReason": "STOP"}]})));
    let at = |name: &str, path: &str| {
        let base = format!("{}{path}", upstream.url());
        format!("{{ model = \"{name}\", api_base = \"{base}\", api_key = \"{PROVIDER_KEY}\" }}")
    };
    let models = [
        model("whisper", &[at("openai/whisper-1", "/v1")]),
        // The sound goes within JSON there, as base64.
        model("router", &[at("openrouter/openai/whisper-1", "/v1")]),
        model("gemini", &[at("gemini/gemini-2.5-flash", "")]),
    ];
    let kind = "multipart/form-data; boundary=x";
    for (model, chunked, at) in [
        ("whisper", false, At::Last),
        ("whisper", true, At::First),
        ("router", false, At::First),
        ("gemini", true, At::Last),
    ] {
        // Another one each: what is free again of earlier uploads would be used.
        let gateway = Gateway::start(&models.concat());
        // Whatever is made once is there.
        let asked = gateway.post("/v1/audio/transcriptions").header("content-type", kind);
        let reply = asked.body(form(model, 1000, at)).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = form(model, SIZE, at);
        let before = status(gateway.pid(), "VmRSS");
        // From here on the peak is counted anew.
        fs::write(format!("/proc/{}/clear_refs", gateway.pid()), "5").unwrap();
        let mut raw = Raw::connect(gateway.addr()).await;
        let framing = match chunked {
            true => "transfer-encoding: chunked".to_owned(),
            false => format!("content-length: {}", body.len()),
        };
        raw.write(format!(
            "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\ncontent-type: {kind}\r\n{framing}\r\n\r\n"
        ))
        .await;
        if chunked {
            for piece in body.chunks(64 * 1024) {
                raw.write(format!("{:x}\r\n", piece.len())).await;
                raw.write(piece).await;
                raw.write("\r\n").await;
            }
            raw.write("0\r\n\r\n").await;
        } else {
            raw.write(&body).await;
        }
        let (head, _) = raw.answer().await;
        assert_eq!(head.status(), Some(200));
        let rise = status(gateway.pid(), "VmHWM").saturating_sub(before);
        println!("{model}, chunked {chunked}: {} MB above {} MB", rise / MEGABYTE, before / MEGABYTE);
        assert!(rise < SPOOLED, "{model}, chunked {chunked}: {rise} bytes, {SPOOLED} are allowed");
        let sent = upstream.last_request().unwrap();
        assert!(sent.body.len() > SIZE, "all of it must reach the provider");
    }
}

/// A file that goes through.
const THROUGH: usize = 64 * 1024 * 1024;

#[tokio::test]
async fn a_file_of_sixty_four_megabytes_is_not_held_at_all() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&json!({"id": "file-1", "object": "file", "filename": "a.jsonl"})));
    let at = format!(
        "{{ model = \"openai/gpt-4o\", api_base = \"{}/v1\", api_key = \"{PROVIDER_KEY}\" }}",
        upstream.url()
    );
    let gateway = Gateway::start(&model("smart", &[at]));
    let line = json!({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
        "body": {"model": "smart", "messages": [{"role": "user", "content": "x".repeat(1000)}]}});
    let line = format!("{line}\n");
    let head = "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
        --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n";
    let form = |size: usize| {
        let lines = line.repeat(size / line.len());
        format!("{head}{lines}\r\n--x--\r\n")
    };
    let kind = "multipart/form-data; boundary=x";
    let reply = gateway.post("/v1/files").header("content-type", kind).body(form(10_000)).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let before = status(gateway.pid(), "VmRSS");
    fs::write(format!("/proc/{}/clear_refs", gateway.pid()), "5").unwrap();
    let reply = gateway.post("/v1/files").header("content-type", kind).body(form(THROUGH)).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let rise = status(gateway.pid(), "VmHWM").saturating_sub(before);
    println!("{} MB above {} MB", rise / MEGABYTE, before / MEGABYTE);
    assert!(rise < BESIDE, "{rise} bytes, {BESIDE} are allowed");
    let sent = upstream.last_request().unwrap();
    assert!(sent.body.len() > THROUGH - 4 * 1024 * 1024, "all of it must reach the provider");
    assert!(sent.text().contains("\"model\":\"gpt-4o\"") && !sent.text().contains("smart"));
}

/// A thousand inputs of ten kilobytes.
const INPUTS: usize = 1000;

#[tokio::test]
async fn a_thousand_inputs_are_held_once() {
    let upstream = Upstream::start().unwrap();
    let vector = json!({"object": "embedding", "index": 0, "embedding": [0.5, 0.25]});
    let answer = json!({"object": "list", "model": "text-embedding-3-small", "data": [vector],
        "usage": {"prompt_tokens": 10, "total_tokens": 10}});
    upstream.always(Script::json(&answer));
    let at = format!(
        "{{ model = \"openai/text-embedding-3-small\", api_base = \"{}/v1\", api_key = \"{PROVIDER_KEY}\" }}",
        upstream.url()
    );
    let gateway = Gateway::start(&model("vectors", &[at]));
    let ask =
        |count: usize| json!({"model": "vectors", "input": vec!["a word ".repeat(1500); count]}).to_string();
    let send = async |body: String| {
        let reply = gateway.post("/v1/embeddings").body(body).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    send(ask(1)).await;
    let body = ask(INPUTS);
    let (size, before) = (u64::try_from(body.len()).unwrap(), status(gateway.pid(), "VmRSS"));
    fs::write(format!("/proc/{}/clear_refs", gateway.pid()), "5").unwrap();
    send(body).await;
    let rise = status(gateway.pid(), "VmHWM").saturating_sub(before);
    println!("{} MB above {} MB for {} MB", rise / MEGABYTE, before / MEGABYTE, size / MEGABYTE);
    assert!(rise < size + BESIDE, "{rise} bytes, {size} and {BESIDE} are allowed");
    assert!(upstream.last_request().unwrap().body.len() as u64 > size / 2);
}

/// What a vector has, for many models.
const NUMBERS: usize = 1536;

#[tokio::test]
async fn a_thousand_inputs_and_their_vectors_are_held_once_in_another_dialect_too() {
    let upstream = Upstream::start().unwrap();
    let numbers: Vec<String> =
        (0..NUMBERS).map(|at| format!("-0.0{:08}", at * 7_919_317 % 99_999_989)).collect();
    let vector = format!("[{}]", numbers.join(","));
    upstream.on("/v2/embed", move |request| {
        let count = request.json()["texts"].as_array().map(Vec::len).unwrap_or_default();
        let vectors = vec![vector.as_str(); count].join(",");
        let body = format!(
            "{{\"id\":\"e\",\"embeddings\":{{\"float\":[{vectors}]}},\"meta\":{{\"billed_units\":{{\"input_tokens\":{count}}}}}}}"
        );
        Script::status(200).header("content-type", "application/json").body(body)
    });
    let at = deployment("cohere/embed-v4.0", &upstream.url());
    let gateway = Gateway::start(&model("vectors", &[at]));
    let ask =
        |count: usize| json!({"model": "vectors", "input": vec!["a word\n".repeat(1500); count]}).to_string();
    let send = async |body: String, count: usize| {
        let reply = gateway.post("/v1/embeddings").body(body).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = reply.text();
        assert_eq!(body.matches("\"embedding\":[").count(), count);
        u64::try_from(body.len()).unwrap()
    };
    send(ask(97), 97).await;
    let body = ask(INPUTS);
    let (size, before) = (u64::try_from(body.len()).unwrap(), status(gateway.pid(), "VmRSS"));
    fs::write(format!("/proc/{}/clear_refs", gateway.pid()), "5").unwrap();
    let answer = send(body, INPUTS).await;
    let rise = status(gateway.pid(), "VmHWM").saturating_sub(before);
    println!(
        "{} MB above {} MB for {} MB and {} MB",
        rise / MEGABYTE,
        before / MEGABYTE,
        size / MEGABYTE,
        answer / MEGABYTE
    );
    let once = size + answer;
    assert!(rise < once + BESIDE, "{rise} bytes, {once} and {BESIDE} are allowed");
}
