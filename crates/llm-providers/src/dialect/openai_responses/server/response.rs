//! The Response object: the body of a whole answer, and what the first and last events of a stream hold.
//!
//! OpenAI repeats the request in it, and its SDKs' types require some of that (`tools`, `tool_choice`,
//! `parallel_tool_calls`), so these members are taken from the client's own bytes.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use llm_types::{ApiError, Extra, Head, Start, Usage};
use serde::Serialize;

use super::json::{self, key, member};
use super::{id, usage};
use crate::codec::ReplyCx;
use crate::mark::Mark;

/// What is repeated from the request, and what stands where it said nothing.
const REPEATED: [(&str, &str); 19] = [
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("store", "false"),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1.0"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];
/// What is written from what happened.
const WRITTEN: [&str; 10] = [
    "id",
    "object",
    "created_at",
    "status",
    "error",
    "incomplete_details",
    "model",
    "output",
    "service_tier",
    "usage",
];

/// What stays the same while an answer grows.
#[derive(Debug)]
pub(super) struct Frame {
    id: String,
    created: u64,
    model: String,
    service_tier: Option<String>,
    request: Option<Head>,
    mark: Option<Arc<Mark>>,
    /// Members of the provider's own Response object, which win over what the request says.
    extra: Extra,
}

/// How far the answer is.
#[derive(Debug, Default)]
pub(super) struct Stage<'a> {
    pub(super) status: &'static str,
    pub(super) error: Option<&'a ApiError>,
    pub(super) incomplete: Option<&'static str>,
    pub(super) usage: Option<&'a Usage>,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
}

impl Frame {
    pub(super) fn new(cx: &ReplyCx) -> Self {
        let request = if cx.request.is_empty() { None } else { Head::scan(Bytes::clone(&cx.request)).ok() };
        Self {
            id: id::response(&cx.id),
            created: cx.created,
            model: cx.model.clone(),
            service_tier: None,
            request,
            mark: cx.mark.clone(),
            extra: Extra::default(),
        }
    }

    /// Takes what the upstream says of its answer.
    pub(super) fn start(&mut self, start: &Start<'_>, cx: &ReplyCx) {
        let Start { id, model, created, service_tier, system_fingerprint: _ } = start;
        if let Some(created) = created {
            self.created = *created;
        }
        if !model.is_empty() {
            (**model).clone_into(&mut self.model);
        }
        self.service_tier = service_tier.as_deref().map(str::to_owned);
        if let Some(own) = id::of_upstream(id, cx) {
            self.id = own;
        }
    }

    /// Takes further members of the provider's own Response object.
    pub(super) fn extend(&mut self, members: &Extra) {
        for (name, value) in members.iter().filter(|(name, _)| !WRITTEN.contains(name)) {
            self.extra.set(name, value.to_owned());
        }
    }

    /// The part of the id that tells answers apart; item ids carry it too.
    pub(super) fn stem(&self) -> &str {
        self.id.strip_prefix("resp_").unwrap_or(&self.id)
    }

    /// Writes the object; `output` writes the list of items.
    pub(super) fn write(&self, out: &mut BytesMut, stage: &Stage<'_>, output: impl FnOnce(&mut BytesMut)) {
        let Stage { status, error, incomplete, usage } = stage;
        out.put_u8(b'{');
        member(out, "id", &self.id);
        out.put_slice(b",\"object\":\"response\",");
        member(out, "created_at", &self.created);
        out.put_u8(b',');
        member(out, "status", status);
        out.put_slice(b",\"error\":");
        match error {
            None => out.put_slice(b"null"),
            Some(error) => {
                let message = error.to_string();
                json::value(out, &Failure { code: code(error), message: &message });
            }
        }
        out.put_slice(b",\"incomplete_details\":");
        match incomplete {
            None => out.put_slice(b"null"),
            Some(reason) => {
                out.put_u8(b'{');
                member(out, "reason", reason);
                out.put_u8(b'}');
            }
        }
        out.put_u8(b',');
        member(out, "model", &self.model);
        out.put_slice(b",\"output\":");
        output(out);
        out.put_u8(b',');
        let tier = self.service_tier.as_deref().unwrap_or("default");
        member(out, "service_tier", tier);
        for (name, default) in REPEATED {
            out.put_u8(b',');
            key(out, name);
            let value = self.repeated(name).unwrap_or(default.as_bytes());
            match self.marked(name, value) {
                Some(marked) => json::value(out, &marked),
                None => out.put_slice(value),
            }
        }
        for (name, value) in self.extra.iter() {
            if !REPEATED.iter().any(|(repeated, _)| *repeated == name) {
                out.put_u8(b',');
                member(out, name, value);
            }
        }
        out.put_slice(b",\"usage\":");
        match usage {
            None => out.put_slice(b"null"),
            Some(usage) => json::value(out, &usage::usage(usage)),
        }
        out.put_u8(b'}');
    }

    /// The id of the answer before this one, with its mark.
    fn marked(&self, name: &str, value: &[u8]) -> Option<String> {
        let mark = self.mark.as_deref().filter(|_| name == "previous_response_id")?;
        let before: llm_types::Str<'_> = serde_json::from_slice(value).ok()?;
        id::mark(before.as_str(), mark)
    }

    fn repeated(&self, name: &str) -> Option<&[u8]> {
        let own = self.extra.get(name).map(|value| value.get().as_bytes());
        let asked = self.request.as_ref().and_then(|head| head.get(name));
        own.or(asked).filter(|json| *json != b"null")
    }
}

/// The word for what went wrong; clients of the Responses API expect one always.
pub(super) fn code(error: &ApiError) -> &str {
    error.public_code().unwrap_or("server_error")
}
