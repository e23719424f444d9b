//! Answers that come later: asked for again, streamed from elsewhere, given up.

use llm_testkit::{Gate, Script, Upstream};
use llm_types::chat::{ChatRequest, Message};
use serde_json::{Value, json};

use super::super::*;
use crate::codec::{Asked, ClientCodec as _, EncodeCx};
use crate::dialect::replicate::Client;
use crate::table::ProviderTable;
use crate::target::{Target, TargetOptions};
use crate::transport::{ByteStream, RequestBody, collect};

const MODEL: &str = "replicate/meta/llama";
const CREATE: &str = "/models/meta/llama/predictions";

fn prediction(at: &str, status: &str, output: Value) -> Value {
    json!({"id": "p", "status": status, "output": output,
        "urls": {"get": format!("{at}/get"), "cancel": format!("{at}/cancel"), "stream": format!("{at}/stream")}})
}

async fn call(upstream: &Upstream, stream: bool) -> Result<http::Response<ByteStream>> {
    call_by(&HyperTransport::new(&HyperOptions::default()).unwrap(), upstream, stream).await
}

async fn call_by(
    transport: &dyn Transport,
    upstream: &Upstream,
    stream: bool,
) -> Result<http::Response<ByteStream>> {
    let options = TargetOptions {
        model: MODEL.to_owned(),
        api_base: Some(upstream.url()),
        api_key: Some(llm_types::Secret::new("the-key")),
        ..TargetOptions::default()
    };
    let target = Target::new(&options, ProviderTable::builtin(), &|_| None).unwrap();
    let mut request = ChatRequest::new([Message::user("Hi")]);
    request.delivery.stream = stream;
    let (asked, mut changes) = (Asked::default(), llm_types::Changes::default());
    let mut cx =
        EncodeCx { spec: target.spec(), model: target.model(), asked: &asked, changes: &mut changes };
    let wire = Client.encode(&llm_types::Call::from(request), &mut cx).unwrap();
    let request = target.request(wire).unwrap().map(RequestBody::from);
    transport.send(request).await
}

/// The lines of what was asked for, in order.
fn asked(upstream: &Upstream) -> Vec<String> {
    upstream.requests().iter().map(|one| format!("{} {}", one.method, one.path())).collect()
}

#[tokio::test]
async fn what_is_not_there_yet_is_asked_for_again() {
    let upstream = Upstream::start().unwrap();
    let at = upstream.url();
    upstream.push_for(CREATE, Script::status(201).json_body(&prediction(&at, "starting", Value::Null)));
    upstream.push_for("/get", Script::json(&prediction(&at, "processing", Value::Null)));
    upstream.push_for("/get", Script::status(503).json_body(&json!({"detail": "busy"})));
    upstream.push_for("/get", Script::json(&prediction(&at, "succeeded", json!(["a", "b"]))));
    let answer = call(&upstream, false).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let body: Value = serde_json::from_slice(&collect(answer.into_body(), 1 << 20).await.unwrap()).unwrap();
    assert_eq!(body["output"], json!(["a", "b"]));
    let create = format!("POST {CREATE}");
    assert_eq!(asked(&upstream), [create.as_str(), "GET /get", "GET /get", "GET /get"]);
    for request in upstream.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer the-key"));
    }
    assert_eq!(upstream.requests()[1].header("prefer"), None);
}

#[tokio::test]
async fn a_stream_is_read_where_the_answer_points() {
    let upstream = Upstream::start().unwrap();
    let at = upstream.url();
    upstream.push_for(CREATE, Script::status(201).json_body(&prediction(&at, "starting", Value::Null)));
    upstream
        .push_for("/stream", Script::sse(["event: output\ndata: a\n\n", "event: done\nda", "ta: {}\n\n"]));
    let mut done = prediction(&at, "succeeded", json!(["a"]));
    done["metrics"] = json!({"input_token_count": 5, "output_token_count": 7});
    upstream.push_for("/get", Script::json(&done));
    let answer = call(&upstream, true).await.unwrap();
    let body = collect(answer.into_body(), 1 << 20).await.unwrap();
    // What was counted stands before the end.
    let counted = "event: metrics\ndata: {\"input_token_count\":5,\"output_token_count\":7}\n\n";
    assert_eq!(body, format!("event: output\ndata: a\n\n{counted}event: done\ndata: {{}}\n\n"));
    assert_eq!(upstream.requests()[1].header("accept"), Some("text/event-stream"));
    assert_eq!(asked(&upstream), [&format!("POST {CREATE}"), "GET /stream", "GET /get"]);
}

