//! What calls cost: prices of the configuration, terms of providers, price maps, estimates.

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::harness::{FAST, Gateway, Options, chat, llmctl, model};

/// Deployments that are never called: estimates send nothing.
fn nowhere(target: &str, more: &str) -> String {
    format!("{{ model = \"{target}\", api_base = \"http://127.0.0.1:9\", api_key = \"k\"{more} }}")
}

/// Two answers of at most 100 tokens.
fn wanted(model: &str) -> Value {
    let mut body = chat(model);
    body["max_tokens"] = json!(100);
    body["n"] = json!(2);
    body
}

async fn estimate(gateway: &Gateway, body: &Value) -> Vec<Value> {
    let reply = gateway.post("/admin/v1/estimate").body(body.to_string()).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told = reply.json();
    assert_eq!((&told["object"], &told["model"]), (&json!("estimate"), &body["model"]));
    told["deployments"].as_array().unwrap().clone()
}

/// What a million tokens of prompt and answer cost, and who says so.
fn prices(one: &Value) -> [&Value; 3] {
    ["source", "input_usd", "output_usd"].map(|name| &one["price"][name])
}

#[tokio::test]
async fn the_nearest_price_counts_and_terms_are_applied() {
    let deployments = [
        nowhere("openai/gpt-4o", ""),
        nowhere("openai/gpt-4o", ", price = { input = 1.0, output = 2.0, per_request = 0.5 }"),
        nowhere("openai/gpt-4o-mini", ""),
        nowhere("anthropic/claude-haiku-4-5", ""),
        nowhere("openai/nobody-knows", ""),
    ];
    let terms = "[[providers]]\nname = \"openai\"\ndiscount = 0.2\nmargin = 0.5\n";
    let own = "[[prices]]\nmodel = \"openai/gpt-4o-mini*\"\ninput = 10\noutput = 20\n";
    let config = format!("{FAST}{terms}{own}{}", model("smart", &deployments));
    let gateway = Options::config(&config).start();
    let all = estimate(&gateway, &wanted("smart")).await;
    // 0.8 of it, and a half more: 1.2 times.
    assert_eq!(prices(&all[0]), [&json!("catalogue"), &json!("3"), &json!("12")]);
    assert_eq!(prices(&all[1]), [&json!("deployment"), &json!("1.2"), &json!("2.4")]);
    assert_eq!(prices(&all[2]), [&json!("configuration"), &json!("12"), &json!("24")]);
    assert_eq!(prices(&all[3]), [&json!("catalogue"), &json!("1"), &json!("5")]);
    assert_eq!(all[4]["price"], Value::Null);

    let usd = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
    let close = |value: &Value, expect: f64| {
        assert!((usd(value) - expect).abs() < 1e-12, "{value} is not {expect}");
    };
    let tokens = all[0]["input_tokens"].as_u64().unwrap();
    assert_eq!((&all[0]["tokens"], &all[3]["tokens"]), (&json!("counted"), &json!("estimated")));
    let prompt = tokens as f64;
    close(&all[0]["input_usd"], prompt * 3e-6);
    // Two answers of a hundred tokens each.
    close(&all[0]["longest_usd"], prompt * 3e-6 + 200.0 * 12e-6);
    close(&all[1]["longest_usd"], prompt * 1.2e-6 + 200.0 * 2.4e-6 + 0.6);
    for one in &all[..4] {
        let bound = &one["bound"];
        assert!(usd(&bound["usd"]) >= usd(&one["longest_usd"]), "{one}");
        assert_eq!((&bound["output_tokens"], &bound["answers"]), (&json!(100), &json!(2)), "{one}");
        close(&bound["usd"], usd(&bound["fixed_usd"]) + 100.0 * usd(&bound["output_token_usd"]));
    }
    let unknown = &all[4];
    assert_eq!((&unknown["input_usd"], &unknown["bound"]), (&Value::Null, &Value::Null));
    assert!(unknown["unbounded"].as_str().unwrap().contains("set `price` of the deployment"), "{unknown}");
}

