//! Other deployments take over, as long as that can help.

use std::time::{Duration, Instant};

use llm_testkit::{Script, Upstream, canned};
use serde_json::json;

use crate::harness::{Gateway, Options, answer, chat, model, model_with, openai, streamed, with};

/// Two upstreams, of which the first is asked first.
pub(crate) struct Pair {
    pub(crate) bad: Upstream,
    pub(crate) good: Upstream,
    pub(crate) gateway: Gateway,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With more configuration.
    pub(crate) fn with(config: &str) -> Self {
        let (bad, good) = (Upstream::start().unwrap(), Upstream::start().unwrap());
        let gateway = Gateway::start(&(model("smart", &[openai(&bad), openai(&good)]) + config));
        Self { bad, good, gateway }
    }

    /// The good one answers whole and streamed.
    pub(crate) fn heal(&self) {
        self.good.on("/v1/chat/completions", answer);
    }

    /// Asserts that the second deployment answers what the first fails with.
    async fn takes_over(&self, failure: Script) {
        for request in [chat("smart"), streamed("smart")] {
            self.bad.clear();
            self.good.clear();
            self.heal();
            self.bad.always(failure.clone());
            // Turn and turn about: of two requests one begins at the first.
            let mut attempts = Vec::new();
            for _ in 0..2 {
                let reply = self.gateway.chat(&request).await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                assert_eq!(reply.header("x-gateway-deployment"), "smart/2");
                assert_eq!(reply.header("content-type").starts_with("text/"), request["stream"] == true);
                attempts.push(reply.header("x-gateway-attempts").to_owned());
            }
            attempts.sort();
            assert_eq!(attempts, ["1", "2"], "{failure:?}");
            assert_eq!((self.bad.requests().len(), self.good.requests().len()), (1, 2));
        }
    }
}

fn error(status: u16) -> Script {
    Script::status(status).json_body(&json!({"error": {"message": "no luck", "type": "x", "code": null}}))
}

#[tokio::test]
async fn failures_of_a_server_move_on() {
    let pair = Pair::with("cooldown = false\n");
    for status in [500, 502, 503, 504, 529, 408, 409] {
        pair.takes_over(error(status)).await;
    }
}

#[tokio::test]
async fn limits_move_on_at_once() {
    let pair = Pair::with("cooldown = false\n");
    let started = Instant::now();
    pair.takes_over(error(429).header("retry-after", "50")).await;
    assert!(started.elapsed() < Duration::from_secs(25), "it waited");
}

#[tokio::test]
async fn faults_of_one_account_move_on() {
    let pair = Pair::with("cooldown = false\n");
    for status in [401, 402, 403, 404] {
        pair.takes_over(error(status)).await;
    }
}

#[tokio::test]
async fn broken_protocols_move_on() {
    let pair = Pair::with("cooldown = false\n");
    pair.takes_over(Script::garbage("no HTTP")).await;
    pair.takes_over(Script::status(200).header("content-type", "text/html").body("<html>")).await;
}

#[tokio::test]
async fn a_refused_connection_moves_on() {
    let mut pair = Pair::new();
    pair.heal();
    pair.bad.stop();
    for _ in 0..4 {
        let reply = pair.gateway.chat(&chat("smart")).await;
        assert_eq!((reply.status, reply.header("x-gateway-deployment")), (200, "smart/2"));
    }
}

