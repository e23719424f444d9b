//! Who is asked, at the edges: what a deployment cannot take, what looks longer than it is, who gives up waiting.

use std::time::{Duration, Instant};

use llm_testkit::{Gate, Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{
    Gateway, Options, PATIENCE, Reply, anthropic, chat, failing, llmctl, model, openai, picture, streamed,
    well, with,
};

#[tokio::test]
async fn a_picture_counts_as_a_picture_in_a_minute_of_tokens() {
    let upstream = well();
    let gateway = Gateway::start(&model("smart", &[with(&openai(&upstream), "tpm = 20000")]));
    for _ in 0..3 {
        let reply = gateway.chat(&picture("smart", 400_000)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

#[tokio::test]
async fn what_nobody_counted_stays_booked() {
    let upstream = Upstream::start().unwrap();
    let mut uncounted = canned::openai_completion(50);
    uncounted["usage"] = Value::Null;
    upstream.always(Script::json(&uncounted));
    let gateway = Gateway::start(&model("smart", &[with(&openai(&upstream), "tpm = 2500")]));
    let mut request = chat("smart");
    request["max_tokens"] = 1000.into();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(gateway.chat(&request).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn a_slow_beginning_and_a_failing_hedge_are_both_named() {
    let (slow, bad) = (Upstream::start().unwrap(), Upstream::start().unwrap());
    slow.always(Script::status(500).delay_head(Duration::from_millis(300)));
    bad.always(Script::status(503));
    let config = model("smart", &[with(&openai(&slow), "order = 0"), with(&openai(&bad), "order = 1")])
        .replace("deployments", "hedge_after = \"50ms\"\nretries = 0\ndeployments");
    let gateway = Gateway::start(&config);
    let reply = gateway.chat(&streamed("smart")).await;
    reply.error(500).says(&["smart/1", "smart/2", "all 2 attempts"]);
    let list = gateway.get("/admin/v1/deployments").await.json();
    for one in list["data"].as_array().unwrap() {
        assert_eq!((&one["in_flight"], &one["counts"]["failures"]), (&json!(0), &json!(1)), "{one}");
    }
}

#[tokio::test]
async fn what_one_cannot_take_another_one_gets() {
    let (bad, good) = (Upstream::start().unwrap(), well());
    let mut twice = chat("smart");
    twice["n"] = 2.into();
    let mut biased = chat("smart");
    biased["logit_bias"] = json!({"50256": -100});
    for (config, request) in [("", twice), ("[server]\nstrict = true\n", biased)] {
        good.clear();
        good.always(Script::json(&canned::openai_completion(50)));
        let deployments = [anthropic(&bad), with(&openai(&good), "order = 1")];
        let gateway = Gateway::start(&format!("{}{config}", model("smart", &deployments)));
        let reply = gateway.chat(&request).await;
        assert_eq!((reply.status, good.requests().len()), (200, 1), "{}", reply.text());
        assert_eq!(reply.header("x-gateway-attempts"), "1", "who cannot take it was not called");
        // Also where the other one is another model's.
        let config = model("smart", &deployments[..1])
            .replace("deployments", "fallbacks = [\"other\"]\ndeployments")
            + &model("other", &deployments[1..])
            + config;
        let reply = Gateway::start(&config).chat(&request).await;
        assert_eq!((reply.status, reply.header("x-gateway-fallback")), (200, "other"), "{}", reply.text());
        // And nobody is asked twice where there is none.
        let config = format!(
            "{}{}",
            model("smart", &deployments[..1]),
            if config.contains("strict") { "[server]\nstrict = true\n" } else { "" }
        );
        let reply = Gateway::start(&config).chat(&request).await;
        assert_eq!((reply.status, reply.header("x-gateway-attempts")), (400, "0"), "{}", reply.text());
    }
    assert_eq!(bad.requests().len(), 0, "nothing was sent to who cannot take it");
}

#[tokio::test]
async fn who_gives_up_waiting_finds_out_why() {
    let slow = Upstream::start().unwrap();
    let gate = Gate::new();
    slow.always(Script::json(&canned::openai_completion(50)).gate_head(&gate));
    let gateway = Gateway::start(&model("smart", &[openai(&slow)]));
    for request in [chat("smart"), streamed("smart")] {
        slow.clear();
        slow.always(Script::json(&canned::openai_completion(50)).gate_head(&gate));
        let body = request.to_string();
        let call = gateway.post("/v1/chat/completions").body(body).send();
        let asked = async {
            let until = Instant::now() + PATIENCE;
            while slow.requests().is_empty() {
                assert!(Instant::now() < until, "nobody is asked");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            reply = call => panic!("{reply:?}"),
            () = asked => {}
        }
        assert!(slow.wait_cancelled(PATIENCE).await.is_some());
        let until = Instant::now() + PATIENCE;
        let latest = loop {
            let list = gateway.get("/admin/v1/requests?limit=1").await.json();
            if let Some(latest) =
                list["data"].get(0).filter(|latest| latest["stream"] == (request["stream"] == true))
            {
                break latest.clone();
            }
            assert!(Instant::now() < until, "nothing is known of it: {list}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!((&latest["outcome"], &latest["attempts"]), (&json!("failed"), &json!(1)), "{latest}");
        let text = llmctl(&["explain", latest["id"].as_str().unwrap(), "--gateway", &gateway.url()]).run();
        for word in ["smart/1", "is under way: no answer yet", "the client went away"] {
            assert!(text.good().contains(word), "no `{word}` in {}", text.good());
        }
    }
    gate.open();
}

#[tokio::test]
async fn a_fallback_is_called_what_it_was_asked_for() {
    let (bad, good) = (Upstream::start().unwrap(), well());
    bad.always(Script::status(500));
    let wild = |upstream: &Upstream| openai(upstream).replace("openai/gpt-4o", "openai/*");
    let config = model("smart", &[openai(&bad)])
        .replace("deployments", "fallbacks = [\"any/gpt-4o-mini\"]\ndeployments")
        + &model("any/*", &[wild(&good)])
        + "[router]\nretries = 0\n";
    let gateway = Options::config(config).start();
    let mut request = chat("smart");
    // Clients write `null` for what nobody has set.
    request["fallbacks"] = Value::Null;
    let reply = gateway.chat(&request).await;
    assert_eq!(
        (reply.status, reply.header("x-gateway-fallback")),
        (200, "any/gpt-4o-mini"),
        "{}",
        reply.text()
    );
    assert_eq!(good.last_request().unwrap().json()["model"], "gpt-4o-mini");
    request["fallbacks"] = json!([]);
    assert_eq!(gateway.chat(&request).await.status, 500, "an empty list is none");
}

#[tokio::test]
async fn limits_are_heard_where_another_model_can_take_over() {
    let (used_up, other) = (Upstream::start().unwrap(), well());
    let spent = Script::json(&canned::openai_completion(5))
        .header("x-ratelimit-limit-requests", "100")
        .header("x-ratelimit-remaining-requests", "0")
        .header("x-ratelimit-reset-requests", "1m0s");
    used_up.always(spent);
    let config = model("smart", &[openai(&used_up)])
        .replace("deployments", "fallbacks = [\"other\"]\ndeployments")
        + &model("other", &[openai(&other)]);
    let gateway = Gateway::start(&config);
    assert_eq!(gateway.chat(&chat("smart")).await.header("x-gateway-deployment"), "smart/1");
    let reply = gateway.chat(&chat("smart")).await;
    assert_eq!((reply.header("x-gateway-deployment"), used_up.requests().len()), ("other/1", 1));
}

#[tokio::test]
async fn a_growing_conversation_stays_where_its_beginning_is_cached() {
    for front in ["/v1/chat/completions", "/v1/messages"] {
        let upstreams = [well(), well(), well()];
        let gateway = Gateway::start(&model("smart", &upstreams.each_ref().map(openai)));
        for conversation in 0..4 {
            let mut turns =
                vec![json!({"role": "user", "content": format!("{conversation} {}", "long ".repeat(1000))})];
            let mut at = Vec::new();
            for turn in 0..6 {
                let body = json!({"model": "smart", "max_tokens": 50, "messages": turns});
                let reply = gateway.post(front).body(body.to_string()).send().await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                at.push(reply.header("x-gateway-deployment").to_owned());
                turns.push(json!({"role": "assistant", "content": "well, ".repeat(400)}));
                turns.push(json!({"role": "user", "content": format!("and {turn}?")}));
            }
            at.dedup();
            assert_eq!(at.len(), 1, "{front} {conversation}: {at:?}");
        }
    }
}

#[tokio::test]
async fn what_a_policy_refuses_goes_to_the_model_that_is_named_for_that() {
    let (strict, free, other) = (Upstream::start().unwrap(), well(), well());
    // Of one model, and of every model that says nothing of its own.
    for (router, own) in [
        ("", "content_policy_fallbacks = [\"free\"]\nfallbacks = [\"other\"]\n"),
        ("content_policy_fallbacks = [\"free\"]\nfallbacks = [\"other\"]\n", ""),
    ] {
        let models = model("smart", &[openai(&strict)]).replace("deployments", &format!("{own}deployments"))
            + &model("free", &[openai(&free)])
            + &model("other", &[openai(&other)]);
        let gateway = Options::config(format!("{models}[router]\nretries = 0\n{router}")).start();
        for request in [chat("smart"), streamed("smart")] {
            strict.push(failing(400, "content_policy_violation"));
            let reply = gateway.chat(&request).await;
            assert_eq!((reply.status, reply.header("x-gateway-fallback")), (200, "free"), "{}", reply.text());
            strict.push(failing(500, "x"));
            let reply = gateway.chat(&request).await;
            assert_eq!(
                (reply.status, reply.header("x-gateway-fallback")),
                (200, "other"),
                "{}",
                reply.text()
            );
        }
        strict.push(failing(400, "invalid_value"));
        assert_eq!(gateway.chat(&chat("smart")).await.status, 400, "the caller's own mistake goes nowhere");
    }
}

#[tokio::test]
async fn what_the_adaptive_strategy_expects_is_explained() {
    let (one, two) = (well(), well());
    let priced = |upstream: &Upstream| with(&openai(upstream), "price = { input = 2.5, output = 10.0 }");
    let config = model("smart", &[priced(&one), priced(&two)])
        .replace("deployments", "strategy = \"adaptive\"\ndeployments");
    let gateway = Gateway::start(&config);
    let mut last = gateway.chat(&chat("smart")).await;
    for _ in 0..11 {
        last = gateway.chat(&chat("smart")).await;
    }
    assert_eq!(last.status, 200);
    let id = last.header("x-gateway-request-id");
    let told = gateway.explain(id).await;
    let group = &told["groups"][0];
    assert_eq!(group["strategy"], "adaptive");
    let candidates = group["decisions"][0]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2);
    // Whoever was asked before is known; the other may have been explored.
    let known: Vec<_> =
        candidates.iter().filter(|candidate| candidate["samples"].as_f64() > Some(0.0)).collect();
    assert!(!known.is_empty(), "{group:#}");
    for candidate in known {
        let number = |name: &str| candidate[name].as_f64().unwrap_or_else(|| panic!("no {name}: {group:#}"));
        let (ms, usd) = (number("expected_ms"), number("expected_usd"));
        assert!(ms > 0.0 && ms < 60_000.0 && usd > 0.0 && usd < 0.1, "{candidate}");
        assert!(number("expected_errors") < 0.5, "nobody failed: {candidate}");
        // Seconds, and a hundred of them for a dollar.
        assert!(number("score") >= ms / 1000.0 + usd * 100.0 - 1e-6, "{candidate}");
    }
    let text = llmctl(&["explain", id, "--gateway", &gateway.url()]).run();
    for word in ["adaptive", "smart/1", "smart/2"] {
        assert!(text.good().contains(word), "no `{word}` in {}", text.good());
    }
}

#[tokio::test]
async fn what_a_model_cannot_do_goes_to_one_that_can() {
    for own_chain in [true, false] {
        let (small, large) = (well(), well());
        let mut config = model("small", &[with(&openai(&small), "max_output = 100")]);
        if own_chain {
            config = config.replace("deployments", "fallbacks = [\"large\"]\ndeployments");
        }
        config += &model("large", &[with(&openai(&large), "max_output = 10000")]);
        if !own_chain {
            config += "[router]\nfallbacks = [\"large\"]\n";
        }
        let gateway = Options::config(config).start();
        let served = async |most: u64| {
            let mut request = chat("small");
            request["max_tokens"] = most.into();
            gateway.chat(&request).await.header("x-gateway-deployment").to_owned()
        };
        assert_eq!(served(50).await, "small/1");
        assert_eq!(served(5_000).await, "large/1");
        assert_eq!(small.requests().len(), 1, "it was not asked for what it cannot do");
        // What nobody can do by what is known is for the provider to refuse.
        assert_eq!(served(50_000).await, "small/1");
    }
}

#[tokio::test]
async fn what_an_entry_of_its_own_list_changes_is_what_it_needs_there() {
    let (small, other) = (well(), well());
    let config = model("small", &[with(&openai(&small), "max_output = 100")])
        + &model("other", &[with(&openai(&other), "max_output = 200")]);
    let gateway = Options::config(config).start();
    let served = async |entry: Value| {
        let mut request = chat("small");
        request["max_tokens"] = 5_000.into();
        request["fallbacks"] = json!([entry]);
        gateway.chat(&request).await.header("x-gateway-deployment").to_owned()
    };
    assert_eq!(served(json!({"model": "other", "max_tokens": 150})).await, "other/1");
    assert_eq!(small.requests().len(), 0, "it cannot give so long an answer");
    assert_eq!(
        served(json!({"model": "other", "max_tokens": 300})).await,
        "small/1",
        "neither can the other"
    );
    assert_eq!(served(json!("other")).await, "small/1", "nor as it came");
}

#[tokio::test]
async fn a_picture_does_not_look_long_to_another_model() {
    let (bad, other) = (Upstream::start().unwrap(), well());
    bad.always(Script::status(500).json_body(&json!({"error": {"message": "no luck"}})));
    let config = model("smart", &[openai(&bad)])
        .replace("deployments", "fallbacks = [\"other\"]\ndeployments")
        + &model("other", &[with(&openai(&other), "context_window = 20000")])
        + "[router]\nretries = 0\n";
    let gateway = Options::config(config).start();
    let reply = gateway.chat(&picture("smart", 400_000)).await;
    assert_eq!((reply.status, reply.header("x-gateway-deployment")), (200, "other/1"), "{}", reply.text());
}

#[tokio::test]
async fn requests_that_went_straight_push_no_other_record_out() {
    let (bad, good) = (Upstream::start().unwrap(), well());
    bad.always(failing(500, "x"));
    let router = "[router]\ncooldown = false\nbackoff = { base = \"1ms\", max = \"5ms\" }\n\
                  records = { keep = 8, per_second = 1_000_000 }\n";
    let models = model("fails", &[openai(&bad)]) + &model("smart", &[openai(&good)]);
    let gateway = Options::config(format!("{router}{models}")).start();
    let failed = gateway.chat(&chat("fails")).await;
    let body = chat("smart").to_string();
    let path = "/v1/chat/completions";
    let asked = gateway.post(path).header("x-gateway-explain", "1").body(body).send().await;
    let mut straight = Vec::new();
    for _ in 0..10 {
        straight.push(gateway.chat(&chat("smart")).await);
    }
    assert_eq!(gateway.explained(&failed).await["groups"][0]["model"], "fails");
    assert_eq!(gateway.explained(&asked).await["groups"][0]["model"], "smart");
    let of = |reply: &Reply| format!("/admin/v1/requests/{}", reply.header("x-gateway-request-id"));
    let mut found = Vec::new();
    for reply in &straight {
        found.push(gateway.get(&of(reply)).await.status == 200);
    }
    assert_eq!(found, [&[false; 8][..], &[true; 2]].concat(), "a quarter of the room");
    let list = gateway.get("/admin/v1/requests").await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 4, "{list:#}");
    for _ in 0..10 {
        let body = chat("smart").to_string();
        gateway.post(path).header("x-gateway-explain", "1").body(body).send().await;
    }
    assert_eq!(gateway.explained(&failed).await["groups"][0]["model"], "fails", "asking why pushes it out");
}

#[tokio::test]
async fn a_failure_says_what_stood_against_everybody_though_it_was_not_sampled() {
    let (bad, drained) = (Upstream::start().unwrap(), well());
    bad.always(failing(500, "x"));
    let router =
        "[router]\nretries = 1\nbackoff = { base = \"1ms\", max = \"5ms\" }\nrecords = { per_second = 0 }\n";
    let gateway =
        Options::config(format!("{router}{}", model("smart", &[openai(&bad), openai(&drained)]))).start();
    gateway.post("/admin/v1/deployments/smart/2/drain").send().await;
    let failed = gateway.chat(&chat("smart")).await;
    assert_eq!(failed.status, 500);
    let told = gateway.explained(&failed).await;
    let candidates = &told["groups"][0]["decisions"][0]["candidates"];
    assert_eq!(candidates[0]["verdict"], "tried before", "{told:#}");
    assert_eq!(candidates[1]["verdict"], "passed over", "{told:#}");
    assert!(candidates[1]["reason"].as_str().unwrap().contains("out of service"), "{told:#}");
    assert_eq!(drained.requests().len(), 0);
}
