//! `llmctl conform`: what an endpoint can do, asked of good ones and of ones with faults.

use llm_testkit::canned::{IncludeUsage, openai_completion, openai_stream};
use llm_testkit::{End, Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, Llmctl, Options, PROVIDER_KEY, Ran, llmctl, model};

/// A server of its own at the upstream.
fn at(upstream: &Upstream, more: &[&str]) -> Llmctl {
    let base = format!("{}/v1", upstream.url());
    let args = [&["conform", "local", "--api-base", &base, "--key", PROVIDER_KEY, "--json"], more].concat();
    llmctl(&args)
}

/// The verdict of a feature, and why.
fn verdict(ran: &Ran, feature: &str) -> (String, String) {
    let report = ran.json();
    let found =
        report["findings"].as_array().unwrap().iter().find(|one| one["feature"] == feature).unwrap().clone();
    let text = |name: &str| found[name].as_str().unwrap().to_owned();
    (text("verdict"), text("why"))
}

/// One feature of a server that always answers so.
fn check(script: Script, feature: &str, more: &[&str], expect: (&str, &str)) {
    let upstream = Upstream::start().unwrap();
    upstream.always(script);
    let ran = at(&upstream, &[&["--feature", feature], more].concat()).run();
    let (verdict, why) = verdict(&ran, feature);
    assert_eq!(verdict, expect.0, "{feature}: {why}");
    assert!(why.contains(expect.1), "{feature}: {why}");
    assert_eq!(
        ran.code,
        Some(i32::from(expect.0 == "failed" || more.contains(&"--claim"))),
        "{feature}: {ran:?}"
    );
    assert_eq!(ran.json()["conforms"], ran.code == Some(0), "{feature}");
}

fn saying(text: &str, finish: &str) -> Value {
    let mut answer = openai_completion(1);
    answer["choices"][0]["message"]["content"] = text.into();
    answer["choices"][0]["finish_reason"] = finish.into();
    answer
}

#[test]
fn a_server_that_does_what_it_says_conforms() {
    check(Script::json(&openai_completion(40)), "text", &[], ("passed", ""));
    check(Script::sse(openai_stream(5, IncludeUsage::Yes)), "stream", &[], ("passed", ""));
    check(Script::sse(openai_stream(5, IncludeUsage::Yes)), "stream_usage", &[], ("passed", ""));
    check(Script::json(&saying("one two ", "stop")), "stop", &[], ("passed", ""));
    check(
        Script::json(&saying(r#"{"city":"Oslo","year":1814}"#, "stop")),
        "json_schema",
        &[],
        ("passed", ""),
    );
    let error = json!({"error": {"message": "no such model", "type": "invalid_request_error"}});
    check(Script::status(404).json_body(&error), "errors", &[], ("passed", ""));
}

#[test]
fn faults_are_found() {
    let mut without = openai_completion(40);
    without.as_object_mut().unwrap().remove("usage");
    check(Script::json(&without), "usage", &[], ("failed", "not told"));
    check(Script::sse(openai_stream(5, IncludeUsage::No)), "stream_usage", &[], ("failed", "not told"));
    check(
        Script::json(&saying("one two three four five", "stop")),
        "stop",
        &[],
        ("failed", "past the stop text"),
    );
    check(
        Script::json(&saying(&"word ".repeat(200), "stop")),
        "max_tokens",
        &[],
        ("failed", "past the limit"),
    );
    check(Script::json(&saying("Oslo, of course.", "stop")), "json", &[], ("failed", "no JSON"));
    check(
        Script::json(&saying(r#"{"city":"Oslo","year":"long ago"}"#, "stop")),
        "json_schema",
        &[],
        ("failed", "schema"),
    );
    // A stream that ends without a last word, one that breaks off, and one that never ends.
    let events = openai_stream(5, IncludeUsage::No);
    let begun: Vec<_> = events[..4].to_vec();
    check(Script::sse(begun.clone()), "stream", &[], ("failed", ""));
    check(Script::sse(begun.clone()).then(End::Truncate), "stream", &[], ("failed", ""));
    check(
        Script::sse(begun).then(End::Stall),
        "stream",
        &["--timeout", "1"],
        ("failed", "no end within 1 s"),
    );
    check(Script::status(500).json_body(&json!({"error": {"message": "oh"}})), "text", &[], ("failed", "oh"));
    // A call whose arguments are no JSON.
    let mut call = openai_completion(1);
    call["choices"][0]["message"] = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "Oslo"}}]});
    call["choices"][0]["finish_reason"] = "tool_calls".into();
    check(Script::json(&call), "tools", &[], ("failed", "no JSON object"));
}

