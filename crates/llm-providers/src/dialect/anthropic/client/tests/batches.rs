//! Batches: their paths, a request in one, how one stands, its answers.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use llm_types::{ErrorKind, Segments};
use serde_json::{Value, json};

use super::super::Client;
use crate::codec::batch::{BatchAnswer, BatchCodec, BatchCounts, BatchPath, BatchStanding};
use crate::codec::{ClientCodec as _, Memo, WireRequest};

fn batches() -> &'static dyn BatchCodec {
    Client.batches().unwrap()
}

fn wire(body: &str) -> WireRequest {
    WireRequest {
        method: Method::POST,
        path: "/v1/messages".to_owned(),
        headers: HeaderMap::new(),
        body: Segments::from(Bytes::copy_from_slice(body.as_bytes())),
        memo: Memo::default(),
    }
}

#[test]
fn paths_lead_to_batches_and_their_answers() {
    let check = |what, expect: &str| assert_eq!(batches().path(what), expect);
    check(BatchPath::Make, "/v1/messages/batches");
    check(BatchPath::List { limit: 100, after: None }, "/v1/messages/batches?limit=100");
    check(BatchPath::List { limit: 1, after: Some("b") }, "/v1/messages/batches?limit=1&after_id=b");
    check(BatchPath::One("b"), "/v1/messages/batches/b");
    check(BatchPath::Cancel("b"), "/v1/messages/batches/b/cancel");
    check(BatchPath::Answers("b"), "/v1/messages/batches/b/results");
}

#[test]
fn a_request_is_framed_as_it_is_and_its_id_is_checked() {
    let one = batches().request("a-1_B", &wire(r#"{"model":"m", "x":1.50}"#)).unwrap();
    let frame = batches().frame();
    let body = [frame.open, std::str::from_utf8(&one).unwrap(), frame.close].concat();
    assert_eq!(body, r#"{"requests":[{"custom_id":"a-1_B","params":{"model":"m", "x":1.50}}]}"#);
    let long = "x".repeat(65);
    for bad in ["", "a b", "a.b", "é", &long] {
        let error = batches().request(bad, &wire("{}")).unwrap_err();
        assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, Some("custom_id")), "{bad}");
    }
    assert!(batches().request(&"x".repeat(64), &wire("{}")).is_ok());
}

#[test]
fn features_of_all_requests_are_named_once() {
    let mut all = HeaderMap::new();
    for betas in ["a,b", "b, c", ""] {
        let mut of = HeaderMap::new();
        of.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if !betas.is_empty() {
            of.insert("anthropic-beta", HeaderValue::from_static(betas));
        }
        batches().join(&mut all, &of).unwrap();
    }
    assert_eq!((&all["anthropic-beta"], all.len()), (&HeaderValue::from_static("a,b,c"), 2));
}

#[test]
fn it_is_read_how_a_batch_stands() {
    let check = |body: Value, expect: BatchStanding| {
        let mut whole = json!({"id": "msgbatch_1", "type": "message_batch", "created_at": "2024-08-20T18:37:24.100435Z",
            "expires_at": "2024-08-21T18:37:24.1Z", "archived_at": null, "ended_at": null,
            "cancel_initiated_at": null, "results_url": null, "request_counts": {"processing": 3, "succeeded": 0,
            "errored": 0, "canceled": 0, "expired": 0}});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        assert_eq!(batches().standing(whole.to_string().as_bytes()).unwrap(), expect, "{body}");
    };
    let (id, created) = ("msgbatch_1".to_owned(), 1_724_179_044);
    let open = BatchStanding {
        id,
        created,
        expires: Some(created + 86_400),
        counts: BatchCounts { open: 3, ..BatchCounts::default() },
        ..BatchStanding::default()
    };
    check(json!({"processing_status": "in_progress"}), open.clone());
    let canceling =
        json!({"processing_status": "canceling", "cancel_initiated_at": "2024-08-20T18:37:25+00:00"});
    check(canceling, BatchStanding { cancelled: Some(created + 1), ..open.clone() });
    let ended = json!({"processing_status": "ended", "ended_at": "2024-08-20T18:37:34Z", "results_url": "https://x/results",
        "request_counts": {"processing": 0, "succeeded": 4, "errored": 3, "canceled": 2, "expired": 1}});
    let counts = BatchCounts { open: 0, answered: 4, failed: 3, cancelled: 2, expired: 1 };
    let over = BatchStanding { is_over: true, ended: Some(created + 10), has_answers: true, counts, ..open };
    check(ended, over);
    for broken in ["[]", "{}", "x", r#"{"id":""}"#] {
        assert_eq!(batches().standing(broken.as_bytes()).unwrap_err().kind, ErrorKind::UpstreamFormat);
    }
}

#[test]
fn answers_are_found_in_their_lines() {
    let read = |result: Value| {
        let line = json!({"custom_id": "a1", "result": result}).to_string();
        let (id, answer) = batches().answer(&line.into()).unwrap();
        assert_eq!(id, "a1");
        answer
    };
    let message = json!({"id": "msg_1", "type": "message", "content": []});
    match read(json!({"type": "succeeded", "message": message})) {
        BatchAnswer::Answered(body) => assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), message),
        other => panic!("{other:?}"),
    }
    assert!(matches!(read(json!({"type": "canceled"})), BatchAnswer::Cancelled));
    assert!(matches!(read(json!({"type": "expired"})), BatchAnswer::Expired));
    let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}});
    match read(json!({"type": "errored", "error": error})) {
        BatchAnswer::Failed(error) => {
            assert_eq!((error.message.as_str(), error.status().as_u16()), ("too long", 400));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(read(json!({"type": "new"})), BatchAnswer::Failed(_)));
    assert!(matches!(read(json!({"type": "succeeded"})), BatchAnswer::Failed(_)));
    assert!(batches().answer(&Bytes::from_static(b"[1]")).is_err());
}
