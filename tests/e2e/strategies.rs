//! Who of several well deployments is asked: each strategy as `docs/routing.md` says.
//!
//! Weights, prices, headers and failures are chosen such that any other strategy would ask somebody else, and by so much
//! that the machine's own speed does not matter.

use std::sync::Arc;
use std::time::Duration;

use llm_testkit::{Gate, Received, Script, Upstream, canned};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::harness::{
    Gateway, PATIENCE, Reply, answer, chat, failing, model_with, openai, streamed, well, with,
};

/// A gateway with one model of this strategy, in which no prompt belongs to anybody.
fn start(strategy: &str, deployments: &[String]) -> Gateway {
    start_with(strategy, "", deployments)
}

/// The same with more settings of the model.
fn start_with(strategy: &str, settings: &str, deployments: &[String]) -> Gateway {
    let settings = format!("strategy = \"{strategy}\"\naffinity = {{ prefix = false }}\n{settings}");
    Gateway::start(&model_with("smart", &settings, deployments))
}

/// Asks so many times, one after the other: who answered.
async fn ask(gateway: &Gateway, times: usize) -> Vec<String> {
    let mut served = Vec::new();
    for _ in 0..times {
        served.push(gateway.chat(&chat("smart")).await.served().to_owned());
    }
    served
}

fn counts<const N: usize>(upstreams: [&Upstream; N]) -> [usize; N] {
    upstreams.map(|upstream| upstream.requests().len())
}

/// What the last choice of the request's own model was: the candidates, by position.
async fn candidates(gateway: &Gateway, reply: &Reply, strategy: &str) -> Vec<Value> {
    let told = gateway.explained(reply).await;
    let group = &told["groups"][0];
    assert_eq!(group["strategy"], strategy, "{group:#}");
    assert_eq!(group["attempts"][0]["because"], "the strategy chose it", "{group:#}");
    group["decisions"][0]["candidates"].as_array().unwrap().clone()
}

fn number(candidate: &Value, name: &str) -> f64 {
    candidate[name].as_f64().unwrap_or_else(|| panic!("no {name}: {candidate}"))
}

#[tokio::test]
async fn round_robin_goes_round_whatever_the_weights() {
    let upstreams = [well(), well(), well()];
    let weights = ["weight = 5", "weight = 1", "weight = 1"];
    let deployments: Vec<_> =
        upstreams.iter().zip(weights).map(|(upstream, weight)| with(&openai(upstream), weight)).collect();
    let gateway = start("round-robin", &deployments);
    assert_eq!(ask(&gateway, 9).await, ["smart/1", "smart/2", "smart/3"].repeat(3));
    // Whoever cannot be asked is left out of the round.
    gateway.post("/admin/v1/deployments/smart/2/drain").send().await;
    let mut two = ask(&gateway, 2).await;
    assert_eq!(ask(&gateway, 4).await, [two.clone(), two.clone()].concat());
    two.sort();
    assert_eq!(two, ["smart/1", "smart/3"]);
}

/// Requests that are held by their upstreams.
#[derive(Debug, Default)]
struct Held(Vec<JoinHandle<Reply>>);

