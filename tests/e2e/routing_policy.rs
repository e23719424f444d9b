//! What happens when one fails, as far as the configuration decides: retries by kind of failure, chains for every model,
//! and minutes of tokens that are used up.

use llm_testkit::{Script, Upstream, canned};
use serde_json::Value;

use crate::harness::{
    Gateway, Options, Reply, chat, failing, model, model_with, openai, streamed, well, with,
};

/// Nobody is left alone for failures, and pauses are short.
const ROUTER: &str = "[router]\ncooldown = false\nbackoff = { base = \"1ms\", max = \"5ms\" }\n\
                      records = { per_second = 1_000_000 }\n";

fn start(router: &str, models: &str) -> Gateway {
    Options::config(format!("{ROUTER}{router}{models}")).start()
}

/// Which models were asked, in order, and how often.
async fn asked(gateway: &Gateway, reply: &Reply) -> Vec<(String, usize)> {
    let told = gateway.explained(reply).await;
    let groups = told["groups"].as_array().unwrap().iter();
    let of = |group: &Value| {
        (group["model"].as_str().unwrap().to_owned(), group["attempts"].as_array().unwrap().len())
    };
    groups.map(of).collect()
}

/// A model's settings, how many deployments it has, and after which failures how many attempts are made.
type Case<'c> = (&'c str, usize, &'c [(u16, &'c str, usize)]);

const BY_KIND: [Case<'_>; 6] = [
    // What is not named follows `retries`.
    ("", 1, &[(500, "x", 2), (429, "rate_limit_exceeded", 2)]),
    ("", 2, &[(400, "content_policy_violation", 1), (400, "invalid_value", 1), (401, "invalid_api_key", 2)]),
    ("rate_limit = 3, internal = 2", 1, &[(429, "rate_limit_exceeded", 4), (500, "x", 3), (503, "x", 2)]),
    ("unavailable = 4, timeout = 2", 1, &[(503, "x", 5), (408, "x", 3), (500, "x", 2)]),
    (
        "rate_limit = 0, internal = 0, unavailable = 0, auth = 0",
        2,
        &[
            (429, "rate_limit_exceeded", 1),
            (500, "x", 1),
            (503, "x", 1),
            (401, "invalid_api_key", 1),
            (404, "x", 2),
        ],
    ),
    // By themselves these would be told to the client at once.
    (
        "content_policy = 1, bad_request = 1",
        2,
        &[(400, "content_policy_violation", 2), (400, "invalid_value", 2), (500, "x", 2)],
    ),
];

#[tokio::test]
async fn retries_go_by_the_kind_of_failure() {
    let upstreams = [Upstream::start().unwrap(), Upstream::start().unwrap()];
    let two = upstreams.each_ref().map(openai);
    // A gateway for each: what is asked again is paid from a budget over all requests.
    for (retries, count, failures) in BY_KIND {
        let settings = format!("retries_by_error = {{ {retries} }}");
        let gateway = start("retries = 1\n", &model_with("smart", &settings, &two[..count]));
        for (status, code, attempts) in failures {
            for upstream in &upstreams {
                upstream.clear();
                upstream.always(failing(*status, code));
            }
            let reply = gateway.chat(&chat("smart")).await;
            let told = (reply.status, reply.header("x-gateway-attempts").parse().unwrap());
            assert_eq!(told, (*status, *attempts), "{status} {code} with {retries:?}: {}", reply.text());
            let sum: usize = upstreams.iter().map(|upstream| upstream.requests().len()).sum();
            assert_eq!(sum, *attempts, "{status} {code} with {retries:?}");
        }
    }
}

#[tokio::test]
async fn each_failure_counts_by_its_own_kind() {
    let upstream = Upstream::start().unwrap();
    let one = [openai(&upstream)];
    // A model's own word goes instead of the router's.
    let models = model("patient", &one) + &model_with("hasty", "retries_by_error = { internal = 0 }", &one);
    let gateway = start("retries = 0\nretries_by_error = { internal = 3, rate_limit = 1 }\n", &models);
    for (name, failures, attempts) in [
        ("patient", &[500, 500, 500][..], "4"),
        ("patient", &[429], "2"),
        ("hasty", &[500], "1"),
        // The second failure is one too many of its kind.
        ("patient", &[500, 429], "2"),
        ("patient", &[503], "1"),
    ] {
        upstream.clear();
        upstream.always(Script::json(&canned::openai_completion(5)));
        failures.iter().for_each(|status| upstream.push(failing(*status, "x")));
        let reply = gateway.chat(&chat(name)).await;
        assert_eq!(
            reply.header("x-gateway-attempts"),
            attempts,
            "{name} after {failures:?}: {}",
            reply.text()
        );
        assert_eq!(upstream.requests().len().to_string(), attempts);
    }
}

