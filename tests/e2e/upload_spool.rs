//! Large sound lies in a file while it is worked on: whoever is asked gets all of it, and nothing is left behind.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use llm_providers::form;
use llm_testkit::{Gate, Received, Script, Upstream};
use serde_json::json;

use crate::harness::{
    FAST, Gateway, Options, PATIENCE, Raw, Reply, deployment, failing, gemini, model, model_with,
};
use crate::upload::{At, form, sound};

const SIZE: usize = 3 * 1024 * 1024 + 1;
const KIND: &str = "multipart/form-data; boundary=x";

fn whisper(upstream: &Upstream) -> String {
    deployment("openai/whisper-1", &format!("{}/v1", upstream.url()))
}

/// One that writes down whatever it hears.
fn hears() -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&json!({"text": "Hi.", "usage": {"type": "duration", "seconds": 1}})));
    upstream
}

/// One that keeps large files in `folder`.
fn spooling(folder: &Path, models: &str) -> String {
    format!("{FAST}[server]\nspool = '{}'\n{models}", folder.display())
}

async fn ask(gateway: &Gateway, model: &str, size: usize) -> Reply {
    let call = gateway.post("/v1/audio/transcriptions").header("content-type", KIND);
    call.body(form(model, size, At::First)).send().await
}

/// The file of the form that a provider got.
fn heard(request: &Received) -> Vec<u8> {
    let kind = HeaderValue::from_str(request.header("content-type").unwrap()).unwrap();
    let length = request.header("content-length").expect("it is told how long the form is");
    assert_eq!(length, request.body.len().to_string());
    let fields = form::read(&HeaderMap::from_iter([(CONTENT_TYPE, kind)]), &request.body).unwrap();
    fields.into_iter().find(|field| field.name == "file").expect("a file").file.data.to_vec()
}

/// How many files without a name a process has open.
fn nameless(gateway: &Gateway) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().flatten();
    let targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().ends_with("(deleted)")).count()
}

