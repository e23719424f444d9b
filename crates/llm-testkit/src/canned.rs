//! Plausible answers of two providers, made to size: for measurements and for tests to which the
//! content does not matter.

use serde_json::{Value, json};

const WORDS: &str = "The harbour opens at six, and the first boats come in with the tide. ";
const ID: &str = "chatcmpl-B7kQ2mVtYw91TzXcN0aLrEoPdFs5u";
const MODEL: &str = "gpt-4o-2024-08-06";

/// Text of so many bytes.
#[must_use]
pub fn text(bytes: usize) -> String {
    WORDS.chars().cycle().take(bytes).collect()
}

/// An OpenAI chat completion whose JSON is a little over `text_bytes` + 500 bytes.
#[must_use]
pub fn openai_completion(text_bytes: usize) -> Value {
    json!({
        "id": ID,
        "object": "chat.completion",
        "created": 1_741_569_952,
        "model": MODEL,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text(text_bytes), "refusal": null, "annotations": []},
            "logprobs": null,
            "finish_reason": "stop"
        }],
        "usage": openai_usage(),
        "service_tier": "default",
        "system_fingerprint": "fp_50cad350e4"
    })
}

fn openai_usage() -> Value {
    json!({
        "prompt_tokens": 19,
        "completion_tokens": 120,
        "total_tokens": 139,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0
        }
    })
}

/// The events of an OpenAI chat stream with so many content chunks, then the finish, the usage where
/// wanted, and `[DONE]`.
#[must_use]
pub fn openai_stream(chunks: usize, usage: IncludeUsage) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({
            "id": ID,
            "object": "chat.completion.chunk",
            "created": 1_741_569_952,
            "model": MODEL,
            "service_tier": "default",
            "system_fingerprint": "fp_50cad350e4",
            "choices": choices,
            "usage": usage
        });
        format!("data: {chunk}\n\n")
    };
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    let first = json!({"role": "assistant", "content": "", "refusal": null});
    let mut events = vec![chunk(choice(first, Value::Null), Value::Null)];
    for word in WORDS.split_inclusive(' ').cycle().take(chunks) {
        events.push(chunk(choice(json!({"content": word}), Value::Null), Value::Null));
    }
    events.push(chunk(choice(json!({}), json!("stop")), Value::Null));
    if usage == IncludeUsage::Yes {
        events.push(chunk(json!([]), openai_usage()));
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// Whether an OpenAI stream ends with its usage (`stream_options.include_usage`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncludeUsage {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// An Anthropic message with that much text.
#[must_use]
pub fn anthropic_message(text_bytes: usize) -> Value {
    json!({
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": text(text_bytes)}],
        "stop_reason": "end_turn",
        "stop_sequence": null,
        "usage": {
            "input_tokens": 19,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 120,
            "service_tier": "standard"
        }
    })
}

/// The events of an Anthropic stream with so many text deltas.
#[must_use]
pub fn anthropic_stream(chunks: usize) -> Vec<String> {
    let event = |value: Value| {
        let name = value.get("type").and_then(Value::as_str).unwrap_or_default();
        format!("event: {name}\ndata: {value}\n\n")
    };
    let mut message = anthropic_message(0);
    if let Some(members) = message.as_object_mut() {
        members.insert("content".into(), json!([]));
        members.insert("stop_reason".into(), Value::Null);
    }
    let block = json!({"type": "text", "text": ""});
    let mut events = vec![
        event(json!({"type": "message_start", "message": message})),
        event(json!({"type": "content_block_start", "index": 0, "content_block": block})),
        event(json!({"type": "ping"})),
    ];
    for word in WORDS.split_inclusive(' ').cycle().take(chunks) {
        let delta = json!({"type": "text_delta", "text": word});
        events.push(event(json!({"type": "content_block_delta", "index": 0, "delta": delta})));
    }
    events.push(event(json!({"type": "content_block_stop", "index": 0})));
    let end = json!({"stop_reason": "end_turn", "stop_sequence": null});
    events.push(event(json!({"type": "message_delta", "delta": end, "usage": {"output_tokens": 120}})));
    events.push(event(json!({"type": "message_stop"})));
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_asked() {
        assert_eq!(text(100).len(), 100);
        let length = openai_completion(500).to_string().len();
        assert!((950..1250).contains(&length), "{length}");
        // Role, content, finish, usage, done.
        assert_eq!(openai_stream(200, IncludeUsage::Yes).len(), 204);
        assert_eq!(openai_stream(200, IncludeUsage::No).len(), 203);
        assert_eq!(anthropic_stream(200).len(), 206);
    }
}
