//! The load generator against a scripted upstream.

use super::*;
use crate::script::End;
use crate::{Script, Upstream};

fn target(upstream: &Upstream) -> Target {
    Target::post(upstream.addr(), "/v1/x", b"{}")
}

#[tokio::test]
async fn a_closed_loop_reuses_its_connections() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::status(200).body("ok"));
    let report = closed_loop(&target(&upstream), 3, Duration::from_millis(50)).await;
    assert_eq!((report.errors, upstream.connections()), (0, 3), "{:?}", report.first_error);
    assert_eq!(report.requests, upstream.requests().len() as u64);
    assert_eq!(report.latency.len() as u64, report.requests);
    assert!(report.requests > 3 && report.per_second() > 0.0);
}

#[tokio::test]
async fn failures_are_counted_with_their_reason() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::status(429).body("slow down"));
    let report = closed_loop(&target(&upstream), 1, Duration::from_millis(10)).await;
    assert_eq!(report.requests, 0);
    assert_eq!(report.first_error.as_deref(), Some("status 429: slow down"));
    upstream.always(Script::sse(["data: 1\n\n"]).then(End::Truncate));
    let report = closed_loop(&target(&upstream), 1, Duration::from_millis(10)).await;
    assert!(report.requests == 0 && report.errors > 0);
}

#[tokio::test]
async fn a_fixed_rate_does_not_wait_for_replies() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::status(200).delay_head(Duration::from_millis(100)));
    let report = fixed_rate(&target(&upstream), 100, Duration::from_millis(200)).await;
    assert!((15..=22).contains(&report.requests), "{}", report.requests);
    assert!(upstream.connections() > 3, "a second request does not wait for the first");
    assert!(report.latency.percentile(50) >= Duration::from_millis(100));
}

#[tokio::test]
async fn events_and_their_gaps_are_seen() {
    let upstream = Upstream::start().unwrap();
    let gap = Duration::from_millis(30);
    upstream.always(Script::sse(["data: 1\n\n", "data: 2\n\n", "data: 3\n\n", "data: 4\n\n"]).paced(gap));
    let report = closed_loop(&target(&upstream), 1, Duration::from_millis(10)).await;
    assert_eq!((report.requests, report.events, report.gaps.len()), (1, 4, 2), "the first is held");
    assert!(report.gaps.percentile(1) >= Duration::from_millis(25), "{:?}", report.gaps);
}

#[test]
fn events_are_counted_whatever_the_cuts() {
    for text in
        ["data: 1\n\nevent: x\ndata: 2\n\n: note\n\n", "data: 1\r\n\r\ndata: 2\r\n\r\ndata: 3\r\n\r\n"]
    {
        for step in 1..=text.len() {
            let mut events = EventCounter::default();
            text.as_bytes().chunks(step).for_each(|piece| events.read(piece));
            assert_eq!(events.count, 3, "{text:?} by {step}");
        }
    }
}

#[tokio::test]
async fn one_request_returns_its_reply() {
    let upstream = Upstream::start().unwrap();
    upstream.push(Script::status(404).body("none"));
    assert_eq!(once(&target(&upstream)).await.unwrap(), (404, Bytes::from("none")));
}