#[tokio::test]
async fn what_cannot_be_estimated_says_why() {
    let gateway = Gateway::start(&model("smart", &[nowhere("openai/gpt-4o", "")]));
    let post = async |body: &str| gateway.post("/admin/v1/estimate").body(body.to_owned()).send().await;
    post(&chat("smarter").to_string()).await.error(404).says(&["smart"]);
    post("{").await.error(400);
    post(r#"{"model":"smart"}"#).await.error(400).says(&["messages"]);
    let mut search = wanted("smart");
    search["web_search_options"] = json!({});
    let one = &estimate(&gateway, &search).await[0];
    assert!(one["unbounded"].as_str().unwrap().contains("run as often as they like"), "{one}");
    assert!(one["longest_usd"].is_string(), "{one}");
}

#[tokio::test]
async fn prompts_of_openai_are_counted_and_others_estimated() {
    let upstream = Upstream::start().unwrap();
    let models = ["openai/gpt-4o-mini", "openai/gpt-99"].map(|name| model(name, &[nowhere(name, "")]));
    let gateway = Gateway::start(&models.concat());
    for (name, expect, header) in
        [("openai/gpt-4o-mini", Some(12), None), ("openai/gpt-99", None, Some("input_tokens"))]
    {
        let body =
            json!({"model": name, "messages": [{"role": "user", "content": "Reply with exactly: cobalt"}]});
        let reply = gateway.post("/v1/messages/count_tokens").body(body.to_string()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let count = reply.json()["input_tokens"].as_u64().unwrap();
        assert!(expect.is_none_or(|expect| expect == count), "{name}: {count}");
        let changes = reply.header("x-gateway-changes");
        assert_eq!(changes.contains("input_tokens"), header.is_some(), "{name}: {changes}");
    }
    assert!(upstream.requests().is_empty());
}

/// LiteLLM's map with what is built in, gpt-4o at this price, and of so many in a hundred models.
fn map(gpt_4o: &str, of_hundred: usize) -> Value {
    let all = llm_cost::Catalogue::builtin().iter().enumerate();
    let rows = all.filter(|(nth, _)| nth % 100 < of_hundred).map(|(_, (provider, entry))| {
        let base = entry.prices.base();
        let first = base.iter().find(|(_, pico)| *pico > 0).map_or(0, |(_, pico)| pico);
        let input = base.get(llm_cost::Class::Input).filter(|pico| *pico > 0).unwrap_or(first);
        let output = base.get(llm_cost::Class::Output).unwrap_or_default();
        let name = json!(format!("{provider}/{}", entry.model));
        format!(
            r#"{name}: {{"litellm_provider": "{provider}", "input_cost_per_token": {input}e-12,
                "output_cost_per_token": {output}e-12}}"#
        )
    });
    let own = format!(
        r#""gpt-4o": {{"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 128000,
            "max_output_tokens": 16384, "input_cost_per_token": {gpt_4o}, "output_cost_per_token": 1e-5}}"#
    );
    // Of two rows for one model the one that says more counts.
    serde_json::from_str(&format!("{{{own},{}}}", rows.collect::<Vec<_>>().join(","))).unwrap()
}

#[tokio::test]
async fn a_price_map_is_read_again_and_a_broken_one_changes_nothing() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&map("3e-6", 100)));
    let rule = format!("[price_map]\nsource = \"{}/map.json\"\nevery = \"1s\"\n", upstream.url());
    let gateway = Gateway::start(&format!("{rule}{}", model("smart", &[nowhere("openai/gpt-4o", "")])));
    gateway.wait_log("prices are those of the price map now");
    let price = async || prices(&estimate(&gateway, &wanted("smart")).await[0]).map(Value::clone);
    assert_eq!(price().await, [json!("map"), json!("3"), json!("10")]);
    upstream.clear();
    upstream.always(Script::json(&map("9e-6", 40)));
    gateway.wait_log("is it complete?");
    assert_eq!(price().await, [json!("map"), json!("3"), json!("10")]);
    upstream.clear();
    upstream.always(Script::json(&map("4e-6", 100)));
    let until = std::time::Instant::now() + crate::harness::PATIENCE;
    while price().await[1] != json!("4") {
        assert!(std::time::Instant::now() < until, "{}", gateway.logs());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_map_that_was_updated_is_used_from_the_first_request() {
    let upstream = Upstream::start().unwrap();
    upstream.always(Script::json(&map("3e-6", 100)));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prices.json");
    let (name, url) = (file.to_str().unwrap(), format!("{}/map.json", upstream.url()));
    let update = |url: &str| llmctl(&["prices", "update", "--from", url, "--out", name, "--json"]).run();
    let done = update(&url);
    done.good();
    assert!(done.json()["models"].as_u64().unwrap() > 3000, "{done:?}");
    let cost = ["cost", "gpt-4o", "--input", "1000000", "--map", name, "--json"];
    assert_eq!(llmctl(&cost).run().json()["total_usd"], "3");
    let rule = format!("[price_map]\nsource = \"{name}\"\n");
    let gateway = Gateway::start(&format!("{rule}{}", model("smart", &[nowhere("openai/gpt-4o", "")])));
    let all = estimate(&gateway, &wanted("smart")).await;
    assert_eq!(prices(&all[0]), [&json!("map"), &json!("3"), &json!("10")]);
    // What is refused leaves the file as it was.
    upstream.clear();
    upstream.always(Script::json(&map("5e-6", 30)));
    let refused = update(&url);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.contains("nothing is written") || refused.out.contains("nothing is written"),
        "{refused:?}"
    );
    assert_eq!(llmctl(&cost).run().json()["total_usd"], "3");
}
