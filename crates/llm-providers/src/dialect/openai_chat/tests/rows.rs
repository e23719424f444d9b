//! What single providers of the built-in table demand.

use llm_types::ProviderSpec;
use serde_json::{Value, json};

use super::{splice, translate};
use crate::table::ProviderTable;

fn spec(name: &str) -> ProviderSpec {
    ProviderTable::builtin().get(name).unwrap().as_ref().clone()
}

/// What is sent on the full way, which must be the only one.
fn sent(provider: &str, body: &Value) -> (Value, String) {
    let spec = spec(provider);
    let model = body["model"].as_str().unwrap();
    assert_eq!(splice(&body.to_string(), &spec, model), None, "{provider} {body}");
    translate(&body.to_string(), &spec)
}

#[test]
fn a_schema_that_is_not_known_becomes_an_instruction() {
    let format = json!({"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": {"type": "object"}}});
    let hi = json!({"role": "user", "content": "Hi"});
    let body = json!({"model": "deepseek-chat", "messages": [hi], "response_format": format});
    let (body, changes) = sent("deepseek", &body);
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
    assert_eq!(body["messages"][0]["role"], "system");
    let words = body["messages"][0]["content"].as_str().unwrap();
    assert!(
        words.contains("JSON") && words.contains("(d)") && words.ends_with(r#"{"type":"object"}"#),
        "{words}"
    );
    assert_eq!(body["messages"][1], hi);
    assert!(changes.starts_with("altered response_format"), "{changes}");
}

#[test]
fn a_named_tool_goes_alone_where_none_can_be_named() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let check = |choice: Value, names: &[&str], word: &str| {
        let body = json!({"model": "mistral-large-latest", "messages": [{"role": "user", "content": "Hi"}], "tools": [tool("a"), tool("b"), tool("c")],
            "tool_choice": choice});
        let (body, changes) = sent("mistral", &body);
        let tools = body["tools"].as_array().unwrap();
        let sent: Vec<_> = tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect();
        assert_eq!((&*sent, body["tool_choice"].as_str()), (names, Some(word)));
        assert!(changes.contains("altered tool_choice"), "{changes}");
    };
    check(tool("b"), &["b"], "any");
    let few = json!({"mode": "auto", "tools": [tool("a"), tool("c")]});
    check(json!({"type": "allowed_tools", "allowed_tools": few}), &["a", "c"], "auto");
}

#[test]
fn a_blank_stands_for_lost_thoughts() {
    let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let asked = |thoughts: Value| json!({"role": "assistant", "content": null, "tool_calls": [call], "reasoning_content": thoughts});
    let result = json!({"role": "tool", "tool_call_id": "1", "content": "x"});
    let body = |model: &str, more: Value| {
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}, asked(Value::Null), result,
            asked(json!("kept")), result]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (provider, model) in [("deepseek", "deepseek-v4-pro"), ("moonshot", "kimi-k2.6")] {
        let (body, changes) = sent(provider, &body(model, json!({})));
        assert_eq!(body["messages"][1]["reasoning_content"], " ", "{provider}");
        assert_eq!(body["messages"][3]["reasoning_content"], "kept", "{provider}");
        assert!(changes.contains("altered messages[1].reasoning_content"), "{changes}");
    }
    for (model, more) in
        [("deepseek-chat", json!({})), ("deepseek-v4-pro", json!({"reasoning_effort": "none"}))]
    {
        let (body, _) = translate(&body(model, more).to_string(), &spec("deepseek"));
        assert_eq!(body["messages"][1].get("reasoning_content"), None, "{model}");
    }
}

#[test]
fn neighbours_are_joined_where_turns_must_alternate() {
    let message = |role: &str, content: Value| json!({"role": role, "content": content});
    let picture = json!({"type": "image_url", "image_url": {"url": "https://a/b.png"}});
    let body = json!({"model": "sonar", "messages": [
        message("system", json!("s")), message("system", json!("t")), message("user", json!("a")),
        message("user", json!("b")), message("assistant", json!("c")), message("user", json!("d")),
        message("user", json!([picture]))]});
    let (body, changes) = sent("perplexity", &body);
    assert_eq!(
        body["messages"],
        json!([
            message("system", json!("s")),
            message("system", json!("t")),
            message("user", json!("a\n\nb")),
            message("assistant", json!("c")),
            message("user", json!([{"type": "text", "text": "d"}, picture]))
        ])
    );
    assert_eq!(changes.lines().count(), 2, "{changes}");
    let alternates = json!({"messages": [message("system", json!("s")), message("system", json!("s")),
        message("user", json!("\"role\"")), message("assistant", json!("a")), message("user", json!("b"))]});
    assert!(splice(&alternates.to_string(), &spec("perplexity"), "sonar").is_some());
}

