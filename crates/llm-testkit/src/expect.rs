//! What a reply states, read straight from its JSON.
//!
//! The conformance suite compares these facts with what the gateway made of the same reply. They are
//! read here by plain walks over `serde_json::Value`, and on purpose not by the codecs under test: two
//! readers of one reply can only agree where both are right.

mod chat;
mod cohere;
mod converse;
mod gemini;
mod messages;
mod ollama;
mod responses;

use serde_json::{Map, Value};

use crate::recording::Recording;
use crate::{event_stream, sse};

/// The facts of a reply, in OpenAI's words.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The answers, by their index.
    pub choices: Vec<Choice>,
    /// What it used.
    pub usage: Option<Usage>,
    /// Set when the reply is an error: its message.
    pub error: Option<String>,
}

/// One answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// The text.
    pub text: String,
    /// The thinking that is shown.
    pub reasoning: String,
    /// The refusal.
    pub refusal: String,
    /// The calls of the caller's tools, in order.
    pub tool_calls: Vec<ToolCall>,
    /// `stop`, `length`, `tool_calls` or `content_filter`; `None` where the reply does not say.
    pub finish: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolCall {
    /// Which tool.
    pub name: String,
    /// Its arguments; a string where they are not JSON.
    pub arguments: Value,
}

/// Token counts as OpenAI counts: cached tokens within the prompt, reasoning within the completion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// `prompt_tokens`.
    pub prompt: u64,
    /// `completion_tokens`.
    pub completion: u64,
    /// `total_tokens`.
    pub total: u64,
    /// `prompt_tokens_details.cached_tokens`; 0 where it is not given.
    pub cached: u64,
    /// `completion_tokens_details.reasoning_tokens`; 0 where it is not given.
    pub reasoning: u64,
}

/// The facts of a recording's reply; `None` for operations that are no chat.
#[must_use]
pub fn facts(recording: &Recording) -> Option<Facts> {
    let read = reader(&recording.operation)?;
    let events = match (recording.response.stream(), recording.response.json()) {
        (Some(text), _) => sse::json_events(text),
        (None, Some(body)) => vec![body.clone()],
        (None, None) => event_stream::events(&recording.response.bytes()),
    };
    if !recording.response.is_success() {
        return Some(Facts {
            error: Some(events.first().map(error_message).unwrap_or_default()),
            ..Facts::default()
        });
    }
    Some(read(&events))
}

/// The facts of a reply of this wire API (`chat`, `messages`, `responses`, `generateContent`, `chat_v2`, `ollama_chat`): a
/// JSON body, or a stream. Of another one nothing is known.
#[must_use]
pub fn reply(operation: &str, body: &[u8]) -> Facts {
    let Some(read) = reader(operation) else { return Facts::default() };
    let text = String::from_utf8_lossy(body);
    match serde_json::from_str::<Value>(&text) {
        Ok(body) if body.get("error").is_some_and(|error| !error.is_null()) => {
            Facts { error: Some(error_message(&body)), ..Facts::default() }
        }
        Ok(body) => read(&[body]),
        Err(_) => read(&sse::json_events(&text)),
    }
}

/// Who reads the replies of a wire API.
fn reader(operation: &str) -> Option<fn(&[Value]) -> Facts> {
    Some(match operation {
        "chat" => chat::facts,
        "messages" => messages::facts,
        "responses" => responses::facts,
        "generateContent" => gemini::facts,
        "chat_v2" => cohere::facts,
        "ollama_chat" => ollama::facts,
        "converse" => converse::facts,
        _ => return None,
    })
}

/// The facts of an OpenAI chat reply: a JSON body, or an event stream.
#[must_use]
pub fn openai_chat(body: &[u8]) -> Facts {
    reply("chat", body)
}

/// The facts of an Anthropic messages reply: a JSON body, or an event stream.
#[must_use]
pub fn anthropic_messages(body: &[u8]) -> Facts {
    reply("messages", body)
}

/// The facts of a Gemini reply: a JSON body, an event stream, or a stream as one list.
#[must_use]
pub fn gemini_content(body: &[u8]) -> Facts {
    let text = String::from_utf8_lossy(body);
    match serde_json::from_str::<Value>(&text) {
        Ok(body) => gemini::facts(&[body]),
        Err(_) => gemini::facts(&sse::json_events(&text)),
    }
}

/// The message of an error body, wherever a provider puts it.
#[must_use]
pub fn error_message(body: &Value) -> String {
    let body = body.get(0).unwrap_or(body);
    let error = body.get("error").unwrap_or(body);
    let found = error.as_str().or_else(|| error.get("message").and_then(Value::as_str));
    found.or_else(|| body.get("detail").and_then(Value::as_str)).unwrap_or_default().to_owned()
}

impl Facts {
    /// How `actual` differs, one line each; empty where it states the same.
    #[must_use]
    pub fn differences(&self, actual: &Self) -> Vec<String> {
        let mut out = Vec::new();
        let mut compare = |what: String, expect: String, actual: String| {
            if expect != actual {
                out.push(format!("{what}: expected {expect}, got {actual}"));
            }
        };
        compare("error".into(), format!("{:?}", self.error), format!("{:?}", actual.error));
        compare("choices".into(), self.choices.len().to_string(), actual.choices.len().to_string());
        for (index, (expect, actual)) in self.choices.iter().zip(&actual.choices).enumerate() {
            let pairs = [
                ("text", format!("{:?}", expect.text), format!("{:?}", actual.text)),
                ("reasoning", format!("{:?}", expect.reasoning), format!("{:?}", actual.reasoning)),
                ("refusal", format!("{:?}", expect.refusal), format!("{:?}", actual.refusal)),
                ("tool calls", format!("{:?}", expect.tool_calls), format!("{:?}", actual.tool_calls)),
                ("finish", format!("{:?}", expect.finish), format!("{:?}", actual.finish)),
            ];
            for (what, expect, actual) in pairs {
                compare(format!("choice {index}: {what}"), expect, actual);
            }
        }
        compare("usage".into(), format!("{:?}", self.usage), format!("{:?}", actual.usage));
        out
    }

    /// The choice with that index, with those before it.
    fn choice(&mut self, index: usize) -> Option<&mut Choice> {
        // An index beyond any real `n` is a fault of the reply, not a reason to fill memory.
        if index >= 128 {
            return None;
        }
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, Choice::default);
        }
        self.choices.get_mut(index)
    }
}

/// Arguments as JSON: none is an empty object, and what can't be parsed stays a string.
fn arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list_of<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn index_of(value: &Value) -> usize {
    value.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok()).unwrap_or(0)
}

/// A number at a JSON pointer; 0 where there is none.
fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests;
