//! OpenAI's Responses API.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Choice, Facts, ToolCall, Usage, arguments, count, list_of, text_of};

/// What was streamed of one item.
#[derive(Debug, Default)]
struct Item {
    /// As it was last shown whole.
    whole: Value,
    text: String,
    refusal: String,
    input: String,
    /// By the part's index.
    thoughts: BTreeMap<u64, String>,
}

pub(super) fn facts(events: &[Value]) -> Facts {
    let mut facts = Facts::default();
    let mut items: BTreeMap<u64, Item> = BTreeMap::new();
    let mut last = &Value::Null;
    for event in events {
        let item = items.entry(count(event, "/output_index"));
        let delta = text_of(event, "delta");
        match text_of(event, "type") {
            "response.output_item.added" | "response.output_item.done" => {
                item.or_default().whole = event.get("item").cloned().unwrap_or_default();
            }
            "response.output_text.delta" => item.or_default().text.push_str(delta),
            "response.refusal.delta" => item.or_default().refusal.push_str(delta),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                item.or_default().input.push_str(delta);
            }
            "response.reasoning_summary_text.delta" => {
                let part = item.or_default().thoughts.entry(count(event, "/summary_index"));
                part.or_default().push_str(delta);
            }
            "response.reasoning_text.delta" => {
                // Behind any summary.
                let part = item.or_default().thoughts.entry(1_000 + count(event, "/content_index"));
                part.or_default().push_str(delta);
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                last = event.get("response").unwrap_or(&Value::Null);
            }
            "error" => facts.error = Some(super::error_message(event)),
            "" => {
                last = event;
                let output = list_of(event, "output").iter().zip(0..);
                items
                    .extend(output.map(|(whole, at)| (at, Item { whole: whole.clone(), ..Item::default() })));
            }
            _ => {}
        }
    }
    if let Some(error) = last.get("error").filter(|error| !error.is_null()) {
        facts.error = Some(super::error_message(error));
    }
    let mut choice = Choice::default();
    items.values().for_each(|item| read(item, &mut choice));
    choice.finish = finish(last, !choice.tool_calls.is_empty());
    facts.choices.push(choice);
    facts.usage = last.get("usage").filter(|usage| usage.is_object()).map(read_usage);
    facts
}

fn read(item: &Item, choice: &mut Choice) {
    let Item { whole, text, refusal, input, thoughts: parts } = item;
    match text_of(whole, "type") {
        "message" => {
            for part in list_of(whole, "content") {
                if text.is_empty() {
                    choice.text.push_str(text_of(part, "text"));
                }
                if refusal.is_empty() {
                    choice.refusal.push_str(text_of(part, "refusal"));
                }
            }
            choice.text.push_str(text);
            choice.refusal.push_str(refusal);
        }
        // The parts of a summary are paragraphs.
        "reasoning" if !parts.is_empty() => {
            let parts: Vec<_> = parts.values().map(String::as_str).collect();
            choice.reasoning.push_str(&parts.join("\n\n"));
        }
        "reasoning" => {
            let shown = ["summary", "content"].map(|name| list_of(whole, name));
            let shown = shown.into_iter().find(|parts| !parts.is_empty()).unwrap_or_default();
            let parts: Vec<_> = shown.iter().map(|part| text_of(part, "text")).collect();
            choice.reasoning.push_str(&parts.join("\n\n"));
        }
        kind @ ("function_call" | "custom_tool_call") => {
            let function = kind == "function_call";
            let given = text_of(whole, if function { "arguments" } else { "input" });
            let given = if input.is_empty() { given } else { input };
            let arguments = if function { arguments(given) } else { given.into() };
            choice.tool_calls.push(ToolCall { name: text_of(whole, "name").to_owned(), arguments });
        }
        // Tools that ran at the provider are not for the caller to answer.
        _ => {}
    }
}

fn finish(response: &Value, calls: bool) -> Option<String> {
    let reason = response.pointer("/incomplete_details/reason").and_then(Value::as_str);
    let word = match (text_of(response, "status"), reason) {
        ("incomplete", Some("content_filter")) => "content_filter",
        ("incomplete", _) => "length",
        // One recording has the second.
        ("completed" | "complete", _) if calls => "tool_calls",
        ("completed" | "complete", _) => "stop",
        _ => return None,
    };
    Some(word.to_owned())
}

fn read_usage(usage: &Value) -> Usage {
    let (prompt, completion) = (count(usage, "/input_tokens"), count(usage, "/output_tokens"));
    Usage {
        prompt,
        completion,
        total: usage.get("total_tokens").and_then(Value::as_u64).unwrap_or(prompt + completion),
        cached: count(usage, "/input_tokens_details/cached_tokens"),
        reasoning: count(usage, "/output_tokens_details/reasoning_tokens"),
    }
}
