//! Limits through the real binary: of one gateway, and of several with one Redis between them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use llm_testkit::{Gate, Redis, Script, Upstream, canned};
use serde_json::{Value, json};

use crate::harness::{FAST, Gateway, Options, PATIENCE, Reply, chat, model, openai};
use crate::money::{admin, bearer, wait};

const SECRET: &str = "sk-a-key-of-the-tests";

/// A configuration with one key under these limits, and whatever else.
fn config(limits: &str, more: &str) -> String {
    format!(
        "[auth]\nmaster_key = \"sk-master-of-the-tests\"\n[[keys]]\nname = \"ci\"\nkey = \"{SECRET}\"\n{limits}\n{more}"
    )
}

/// `[redis]`, with the time that a slow machine needs.
fn redis_table(redis: &Redis, more: &str) -> String {
    format!("[redis]\nurl = \"{}\"\ntimeout = \"10s\"\n{more}\n", redis.url())
}

fn upstream() -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(20)));
    upstream
}

/// A gateway that shares limits.
fn sharing(config: &str) -> Arc<Gateway> {
    let gateway = Options::config(format!("{FAST}{config}")).start();
    gateway.wait_log("limits are shared over Redis");
    Arc::new(gateway)
}

async fn ask(gateway: &Gateway, model: &str) -> Reply {
    let call = gateway.post("/v1/chat/completions").header("authorization", &bearer(SECRET));
    call.body(chat(model).to_string()).send().await
}

/// How often each command was run since the server began.
fn commands(redis: &Redis) -> BTreeMap<String, u64> {
    let told = redis.command(&[b"INFO", b"commandstats"]).unwrap();
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    told.lines().filter_map(count).collect()
}

#[tokio::test]
async fn two_gateways_let_in_no_more_than_the_limit() {
    let (redis, upstream) = (Redis::start().unwrap(), upstream());
    let models = model("smart", &[openai(&upstream)]);
    let config = config("limits = { rpm = 60 }", &format!("{}{models}", redis_table(&redis, "")));
    let gateways = [sharing(&config), sharing(&config)];
    let began = Instant::now();
    let asking: Vec<_> = (0..150)
        .map(|nth| {
            let gateway = Arc::clone(&gateways[nth % 2]);
            tokio::spawn(async move { ask(&gateway, "smart").await })
        })
        .collect();
    let mut came = 0_u64;
    for reply in asking {
        let reply = reply.await.unwrap();
        assert_eq!(reply.header("x-ratelimit-limit-requests"), "60");
        if reply.status == 200 {
            came += 1;
            continue;
        }
        let after: u64 = reply.header("retry-after").parse().unwrap();
        assert!((1..=2).contains(&after), "{after}");
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), "0");
        reply.error(429).says(&["60 requests a minute"]);
    }
    // One a second flows off while they come.
    let most = 60 + began.elapsed().as_secs() + 1;
    assert!((60..=most).contains(&came), "{came} of {most}");
    assert_eq!(upstream.requests().len() as u64, came);
    // What one refuses, the other lets in no more than it does.
    let reply = ask(&gateways[0], "smart").await;
    if reply.status == 429 {
        tokio::time::sleep(Duration::from_secs(reply.header("retry-after").parse().unwrap())).await;
        assert_eq!(ask(&gateways[1], "smart").await.status, 200, "it comes back when it was told to");
    }
}

