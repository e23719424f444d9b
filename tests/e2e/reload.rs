//! Another configuration while requests run: by the file, and by SIGHUP.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use llm_testkit::canned::{self, IncludeUsage, openai_stream};
use llm_testkit::{Gate, Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{FAST, Gateway, Options, chat, model, openai, streamed};

/// A gateway with one model, and its configuration.
fn smart(upstream: &Upstream, more: &str) -> (Gateway, String) {
    let config = format!("{FAST}{more}{}", model("smart", &[openai(upstream)]));
    (Options::config(config.clone()).start(), config)
}

/// An upstream that answers everything.
fn answering() -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&canned::openai_completion(20)));
    upstream
}

async fn deployment(gateway: &Gateway, id: &str) -> Value {
    let reply = gateway.get(&format!("/admin/v1/deployments/{id}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn successes(gateway: &Gateway, id: &str) -> u64 {
    deployment(gateway, id).await["counts"]["successes"].as_u64().unwrap()
}

#[tokio::test]
async fn another_model_is_there_and_a_running_stream_ends_as_it_began() {
    let gate = Gate::new();
    let upstream = Upstream::start().unwrap();
    let (gateway, _) = smart(&upstream, "");
    let events = openai_stream(5, IncludeUsage::Yes);
    let (first, rest) = events.split_at(3);
    let script = Script::sse(first.to_vec()).gate(&gate);
    upstream.push(rest.iter().cloned().fold(script, Script::chunk));
    let mut stream = gateway.stream(&streamed("smart")).await;
    let mut read = stream.until("harbour").await;

    gateway.reconfigure(&format!("{FAST}{}", model("other", &[openai(&upstream)])));
    upstream.push(Script::json(&canned::openai_completion(20)));
    assert_eq!(gateway.chat(&chat("other")).await.status, 200);
    gateway.chat(&chat("smart")).await.error(404).says(&["smart"]);
    let models = gateway.get("/v1/models").await.json();
    assert_eq!(models["data"][0]["id"], "other");
    assert_eq!(models["data"].as_array().unwrap().len(), 1);

    gate.open();
    read.push_str(stream.whole().await.text());
    assert_eq!(read, openai_stream(5, IncludeUsage::No).concat());
}

#[tokio::test]
async fn counters_of_unchanged_deployments_go_on_and_others_begin_anew() {
    let (kept, moved) = (answering(), answering());
    let config = |moved: &str| format!("{FAST}{}", model("smart", &[openai(&kept), moved.to_owned()]));
    let gateway = Options::config(config(&openai(&moved))).start();
    for _ in 0..4 {
        assert_eq!(gateway.chat(&chat("smart")).await.status, 200);
    }
    let drained = gateway.post("/admin/v1/deployments/smart/2/drain").send().await;
    assert_eq!(drained.json()["state"], "drained");
    assert_eq!((successes(&gateway, "smart/1").await, successes(&gateway, "smart/2").await), (2, 2));

    let other_key = openai(&moved).replace("sk-", "sk-other-");
    gateway.reconfigure(&config(&other_key));
    assert_eq!((successes(&gateway, "smart/1").await, successes(&gateway, "smart/2").await), (2, 0));
    gateway.wait_log(r#""changed":"smart/2""#);
    // Whoever took it out did not mean its key.
    assert_eq!(deployment(&gateway, "smart/2").await["state"], "drained");
    let weighed = config(&other_key.replace(" }", ", weight = 7 }"));
    gateway.reconfigure(&weighed);
    let found = deployment(&gateway, "smart/2").await;
    assert_eq!((&found["weight"], &found["state"]), (&json!(7), &json!("drained")));
    assert_eq!(successes(&gateway, "smart/1").await, 2);
}

#[tokio::test]
async fn deployments_are_who_they_were_wherever_they_stand_in_the_list() {
    let (first, second, third) = (answering(), answering(), answering());
    let config = |list: &[&Upstream]| {
        let list: Vec<_> = list.iter().map(|upstream| openai(upstream)).collect();
        format!("{FAST}{}", model("smart", &list))
    };
    let gateway = Options::config(config(&[&first, &second, &third])).start();
    let drained = gateway.post("/admin/v1/deployments/smart/2/drain").send().await;
    assert_eq!(drained.json()["state"], "drained");
    for _ in 0..4 {
        assert_eq!(gateway.chat(&chat("smart")).await.status, 200);
    }
    let state = async |nth: usize| {
        let id = format!("smart/{nth}");
        (
            deployment(&gateway, &id).await["state"].as_str().unwrap() == "drained",
            successes(&gateway, &id).await,
        )
    };
    assert_eq!((state(1).await, state(2).await, state(3).await), ((false, 2), (true, 0), (false, 2)));

    // The one that was drained goes: nobody inherits that.
    gateway.reconfigure(&config(&[&first, &third]));
    assert_eq!((state(1).await, state(2).await), ((false, 2), (false, 2)));
    assert_eq!(gateway.chat(&chat("smart")).await.status, 200);

    // One comes before one that is drained.
    gateway.post("/admin/v1/deployments/smart/2/drain").send().await;
    gateway.reconfigure(&config(&[&second, &first, &third]));
    let (new, old, out) = (state(1).await, state(2).await, state(3).await);
    assert_eq!((new, old.0, out.0), ((false, 0), false, true));
    assert_eq!(old.1 + out.1, 5);

    // They change places.
    gateway.reconfigure(&config(&[&third, &second, &first]));
    assert_eq!((state(1).await.0, state(2).await.0, state(3).await.0), (true, false, false));
    assert_eq!((state(1).await.1, state(3).await.1), (out.1, old.1));
}

#[tokio::test]
async fn an_invalid_file_changes_nothing_and_says_why() {
    let upstream = answering();
    let (gateway, config) = smart(&upstream, "");
    assert_eq!(gateway.get("/health/ready").await.text(), r#"{"status":"ok"}"#);
    gateway.configure(&format!("{config}[server]\nmax_bdy = \"1MiB\"\n"));
    gateway.wait_log("the old one stays in place");
    for words in ["gateway.toml:", "max_bdy", "^^^^^^^", "did you mean `max_body`?"] {
        gateway.wait_log(words);
    }
    assert_eq!(gateway.chat(&chat("smart")).await.status, 200);
    let ready = gateway.get("/health/ready").await;
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("ok")));
    assert!(ready.json()["config"].as_str().unwrap().contains("refused"));
    assert!(!ready.text().contains("max_bdy"), "no key is asked for here");
    let state = gateway.get("/admin/v1/config").await.json();
    assert_eq!(
        (&state["generation"], &state["refused"]["diagnostics"][0]["code"]),
        (&json!(1), &json!("unknown-key"))
    );
    assert!(state["refused"]["message"].as_str().unwrap().contains("^^^^^^^"), "{state}");
    let asked = gateway.post("/admin/v1/config/reload").send().await;
    let error = asked.error(422);
    error.says(&["max_bdy", "did you mean"]);
    assert_eq!(error.code, "invalid_config");

    // Mended: even as it was before.
    gateway.configure(&config);
    gateway.wait_log("says the same");
    assert_eq!(gateway.get("/health/ready").await.text(), r#"{"status":"ok"}"#);
    assert_eq!(gateway.get("/admin/v1/config").await.json()["refused"], Value::Null);
}

#[tokio::test]
async fn what_needs_a_restart_is_told_and_the_rest_is_in_place() {
    let upstream = answering();
    let (gateway, config) = smart(&upstream, "");
    let more =
        "[server]\nidle_timeout = \"20s\"\nmax_body = \"100B\"\n[upstream]\nconnect_timeout = \"1s\"\n";
    gateway.reconfigure(&format!("{more}{config}"));
    let logs = gateway.logs();
    assert!(logs.contains("only after a restart") && logs.contains("server.idle_timeout"), "{logs}");
    let state = gateway.get("/admin/v1/config").await.json();
    assert_eq!(state["restart_needed"], json!(["server.idle_timeout", "upstream"]));
    let mut long = chat("smart");
    long["user"] = "x".repeat(100).into();
    gateway.chat(&long).await.error(413);
    // Taken back, there is nothing to wait for.
    let done = gateway.post("/admin/v1/config/reload").send().await.json();
    assert_eq!((&done["changed"], &done["restart_needed"][1]), (&json!(false), &json!("upstream")));
    gateway.reconfigure(&config);
    assert_eq!(gateway.get("/admin/v1/config").await.json()["restart_needed"], json!([]));
}

#[tokio::test]
async fn sighup_reads_the_file_again_and_ends_who_has_none() {
    let upstream = answering();
    let (gateway, _) = smart(&upstream, "");
    gateway.signal("HUP");
    gateway.wait_log("SIGHUP");
    gateway.wait_log("says the same");
    assert_eq!(gateway.chat(&chat("smart")).await.status, 200);
    let state = gateway.get("/admin/v1/config").await.json();
    assert!(state["file"].as_str().unwrap().ends_with("gateway.toml"), "{state}");

    let mut bare = Options::args(&["--model", "mock/echo"]).start();
    assert_eq!(bare.get("/admin/v1/config").await.json()["file"], Value::Null);
    assert_eq!(bare.post("/admin/v1/config/reload").send().await.error(409).code, "no_config_file");
    bare.signal("HUP");
    assert_eq!(bare.wait_exit().code(), None, "by the signal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_reloads_under_traffic() {
    let (one, two) = (answering(), answering());
    let config = |weight: u32| {
        format!(
            "{FAST}{}",
            model("smart", &[openai(&one).replace(" }", &format!(", weight = {weight} }}")), openai(&two)])
        )
    };
    let gateway = Options::config(config(1)).start();
    let (done, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = async || {
        while !done.load(Ordering::Relaxed) {
            let reply = gateway.chat(&chat("smart")).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            answers.fetch_add(1, Ordering::Relaxed);
        }
    };
    let reloads = async {
        for weight in 2..8 {
            let before = answers.load(Ordering::Relaxed);
            tokio::task::block_in_place(|| gateway.reconfigure(&config(weight)));
            while answers.load(Ordering::Relaxed) < before + 10 {
                tokio::task::yield_now().await;
            }
        }
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(client(), client(), client(), client(), reloads);
    let counted = successes(&gateway, "smart/1").await + successes(&gateway, "smart/2").await;
    assert_eq!(counted, answers.load(Ordering::Relaxed) as u64, "no answer is lost on the way");
    assert_eq!(deployment(&gateway, "smart/1").await["in_flight"], 0);
    assert_eq!(gateway.get("/admin/v1/config").await.json()["generation"], 7);
}
