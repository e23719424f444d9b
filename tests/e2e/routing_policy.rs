//! What happens when one fails, as far as the configuration decides: retries by kind of failure, chains for every model,
//! and minutes of tokens that are used up.

use llm_testkit::{Script, Upstream, canned};
use serde_json::{Value, json};

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
    // A gateway for each: what is asked again is paid from a budget over all requests of a group.
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

#[tokio::test]
async fn a_prompt_that_did_not_fit_goes_to_a_larger_window_of_the_same_model() {
    let (small, same, large, chain) = (Upstream::start().unwrap(), well(), well(), well());
    small.always(failing(400, "context_length_exceeded"));
    let windowed = |upstream: &Upstream, window: u32, order: u32| {
        with(&openai(upstream), &format!("context_window = {window}, order = {order}"))
    };
    let three = [windowed(&small, 9_000, 0), windowed(&same, 9_000, 1), windowed(&large, 90_000, 2)];
    let models = model_with("smart", "context_window_fallbacks = [\"long\"]", &three)
        + &model("long", &[openai(&chain)]);
    let gateway = start("", &models);
    for request in [chat("smart"), streamed("smart")] {
        assert_eq!(gateway.chat(&request).await.served(), "smart/3");
    }
    assert_eq!((small.requests().len(), same.requests().len(), chain.requests().len()), (2, 0, 0));
    let known = gateway.deployment("smart/1").await;
    assert_eq!((&known["counts"]["failures"], &known["state"]), (&json!(0), &json!("closed")), "{known}");
    // Nobody has a larger one: the chain for that.
    large.on("/v1/chat/completions", |_| failing(400, "context_length_exceeded"));
    assert_eq!(gateway.chat(&chat("smart")).await.served(), "long/1");
    // A character of three bytes is about a token: nobody has to find out that six thousand do not fit into five.
    let (small, large) = (well(), well());
    let gateway = start("", &model("smart", &[windowed(&small, 5_500, 0), windowed(&large, 90_000, 1)]));
    let mut long = chat("smart");
    long["messages"][0]["content"] = "港".repeat(6_000).into();
    assert_eq!(gateway.chat(&long).await.served(), "smart/2");
    assert_eq!(small.requests().len(), 0);
}

#[tokio::test]
async fn what_a_request_says_of_being_asked_again_holds_and_is_not_sent_on() {
    let (bad, other, long) = (Upstream::start().unwrap(), well(), well());
    let models = model_with("smart", "fallbacks = [\"other\"]", &[openai(&bad)])
        + &model("other", &[openai(&other)])
        + &model("long", &[openai(&long)]);
    let gateway = start("retries = 3\n", &models);
    let asked = |more: Value| {
        let mut request = chat("smart");
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    bad.always(failing(500, "x"));
    gateway.chat(&asked(json!({"disable_fallbacks": true, "num_retries": 0}))).await.error(500);
    assert_eq!((bad.requests().len(), other.requests().len()), (1, 0));
    // Fewer retries, and the fallbacks all the same; never more than the configuration allows.
    for (retries, most) in [(1, 2), (9, 4)] {
        let before = bad.requests().len();
        let reply = gateway.chat(&asked(json!({"num_retries": retries}))).await;
        assert_eq!((reply.served(), bad.requests().len() - before), ("other/1", most));
    }
    let sent = other.last_request().unwrap().json();
    assert!(sent.get("num_retries").is_none() && sent.get("disable_fallbacks").is_none(), "{sent}");
    bad.always(failing(400, "context_length_exceeded"));
    let reply = gateway.chat(&asked(json!({"context_window_fallbacks": [{"smart": ["long"]}]}))).await;
    assert_eq!(reply.served(), "long/1");
    assert!(long.last_request().unwrap().json().get("context_window_fallbacks").is_none());
    assert_eq!(gateway.chat(&chat("smart")).await.served(), "other/1");
    let keyed = json!({"fallbacks": [{"model": "other", "api_key": "sk-of-a-client"}]});
    gateway.chat(&asked(keyed)).await.error(400).says(&["cannot change `api_key`"]);
}

#[tokio::test]
async fn an_answer_without_any_choice_is_none() {
    let (empty, good) = (Upstream::start().unwrap(), well());
    let gateway =
        start("retries = 1\n", &model("smart", &[openai(&empty), with(&openai(&good), "order = 1")]));
    let nothing = |usage: Value| json!({"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [], "usage": usage});
    let used = json!({"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9});
    let mut messages = chat("smart");
    messages["max_tokens"] = 50.into();
    for (path, request) in [("/v1/chat/completions", chat("smart")), ("/v1/messages", messages)] {
        let mut streams = request.clone();
        streams["stream"] = true.into();
        for usage in [Value::Null, used.clone()] {
            empty.push(Script::json(&nothing(usage.clone())));
            let reply = gateway.post(path).body(request.to_string()).send().await;
            assert_eq!(reply.served(), "smart/2", "{path} {usage}");
            let chunk = json!({"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage});
            empty.push(Script::sse([format!("data: {chunk}\n\n"), "data: [DONE]\n\n".to_owned()]));
            let reply = gateway.post(path).body(streams.to_string()).send().await;
            assert_eq!(reply.served(), "smart/2", "{path} {usage}");
        }
        empty.push(Script::sse(["data: [DONE]\n\n".to_owned()]));
        let reply = gateway.post(path).body(streams.to_string()).send().await;
        assert_eq!(reply.served(), "smart/2", "{path}");
        // An empty text is an answer, also behind a chunk that has filter results only.
        let choice =
            json!({"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"});
        let mut said = nothing(used.clone());
        said["choices"] = json!([choice]);
        empty.push(Script::json(&said));
        let reply = gateway.post(path).body(request.to_string()).send().await;
        assert_eq!(reply.served(), "smart/1", "{path}");
        let filtered = json!({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]});
        let end = json!({"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        let events = [filtered, end].map(|chunk| format!("data: {chunk}\n\n"));
        empty.push(Script::sse(events.into_iter().chain(["data: [DONE]\n\n".to_owned()])));
        let reply = gateway.post(path).body(streams.to_string()).send().await;
        assert_eq!(reply.served(), "smart/1", "{path}");
    }
}

#[tokio::test]
async fn fallbacks_go_by_the_beginning_of_a_prompt_where_the_model_itself_has_no_choice() {
    let (bad, one, other) = (Upstream::start().unwrap(), well(), well());
    bad.always(failing(500, "x"));
    let models = model_with("smart", "fallbacks = [\"two\"]", &[openai(&bad)])
        + &model("two", &[openai(&one), openai(&other)]);
    let gateway = start("retries = 0\nstrategy = \"round-robin\"\naffinity = { prefix = true }\n", &models);
    let mut long = chat("smart");
    long["messages"][0]["content"] = "The harbour opens at six. ".repeat(400).into();
    let first = gateway.chat(&long).await.served().to_owned();
    for _ in 0..4 {
        assert_eq!(gateway.chat(&long).await.served(), first);
    }
}
