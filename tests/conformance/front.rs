//! The fronts that clients call: how a request to each is written, and how its answers are read.
//!
//! A front is a row here as it is one in the gateway. Tests go through all rows, so that a front is proven by
//! being listed.

use http::Request;
use http_body_util::Full;
use hyper::body::Bytes;
use llm_providers::codec::{Asked, ServerCodec};
use llm_providers::dialect;
use llm_testkit::{Facts, expect};
use llm_types::{Dialect, Op};
use serde_json::{Value, json};

/// The model name that the clients of the tests use.
pub(crate) const MODEL: &str = "m";

/// One front.
#[derive(Debug)]
pub(crate) struct Front {
    /// The operation's name in recordings and fixtures.
    pub(crate) name: &'static str,
    /// What its clients speak.
    pub(crate) dialect: Dialect,
}

/// OpenAI's chat completions.
pub(crate) static CHAT: Front = Front { name: "chat", dialect: Dialect::OpenaiChat };

/// Anthropic's messages.
pub(crate) static MESSAGES: Front = Front { name: "messages", dialect: Dialect::Anthropic };

/// OpenAI's responses.
pub(crate) static RESPONSES: Front = Front { name: "responses", dialect: Dialect::OpenaiResponses };

/// Gemini's `generateContent`.
pub(crate) static GEMINI: Front = Front { name: "generateContent", dialect: Dialect::Gemini };

/// Every front.
pub(crate) static FRONTS: &[&Front] = &[&CHAT, &MESSAGES, &RESPONSES, &GEMINI];

impl Front {
    /// The half that its clients call.
    pub(crate) fn codec(&self) -> &'static dyn ServerCodec {
        dialect::server(self.dialect).expect("a front is served")
    }

    /// What its route says.
    pub(crate) fn asked(&self, stream: bool) -> Asked {
        let in_path = self.dialect == Dialect::Gemini;
        Asked {
            op: Op::Chat,
            dialect: Some(self.dialect),
            model: in_path.then(|| MODEL.to_owned()),
            stream: in_path.then_some(stream),
            query: (in_path && stream).then(|| "alt=sse".to_owned()),
            ..Asked::default()
        }
    }

    /// A request's body with the members that say the model and the form of the answer. A stream is asked
    /// for with all that it can tell.
    pub(crate) fn body(&self, request: &Value, stream: bool) -> Value {
        let mut body = request.clone();
        if self.dialect == Dialect::Gemini {
            return body;
        }
        body["model"] = MODEL.into();
        if stream {
            body["stream"] = true.into();
        }
        if stream && self.dialect == Dialect::OpenaiChat && body.get("stream_options").is_none() {
            body["stream_options"] = json!({"include_usage": true});
        }
        body
    }

    /// The path for one operation beside the conversation turn, or for that.
    pub(crate) fn path(&self, stream: bool) -> String {
        match (self.dialect, stream) {
            (Dialect::Anthropic, _) => "/v1/messages".to_owned(),
            (Dialect::OpenaiResponses, _) => "/v1/responses".to_owned(),
            (Dialect::Gemini, false) => format!("/v1beta/models/{MODEL}:generateContent"),
            (Dialect::Gemini, true) => format!("/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"),
            _ => "/v1/chat/completions".to_owned(),
        }
    }

    /// A request as it goes over the wire.
    pub(crate) fn request(&self, origin: &str, body: &Value, stream: bool) -> Request<Full<Bytes>> {
        Request::post(format!("{origin}{}", self.path(stream)))
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))
            .unwrap()
    }

    /// What an answer states: a JSON body, or an event stream.
    pub(crate) fn facts(&self, answer: &[u8]) -> Facts {
        expect::reply(self.name, answer)
    }

    /// Says an answer's facts as this front's format can.
    pub(crate) fn sayable(&self, facts: &mut Facts, stream: bool) {
        if matches!(self.dialect, Dialect::Anthropic | Dialect::OpenaiResponses) {
            facts.choices.truncate(1);
        }
        if matches!(self.dialect, Dialect::OpenaiChat | Dialect::OpenaiResponses) {
            return;
        }
        let gemini = self.dialect == Dialect::Gemini;
        for choice in &mut facts.choices {
            // A refusal is text, and ends as one where there is a word for it.
            if !choice.refusal.is_empty() {
                choice.text.push_str(&std::mem::take(&mut choice.refusal));
                if !gemini {
                    choice.finish = Some("content_filter".to_owned());
                }
            }
            // Input is an object. Text that is none is the one member of it: free text, or arguments that were
            // cut off, which Anthropic's streams show as they came.
            for call in &mut choice.tool_calls {
                if let Value::String(text) = &call.arguments {
                    let cut = text.starts_with('{');
                    if gemini || !(cut && stream) {
                        call.arguments = json!({if cut { "arguments" } else { "input" }: text});
                    }
                }
            }
            // Gemini has no word for the calls at the end of an answer: that there are calls says it.
            if gemini && !choice.tool_calls.is_empty() {
                choice.finish = Some("tool_calls".to_owned());
            }
        }
    }

    /// Whether a client takes a stream for complete.
    pub(crate) fn ends(&self, stream: &str) -> bool {
        match self.dialect {
            // The last word of a stream of ours; other servers are not held to it.
            Dialect::OpenaiChat => stream.ends_with("data: [DONE]\n\n"),
            _ => says_complete(self.name, stream),
        }
    }
}

/// Whether a stream has said its last word, read without the codecs.
pub(crate) fn says_complete(operation: &str, text: &str) -> bool {
    let events = llm_testkit::sse::json_events(text);
    let has = |name: &str| events.iter().any(|event| event["type"] == name);
    match operation {
        "messages" => return has("message_stop"),
        "responses" => return has("response.completed") || has("response.incomplete"),
        "chat_v2" => return has("message-end") && !text.contains("\"finish_reason\":\"ERROR\""),
        "ollama_chat" => return events.iter().any(|event| event["done"] == true),
        _ => {}
    }
    // The choices that have begun, and those that have ended.
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    let (list, reason) =
        if operation == "chat" { ("choices", "finish_reason") } else { ("candidates", "finishReason") };
    for choice in events.iter().filter_map(|event| event[list].as_array()).flatten() {
        begun.push(choice["index"].as_u64().unwrap_or(0));
        if choice[reason].as_str().is_some_and(|reason| !reason.is_empty()) {
            ended.push(choice["index"].as_u64().unwrap_or(0));
        }
    }
    let all_ended = !begun.is_empty() && begun.iter().all(|index| ended.contains(index));
    // Not every compatible server says `[DONE]`: that each choice has ended is enough.
    all_ended || text.contains("data: [DONE]")
}