#[tokio::test]
async fn the_default_chain_comes_after_a_models_own() {
    let (bad, last) = (Upstream::start().unwrap(), well());
    bad.always(failing(500, "x"));
    let models = model_with("smart", "fallbacks = [\"own\"]", &[openai(&bad)])
        + &model("own", &[openai(&bad)])
        + &model("plain", &[openai(&bad)])
        + &model("first", &[openai(&bad)])
        + &model("last", &[openai(&last)]);
    let gateway = start("retries = 0\nfallbacks = [\"first\", \"last\"]\n", &models);
    let once = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1)).collect::<Vec<_>>();
    for (name, way) in [
        ("smart", &["smart", "own", "first", "last"][..]),
        ("plain", &["plain", "first", "last"]),
        // Whoever was asked is not asked again.
        ("first", &["first", "last"]),
    ] {
        for request in [chat(name), streamed(name)] {
            let reply = gateway.chat(&request).await;
            assert_eq!((reply.served(), reply.header("x-gateway-fallback")), ("last/1", "last"));
            assert_eq!(reply.header("x-gateway-attempts"), way.len().to_string());
            assert_eq!(asked(&gateway, &reply).await, once(way));
        }
    }
    // When nobody is left, every attempt is named.
    last.on("/v1/chat/completions", |_| failing(503, "x"));
    let reply = gateway.chat(&chat("smart")).await;
    let error = reply.error(503);
    error.says(&["4 attempts", "4 models", "smart/1", "own/1", "first/1", "last/1", "500", "503", "no luck"]);
    assert_eq!(asked(&gateway, &reply).await, once(&["smart", "own", "first", "last"]));
    let reply = gateway.chat(&chat("last")).await;
    reply.error(reply.status).says(&["2 models", "last/1", "first/1"]);
    assert_eq!(asked(&gateway, &reply).await, once(&["last", "first"]));
}

#[tokio::test]
async fn what_is_too_long_has_a_default_chain_of_its_own() {
    let (small, long, other) = (Upstream::start().unwrap(), well(), well());
    let models = model("smart", &[openai(&small)])
        + &model_with("own", "context_window_fallbacks = [\"other\"]", &[openai(&small)])
        + &model("long", &[openai(&long)])
        + &model("other", &[openai(&other)]);
    let router = "retries = 0\nfallbacks = [\"other\"]\ncontext_window_fallbacks = [\"long\"]\n";
    let gateway = start(router, &models);
    for (name, status, code, takes) in [
        ("smart", 400, "context_length_exceeded", "long"),
        ("smart", 500, "x", "other"),
        ("own", 400, "context_length_exceeded", "other"),
    ] {
        for request in [chat(name), streamed(name)] {
            small.push(failing(status, code));
            let reply = gateway.chat(&request).await;
            reply.served();
            assert_eq!(reply.header("x-gateway-fallback"), takes, "{name} after {status} {code}");
        }
    }
}

#[tokio::test]
async fn a_minute_of_tokens_that_is_used_up_leads_on() {
    // Nobody says what was used, so each request stays booked with what it may use: 1,000 tokens and its prompt.
    let (few, many, other) = (Upstream::start().unwrap(), well(), well());
    let mut uncounted = canned::openai_completion(5);
    uncounted["usage"] = Value::Null;
    few.always(Script::json(&uncounted));
    let narrow = with(&openai(&few), "tpm = 2500");
    let wide = with(&openai(&many), "order = 1");
    let mut request = chat("smart");
    request["max_tokens"] = 1000.into();
    let alone = model_with("smart", "fallbacks = [\"other\"]", std::slice::from_ref(&narrow))
        + &model("other", &[openai(&other)]);
    for (models, next) in [(model("smart", &[narrow, wide]), "smart/2"), (alone, "other/1")] {
        few.clear();
        few.always(Script::json(&uncounted));
        let gateway = start("", &models);
        let mut served = Vec::new();
        for _ in 0..4 {
            served.push(gateway.chat(&request).await);
        }
        let at: Vec<_> = served.iter().map(Reply::served).collect();
        assert_eq!(at, ["smart/1", "smart/1", next, next]);
        assert_eq!(few.requests().len(), 2, "it is not asked beyond its limit");
        let last = served.last().unwrap();
        assert_eq!(last.header("x-gateway-attempts"), "1");
        let told = gateway.explained(last).await;
        let reason = &told["groups"][0]["decisions"][0]["candidates"][0]["reason"];
        assert!(reason.as_str().unwrap().contains("at its limit per minute"), "{told:#}");
        assert!(gateway.deployment("smart/1").await["last_minute"]["tokens"].as_u64() >= Some(2000));
        // What still fits is still its.
        let mut short = request.clone();
        short["max_tokens"] = 100.into();
        assert_eq!(gateway.chat(&short).await.served(), "smart/1");
    }
}
