//! A Cohere request in OpenAI's words.

use serde_json::Value;

use super::Draft;

/// Members that have the same name, and those of Cohere's own, which its clients may send through any gateway.
const SAME: [&str; 10] = [
    "max_tokens",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "tools",
    "logprobs",
    "documents",
    "safety_mode",
    "citation_options",
];

pub(super) fn convert(body: &Value) -> Draft {
    let mut out = Draft::default();
    for name in SAME {
        out.set(name, body.get(name).cloned());
    }
    for (from, to) in [("p", "top_p"), ("k", "top_k"), ("stop_sequences", "stop")] {
        out.set(to, body.get(from).cloned());
    }
    let choice = body.get("tool_choice").and_then(Value::as_str);
    out.set("tool_choice", choice.map(|word| word.to_ascii_lowercase().into()));
    for name in ["response_format", "thinking", "strict_tools"] {
        out.lost_if_set(body.get(name), name);
    }
    out.set("messages", body.get("messages").cloned());
    out
}
