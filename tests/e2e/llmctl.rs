//! The command-line tool: straight to a provider, through a gateway, and on files.

use llm_testkit::canned::{IncludeUsage, openai_completion, openai_stream, text};
use llm_testkit::{Gate, Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{Gateway, PROVIDER_KEY, llmctl, model, openai};

/// OpenAI at `upstream`, with a key.
fn direct(upstream: &Upstream, args: &[&str]) -> crate::harness::Llmctl {
    llmctl(args).env("OPENAI_API_KEY", PROVIDER_KEY).env("OPENAI_BASE_URL", &format!("{}/v1", upstream.url()))
}

#[test]
fn a_model_is_asked_directly() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&openai_completion(40)));
    let said = format!("{}\n", text(40));
    assert_eq!(direct(&upstream, &["chat", "-m", "gpt-4o", "Hello!"]).run().good(), said);
    let sent = upstream.last_request().unwrap();
    assert_eq!(sent.path(), "/v1/chat/completions");
    assert_eq!(sent.header("authorization"), Some(&*format!("Bearer {PROVIDER_KEY}")));
    assert_eq!(sent.json()["model"], "gpt-4o");
    assert_eq!(sent.json()["messages"], json!([{"role": "user", "content": "Hello!"}]));

    // From standard input, with and without `-`.
    for args in [&["chat", "-m", "openai/gpt-4o", "-"][..], &["chat", "-m", "openai/gpt-4o"]] {
        direct(&upstream, args).stdin("from a pipe").run().good();
        assert_eq!(upstream.last_request().unwrap().json()["messages"][0]["content"], "from a pipe");
    }
    let ran = direct(&upstream, &["chat", "-m", "gpt-4o", "Hello!", "--json"]).run();
    ran.good();
    assert_eq!(ran.json()["object"], "chat.completion");
    assert_eq!(ran.json()["choices"][0]["message"]["content"], text(40));
}

#[test]
fn a_stream_is_printed_as_it_comes() {
    let upstream = Upstream::start().unwrap();
    let events = openai_stream(5, IncludeUsage::Yes);
    let (first, rest) = events.split_at(3);
    let gate = Gate::new();
    let script = Script::sse(first.to_vec()).gate(&gate);
    upstream.push(rest.iter().cloned().fold(script, Script::chunk));
    let mut going = direct(&upstream, &["chat", "-m", "gpt-4o", "Hello!", "--stream"]).start();
    going.until("harbour");
    gate.open();
    let ran = going.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.ends_with('\n'), "{ran:?}");
    assert_eq!(upstream.last_request().unwrap().json()["stream"], true);

    upstream.push(Script::sse(events));
    let ran = direct(&upstream, &["chat", "-m", "gpt-4o", "Hello!", "--stream", "--json"]).run();
    let lines: Vec<Value> = ran.good().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["object"] == "chat.completion.chunk"), "{lines:?}");
    assert!(lines.last().unwrap()["usage"].is_object(), "{lines:?}");
}

#[test]
fn pictures_and_tools_are_files() {
    let upstream = Upstream::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (picture, tool) = (dir.path().join("a.gif"), dir.path().join("weather.json"));
    std::fs::write(&picture, b"GIF89a").unwrap();
    std::fs::write(&tool, r#"{"type":"object","properties":{"city":{"type":"string"}}}"#).unwrap();
    let mut answer = openai_completion(1);
    let call = json!({"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}});
    answer["choices"][0]["message"] = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    answer["choices"][0]["finish_reason"] = "tool_calls".into();
    upstream.push(Script::json(&answer));
    let (picture, tool) = (picture.to_str().unwrap(), tool.to_str().unwrap());
    let args = ["chat", "-m", "gpt-4o", "--image", picture, "--tool-schema", tool, "Weather here?"];
    assert_eq!(direct(&upstream, &args).run().good(), "weather({\"city\":\"Oslo\"})\n");
    let sent = upstream.last_request().unwrap().json();
    let parts = sent["messages"][0]["content"].as_array().unwrap();
    let kinds: Vec<_> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text", "image_url"], "{sent}");
    assert_eq!(sent["tools"][0]["function"]["name"], "weather");
    assert_eq!(sent["tools"][0]["function"]["parameters"]["properties"]["city"]["type"], "string");
}

#[test]
fn a_gateway_is_asked_and_listed() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&openai_completion(40)));
    let gateway =
        Gateway::start(&format!("[auth]\nmaster_key = \"sk-m\"\n{}", model("smart", &[openai(&upstream)])));
    let url = gateway.url();
    let chat = ["chat", "-m", "smart", "--gateway", &url, "Hello!"];
    assert_eq!(llmctl(&chat).env("GATEWAY_MASTER_KEY", "sk-m").run().good(), format!("{}\n", text(40)));
    llmctl(&chat).run().failed(4, &["llmctl: "]);
    llmctl(&chat).env("GATEWAY_API_KEY", "sk-wrong").run().failed(4, &["key"]);
    let unknown = ["chat", "-m", "smrt", "--gateway", &url, "--key", "sk-m", "Hello!"];
    llmctl(&unknown).run().failed(1, &["smrt", "smart"]);

    let ran = llmctl(&["models", "--gateway", &url, "--key", "sk-m", "--json"]).run();
    ran.good();
    assert_eq!(ran.json(), json!([{"model": "smart", "provider": "openai"}]));
    let table = llmctl(&["models", "--gateway", &url, "--key", "sk-m"]).run();
    assert!(table.good().contains("smart"), "{table:?}");
    let own = llmctl(&["models"]).env("ANTHROPIC_API_KEY", "sk").run();
    assert!(own.good().lines().skip(1).all(|line| line.starts_with("anthropic/")), "{own:?}");
}

