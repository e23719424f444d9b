//! The part that is being written: what it is decides its block.

use bytes::{BufMut, BytesMut};
use llm_types::chat::{Image, Media, Opaque, ToolCallKind};
use llm_types::{Delta, Dialect, Extra, PartStart};

use super::super::{block, seal};
use super::Encoder;
use crate::dialect::complete::Shape;
use crate::dialect::json::{self, member};

/// The most that is gathered of one part, in bytes.
const GATHER_LIMIT: usize = 32 * 1024 * 1024;

/// A part that is being written.
#[derive(Debug)]
pub(super) struct Live {
    /// Its number upstream.
    pub(super) part: u32,
    kind: Kind,
    /// The number of its block, once it began.
    open: Option<u32>,
}

#[derive(Debug)]
enum Kind {
    Text,
    Reasoning,
    Call(Call),
    Image { media_type: String, data: String },
    Sound,
    Opaque(Box<Opaque>),
}

/// A call of a tool.
#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    kind: ToolCallKind,
    signature: Option<String>,
    extra: Extra,
    shape: Shape,
    /// Free text of a custom tool, which is an object only when it is complete.
    text: String,
}

impl Live {
    /// A part that has just begun.
    pub(super) fn new(part: u32, start: PartStart<'_>) -> Self {
        let kind = match start {
            PartStart::Text | PartStart::Refusal => Kind::Text,
            PartStart::Reasoning => Kind::Reasoning,
            PartStart::ToolCall { id, name, kind } => Kind::Call(Call {
                id: id.into_owned(),
                name: name.into_owned(),
                kind,
                signature: None,
                extra: Extra::default(),
                shape: Shape::default(),
                text: String::new(),
            }),
            PartStart::Audio { .. } => Kind::Sound,
            PartStart::Image { media_type } => {
                Kind::Image { media_type: media_type.into_owned(), data: String::new() }
            }
            PartStart::Opaque(opaque) => Kind::Opaque(Box::new(opaque.into_owned())),
        };
        Self { part, kind, open: None }
    }

    /// Whether its content is complete, although nobody said so: upstreams that send several calls end
    /// them all at the end.
    pub(super) fn is_over(&self) -> bool {
        matches!(&self.kind, Kind::Call(call) if call.kind != ToolCallKind::Custom && call.shape.is_complete())
    }

    /// A piece of it.
    pub(super) fn delta(&mut self, delta: Delta<'_>, out: &mut Encoder) {
        match (&mut self.kind, delta) {
            (Kind::Text, Delta::Text(text) | Delta::Refusal(text))
            | (Kind::Sound, Delta::Transcript(text))
                if !text.is_empty() =>
            {
                let index = self.text(out);
                out.piece(index, |out| put(out, b"\"type\":\"text_delta\",", "text", &text));
            }
            (Kind::Text, Delta::Citation(source)) => {
                if let Some(raw) = block::citation(&source) {
                    let index = self.text(out);
                    out.piece(index, |out| {
                        out.put_slice(b"\"type\":\"citations_delta\",\"citation\":");
                        out.put_slice(raw.get().as_bytes());
                    });
                }
            }
            (Kind::Reasoning, Delta::Reasoning(text)) if !text.is_empty() => {
                let index = self.thinking(out);
                out.piece(index, |out| put(out, b"\"type\":\"thinking_delta\",", "thinking", &text));
            }
            (Kind::Reasoning, Delta::Signature(text)) if !text.is_empty() => {
                let index = self.thinking(out);
                let sealed = seal::sealed(&text, out.cx.upstream);
                out.piece(index, |out| put(out, b"\"type\":\"signature_delta\",", "signature", &sealed));
            }
            (Kind::Reasoning, Delta::Redacted(data)) => {
                let sealed = seal::sealed(&data, out.cx.upstream);
                self.whole(&sealed, out);
            }
            (Kind::Text, Delta::Signature(text)) => {
                if let Some(upstream) = out.cx.upstream.filter(|upstream| *upstream != Dialect::Anthropic) {
                    self.whole(&seal::of_text(&text, upstream), out);
                }
            }
            (Kind::Call(_), Delta::ToolArgs(text)) if !text.is_empty() => self.arguments(&text, out),
            (Kind::Call(call), Delta::Signature(text)) if self.open.is_none() => {
                call.signature = Some(text.into_owned());
            }
            (Kind::Call(call), Delta::Extra(extra)) if self.open.is_none() => {
                call.extra = extra.into_owned();
            }
            (Kind::Image { data, .. }, Delta::Data(more)) if data.len() + more.len() <= GATHER_LIMIT => {
                data.push_str(&more);
            }
            // What has no place in such a block: log probabilities, sound.
            _ => {}
        }
    }

