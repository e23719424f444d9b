//! Tool calls in a stream, and signatures over parts of it.
//!
//! The deprecated form has room for one call: the first one is it.

use bytes::{BufMut, BytesMut};
use llm_types::chat::ToolCallKind;

use super::super::encode::{self, Fields};
use super::{Encoder, Kind};
use crate::dialect::json::{self, member_object};

impl Encoder {
    pub(super) fn open_call(&mut self, at: usize, id: &str, name: &str, kind: ToolCallKind) -> u64 {
        let Some(choice) = self.choices.get_mut(at) else {
            return 0;
        };
        let index = u64::try_from(choice.called).unwrap_or(u64::MAX);
        choice.called += 1;
        let minted;
        let id = if id.is_empty() {
            minted = format!("call_{}", uuid::Uuid::new_v4().simple());
            &minted
        } else {
            id
        };
        let form = self.form(kind);
        if form == ToolCallKind::LegacyFunction && index > 0 {
            return index;
        }
        self.delta(at, |out| {
            if form == ToolCallKind::LegacyFunction {
                out.put_slice(b"\"function_call\":{\"name\":");
                json::string(out, name);
                out.put_slice(b",\"arguments\":\"\"}");
                return;
            }
            out.put_slice(b"\"tool_calls\":[{\"index\":");
            json::number(out, index);
            out.put_slice(b",\"id\":");
            json::string(out, id);
            if form == ToolCallKind::Custom {
                out.put_slice(b",\"type\":\"custom\",\"custom\":{\"name\":");
                json::string(out, name);
                out.put_slice(b",\"input\":\"\"}}]");
            } else {
                out.put_slice(b",\"type\":\"function\",\"function\":{\"name\":");
                json::string(out, name);
                out.put_slice(b",\"arguments\":\"\"}}]");
            }
        });
        index
    }

    /// The form in which the client expects a call.
    fn form(&self, kind: ToolCallKind) -> ToolCallKind {
        match kind {
            _ if self.cx.legacy_functions => ToolCallKind::LegacyFunction,
            ToolCallKind::Custom => ToolCallKind::Custom,
            ToolCallKind::Function | ToolCallKind::LegacyFunction => ToolCallKind::Function,
        }
    }

    pub(super) fn arguments(&mut self, at: usize, number: u32, text: &str) {
        let Some(Kind::Tool { index, kind, empty }) = self.part(at, number).map(|part| &mut part.kind) else {
            return;
        };
        *empty = false;
        let (index, kind) = (*index, *kind);
        let form = self.form(kind);
        if form == ToolCallKind::LegacyFunction && index > 0 {
            return;
        }
        self.delta(at, |out| {
            if form == ToolCallKind::LegacyFunction {
                return member_object(out, "function_call", "arguments", text);
            }
            out.put_slice(b"\"tool_calls\":[{\"index\":");
            json::number(out, index);
            out.put_u8(b',');
            match form {
                ToolCallKind::Custom => member_object(out, "custom", "input", text),
                _ => member_object(out, "function", "arguments", text),
            }
            out.put_slice(b"}]");
        });
    }

    /// Further members of a call. OpenAI's own SDK takes no piece of a call without its function.
    pub(super) fn beside_call(
        &mut self,
        at: usize,
        (index, kind): (u64, ToolCallKind),
        members: impl FnOnce(&mut BytesMut),
    ) {
        self.delta(at, |out| {
            out.put_slice(b"\"tool_calls\":[{\"index\":");
            json::number(out, index);
            out.put_u8(b',');
            match kind {
                ToolCallKind::Custom => member_object(out, "custom", "input", ""),
                _ => member_object(out, "function", "arguments", ""),
            }
            members(out);
            out.put_slice(b"}]");
        });
    }

    /// A thinking block; `body` writes its type and what follows.
    pub(super) fn block(&mut self, at: usize, index: u64, body: impl FnOnce(&mut BytesMut)) {
        self.delta(at, |out| {
            out.put_slice(b"\"thinking_blocks\":[{\"index\":");
            json::number(out, index);
            out.put_slice(b",\"type\":");
            body(out);
            out.put_slice(b"}]");
        });
    }

    pub(super) fn signature(&mut self, at: usize, number: u32, text: &str) {
        let legacy = self.cx.legacy_functions;
        if let Some(Kind::Reasoning(thoughts)) = self.part(at, number).map(|part| &mut part.kind) {
            let (words, block) = (std::mem::take(&mut thoughts.text), thoughts.block);
            let index = block.unwrap_or_else(|| self.counted(at, |counts| &mut counts.blocks));
            if let Some(Kind::Reasoning(thoughts)) = self.part(at, number).map(|part| &mut part.kind) {
                thoughts.block = Some(index);
            }
            let sealed = encode::sealed(text, self.cx.upstream).into_owned();
            return self.block(at, index, |out| {
                out.put_slice(b"\"thinking\",");
                json::member(out, "thinking", &words);
                out.put_u8(b',');
                json::member(out, "signature", &sealed);
            });
        }
        match self.part(at, number).map(|part| &part.kind) {
            Some(&Kind::Tool { index, kind, .. }) if !legacy => self.beside_call(at, (index, kind), |out| {
                out.put_u8(b',');
                member_object(out, "provider_specific_fields", "thought_signature", text);
            }),
            _ => {
                self.fields(at, &Fields { thought_signature: Some(text), ..Fields::default() });
            }
        }
    }
}