impl Held {
    /// Asks so many times, each once the one before is under way: how often each upstream was asked.
    async fn ask<const N: usize>(
        &mut self,
        gateway: &Arc<Gateway>,
        upstreams: [&Upstream; N],
        times: usize,
    ) -> [usize; N] {
        let before = counts(upstreams);
        for nth in 1..=times {
            let own = Arc::clone(gateway);
            self.0.push(tokio::spawn(async move { own.chat(&chat("smart")).await }));
            let sum = before.iter().sum::<usize>() + nth;
            let asked = async {
                while counts(upstreams).iter().sum::<usize>() < sum {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            tokio::time::timeout(PATIENCE, asked).await.expect("somebody is asked");
        }
        let mut asked = counts(upstreams);
        asked.iter_mut().zip(before).for_each(|(now, before)| *now -= before);
        asked
    }
}

#[tokio::test]
async fn least_busy_asks_whoever_has_least_under_way() {
    let (large, small) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    let gates = [Gate::new(), Gate::new()];
    let held = |gate: &Gate| Script::json(&canned::openai_completion(5)).gate_head(gate);
    large.always(held(&gates[0]));
    small.always(held(&gates[0]));
    let gateway = Arc::new(start("least-busy", &[with(&openai(&large), "weight = 3"), openai(&small)]));
    let both = [&large, &small];
    let mut requests = Held::default();
    // Three times the weight, three times as many under way.
    assert_eq!(requests.ask(&gateway, both, 8).await, [6, 2]);
    gates[0].open();
    for (upstream, id) in both.into_iter().zip(["smart/1", "smart/2"]) {
        upstream.always(held(&gates[1]));
        gateway.wait_deployment(id, |known| known["in_flight"] == 0).await;
    }
    gateway.post("/admin/v1/deployments/smart/1/drain").send().await;
    assert_eq!(requests.ask(&gateway, both, 2).await, [0, 2]);
    gateway.post("/admin/v1/deployments/smart/1/enable").send().await;
    // Two under way at the small one are as much as six at the large one, whoever had how many turns.
    assert_eq!(requests.ask(&gateway, both, 6).await, [6, 0]);
    gates[1].open();
    for request in requests.0 {
        request.await.unwrap().served();
    }
}

#[tokio::test]
async fn most_headroom_goes_by_what_providers_say() {
    let left = |left: &str| {
        let script = Script::json(&canned::openai_completion(5)).header("x-ratelimit-limit-requests", "100");
        let script = script.header("x-ratelimit-remaining-requests", left);
        script.header("x-ratelimit-reset-requests", "10m0s")
    };
    let (scarce, ample) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    scarce.always(left("20"));
    ample.always(left("90"));
    let gateway = start("most-headroom", &[openai(&scarce), openai(&ample)]);
    // Unknown limits are whole: each is asked once, whoever is first.
    ask(&gateway, 2).await;
    assert_eq!(counts([&scarce, &ample]), [1, 1]);
    assert_eq!(ask(&gateway, 6).await, ["smart/2"; 6]);
    scarce.always(left("95"));
    gateway.post("/admin/v1/deployments/smart/2/drain").send().await;
    ask(&gateway, 1).await;
    gateway.post("/admin/v1/deployments/smart/2/enable").send().await;
    assert_eq!(ask(&gateway, 4).await, ["smart/1"; 4], "the newest word counts");
}

#[tokio::test]
async fn most_headroom_uses_limits_up_together() {
    let (large, small) = (well(), well());
    let gateway =
        start("most-headroom", &[with(&openai(&large), "rpm = 30"), with(&openai(&small), "rpm = 10")]);
    ask(&gateway, 20).await;
    assert_eq!(counts([&large, &small]), [15, 5]);
    let reply = gateway.chat(&chat("smart")).await;
    let scores = candidates(&gateway, &reply, "most-headroom").await;
    for candidate in scores {
        let used = number(&candidate, "score");
        assert!((0.45..0.65).contains(&used), "half of either is used up: {candidate}");
    }
}

/// How long a slow answer takes: three times the bound below, and long enough that others are quicker on any machine.
const SLOW: Duration = Duration::from_secs(3);

/// What is told of the time that whole answers and streams take: to the end, and to the first content.
fn kinds() -> [(Value, &'static str); 2] {
    [(chat("smart"), "whole"), (streamed("smart"), "first_token")]
}

#[tokio::test]
async fn lowest_latency_asks_the_quicker_one() {
    let (slow, quick) = (Upstream::start().unwrap(), well());
    slow.on("/v1/chat/completions", |request| answer(request).delay_head(SLOW));
    let gateway = start("lowest-latency", &[openai(&slow), openai(&quick)]);
    for (request, learned) in kinds() {
        let known = |known: &Value| !known["latency_ms"][learned].is_null();
        gateway.post("/admin/v1/deployments/smart/1/drain").send().await;
        gateway.chat(&request).await.served();
        gateway.wait_deployment("smart/2", known).await;
        gateway.post("/admin/v1/deployments/smart/1/enable").send().await;
        // Who was never asked is taken to be as quick as the other: it is its turn soon.
        let before = slow.requests().len();
        while slow.requests().len() == before {
            assert!(quick.requests().len() < 200, "never asked");
            gateway.chat(&request).await.served();
        }
        gateway.wait_deployment("smart/1", known).await;
        for _ in 0..6 {
            let reply = gateway.chat(&request).await;
            assert_eq!(reply.served(), "smart/2");
            let known = candidates(&gateway, &reply, "lowest-latency").await;
            assert!(number(&known[0], "expected_ms") > number(&known[1], "expected_ms"), "{known:?}");
        }
    }
}

/// A deployment with a price, in USD per million tokens.
fn priced(upstream: &Upstream, input: f64, output: f64) -> String {
    with(&openai(upstream), &format!("price = {{ input = {input:?}, output = {output:?} }}"))
}

#[tokio::test]
async fn lowest_cost_depends_on_the_request() {
    let (reader, writer) = (well(), well());
    let gateway = start("lowest-cost", &[priced(&reader, 1.0, 10.0), priced(&writer, 3.0, 5.0)]);
    let (mut long, mut short) = (chat("smart"), chat("smart"));
    long["messages"][0]["content"] = "many words ".repeat(4000).into();
    long["max_tokens"] = 100.into();
    short["max_tokens"] = 4000.into();
    for _ in 0..3 {
        for (request, cheapest) in [(&long, 0), (&short, 1)] {
            let reply = gateway.chat(request).await;
            assert_eq!(reply.served(), ["smart/1", "smart/2"][cheapest]);
            let known = candidates(&gateway, &reply, "lowest-cost").await;
            let usd: Vec<_> = known.iter().map(|candidate| number(candidate, "expected_usd")).collect();
            assert!(usd[cheapest] < usd[1 - cheapest], "{usd:?}");
        }
    }
}

#[tokio::test]
async fn lowest_cost_within_a_bound_asks_the_cheapest_that_is_quick_enough() {
    let (cheap, dear) = (well(), well());
    let deployments = [priced(&cheap, 1.0, 1.0), priced(&dear, 10.0, 10.0)];
    let gateway = start_with("lowest-cost", "max_latency = \"1s\"", &deployments);
    for (request, learned) in kinds() {
        cheap.on("/v1/chat/completions", move |request| answer(request).delay_head(SLOW));
        assert_eq!(gateway.chat(&request).await.served(), "smart/1", "nobody is known to be slow");
        gateway.wait_deployment("smart/1", |known| !known["latency_ms"][learned].is_null()).await;
        for _ in 0..4 {
            let reply = gateway.chat(&request).await;
            assert_eq!(reply.served(), "smart/2");
            let known = candidates(&gateway, &reply, "lowest-cost").await;
            let [cheap, dear] = known.as_slice() else { panic!("{known:?}") };
            assert!(number(cheap, "expected_usd") < number(dear, "expected_usd"), "{known:?}");
            assert!(number(cheap, "expected_ms") > 1000.0, "{cheap}");
        }
    }
    // Without the bound it is the cheapest again.
    gateway.reconfigure(&model_with("smart", "strategy = \"lowest-cost\"", &deployments));
    cheap.on("/v1/chat/completions", answer);
    assert_eq!(ask(&gateway, 4).await, ["smart/1"; 4]);
}

/// How many of those that were sent to the wrong one may have been to learn or to explore: three and one in fifty.
const LESSONS: usize = 12;

#[tokio::test]
async fn adaptive_learns_who_fails_with_requests_of_which_size() {
    let is_long = |request: &Received| request.body.len() > 4000;
    let (short_only, long_only) = (well(), well());
    let able = |upstream: &Upstream, long: bool| {
        upstream.on("/v1/chat/completions", move |request| {
            if is_long(request) == long { answer(request) } else { failing(500, "x") }
        });
    };
    able(&short_only, false);
    able(&long_only, true);
    // Nobody is left alone for failures, and money does not matter: who is not known yet is tried.
    let deployments = [priced(&short_only, 0.0, 0.0), priced(&long_only, 0.0, 0.0)];
    let gateway = start_with("adaptive", "cooldown = false", &deployments);
    let (short, mut long) = (chat("smart"), chat("smart"));
    long["messages"][0]["content"] = "many words ".repeat(800).into();
    for _ in 0..20 {
        // Two of each, so that taking turns would be wrong every other time.
        for (request, able) in
            [(&short, "smart/1"), (&short, "smart/1"), (&long, "smart/2"), (&long, "smart/2")]
        {
            assert_eq!(gateway.chat(request).await.served(), able);
        }
    }
    for (upstream, long) in [(&short_only, true), (&long_only, false)] {
        let wrong = upstream.requests().iter().filter(|request| is_long(request) == long).count();
        assert!((3..=LESSONS).contains(&wrong), "{wrong} of 40");
    }
    // What it goes by is told.
    let told = gateway.explained(&gateway.chat(&long).await).await;
    let known = told["groups"][0]["decisions"][0]["candidates"].as_array().unwrap();
    let errors: Vec<_> = known.iter().map(|candidate| number(candidate, "expected_errors")).collect();
    assert!(errors[0] > 0.9 && errors[1] < 0.1, "{known:?}");
}

#[tokio::test]
async fn adaptive_weighs_what_a_request_costs() {
    let (cheap, dear) = (well(), well());
    // An answer costs more than a dollar there, which is worth more than a minute of waiting.
    let deployments = [priced(&dear, 10_000.0, 10_000.0), priced(&cheap, 0.1, 0.1)];
    let gateway = start("adaptive", &deployments);
    ask(&gateway, 40).await;
    assert!(dear.requests().len() <= LESSONS, "{} of 40", dear.requests().len());
}