#[tokio::test]
async fn requests_at_once_are_counted_together_and_a_crash_gives_them_back() {
    let (redis, upstream, gate) = (Redis::start().unwrap(), upstream(), Gate::new());
    upstream.always(Script::json(&canned::openai_completion(20)).gate_head(&gate));
    let models = model("smart", &[openai(&upstream)]);
    let config = config("limits = { parallel = 4 }", &format!("{}{models}", redis_table(&redis, "")));
    let (one, two) = (sharing(&config), sharing(&config));
    let held: Vec<_> = [&one, &one, &one, &two]
        .into_iter()
        .map(|gateway| {
            let gateway = Arc::clone(gateway);
            tokio::spawn(async move {
                let call = gateway.post("/v1/chat/completions").header("authorization", &bearer(SECRET));
                call.body(chat("smart").to_string()).try_send().await.map(|reply| reply.status)
            })
        })
        .collect();
    assert!(upstream.wait_requests(4, PATIENCE).await);
    for gateway in [&one, &two] {
        ask(gateway, "smart").await.error(429).says(&["4 requests at once"]);
    }
    one.signal("KILL");
    gate.open();
    // The one of the second is answered and its place is free; those of the first are when its time is over.
    let mut statuses = Vec::new();
    for reply in held {
        statuses.push(reply.await.unwrap());
    }
    assert_eq!(statuses[3], Some(200));
    let gate = Gate::new();
    upstream.always(Script::json(&canned::openai_completion(20)).gate_head(&gate));
    let before = upstream.requests().len();
    let four: Vec<_> = (0..4)
        .map(|_| {
            let two = Arc::clone(&two);
            tokio::spawn(async move {
                let until = Instant::now() + PATIENCE;
                while ask(&two, "smart").await.status != 200 {
                    assert!(Instant::now() < until, "the places of the dead are not given back in time");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        })
        .collect();
    assert!(upstream.wait_requests(before + 4, PATIENCE).await, "all four at once");
    gate.open();
    for done in four {
        done.await.unwrap();
    }
}

#[tokio::test]
async fn tokens_that_were_not_used_are_given_back_to_all() {
    let (redis, upstream) = (Redis::start().unwrap(), upstream());
    let models = model("smart", &[openai(&upstream)]);
    let config = config("limits = { tpm = 600 }", &format!("{}{models}", redis_table(&redis, "")));
    let (one, two) = (sharing(&config), sharing(&config));
    // The prompt and 500 tokens are reserved, 139 are used.
    let mut body = chat("smart");
    body["max_tokens"] = json!(500);
    let send = async |gateway: &Gateway| {
        let call = gateway.post("/v1/chat/completions").header("authorization", &bearer(SECRET));
        call.body(body.to_string()).send().await
    };
    let began = Instant::now();
    let first = send(&one).await;
    let left: u64 = first.header("x-ratelimit-remaining-tokens").parse().unwrap();
    assert!(first.status == 200 && left < 100, "{:?}", first.headers);
    // 461 are left and what flowed off since, 10 a second: either it waits for no more than that, or it fits. What was not
    // used is told in the background, and without it this would last 44 s.
    let after = |reply: &Reply| reply.header("retry-after").parse::<u64>().unwrap();
    let reply = wait("what was not used is not counted", async || {
        let reply = send(&two).await;
        (reply.status == 200 || after(&reply) <= 8).then_some(reply)
    })
    .await;
    if reply.status == 429 {
        let after = after(&reply);
        tokio::time::sleep(Duration::from_secs(after)).await;
        assert_eq!(send(&two).await.status, 200);
    } else {
        assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_request_waits_for_one_command_and_its_end_for_none() {
    let (redis, upstream) = (Redis::start().unwrap(), upstream());
    let all = "limits = { rpm = 100000, tpm = 100000000, parallel = 100 }";
    let more = format!(
        "team = \"t\"\nuser = \"u\"\nmodel_limits = [{{ model = \"sm*\", rpm = 100000, parallel = 100 }}]\n\
         [[teams]]\nid = \"t\"\n{all}\n[[users]]\nid = \"u\"\n{all}\n\
         [[limits]]\nscope = \"global\"\nrpm = 1000000\nparallel = 100\n\
         [[limits]]\nscope = \"model:smart\"\nrpm = 1000000\nparallel = 100\n{}{}",
        redis_table(&redis, ""),
        model("smart", &[openai(&upstream)])
    );
    let gateway = sharing(&config(all, &more));
    assert_eq!(ask(&gateway, "smart").await.status, 200);
    // What it gives back is told in the background.
    let before = wait("the first is told", async || {
        let before = commands(&redis);
        before.get("hget").is_some_and(|count| *count >= 6).then_some(before)
    })
    .await;
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(ask(&gateway, "smart").await.status, 200);
    }
    let after = wait("all is told", async || {
        let after = commands(&redis);
        // Of each request one script takes and one gives back, for six owners.
        (after["hget"] - before["hget"] >= 6 * 50).then_some(after)
    })
    .await;
    let of = |name: &str| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
    assert_eq!(of("hgetall"), 6 * 50, "taken once: {after:?}");
    let beats = began.elapsed().as_secs() / 2 + 2;
    assert!((100..=100 + beats).contains(&of("evalsha")), "{after:?}");
    let known = ["evalsha", "hget", "hgetall", "hmget", "hset", "hdel", "hlen", "pexpire", "time", "info"];
    let beat = ["zscore", "zadd", "zremrangebyscore", "ping", "eval"];
    for name in after.keys().filter(|name| of(name) > 0) {
        assert!(known.contains(&name.as_str()) || beat.contains(&name.as_str()), "{name}: {after:?}");
    }

    // A server that hangs keeps no answer back.
    let gate = Gate::new();
    upstream.always(Script::json(&canned::openai_completion(20)).gate_head(&gate));
    let asked = upstream.requests().len();
    let held = Arc::clone(&gateway);
    let reply = tokio::spawn(async move { ask(&held, "smart").await });
    assert!(upstream.wait_requests(asked + 1, PATIENCE).await);
    redis.freeze().unwrap();
    gate.open();
    let began = Instant::now();
    assert_eq!(reply.await.unwrap().status, 200);
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    redis.thaw().unwrap();
}

#[tokio::test]
async fn without_redis_a_gateway_counts_for_itself_or_refuses() {
    let (mut redis, upstream) = (Redis::start().unwrap(), upstream());
    let models = model("smart", &[openai(&upstream)]);
    let with = |failure: &str| {
        let table = redis_table(&redis, &format!("on_failure = \"{failure}\""));
        config("limits = { rpm = 3 }", &format!("{table}{models}"))
    };
    let (open, closed) = (sharing(&with("open")), sharing(&with("closed")));
    assert_eq!(ask(&open, "smart").await.header("x-ratelimit-remaining-requests"), "2");
    assert_eq!(ask(&closed, "smart").await.header("x-ratelimit-remaining-requests"), "1");
    redis.kill().unwrap();
    wait("it is known", async || (ask(&closed, "smart").await.status == 503).then_some(())).await;
    let health = async || {
        let call =
            closed.call(Method::GET, "/health").header("authorization", &bearer("sk-master-of-the-tests"));
        call.send().await.json()["redis"].clone()
    };
    assert!(health().await.as_str().unwrap().contains("limits are not shared"));
    let reply = ask(&closed, "smart").await;
    assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(reply.error(503).code, "limits_unavailable");
    // Without limits nobody depends on it.
    let master = |gateway: &Arc<Gateway>| {
        let gateway = Arc::clone(gateway);
        async move {
            let call = gateway
                .post("/v1/chat/completions")
                .header("authorization", &bearer("sk-master-of-the-tests"));
            call.body(chat("smart").to_string()).send().await.status
        }
    };
    assert_eq!(master(&closed).await, 200);
    let mut came = 0;
    for _ in 0..10 {
        came += usize::from(ask(&open, "smart").await.status == 200);
    }
    assert!((3..=5).contains(&came), "{came}");

    redis.restart().unwrap();
    for gateway in [&open, &closed] {
        wait("limits are shared again", async || {
            (gateway.logs().matches("limits are shared over Redis").count() > 1).then_some(())
        })
        .await;
    }
    assert_eq!(health().await, Value::Null);
    // Both know what the server knows.
    let statuses = [ask(&closed, "smart").await.status, ask(&open, "smart").await.status];
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    wait("one is counted for both", async || {
        let one = ask(&open, "smart").await;
        let other = ask(&closed, "smart").await;
        (one.status == 429 && other.status == 429).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_reload_keeps_the_connection_and_may_end_the_sharing() {
    let (redis, upstream) = (Redis::start().unwrap(), upstream());
    let models = model("smart", &[openai(&upstream)]);
    let with = |more: &str| config("limits = { rpm = 3 }", &format!("{}{models}", redis_table(&redis, more)));
    let (one, two) = (sharing(&with("")), sharing(&with("")));
    for gateway in [&one, &two] {
        assert_eq!(ask(gateway, "smart").await.status, 200);
    }
    two.reconfigure(&with("").replace("rpm = 3", "rpm = 4"));
    assert_eq!(two.logs().matches("limits are shared over Redis").count(), 1, "the same one");
    assert_eq!(ask(&two, "smart").await.header("x-ratelimit-remaining-requests"), "1");
    two.reconfigure(&with("limits = false"));
    let reply = ask(&two, "smart").await;
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), "2", "alone, and from nothing");
}

#[tokio::test]
async fn models_have_limits_for_a_key_and_for_everybody() {
    let upstream = upstream();
    let models: String = ["smart", "cheap", "other"].map(|name| model(name, &[openai(&upstream)])).concat();
    let more = format!(
        "model_limits = [{{ model = \"smart\", rpm = 2 }}, {{ model = \"c*\", parallel = 0 }}]\n\
         [[limits]]\nscope = \"model:other\"\nrpm = 1\n{models}"
    );
    let gateway = Gateway::start(&config("", &more));
    for left in ["1", "0"] {
        let reply = ask(&gateway, "smart").await;
        assert_eq!((reply.status, reply.header("x-ratelimit-remaining-requests")), (200, left));
    }
    ask(&gateway, "smart").await.error(429).says(&["2 requests a minute", "the model `smart`"]);
    ask(&gateway, "cheap").await.error(429).says(&["0 requests at once", "the model `c*`"]);
    assert_eq!(ask(&gateway, "other").await.status, 200);
    ask(&gateway, "other").await.error(429).says(&["1 requests a minute for model:other"]);

    // The same over the admin API.
    let made =
        admin(&gateway, Method::POST, "/keys", &json!({"model_limits": [{"model": "smart", "rpm": 1}]}))
            .await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let shown = json!([{"model": "smart", "rpm": 1, "tpm": null, "parallel": null}]);
    assert_eq!(made["model_limits"], shown);
    let secret = made["key"].as_str().unwrap().to_owned();
    let as_made = async |model: &str| {
        let call = gateway.post("/v1/chat/completions").header("authorization", &bearer(&secret));
        call.body(chat(model).to_string()).send().await
    };
    assert_eq!(as_made("smart").await.status, 200);
    assert_eq!(as_made("smart").await.status, 429);
    as_made("other").await.error(429).says(&["for model:other"]);
    let twice = json!({"model_limits": [{"model": "a", "rpm": 1}, {"model": "a", "tpm": 1}]});
    admin(&gateway, Method::POST, "/keys", &twice).await.error(400).says(&["twice"]);

    let of_cheap = json!({"scope": "model:cheap", "rpm": 1});
    assert_eq!(admin(&gateway, Method::POST, "/limits", &of_cheap).await.status, 201);
    assert_eq!(admin(&gateway, Method::POST, "/limits", &of_cheap).await.error(409).code, "already_exists");
    assert_eq!(as_made("cheap").await.status, 200);
    assert_eq!(as_made("cheap").await.status, 429);
    let patched =
        admin(&gateway, Method::PATCH, "/limits/model:cheap", &json!({"rpm": 5, "parallel": 9})).await;
    assert_eq!(patched.json(), json!({"scope": "model:cheap", "rpm": 5, "tpm": null, "parallel": 9}));
    assert_eq!(as_made("cheap").await.status, 200);
    let listed = admin(&gateway, Method::GET, "/limits", &Value::Null).await.json();
    let scopes: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| one["scope"].clone()).collect();
    assert_eq!(scopes, ["model:cheap", "model:other"]);
    let configured = admin(&gateway, Method::PATCH, "/limits/model:other", &json!({"rpm": 5})).await;
    assert_eq!(configured.error(409).code, "defined_in_config");
    assert_eq!(admin(&gateway, Method::DELETE, "/limits/model:cheap", &Value::Null).await.status, 200);
    assert_eq!(admin(&gateway, Method::GET, "/limits/model:cheap", &Value::Null).await.status, 404);
    for wrong in [json!({"scope": "team:a", "rpm": 1}), json!({"scope": "global"}), json!({"rpm": 1})] {
        admin(&gateway, Method::POST, "/limits", &wrong).await.error(400);
    }
    // A budget beside them stays when they go.
    let budget = json!({"scope": "model:cheap", "limit_usd": "5.00", "window": "day"});
    assert_eq!(admin(&gateway, Method::POST, "/budgets", &budget).await.status, 201);
    assert_eq!(admin(&gateway, Method::POST, "/limits", &of_cheap).await.status, 201);
    assert_eq!(admin(&gateway, Method::DELETE, "/limits/model:cheap", &Value::Null).await.status, 200);
    let left = admin(&gateway, Method::GET, "/budgets?scope=model:cheap", &Value::Null).await.json();
    assert_eq!(left["data"].as_array().unwrap().len(), 1);
}