#[tokio::test]
async fn what_cannot_be_streamed_is_waited_for() {
    let upstream = Upstream::start().unwrap();
    let at = upstream.url();
    upstream.push_for(CREATE, Script::status(201).json_body(&prediction(&at, "starting", Value::Null)));
    upstream.push_for("/stream", Script::status(502).json_body(&json!({"detail": "no stream"})));
    upstream.push_for("/get", Script::json(&prediction(&at, "succeeded", json!(["a"]))));
    let answer = call(&upstream, true).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    assert_eq!(asked(&upstream), [&format!("POST {CREATE}"), "GET /stream", "GET /get"]);
    // Where it cannot be asked for either, it is given up.
    upstream.clear();
    let mut begun = prediction(&at, "starting", Value::Null);
    begun["urls"]["get"] = Value::Null;
    upstream.push_for(CREATE, Script::status(201).json_body(&begun));
    upstream.push_for("/stream", Script::status(502).json_body(&json!({"detail": "no stream"})));
    upstream.push_for("/cancel", Script::json(&json!({})));
    assert_eq!(call(&upstream, true).await.unwrap().status(), 502);
    cancelled(&upstream).await;
}

#[tokio::test]
async fn a_stream_that_ends_too_early_is_canceled() {
    let upstream = Upstream::start().unwrap();
    let at = upstream.url();
    upstream.push_for(CREATE, Script::status(201).json_body(&prediction(&at, "starting", Value::Null)));
    upstream.push_for("/stream", Script::sse(["event: output\ndata: event: done\n\n"]));
    upstream.push_for("/cancel", Script::json(&json!({})));
    let answer = call(&upstream, true).await.unwrap();
    assert_eq!(collect(answer.into_body(), 1 << 20).await.unwrap(), "event: output\ndata: event: done\n\n");
    cancelled(&upstream).await;
}

/// Waits until something is canceled.
async fn cancelled(upstream: &Upstream) {
    for _ in 0..800 {
        if asked(upstream).iter().any(|line| line == "POST /cancel") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("nothing was canceled: {:?}", asked(upstream));
}

#[tokio::test]
async fn whoever_goes_away_before_the_first_answer_cancels_too() {
    let hyper: Box<dyn Transport> = Box::new(HyperTransport::new(&HyperOptions::default()).unwrap());
    let all = [
        hyper,
        #[cfg(feature = "reqwest")]
        Box::new(crate::transport::ReqwestTransport::new().unwrap()),
    ];
    for transport in all {
        let upstream = Upstream::start().unwrap();
        let gate = Gate::new();
        let begun = Script::status(201).json_body(&prediction(&upstream.url(), "starting", Value::Null));
        upstream.push_for(CREATE, begun.gate_head(&gate));
        upstream.push_for("/cancel", Script::json(&json!({})));
        let asking = call_by(&*transport, &upstream, false);
        let left = upstream.wait_requests(1, std::time::Duration::from_secs(20));
        tokio::select! {
            answer = asking => panic!("{:?}", answer.map(|answer| answer.status())),
            there = left => assert!(there),
        }
        gate.open();
        cancelled(&upstream).await;
        assert_eq!(asked(&upstream), [format!("POST {CREATE}"), "POST /cancel".to_owned()]);
        assert_eq!(upstream.last_request().unwrap().header("authorization"), Some("Bearer the-key"));
    }
}

#[tokio::test]
async fn whoever_goes_away_cancels() {
    let upstream = Upstream::start().unwrap();
    let at = upstream.url();
    // While it waits.
    upstream.push_for(CREATE, Script::status(201).json_body(&prediction(&at, "starting", Value::Null)));
    upstream.on("/get", {
        let at = at.clone();
        move |_| Script::json(&prediction(&at, "processing", Value::Null))
    });
    upstream.push_for("/cancel", Script::json(&json!({})));
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(600), call(&upstream, false)).await;
    assert!(waiting.is_err());
    cancelled(&upstream).await;
    // In the middle of a stream.
    upstream.clear();
    let gate = Gate::new();
    upstream.push_for(CREATE, Script::status(201).json_body(&prediction(&at, "starting", Value::Null)));
    let begun = Script::sse(["event: output\ndata: a\n\n"]).gate(&gate).chunk("event: done\ndata: {}\n\n");
    upstream.push_for("/stream", begun);
    upstream.push_for("/cancel", Script::json(&json!({})));
    drop(call(&upstream, true).await.unwrap());
    cancelled(&upstream).await;
    gate.open();
}

#[tokio::test]
async fn no_answer_leads_elsewhere() {
    let upstream = Upstream::start().unwrap();
    for elsewhere in ["http://127.0.0.1:9", "https://evil.example", "file:///etc/passwd", "http://[::1]:9"] {
        let told = prediction(elsewhere, "starting", Value::Null);
        upstream.push_for(CREATE, Script::status(201).json_body(&told));
        let error = call(&upstream, true).await.err().expect("it is not followed");
        assert_eq!(error.kind, ErrorKind::UpstreamFormat, "{elsewhere}: {error}");
    }
    assert!(asked(&upstream).iter().all(|line| line.ends_with(CREATE)), "{:?}", asked(&upstream));
}
