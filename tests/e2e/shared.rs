//! Several gateways and one Redis.

use std::time::Duration;

use llm_testkit::{Redis, Script, Upstream, canned};
use serde_json::json;

use crate::harness::{FAST, Gateway, Options, PATIENCE, chat, model, openai};

fn too_many() -> Script {
    let body = json!({"error": {"message": "slow down", "type": "x", "code": null}});
    Script::status(429).header("retry-after", "600").json_body(&body)
}

/// A gateway that is connected.
fn start(config: &str) -> Gateway {
    let gateway = Options::config(config).start();
    gateway.wait_log("Redis is there");
    gateway
}

/// Two gateways with the same deployments, of which the first has nothing left.
struct Pair {
    limited: Upstream,
    config: String,
    one: Gateway,
    two: Gateway,
    _second: Upstream,
}

impl Pair {
    fn new(redis: &Redis) -> Self {
        let (limited, second) = (Upstream::start().unwrap(), Upstream::start().unwrap());
        limited.always(too_many());
        second.always(Script::json(&canned::openai_completion(10)));
        let models = model("smart", &[openai(&limited), openai(&second)]);
        let config = format!("{FAST}[redis]\nurl = \"{}\"\n{models}", redis.url());
        let (one, two) = (start(&config), start(&config));
        Self { limited, config, one, two, _second: second }
    }

    /// The first gateway finds out.
    async fn one_finds_out(&self) {
        for _ in 0..2 {
            assert_eq!(self.one.chat(&chat("smart")).await.status, 200);
        }
        assert_eq!(self.limited.requests().len(), 1, "once, then it cools down");
    }

    /// Waits until the second gateway leaves it alone, which it has been told to.
    async fn two_knows(&self) {
        let asked = || self.limited.requests().len();
        let quiet = async {
            loop {
                let before = asked();
                for _ in 0..4 {
                    assert_eq!(self.two.chat(&chat("smart")).await.status, 200);
                }
                if asked() == before {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, quiet).await.expect("it is left alone in time");
    }
}

#[tokio::test]
async fn what_one_gateway_finds_out_the_others_know() {
    let redis = Redis::start().unwrap();
    let pair = Pair::new(&redis);
    let mut told = redis.subscribe("gateway:cooldowns:v1").unwrap();
    pair.one_finds_out().await;
    // The news is out; the other gateway got it at the same moment as we do.
    let message = tokio::task::spawn_blocking(move || told.message().unwrap()).await.unwrap();
    assert!(message.contains("\"id\":\"smart/1\"") && message.contains("\"left_ms\":"), "{message}");
    pair.two_knows().await;
    // At most the request that came before the news.
    assert!(pair.limited.requests().len() <= 2, "{}", pair.limited.requests().len());
    // A gateway that starts later knows it, too.
    let late = start(&pair.config);
    let before = pair.limited.requests().len();
    for _ in 0..4 {
        assert_eq!(late.chat(&chat("smart")).await.status, 200);
    }
    assert_eq!(pair.limited.requests().len(), before);
}

#[tokio::test]
async fn a_rate_limit_with_nothing_left_is_told_and_is_no_failure() {
    let redis = Redis::start().unwrap();
    let pair = Pair::new(&redis);
    let answer = Script::json(&canned::openai_completion(10));
    let empty = answer
        .header("x-ratelimit-limit-requests", "60")
        .header("x-ratelimit-remaining-requests", "0")
        .header("x-ratelimit-reset-requests", "5m");
    pair.limited.always(empty);
    let mut told = redis.subscribe("gateway:cooldowns:v1").unwrap();
    pair.one_finds_out().await;
    let message = tokio::task::spawn_blocking(move || told.message().unwrap()).await.unwrap();
    assert!(message.contains("\"id\":\"smart/1\"") && message.contains("\"trips\":0"), "{message}");
    pair.two_knows().await;
    let shown = pair.two.get("/admin/v1/deployments").await.json();
    let shown = shown["data"].as_array().unwrap().iter().find(|one| one["id"] == "smart/1").unwrap();
    assert_eq!(shown["state"], "resting", "{shown:#}");
}

#[tokio::test]
async fn a_reload_keeps_the_connection() {
    let redis = Redis::start().unwrap();
    let pair = Pair::new(&redis);
    let clients = || redis.command(&[b"CLIENT", b"LIST", b"TYPE", b"PUBSUB"]).unwrap().lines().count();
    assert_eq!(clients(), 2);
    let changed = pair.config.replace("[redis]", "[server]\nmax_body = \"1MiB\"\n[redis]");
    pair.two.reconfigure(&changed);
    assert_eq!(pair.two.logs().matches("Redis is there").count(), 1, "the same one");
    pair.one_finds_out().await;
    pair.two_knows().await;

    // Another prefix is another connection; the old one goes.
    pair.two.reconfigure(&changed.replace("[redis]", "[redis]\nprefix = \"other:\""));
    let gone = async {
        while pair.two.logs().matches("Redis is there").count() < 2 || clients() != 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the old connection closes in time");
    assert_eq!(pair.two.chat(&chat("smart")).await.status, 200);
}

#[tokio::test]
async fn a_gateway_starts_serves_and_stops_without_its_redis() {
    let mut redis = Redis::start().unwrap();
    redis.kill().unwrap();
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(10)));
    let config = format!("[redis]\nurl = \"{}\"\n{}", redis.url(), model("smart", &[openai(&upstream)]));
    let mut gateway = Gateway::start(&config);
    gateway.wait_log("Redis is away");
    assert_eq!(gateway.chat(&chat("smart")).await.status, 200);
    gateway.signal("TERM");
    assert!(gateway.wait_exit().success());
}