#[test]
fn echoes_of_an_answer_do_not_reach_strict_providers() {
    let answer = json!({"role": "assistant", "content": "a", "refusal": null, "annotations": [], "audio": null,
        "function_call": null, "tool_calls": null});
    for (provider, model) in [("mistral", "mistral-large-latest"), ("groq", "openai/gpt-oss-20b")] {
        let (body, changes) =
            sent(provider, &json!({"model": model, "messages": [answer, {"role": "user", "content": "b"}]}));
        assert_eq!(body["messages"][0], json!({"role": "assistant", "content": "a"}), "{provider}");
        assert_eq!(changes, "", "{provider}");
    }
}

#[test]
fn ids_of_calls_are_shortened_where_they_are_too_long() {
    let body = |model: &str, id: &str| {
        let call = json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
        json!({"model": model, "messages": [
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": id, "content": "x"}]})
    };
    let ids = |body: &Value| {
        let messages = &body["messages"];
        let [call, result] = [&messages[0]["tool_calls"][0]["id"], &messages[1]["tool_call_id"]];
        assert_eq!(call, result);
        call.as_str().unwrap().to_owned()
    };
    let long = "toolu_bdrk_01AbCdEfGhIjKlMnOpQrStUvWxYz0123";
    assert!(long.len() > 40);
    for provider in ["openai", "azure", "azure_ai"] {
        let (one, changes) = sent(provider, &body("gpt-4o", long));
        let id = ids(&one);
        assert!(id.len() <= 40 && id.starts_with("call_"), "{id}");
        assert_eq!(changes.lines().count(), 2, "{changes}");
        assert!(changes.starts_with("altered messages[0].tool_calls[0].id"), "{changes}");
        // The same text in the next turn, another one for another call.
        assert_eq!(ids(&sent(provider, &body("gpt-4o", long)).0), id);
        assert_ne!(ids(&sent(provider, &body("gpt-4o", &format!("{long}x"))).0), id);
        // What fits goes as it came.
        let fits = body("gpt-4o", long.get(..40).unwrap());
        assert!(splice(&fits.to_string(), &spec(provider), "gpt-4o").is_some(), "{provider}");
        let (whole, changes) = translate(&fits.to_string(), &spec(provider));
        assert_eq!((ids(&whole).len(), changes.as_str()), (40, ""), "{provider}");
    }
    let (one, changes) = sent("mistral", &body("mistral-large-latest", long));
    assert!(ids(&one).len() == 9 && changes.contains("altered messages[1].tool_call_id"), "{changes}");
    assert!(splice(&body("m", long).to_string(), &spec("together_ai"), "m").is_some());
}

#[test]
fn hosts_of_open_models_get_their_instructions_as_system() {
    let text = json!([{"type": "text", "text": "be brief"}]);
    for provider in ["deepinfra", "hosted_vllm", "lm_studio", "baseten", "scaleway", "chutes"] {
        let body = json!({"model": "m", "messages": [{"role": "developer", "content": text}]});
        let (body, changes) = sent(provider, &body);
        assert_eq!(body["messages"][0]["role"], "system", "{provider}");
        assert!(changes.contains("altered messages[0].role"), "{provider}: {changes}");
        let result = json!({"role": "tool", "tool_call_id": "1", "content": text});
        let (body, _) = translate(&json!({"model": "m", "messages": [result]}).to_string(), &spec(provider));
        assert!(provider != "deepinfra" || body["messages"][0]["content"] == "be brief", "{body}");
    }
}

#[test]
fn words_of_effort_are_those_of_the_provider() {
    let check = |provider: &str, model: &str, effort: &str, expect: Value| {
        let hi = json!({"role": "user", "content": "Hi"});
        let body = json!({"model": model, "messages": [hi], "reasoning_effort": effort});
        let (body, _) = translate(&body.to_string(), &spec(provider));
        let got = json!([body.get("reasoning_effort"), body.pointer("/thinking/type")]);
        assert_eq!(got, expect, "{provider} {effort}: {body}");
    };
    check("mistral", "magistral-medium-latest", "low", json!(["high", null]));
    check("mistral", "magistral-medium-latest", "none", json!(["none", null]));
    check("openrouter", "openai/gpt-5.2", "max", json!(["xhigh", null]));
    check("openrouter", "openai/gpt-5.2", "low", json!(["low", null]));
    check("deepseek", "deepseek-chat", "high", json!([null, "enabled"]));
    check("deepseek", "deepseek-v4-pro", "none", json!([null, "disabled"]));
    check("deepseek", "deepseek-v4-pro", "high", json!(["high", null]));
    check("groq", "openai/gpt-oss-20b", "minimal", json!(["low", null]));
    check("groq", "qwen/qwen3-32b", "high", json!(["default", null]));
    check("groq", "llama-3.3-70b-versatile", "high", json!([null, null]));
    check("xai", "grok-3-mini", "high", json!(["high", null]));
    check("xai", "grok-4-fast-reasoning", "high", json!([null, null]));
    check("databricks", "databricks-claude-opus-5-5", "high", json!([null, "enabled"]));
}

#[test]
fn thoughts_have_a_budget_where_they_need_one() {
    let thinking = |more: Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body["model"] = json!("databricks-claude-sonnet-4");
        translate(&body.to_string(), &spec("databricks")).0["thinking"].clone()
    };
    let enabled = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    assert_eq!(thinking(json!({"reasoning_effort": "high"})), enabled(4096));
    assert_eq!(thinking(json!({"reasoning_effort": "high", "max_tokens": 3000})), enabled(1500));
    assert_eq!(thinking(json!({"reasoning_effort": "high", "max_tokens": 1000})), Value::Null);
    assert_eq!(thinking(json!({"reasoning_effort": "none"})), json!({"type": "disabled"}));
}

#[test]
fn what_a_host_does_not_take_is_left_out() {
    let check = |provider: &str, model: &str, name: &str, value: Value, kept: bool| {
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});
        body[name] = value;
        let (body, changes) = translate(&body.to_string(), &spec(provider));
        assert_eq!(body.get(name).is_some(), kept, "{provider} {name}: {body}");
        assert_eq!(changes.contains(&format!("dropped {name}")), !kept, "{changes}");
    };
    check("groq", "openai/gpt-oss-20b", "web_search_options", json!({}), false);
    check("groq", "groq/compound", "web_search_options", json!({}), true);
    check("sambanova", "gpt-oss-120b", "seed", json!(1), false);
    check("sambanova", "gpt-oss-120b", "temperature", json!(0.5), true);
    check("nvidia_nim", "meta/llama", "logit_bias", json!({"1": 2}), false);
    check("nvidia_nim", "meta/llama", "seed", json!(1), true);
    check(
        "databricks",
        "databricks-claude-opus-5-5",
        "thinking",
        json!({"type": "enabled", "budget_tokens": 2000}),
        true,
    );
}

