//! Conversations and answers that were written by hand, each in the words of every wire format.
//!
//! `tests/fixtures/conversations` holds what clients ask: one file per conversation, with one request per
//! front, so that the same thing stands side by side in four spellings. `tests/fixtures/answers` holds what
//! providers answer, whole and as the events of a stream.

use llm_testkit::{Facts, expect};
use serde_json::Value;

use crate::front::Front;

/// One conversation.
pub(crate) struct Conversation {
    /// The file's name.
    pub(crate) name: String,
    requests: Value,
}

/// One answer.
pub(crate) struct Answer {
    /// The file's name.
    pub(crate) name: String,
    answers: Value,
}

/// All conversations, by name.
pub(crate) fn conversations() -> Vec<Conversation> {
    read("conversations").map(|(name, requests)| Conversation { name, requests }).collect()
}

/// All answers, by name.
pub(crate) fn answers() -> Vec<Answer> {
    read("answers").map(|(name, answers)| Answer { name, answers }).collect()
}

/// The answers of a conversation with tools, turn by turn.
pub(crate) fn turns() -> Vec<Answer> {
    read("loop").map(|(name, answers)| Answer { name, answers }).collect()
}

/// The files of a folder.
pub(crate) fn read(folder: &str) -> impl Iterator<Item = (String, Value)> {
    let folder = llm_testkit::workspace().join("tests/fixtures").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| {
        let text = std::fs::read_to_string(&file).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file.file_stem().unwrap().to_string_lossy().into_owned(), json)
    })
}

impl Conversation {
    /// What a client of this front sends, without model and `stream`; `None`: its format cannot say it.
    pub(crate) fn request(&self, front: &Front) -> Option<&Value> {
        self.requests.get(front.name).filter(|request| !request.is_null())
    }
}

impl Answer {
    /// The status of a whole answer.
    pub(crate) fn status(&self, operation: &str) -> u16 {
        self.answers[operation]["status"].as_u64().map_or(200, |status| u16::try_from(status).unwrap())
    }

    /// The whole answer; `None`: the format cannot say it.
    pub(crate) fn whole(&self, operation: &str) -> Option<Vec<u8>> {
        let answer = self.answers.get(operation).filter(|answer| !answer.is_null())?;
        Some(answer["whole"].to_string().into_bytes())
    }

    /// The events of the streamed answer, framed as this wire API frames them.
    pub(crate) fn stream(&self, operation: &str) -> Option<Vec<Vec<u8>>> {
        let answer = self.answers.get(operation).filter(|answer| !answer.is_null())?;
        let events = answer["stream"].as_array().unwrap();
        let mut out: Vec<_> = events.iter().map(|event| frame(operation, event)).collect();
        let failed = events.last().is_some_and(|event| event.get("error").is_some_and(|e| !e.is_null()));
        if operation == "chat" && !failed {
            out.push(b"data: [DONE]\n\n".to_vec());
        }
        Some(out)
    }

    /// What the whole answer states.
    pub(crate) fn facts(&self, operation: &str) -> Option<Facts> {
        Some(expect::reply(operation, &self.whole(operation)?))
    }
}

/// One event as it goes over the wire.
pub(crate) fn frame(operation: &str, event: &Value) -> Vec<u8> {
    match (operation, event["type"].as_str()) {
        ("ollama_chat", _) => format!("{event}\n"),
        ("converse", _) => return message(event),
        ("predictions", _) => {
            format!("event: {}\ndata: {}\n\n", event[0].as_str().unwrap(), event[1].as_str().unwrap())
        }
        ("messages" | "responses" | "chat_v2", Some(name)) => format!("event: {name}\ndata: {event}\n\n"),
        _ => format!("data: {event}\n\n"),
    }
    .into_bytes()
}

/// An event of Bedrock's: its type is the name of its one member.
fn message(event: &Value) -> Vec<u8> {
    let (name, payload) = event.as_object().and_then(|event| event.iter().next()).unwrap();
    llm_testkit::event_stream::message("event", name, payload.to_string().as_bytes())
}