#[test]
fn failures_have_codes_of_their_own() {
    let mut upstream = Upstream::start().unwrap();
    let config = model("smart", &[openai(&upstream)]).replace("deployments", "retries = 0\ndeployments");
    let gateway = Gateway::start(&config);
    let url = gateway.url();
    let through = ["chat", "-m", "smart", "--gateway", &url, "Hello!"];
    upstream.push(Script::status(429).json_body(&json!({"error": {"message": "slow down"}})));
    llmctl(&through).run().failed(6, &["slow down"]);
    upstream.push(Script::status(400).json_body(&json!({"error": {"message": "no such thing"}})));
    let ran = llmctl(&[&through[..], &["--json"]].concat()).run();
    ran.failed(1, &["no such thing"]);
    let error: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!((&error["error"]["exit"], ran.out.as_str()), (&json!(1), ""));
    upstream.stop();
    // The gateway is there, the provider behind it is not.
    llmctl(&through).run().failed(5, &["connect"]);
    let base = "http://127.0.0.1:9/v1";
    let straight = llmctl(&["chat", "-m", "gpt-4o", "Hello!"]).env("OPENAI_API_KEY", "sk");
    straight.env("OPENAI_BASE_URL", base).run().failed(5, &["connect"]);
    llmctl(&["chat", "-m", "gpt-4o", "Hello!"]).run().failed(4, &["OPENAI_API_KEY"]);
    llmctl(&["chat", "Hello!"]).run().failed(2, &["--model"]);
    llmctl(&["chat", "-m", "gpt-4o", "--image", "/no/such.png", "x"]).run().failed(2, &["/no/such.png"]);
    assert!(llmctl(&["--help"]).run().good().contains("Exit codes:"));
}

#[test]
fn configurations_are_checked_described_and_shown() {
    let examples = llm_testkit::workspace().join("config-examples");
    for file in std::fs::read_dir(examples).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_some_and(|end| end == "toml") {
            let name = file.to_str().unwrap();
            let ran = llmctl(&["config", "check", name]).run();
            assert!(ran.good().contains(": ok, "), "{ran:?}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("broken.toml");
    std::fs::write(&file, "[server]\nmax_bdy = \"1MiB\"\n").unwrap();
    let name = file.to_str().unwrap();
    let ran = llmctl(&["config", "check", name]).run();
    assert_eq!(ran.code, Some(3));
    for word in ["broken.toml:2:1", "^^^^^^^", "did you mean `max_body`?"] {
        assert!(ran.out.contains(word), "no `{word}` in {ran:?}");
    }
    let ran = llmctl(&["config", "check", "--json", name]).run();
    assert_eq!((ran.code, &ran.json()[0]["line"]), (Some(3), &json!(2)));
    for args in [&["config", "show", name][..], &["config", "show", "--json", name]] {
        llmctl(args).run().failed(3, &["max_bdy"]);
    }
    std::fs::write(&file, "[auth]\nmaster_key = \"${KEY}\"\n").unwrap();
    let show = llmctl(&["config", "show", name]).env("KEY", "sk-hidden").run();
    assert!(show.good().contains("max_body") && !show.out.contains("sk-hidden"), "{show:?}");
    assert!(llmctl(&["config", "check", name]).run().good().contains("1 warning"));
    assert_eq!(llmctl(&["config", "check", "--strict", name]).run().code, Some(3));
    let schema = llmctl(&["config", "schema"]).run();
    schema.good();
    assert!(schema.json()["properties"]["server"].is_object(), "{schema:?}");
}

#[test]
fn calls_are_priced_without_a_network() {
    let ran = llmctl(&["cost", "gpt-4o", "--input", "1000000", "--output", "100000", "--json"]).run();
    ran.good();
    assert_eq!(ran.json()["total_usd"], "3.5");
    let counted = ["cost", "gpt-4o-mini", "--file", "-", "--compare", "gpt-4o,claude-haiku-4-5", "--json"];
    let ran = llmctl(&counted).stdin("Reply with exactly: cobalt").run();
    ran.good();
    let told = ran.json();
    let each =
        |member: &str| told.as_array().unwrap().iter().map(|one| one[member].clone()).collect::<Vec<_>>();
    assert_eq!(each("tokens"), ["counted", "counted", "estimated"]);
    assert_eq!(each("input_tokens")[..2], [json!(12), json!(12)]);
    let shown = llmctl(&["prices", "show", "anthropic/claude-haiku-4-5"]).run();
    for words in ["context window: 200000", "cache_write_1h", "million tokens"] {
        assert!(shown.good().contains(words), "no `{words}` in {shown:?}");
    }
    llmctl(&["prices", "show", "gpt-99"]).run().failed(2, &["no prices are known of `gpt-99`"]);
}

#[test]
fn completions_and_the_manual_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(llmctl(&["completions", shell]).run().good().contains("llmctl"), "{shell}");
    }
    assert!(llmctl(&["man"]).run().good().starts_with(".ie"), "roff");
}
