//! The items of an answer while it grows, as JSON.

use bytes::{BufMut, BytesMut};
use llm_types::RawValue;

use super::super::json::{key, list, member, value};

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// The answer was cut off in it.
    Incomplete,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// One item of the output.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) body: Body,
}

/// What it is.
#[derive(Debug)]
pub(super) enum Body {
    Message(Vec<Content>),
    Reasoning(Thoughts),
    Call(Call),
    /// A picture, as base64.
    Image {
        media_type: String,
        data: String,
    },
    /// One that the provider wrote.
    Raw(Box<RawValue>),
}

/// A part of a message.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) refusal: bool,
    pub(super) text: String,
    /// JSON of each source.
    pub(super) annotations: Vec<Box<RawValue>>,
    /// Sources that OpenAI has no form for, in their provider's own.
    pub(super) citations: Vec<Box<RawValue>>,
    /// JSON of each token.
    pub(super) logprobs: Vec<Box<RawValue>>,
    pub(super) open: bool,
}

/// Thoughts: what is shown of them, and what only their provider can read.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    pub(super) text: String,
    pub(super) encrypted: Option<String>,
    /// The summary has begun.
    pub(super) begun: bool,
}

/// A call of a tool.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) call_id: String,
    pub(super) name: String,
    pub(super) arguments: String,
    pub(super) custom: bool,
    /// The provider's signature over it.
    pub(super) signature: String,
    pub(super) open: bool,
}

impl Content {
    pub(super) fn new(refusal: bool) -> Self {
        Self {
            refusal,
            text: String::new(),
            annotations: Vec::new(),
            citations: Vec::new(),
            logprobs: Vec::new(),
            open: true,
        }
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        if self.refusal {
            out.put_slice(b"{\"type\":\"refusal\",");
            member(out, "refusal", &self.text);
        } else {
            out.put_slice(b"{\"type\":\"output_text\",");
            member(out, "text", &self.text);
            out.put_u8(b',');
            member(out, "annotations", &self.annotations);
            out.put_u8(b',');
            member(out, "logprobs", &self.logprobs);
            if !self.citations.is_empty() {
                out.put_slice(b",\"provider_specific_fields\":{");
                member(out, "citations", &self.citations);
                out.put_u8(b'}');
            }
        }
        out.put_u8(b'}');
    }
}

impl Thoughts {
    /// `{"type":"summary_text","text":…}` of `text`.
    pub(super) fn part(out: &mut BytesMut, text: &str) {
        out.put_slice(b"{\"type\":\"summary_text\",");
        member(out, "text", text);
        out.put_u8(b'}');
    }
}

impl Item {
    /// The item as it is now.
    pub(super) fn write(&self, out: &mut BytesMut) {
        let Self { id, status, body } = self;
        let head = |out: &mut BytesMut, kind: &str| {
            out.put_u8(b'{');
            member(out, "id", id);
            out.put_u8(b',');
            member(out, "type", kind);
        };
        let status = |out: &mut BytesMut| {
            out.put_u8(b',');
            member(out, "status", status.word());
        };
        match body {
            Body::Raw(json) => return value(out, json),
            Body::Message(content) => {
                head(out, "message");
                status(out);
                out.put_slice(b",\"role\":\"assistant\",\"content\":");
                list(out, content, |out, content| content.write(out));
            }
            Body::Reasoning(thoughts) => {
                head(out, "reasoning");
                out.put_slice(b",\"summary\":");
                let shown = (!thoughts.text.is_empty()).then_some(&*thoughts.text);
                list(out, shown, Thoughts::part);
                if let Some(encrypted) = &thoughts.encrypted {
                    out.put_u8(b',');
                    member(out, "encrypted_content", encrypted);
                }
            }
            Body::Call(call) => {
                head(out, if call.custom { "custom_tool_call" } else { "function_call" });
                status(out);
                out.put_u8(b',');
                member(out, "call_id", &call.call_id);
                out.put_u8(b',');
                member(out, "name", &call.name);
                out.put_u8(b',');
                member(out, call.input(), &call.arguments);
            }
            Body::Image { media_type, data } => {
                head(out, "image_generation_call");
                status(out);
                out.put_u8(b',');
                member(out, "output_format", media_type.strip_prefix("image/").unwrap_or(media_type));
                out.put_slice(b",\"result\":");
                match data.is_empty() {
                    true => out.put_slice(b"null"),
                    false => value(out, data),
                }
            }
        }
        out.put_u8(b'}');
    }

    /// The item as it began.
    pub(super) fn write_begun(&self, out: &mut BytesMut) {
        let body = match &self.body {
            Body::Raw(_) => return self.write(out),
            Body::Message(_) => Body::Message(Vec::new()),
            Body::Reasoning(_) => Body::Reasoning(Thoughts::default()),
            Body::Image { media_type, data: _ } => {
                Body::Image { media_type: media_type.clone(), data: String::new() }
            }
            Body::Call(call) => Body::Call(Call {
                call_id: call.call_id.clone(),
                name: call.name.clone(),
                arguments: String::new(),
                custom: call.custom,
                signature: String::new(),
                open: true,
            }),
        };
        Self { id: self.id.clone(), status: Status::InProgress, body }.write(out);
    }
}

impl Call {
    /// The member that holds what the tool is called with.
    pub(super) fn input(&self) -> &'static str {
        if self.custom { "input" } else { "arguments" }
    }
}

/// `"item_id":…,"output_index":…`
pub(super) fn place(out: &mut BytesMut, id: &str, index: usize) {
    member(out, "item_id", id);
    out.put_u8(b',');
    member(out, "output_index", &index);
}

/// `"output_index":…,"item":…`
pub(super) fn whole(out: &mut BytesMut, index: usize, write: impl FnOnce(&mut BytesMut)) {
    member(out, "output_index", &index);
    out.put_u8(b',');
    key(out, "item");
    write(out);
}