#[test]
fn schemas_are_open_where_nothing_else_is_taken() {
    let schema = |closed: bool| {
        let mut inner = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        if closed {
            inner["additionalProperties"] = json!(false);
        }
        let mut outer = json!({"type": "object", "properties": {"where": inner}, "required": ["where"]});
        if closed {
            outer["additionalProperties"] = json!(false);
        }
        outer
    };
    let tool = |schema: Value| json!({"type": "function", "function": {"name": "f", "parameters": schema}});
    let body = |model: &str, closed| {
        json!({"model": model, "tools": [tool(schema(closed))],
            "messages": [{"role": "user", "content": "Hi"}]})
    };
    // Snowflake takes it (recordings/snowflake/chat-reasoning-tool-call).
    let taken = translate(&body("claude-haiku-4-5", true).to_string(), &spec("snowflake"));
    assert_eq!((&taken.0["tools"], &*taken.1), (&json!([tool(schema(true))]), ""));
    let (provider, model) = ("watsonx", "ibm/granite-3-3-8b-instruct");
    let (sent, changes) = sent(provider, &body(model, true));
    assert_eq!(sent["tools"], json!([tool(schema(false))]), "{provider}");
    assert!(
        changes.contains("dropped tools[0].function.parameters.additionalProperties (not supported by"),
        "{provider}: {changes}"
    );
    let open = translate(&body(model, false).to_string(), &spec(provider));
    assert!(!open.1.contains("additionalProperties"), "{provider}: {}", open.1);
}
