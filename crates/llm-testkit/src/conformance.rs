//! The parts of the conformance suite that know nothing of the gateway: which OpenAI request a client
//! would send to get a recorded one, what its answer must state, and how to compare what was sent.

mod from_cohere;
mod from_converse;
mod from_gemini;
mod from_messages;
mod from_ollama;
mod from_responses;
pub mod normalise;
mod onward;

use serde_json::{Map, Value, json};

use crate::expect::{self, Facts};
use crate::recording::{Recording, Recordings};

pub use normalise::{differences, normalise};
pub use onward::request_to;

/// One recording, ready to be played to a gateway.
#[derive(Debug, Clone)]
pub struct Case {
    /// The exchange.
    pub recording: Recording,
    /// What an OpenAI client sends to the gateway, with the recorded model.
    pub request: Value,
    /// What of the recorded request OpenAI's format can't say, or not in one way. Where this is empty,
    /// the gateway must send the recorded request.
    pub inexact: Vec<&'static str>,
    /// What the gateway's answer must state.
    pub facts: Facts,
}

impl Case {
    /// The case of a recording; `None` where it is no chat.
    #[must_use]
    pub fn new(recording: &Recording) -> Option<Self> {
        let Converted { body, inexact } = convert(recording)?;
        let facts = expect::facts(recording)?;
        Some(Self { recording: recording.clone(), request: body, inexact, facts })
    }

    /// All cases of a set.
    #[must_use]
    pub fn all(set: &Recordings) -> Vec<Self> {
        set.iter().filter_map(Self::new).collect()
    }

    /// What a client of another front sends: the recorded request at the front that it was made for, else
    /// one that says the same. The model is not changed. `None` where the front is not known.
    #[must_use]
    pub fn request_at(&self, operation: &str) -> Option<Value> {
        if self.recording.operation == operation {
            return self.recording.request.json().cloned();
        }
        request_to(operation, &self.request)
    }

    /// The request for a model of another name: the one that the gateway's config has.
    #[must_use]
    pub fn request_for(&self, model: &str) -> Value {
        let mut request = self.request.clone();
        if let Some(members) = request.as_object_mut() {
            members.insert("model".into(), model.into());
        }
        request
    }
}

/// An OpenAI chat request made from another one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Converted {
    /// The request.
    pub body: Value,
    /// What got lost, or had to be guessed.
    pub inexact: Vec<&'static str>,
}

/// The OpenAI chat request that says what a recorded request says, and what could not be said.
///
/// A recording of `chat` is its own request. `None` for operations that are no chat.
#[must_use]
pub fn convert(recording: &Recording) -> Option<Converted> {
    let body = recording.request.json()?;
    let mut out = match recording.operation.as_str() {
        "chat" => return Some(Converted { body: body.clone(), inexact: Vec::new() }),
        "messages" => from_messages::convert(body),
        "responses" => from_responses::convert(body),
        "generateContent" => from_gemini::convert(body),
        "chat_v2" => from_cohere::convert(body),
        "ollama_chat" => from_ollama::convert(body),
        "converse" => from_converse::convert(body),
        _ => return None,
    };
    out.set("model", recording.model().map(Value::from));
    // That a stream was asked for is a part of Bedrock's path, also where an error came.
    if recording.is_stream() || recording.request.path().ends_with("/converse-stream") {
        out.set("stream", Some(true.into()));
        out.set("stream_options", Some(json!({"include_usage": true})));
    }
    Some(Converted { body: Value::Object(out.body), inexact: out.inexact })
}

/// [`convert`] without the list of what got lost.
#[must_use]
pub fn openai_request_for(recording: &Recording) -> Option<Value> {
    convert(recording).map(|converted| converted.body)
}

/// The facts of an answer in OpenAI's format: a JSON body, or an event stream.
#[must_use]
pub fn facts_of_openai_reply(body: &[u8]) -> Facts {
    expect::openai_chat(body)
}

/// A request that is being put together.
#[derive(Debug, Default)]
struct Draft {
    body: Map<String, Value>,
    inexact: Vec<&'static str>,
}

impl Draft {
    /// Sets a member, unless there is nothing to set.
    fn set(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            self.body.insert(name.to_owned(), value);
        }
    }

    /// Notes that something can't be said.
    fn lost(&mut self, what: &'static str) {
        if !self.inexact.contains(&what) {
            self.inexact.push(what);
        }
    }

    /// Notes it, where it is there.
    fn lost_if_set(&mut self, value: Option<&Value>, what: &'static str) {
        if value.is_some_and(|value| !value.is_null()) {
            self.lost(what);
        }
    }
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

/// One text alone as a string, else the list.
fn content(mut parts: Vec<Value>) -> Value {
    match parts.as_slice() {
        [] => Value::Null,
        [part]
            if part.get("type") == Some(&"text".into())
                && part.as_object().is_some_and(|part| part.len() == 2) =>
        {
            parts.remove(0).get("text").cloned().unwrap_or_default()
        }
        _ => Value::Array(parts),
    }
}

#[cfg(test)]
mod tests;