#[tokio::test]
async fn a_fault_of_the_request_is_not_tried_elsewhere() {
    let pair = Pair::new();
    for status in [400, 413, 422] {
        for upstream in [&pair.bad, &pair.good] {
            upstream.clear();
            upstream.always(error(status));
        }
        let reply = pair.gateway.chat(&chat("smart")).await;
        reply.error(status).says(&["no luck"]);
        assert_eq!(pair.bad.requests().len() + pair.good.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn when_nobody_answers_every_attempt_is_named() {
    let pair = Pair::with("retries = 1\n");
    pair.bad.always(Script::status(503).json_body(&json!({"error": {"message": "first is down"}})));
    pair.good.always(Script::status(500).json_body(&json!({"error": {"message": "second is broken"}})));
    for request in [chat("smart"), streamed("smart")] {
        let reply = pair.gateway.chat(&request).await;
        assert!([500, 503].contains(&reply.status), "{}", reply.status);
        let error = reply.error(reply.status);
        error.says(&["2 attempts", "smart/1", "smart/2", "503", "500", "first is down", "second is broken"]);
    }
    assert_eq!((pair.bad.requests().len(), pair.good.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_single_deployment_is_asked_again_after_a_pause() {
    let upstream = Upstream::start().unwrap();
    let config = "[router]\nretries = 2\nbackoff = { base = \"40ms\", max = \"80ms\" }\n".to_owned();
    let gateway = Options::config(config + &model("smart", &[openai(&upstream)])).start();
    upstream.push(error(500));
    upstream.push(error(503));
    upstream.push(Script::json(&canned::openai_completion(10)));
    let reply = gateway.chat(&chat("smart")).await;
    assert_eq!((reply.status, reply.header("x-gateway-attempts")), (200, "3"));

    // Not more often than it says.
    upstream.clear();
    upstream.always(error(500));
    let reply = gateway.chat(&chat("smart")).await;
    reply.error(500).says(&["3 attempts", "no luck"]);
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn a_single_deployment_is_left_alone_for_as_long_as_it_asks() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    upstream.push(error(429).header("retry-after", "1"));
    upstream.push(Script::json(&canned::openai_completion(10)));
    let reply = gateway.chat(&chat("smart")).await;
    assert_eq!((reply.status, reply.header("x-gateway-attempts")), (200, "2"));
    let at: Vec<Instant> = upstream.requests().iter().map(|request| request.at).collect();
    let pause = at.last().unwrap().duration_since(*at.first().unwrap());
    assert!(pause >= Duration::from_millis(990), "{pause:?}");
}

#[tokio::test]
async fn a_provider_that_forbids_retries_is_heard() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    upstream.always(error(500).header("x-should-retry", "false"));
    gateway.chat(&chat("smart")).await.error(500);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn the_wait_that_a_provider_asks_for_is_told_to_the_client() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(
        &model("smart", &[openai(&upstream)]).replace("deployments", "retries = 0\ndeployments"),
    );
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    for (asked, told) in [("17", "17"), ("3600", "3600"), ("Sun, 06 Nov 1994 09:49:38 GMT", "3601")] {
        upstream.push(error(429).header(date.0, date.1).header("retry-after", asked));
        let reply = gateway.chat(&chat("smart")).await;
        reply.error(429);
        assert_eq!(reply.header("retry-after"), told, "{asked}");
    }
}

#[tokio::test]
async fn retries_do_not_become_a_storm() {
    let upstream = Upstream::start().unwrap();
    let gateway = Gateway::start(&model("smart", &[openai(&upstream)]));
    upstream.always(error(500));
    for _ in 0..30 {
        gateway.chat(&chat("smart")).await.error(500);
    }
    // Ten retries, and one for every ten requests; without a bound it were sixty.
    let retries = upstream.requests().len() - 30;
    assert!((10..=13).contains(&retries), "{retries}");
}

#[tokio::test]
async fn requests_are_shared_by_weight() {
    let upstreams: Vec<Upstream> = (0..3).map(|_| Upstream::start().unwrap()).collect();
    let weighed = |(upstream, weight): (&Upstream, u32)| {
        upstream.always(Script::json(&canned::openai_completion(10)));
        with(&openai(upstream), &format!("weight = {weight}"))
    };
    let deployments: Vec<String> = upstreams.iter().zip([5, 3, 2]).map(weighed).collect();
    let gateway = Gateway::start(&model("smart", &deployments));
    for _ in 0..100 {
        assert_eq!(gateway.chat(&chat("smart")).await.status, 200);
    }
    let counts: Vec<usize> = upstreams.iter().map(|upstream| upstream.requests().len()).collect();
    assert_eq!(counts, [50, 30, 20]);
}

#[tokio::test]
async fn what_a_caller_names_and_is_not_there_is_no_fault_of_a_deployment() {
    let own = [Upstream::start().unwrap(), Upstream::start().unwrap()];
    let spare = Upstream::start().unwrap();
    spare.on("/v1/chat/completions", answer);
    let group = model_with("smart", "fallbacks = [\"spare\"]\n", &own.each_ref().map(openai));
    let gateway = Gateway::start(&(group + &model("spare", &[openai(&spare)])));
    let item = json!({"message": "Item with id 'rs_1' not found.", "param": "input", "code": null,
        "type": "invalid_request_error"});
    let kept = json!({"message": "Previous response with id 'resp_1' not found.", "param": null,
        "code": "previous_response_not_found", "type": "invalid_request_error"});
    let file = json!({"message": "No such File object: file-1", "param": "id", "code": null,
        "type": "invalid_request_error"});
    for missing in [item, kept, file] {
        own.iter().for_each(|upstream| {
            upstream.always(Script::status(404).json_body(&json!({"error": missing})));
        });
        for _ in 0..2 {
            let reply = gateway.chat(&chat("smart")).await;
            assert_ne!(reply.error(404).code, "model_not_found", "{}", reply.text());
        }
    }
    assert_eq!(own.each_ref().map(|upstream| upstream.requests().len()), [3, 3]);
    own.iter().for_each(|upstream| {
        upstream.clear();
        upstream.on("/v1/chat/completions", answer);
    });
    for _ in 0..2 {
        let reply = gateway.chat(&chat("smart")).await;
        assert_eq!((reply.status, reply.header("x-gateway-attempts")), (200, "1"), "{}", reply.text());
        assert!(reply.header("x-gateway-deployment").starts_with("smart/"));
    }
    assert_eq!(own.each_ref().map(|upstream| upstream.requests().len()), [1, 1]);
    assert_eq!(spare.requests().len(), 0);
}