/// Waits until it has so many of them.
async fn until(gateway: &Gateway, count: usize) {
    let begun = Instant::now();
    while nameless(gateway) != count {
        assert!(begun.elapsed() < PATIENCE, "{} files are open, not {count}", nameless(gateway));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn who_is_asked_next_gets_the_whole_file_again() {
    let (broken, well) = (Upstream::start().unwrap(), hears());
    broken.always(failing(500, "server_error"));
    let folder = tempfile::tempdir().unwrap();
    let ways = [with_weight(&whisper(&broken), 1_000_000), with_weight(&whisper(&well), 1)];
    let gateway = Options::config(spooling(folder.path(), &model("whisper", &ways))).start();
    let reply = ask(&gateway, "whisper", SIZE).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let expect = sound(SIZE);
    assert!(
        heard(&broken.last_request().expect("it was asked first")) == expect,
        "the first got another file"
    );
    assert!(heard(&well.last_request().unwrap()) == expect, "the second got another file");
    until(&gateway, 0).await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something is left in the folder");
}

fn with_weight(deployment: &str, weight: u32) -> String {
    crate::harness::with(deployment, &format!("weight = {weight}"))
}

#[tokio::test]
async fn a_fallback_of_another_dialect_gets_it_as_base64() {
    let (broken, well) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    broken.always(failing(500, "server_error"));
    let said = json!({"content": {"role": "model", "parts": [{"text": "Hi."}]}, "finishReason": "STOP"});
    well.always(Script::json(&json!({"candidates": [said]})));
    let folder = tempfile::tempdir().unwrap();
    let models = [
        model_with("whisper", "fallbacks = [\"gemini\"]", &[whisper(&broken)]),
        model("gemini", &[gemini(&well)]),
    ];
    let gateway = Options::config(spooling(folder.path(), &models.concat())).start();
    let reply = ask(&gateway, "whisper", SIZE).await;
    assert_eq!((reply.status, reply.json()["text"].as_str()), (200, Some("Hi.")), "{}", reply.text());
    assert!(heard(&broken.last_request().expect("it was asked first")) == sound(SIZE));
    let sent = well.last_request().unwrap().json();
    let data = sent["contents"][0]["parts"].as_array().unwrap().iter();
    let data = data.filter_map(|part| part["inlineData"]["data"].as_str()).next().expect("sound");
    assert!(STANDARD.decode(data).unwrap() == sound(SIZE), "it got another file");
    until(&gateway, 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_leaves_no_file() {
    let upstream = hears();
    let folder = tempfile::tempdir().unwrap();
    let gateway = Options::config(spooling(folder.path(), &model("whisper", &[whisper(&upstream)]))).start();
    let body = form("whisper", SIZE, At::First);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut raw = Raw::connect(gateway.addr()).await;
        let length = body.len();
        raw.write(format!(
            "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\ncontent-type: {KIND}\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
        raw.write(body.split_at(2 * length / 3).0).await;
        clients.push(raw);
    }
    until(&gateway, 3).await;
    drop(clients);
    until(&gateway, 0).await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something is left in the folder");
    assert_eq!(upstream.requests().len(), 0, "nobody is asked for half a file");
    gateway.assert_alive().await;
}

#[tokio::test]
async fn without_a_folder_it_is_held_in_memory_and_that_is_told_once() {
    let upstream = hears();
    let nowhere = tempfile::tempdir().unwrap().path().join("nowhere");
    let gateway = Options::config(spooling(&nowhere, &model("whisper", &[whisper(&upstream)]))).start();
    for _ in 0..2 {
        let reply = ask(&gateway, "whisper", SIZE).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(heard(&upstream.last_request().unwrap()) == sound(SIZE));
    }
    gateway.wait_log("held in memory");
    assert_eq!(gateway.logs().matches("held in memory").count(), 1, "{}", gateway.logs());
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_left() {
    let upstream = hears();
    let folder = tempfile::tempdir().unwrap();
    // Files may not grow beyond 2 MiB: blocks have 512 bytes, and whoever does not ignore the signal is killed by it.
    let gateway = Options::config(spooling(folder.path(), &model("whisper", &[whisper(&upstream)])))
        .under("trap '' XFSZ; ulimit -S -f 4096; exec \"$@\"")
        .start();
    for _ in 0..2 {
        let reply = ask(&gateway, "whisper", SIZE).await;
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert_eq!(reply.json()["error"]["code"], "upload_not_stored", "{}", reply.text());
        assert!(reply.text().contains("server.spool"), "{}", reply.text());
        assert!(!reply.text().contains(&folder.path().display().to_string()), "clients need no paths");
    }
    gateway.wait_log("an upload cannot be written");
    until(&gateway, 0).await;
    assert_eq!(upstream.requests().len(), 0, "nobody is asked for half a file");
    // What fits is served: on the disk, and in memory.
    for size in [SIZE / 2, 1000] {
        let reply = ask(&gateway, "whisper", size).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(heard(&upstream.last_request().unwrap()) == sound(size));
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_any_more_is_told() {
    let (broken, other) = (Upstream::start().unwrap(), hears());
    let gate = Gate::new();
    broken.always(failing(500, "server_error").gate_head(&gate));
    let folder = tempfile::tempdir().unwrap();
    let ways = [with_weight(&whisper(&broken), 1_000_000), with_weight(&whisper(&other), 1)];
    let gateway = Options::config(spooling(folder.path(), &model("whisper", &ways))).start();
    let asked = async { ask(&gateway, "whisper", SIZE).await };
    let cut = async {
        assert!(broken.wait_requests(1, PATIENCE).await);
        let open = fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().flatten();
        let is_it =
            |path: &PathBuf| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().ends_with("(deleted)"));
        let file = open.map(|entry| entry.path()).find(is_it).expect("the file is open");
        OpenOptions::new().write(true).open(file).unwrap().set_len(1000).unwrap();
        gate.open();
    };
    let (reply, ()) = tokio::join!(asked, cut);
    assert_eq!(reply.status, 500, "{}", reply.text());
    assert!(reply.text().contains("cannot be read any more"), "{}", reply.text());
    assert_eq!((broken.requests().len(), other.requests().len()), (1, 0), "nobody gets half of it");
    until(&gateway, 0).await;
    gateway.assert_alive().await;
}
