//! Texts that are gone on with, and verdicts.

use llm_testkit::{Received, Script};
use serde_json::{Value, json};

use super::must;

const USAGE: &str = r#"{"prompt_tokens": 4, "completion_tokens": 7, "total_tokens": 11}"#;

fn said(body: &Value) -> &'static str {
    // What stands before the stop text, where one is named.
    if body["stop"].is_null() { " a sheltered place." } else { " one two" }
}

/// OpenAI's text completions.
pub(super) fn completions(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with("/completions") && !request.path().contains("/chat/"), "another path")?;
    let body = request.json();
    must(body["prompt"].is_string() && body.get("messages").is_none(), "no prompt")?;
    let usage: Value = serde_json::from_str(USAGE).unwrap();
    let object = |text: &str, finish: Option<&str>| {
        json!({"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "text": text, "finish_reason": finish, "logprobs": null}]})
    };
    if body["stream"] != true {
        let mut whole = object(said(&body), Some("stop"));
        whole["usage"] = usage;
        return Ok(Script::json(&whole));
    }
    let mut last = object("", Some("stop"));
    last["usage"] = Value::Null;
    let used = json!({"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [], "usage": usage});
    Ok(Script::openai_sse(&[object(" a sheltered", None), object(" place.", None), last, used]))
}

/// Ollama's own.
pub(super) fn generate(request: &Received) -> Result<Script, String> {
    must(request.path() == "/api/generate", "another path")?;
    let body = request.json();
    must(body["prompt"].is_string(), "no prompt")?;
    let stop = &json!({"stop": body.pointer("/options/stop")});
    let object = |text: &str, done: bool| {
        let mut out =
            json!({"model": "m", "created_at": "2025-01-01T00:00:00Z", "response": text, "done": done});
        if done {
            out["done_reason"] = "stop".into();
            out["prompt_eval_count"] = 4.into();
            out["eval_count"] = 7.into();
        }
        out
    };
    // A stream is what it answers with unless it is told otherwise.
    if body["stream"] == false {
        return Ok(Script::json(&object(said(stop), true)));
    }
    let lines = [object(" a sheltered", false), object(" place.", false), object("", true)];
    let script = Script::status(200).header("content-type", "application/x-ndjson");
    Ok(lines.iter().fold(script, |script, line| script.chunk(format!("{line}\n"))))
}

pub(super) fn moderations(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with("/moderations"), "another path")?;
    let body = request.json();
    must(!body["input"].is_null() && body["model"].is_string(), "no input, or no model")?;
    Ok(Script::json(&json!({"id": "modr-1", "model": "m", "results": [{"categories": {"violence": false},
        "category_scores": {"violence": 0.001}}], "usage": {"prompt_tokens": 4, "total_tokens": 4}})))
}