    /// A block of encrypted thoughts behind what is there so far.
    fn whole(&mut self, data: &str, out: &mut Encoder) {
        if let Some(index) = self.open.take() {
            out.close(index);
        }
        let index = out.open(|out| json::value(out, &block::encrypted(data.into())));
        out.close(index);
    }

    /// It is complete.
    pub(super) fn end(mut self, out: &mut Encoder) {
        match &self.kind {
            Kind::Call(call) => {
                let text = (call.kind == ToolCallKind::Custom).then(|| block::wrapped("input", &call.text));
                let index = self.call(out);
                if let Some(input) = text.flatten() {
                    out.piece(index, |out| pieces(out, input.get()));
                }
            }
            Kind::Image { media_type, data } => {
                let media = Media::Base64 { media_type: media_type.clone(), data: data.clone() };
                self.open = Some(out.open(|out| json::value(out, &block::image(&Image::new(media)))));
            }
            Kind::Opaque(opaque) => {
                self.open = Some(out.open(|out| json::value(out, &block::opaque(opaque))));
            }
            Kind::Text | Kind::Reasoning | Kind::Sound => {}
        }
        if let Some(index) = self.open {
            out.close(index);
        }
    }

    fn text(&mut self, out: &mut Encoder) -> u32 {
        *self.open.get_or_insert_with(|| out.open(|out| out.put_slice(b"{\"type\":\"text\",\"text\":\"\"}")))
    }

    fn thinking(&mut self, out: &mut Encoder) -> u32 {
        const EMPTY: &[u8] = b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}";
        *self.open.get_or_insert_with(|| out.open(|out| out.put_slice(EMPTY)))
    }

    fn call(&mut self, out: &mut Encoder) -> u32 {
        if let Some(index) = self.open {
            return index;
        }
        let Kind::Call(call) = &self.kind else {
            return 0;
        };
        let id = block::call_id(&call.id, call.signature.as_deref());
        let index = out.open(|out| {
            put(out, b"{\"type\":\"tool_use\",", "id", &id);
            out.put_u8(b',');
            member(out, "name", &call.name);
            out.put_slice(b",\"input\":{}");
            for (name, value) in block::caller(&call.extra).iter() {
                super::put_member(out, name, value.get());
            }
            out.put_u8(b'}');
        });
        self.open = Some(index);
        index
    }

    fn arguments(&mut self, text: &str, out: &mut Encoder) {
        let Kind::Call(call) = &mut self.kind else {
            return;
        };
        if call.kind == ToolCallKind::Custom {
            if call.text.len().saturating_add(text.len()) <= GATHER_LIMIT {
                call.text.push_str(text);
            }
            return;
        }
        call.shape.see(text);
        let index = self.call(out);
        out.piece(index, |out| pieces(out, text));
    }
}

/// A piece of a call's input.
fn pieces(out: &mut BytesMut, text: &str) {
    put(out, b"\"type\":\"input_json_delta\",", "partial_json", text);
}

/// `before`, then `"name":"text"`.
fn put(out: &mut BytesMut, before: &[u8], name: &'static str, text: &str) {
    out.put_slice(before);
    member(out, name, text);
}