#[test]
fn what_is_refused_or_not_seen_fails_where_it_is_claimed() {
    let refusal = || Script::status(400).json_body(&json!({"error": {"message": "`seed` is not supported"}}));
    check(refusal(), "seed", &[], ("refused", "not supported"));
    check(refusal(), "seed", &["--claim", "seed"], ("refused", "not supported"));
    check(Script::json(&openai_completion(40)), "tools", &[], ("unseen", "called no function"));
    check(
        Script::json(&openai_completion(40)),
        "tools",
        &["--claim", "tools"],
        ("unseen", "called no function"),
    );
    let upstream = Upstream::start().unwrap();
    at(&upstream, &["--feature", "nonsense"]).run().failed(2, &["nonsense", "json_schema"]);
    // Nothing is asked where only the price is wanted.
    let ran = llmctl(&["conform", "openai/gpt-4o-mini", "--dry-run", "--json"]).run();
    ran.good();
    assert!(
        ran.json()["requests"].as_u64().unwrap() > 20 && ran.json()["at_most_usd"].is_string(),
        "{ran:?}"
    );
    assert!(upstream.requests().is_empty());
    llmctl(&["conform", "x", "--api-base", "http://127.0.0.1:9/v1"]).run().failed(5, &["connect"]);
}

#[test]
fn our_own_gateway_conforms() {
    let deployments = |name: &str| model(name, &["{ model = \"mock/echo\" }".to_owned()]);
    let gateway = Gateway::start(&deployments("demo"));
    let ran = llmctl(&["conform", "demo", "--gateway", &gateway.url(), "--json"]).run();
    let passed = [
        "text",
        "stream",
        "usage",
        "stream_usage",
        "errors",
        "max_tokens",
        "stop",
        "n",
        "json",
        "json_schema",
    ];
    for feature in passed {
        assert_eq!(verdict(&ran, feature).0, "passed", "{feature}: {ran:?}");
    }
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let all = [
        "conform",
        "demo",
        "--gateway",
        &gateway.url(),
        "-o",
        "embed,rerank,speech,transcribe,image,moderate",
    ];
    assert!(llmctl(&all).run().good().matches("passed").count() >= 9);
    // What the gateway cannot pass on it says, and so does the row.
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&llm_testkit::canned::anthropic_message(40)));
    let claude = format!(
        "{{ model = \"anthropic/claude-sonnet-4-5\", api_base = \"{}\", api_key = \"{PROVIDER_KEY}\" }}",
        upstream.url()
    );
    let gateway = Gateway::start(&model("claude", &[claude]));
    let ran =
        llmctl(&["conform", "claude", "--gateway", &gateway.url(), "--json", "-f", "seed,temperature"]).run();
    assert_eq!(verdict(&ran, "seed"), ("refused".to_owned(), verdict(&ran, "seed").1), "{ran:?}");
    assert!(verdict(&ran, "seed").1.contains("dropped seed"), "{ran:?}");
    assert_eq!(verdict(&ran, "temperature").0, "passed", "{ran:?}");
}

#[test]
fn the_row_of_the_matrix_is_printed() {
    let page = std::fs::read_to_string(llm_testkit::workspace().join("docs/capabilities.md")).unwrap();
    let gateway = Options::args(&["--demo"]).start();
    let url = gateway.url();
    let ran = llmctl(&["conform", "mock/echo", "--gateway", &url, "--row", "-o", "chat,embed"]).run();
    let tables: Vec<Vec<&str>> = ran.good().split("\n\n").map(|table| table.lines().collect()).collect();
    assert_eq!(tables.len(), 2, "{ran:?}");
    for table in &tables {
        let [head, rule, row] = table.as_slice() else { panic!("{table:?}") };
        // The same columns as the page has, so that the row can be put below its others.
        assert!(page.contains(&format!("{head}\n{rule}\n")), "{head}");
        assert!(row.starts_with("| mock/echo | **passed** | "), "{row}");
        assert_eq!(row.matches(" |").count(), head.matches(" |").count(), "{row}");
    }
    assert!(tables[0][2].contains("| unseen |") || tables[0][2].contains("| – |"), "{:?}", tables[0]);
    // Beside what is for people to read it comes last.
    let both = llmctl(&["conform", "mock/echo", "--gateway", &url, "-o", "chat,embed"]).run();
    let (read, table) = both.good().split_once("\n\n").unwrap();
    assert!(read.starts_with("OPERATION") && !read.contains('|'), "{read}");
    assert_eq!(table.trim_end(), ran.good().trim_end());
    llmctl(&["conform", "mock/echo", "--row", "--json"]).run().failed(2, &["--json"]);
}
