//! Pictures that a client names by address, for a provider that takes only their bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_testkit::canned::openai_completion;
use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Options, Reply, gemini, model, openai};
use crate::upload::{MEGABYTE, status};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nwhat a picture holds";

/// Takes bytes alone.
fn seeing() -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&json!({
        "candidates": [{"content": {"role": "model", "parts": [{"text": "A lighthouse."}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}})));
    upstream
}

/// A host of pictures: `/a.png` is one, `/on` leads to it.
fn host() -> Upstream {
    let host = Upstream::start().unwrap();
    host.on("/a.png", |_| Script::status(200).header("content-type", "image/png").body(PNG));
    host.on("/page", |_| Script::status(200).header("content-type", "image/png").body("<html>"));
    host.on("/large", |_| Script::status(200).body([PNG, &[0; 4096]].concat()));
    host.on("/half", |_| Script::status(200).body([PNG, &[0; 500]].concat()));
    host.on("/none", |_| Script::status(404));
    host.on("/on", |_| Script::status(302).header("location", "/a.png"));
    host.on("/round", |_| Script::status(302).header("location", "/round"));
    host
}

fn start(settings: &str, models: &str) -> Gateway {
    Options::config(format!("[fetch]\n{settings}\n{models}")).start()
}

async fn ask(gateway: &Gateway, addresses: &[String]) -> Reply {
    let pictures = addresses.iter().map(|url| json!({"type": "image_url", "image_url": {"url": url}}));
    let parts: Vec<Value> =
        [json!({"type": "text", "text": "What is it?"})].into_iter().chain(pictures).collect();
    gateway.chat(&json!({"model": "smart", "messages": [{"role": "user", "content": parts}]})).await
}

#[tokio::test]
async fn a_provider_that_fetches_nothing_gets_the_bytes() {
    let (seeing, host) = (seeing(), host());
    let gateway = start("allow = [\"127.0.0.0/8\"]", &model("smart", &[gemini(&seeing)]));
    let (picture, on) = (format!("{}/a.png", host.url()), format!("{}/on", host.url()));
    let reply = ask(&gateway, &[picture.clone(), on, picture]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = seeing.last_request().unwrap().json();
    let parts = sent["contents"][0]["parts"].as_array().unwrap().clone();
    assert_eq!(parts.len(), 4, "{sent}");
    for part in parts.iter().skip(1) {
        assert_eq!(part["inlineData"], json!({"mimeType": "image/png", "data": STANDARD.encode(PNG)}));
    }
    assert_eq!(host.requests().len(), 3, "each address is read once, and one leads on");
    for request in host.requests() {
        assert!(request.header("authorization").is_none() && request.header("x-goog-api-key").is_none());
    }
}

#[tokio::test]
async fn what_cannot_be_fetched_is_said_and_not_asked_for() {
    let (seeing, host) = (seeing(), host());
    let models = model("smart", &[gemini(&seeing)]);
    let port = host.addr().port();
    let at = |host: &str, path: &str| format!("http://{host}:{port}{path}");
    let open = start("allow = [\"127.0.0.0/8\", \"::1\"]\nmax_bytes = \"1KiB\"", &models);
    for (path, words) in
        [("/page", "no PNG"), ("/large", "1024"), ("/none", "404"), ("/round", "more than 3 times")]
    {
        ask(&open, &[at("127.0.0.1", path)]).await.error(400).says(&[words, path, "cannot be fetched"]);
    }
    let many: Vec<_> = (0..17).map(|nth| at("127.0.0.1", &format!("/{nth}"))).collect();
    ask(&open, &many).await.error(400).says(&["more than 16"]);
    let same = vec![at("127.0.0.1", "/a.png"); 17];
    ask(&open, &same).await.error(400).says(&["more than 16"]);
    let large = vec![at("127.0.0.1", "/half"); 4];
    ask(&open, &large).await.error(400).says(&["together"]);

    let asked = host.requests().len();
    let closed = start("", &models);
    for name in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1"] {
        ask(&closed, &[at(name, "/a.png")]).await.error(400).says(&["cannot be fetched"]);
    }
    // A host that nobody knows is told in the same words as one that is not public. Nobody is asked for so long a name.
    let unknown = format!("{}.test", "x".repeat(64));
    let mut told = Vec::new();
    for name in ["127.0.0.1", "localhost", &unknown] {
        let error = ask(&closed, &[at(name, "/a.png")]).await.error(400);
        told.push(error.message.replace(name, "HOST"));
    }
    assert!(told[0].contains("not known or not public"), "{told:?}");
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    // What may be asked does not lead to what may not.
    host.on("/out", move |_| {
        Script::status(302).header("location", &format!("http://127.0.0.1:{port}/a.png"))
    });
    let named = start("allow = [\"localhost\"]", &models);
    ask(&named, &[at("localhost", "/out")]).await.error(400).says(&["not public"]);
    assert_eq!(host.requests().len() - asked, 1, "only the one that led on was asked");

    let off = start("enabled = false", &models);
    ask(&off, &[at("127.0.0.1", "/a.png")]).await.error(400).says(&["base64"]);
    assert!(seeing.requests().is_empty());
}

