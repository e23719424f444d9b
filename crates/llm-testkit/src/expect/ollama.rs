//! Ollama's own API.

use serde_json::Value;

use super::{Choice, Facts, ToolCall, Usage, count, list_of, text_of};

pub(super) fn facts(lines: &[Value]) -> Facts {
    let mut facts = Facts::default();
    let mut choice = Choice::default();
    for line in lines {
        if let Some(error) = line.get("error").and_then(Value::as_str) {
            return Facts { error: Some(error.to_owned()), ..Facts::default() };
        }
        let message = line.get("message").unwrap_or(&Value::Null);
        choice.text.push_str(text_of(message, "content"));
        choice.reasoning.push_str(text_of(message, "thinking"));
        for call in list_of(message, "tool_calls") {
            let function = call.get("function").unwrap_or(&Value::Null);
            let arguments = function.get("arguments").cloned().unwrap_or_default();
            choice.tool_calls.push(ToolCall { name: text_of(function, "name").to_owned(), arguments });
        }
        if line.get("done") != Some(&true.into()) {
            continue;
        }
        let called = !choice.tool_calls.is_empty();
        let word = match text_of(line, "done_reason") {
            "length" => "length",
            _ if called => "tool_calls",
            _ => "stop",
        };
        choice.finish = Some(word.to_owned());
        let (prompt, completion) = (count(line, "/prompt_eval_count"), count(line, "/eval_count"));
        facts.usage = Some(Usage { prompt, completion, total: prompt + completion, cached: 0, reasoning: 0 });
    }
    facts.choices.push(choice);
    facts
}