#[tokio::test]
async fn who_fetches_by_itself_is_asked_with_the_address() {
    let (seeing, host, other) = (seeing(), host(), Upstream::start().unwrap());
    other.always(Script::json(&openai_completion(20)));
    let gateway = start("", &model("smart", &[gemini(&seeing), openai(&other)]));
    let picture = format!("{}/a.png", host.url());
    // The first in turn fetches nothing and may not be given the bytes.
    let reply = ask(&gateway, std::slice::from_ref(&picture)).await;
    assert_eq!((reply.status, reply.header("x-gateway-deployment")), (200, "smart/2"), "{}", reply.text());
    let sent = other.last_request().unwrap().json();
    assert_eq!(sent["messages"][0]["content"][1]["image_url"]["url"], picture.as_str());
    assert!(host.requests().is_empty() && seeing.requests().is_empty());
}

#[tokio::test]
async fn what_a_conversation_takes_is_counted_too() {
    let (counting, host) = (Upstream::start().unwrap(), host());
    counting.always(Script::json(&json!({"totalTokens": 31})));
    let gateway = start("allow = [\"127.0.0.0/8\"]", &model("smart", &[gemini(&counting)]));
    let picture = json!({"type": "image", "source": {"type": "url", "url": format!("{}/a.png", host.url())}});
    let body = json!({"model": "smart", "messages": [{"role": "user", "content": [picture]}]});
    let reply = gateway.post("/v1/messages/count_tokens").body(body.to_string()).send().await;
    assert_eq!((reply.status, reply.json()["input_tokens"].as_u64()), (200, Some(31)), "{}", reply.text());
    let sent = counting.last_request().unwrap();
    assert!(sent.text().contains(&STANDARD.encode(PNG)), "{}", sent.text());
}

/// What addresses of large pictures may take at most: twice 20 MiB in base64, and as much again.
const LARGE: u64 = 80 * MEGABYTE;

#[tokio::test]
async fn what_is_too_much_together_is_not_held_to_find_that_out() {
    let (seeing, host) = (seeing(), host());
    let large = [PNG, &vec![0; 20 * 1024 * 1024 - PNG.len()]].concat();
    host.on("/huge", move |_| Script::status(200).body(large.clone()));
    let gateway = start("allow = [\"127.0.0.0/8\"]\ntimeout = \"60s\"", &model("smart", &[gemini(&seeing)]));
    let reply = ask(&gateway, &[format!("{}/a.png", host.url())]).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let before = status(gateway.pid(), "VmRSS");
    std::fs::write(format!("/proc/{}/clear_refs", gateway.pid()), "5").unwrap();
    let many: Vec<_> = (0..16).map(|nth| format!("{}/huge?{nth}", host.url())).collect();
    ask(&gateway, &many).await.error(400).says(&["together"]);
    let rise = status(gateway.pid(), "VmHWM").saturating_sub(before);
    println!("{} MB above {} MB", rise / MEGABYTE, before / MEGABYTE);
    assert!(rise < LARGE, "{rise} bytes, {LARGE} are allowed");
}
