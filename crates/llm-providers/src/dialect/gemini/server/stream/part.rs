//! The parts of a stream, from their start to their end.

use bytes::BufMut;
use llm_types::{Delta, Dialect, Extra, PartStart, Str};

use super::super::super::wire;
use super::super::encode;
use super::super::media::{self, sealed};
use super::{Choice, Encoder, GATHER_LIMIT, Kind, Open, json};

impl Encoder {
    fn open(&mut self, at: usize, number: u32) -> Option<&mut Open> {
        self.choices.get_mut(at)?.open.iter_mut().rev().find(|open| open.number == number)
    }

    /// A part begins.
    pub(super) fn part_start(&mut self, index: u32, number: u32, start: PartStart<'_>) {
        let at = self.choice(index);
        let kind = match start {
            PartStart::Text | PartStart::Refusal => {
                if let Some(choice) = self.choices.get_mut(at) {
                    choice.before += choice.text.len();
                    choice.text.clear();
                }
                Kind::Text
            }
            PartStart::Reasoning => Kind::Reasoning,
            PartStart::ToolCall { id, name, kind } => Kind::Call {
                id: id.into_owned(),
                name: name.into_owned(),
                kind,
                arguments: String::new(),
                signature: None,
            },
            PartStart::Audio { id: _ } => Kind::Audio { media_type: None, held: String::new() },
            PartStart::Image { media_type } => Kind::Image {
                media_type: media_type.into_owned(),
                data: String::new(),
                extra: Extra::default(),
            },
            PartStart::Opaque(opaque) => {
                self.wire_part(at, &media::opaque(&opaque));
                Kind::Other
            }
        };
        if let Some(choice) = self.choices.get_mut(at) {
            choice.open.push(Open { number, kind });
        }
    }

    /// A piece of a part.
    pub(super) fn part_delta(&mut self, index: u32, number: u32, delta: Delta<'_>) {
        let at = self.choice(index);
        match delta {
            Delta::Text(text) | Delta::Refusal(text) | Delta::Transcript(text) if !text.is_empty() => {
                if let Some(choice) = self.choices.get_mut(at)
                    && choice.text.len() < GATHER_LIMIT
                {
                    choice.text.push_str(&text);
                }
                self.part(at, |out| {
                    out.put_slice(b"{\"text\":");
                    json(out, &*text);
                    out.put_u8(b'}');
                });
            }
            Delta::Reasoning(text) if !text.is_empty() => self.part(at, |out| {
                out.put_slice(b"{\"text\":");
                json(out, &*text);
                out.put_slice(b",\"thought\":true}");
            }),
            Delta::ToolArgs(more) => {
                if let Some(Kind::Call { arguments, .. }) = self.open(at, number).map(|open| &mut open.kind) {
                    push(arguments, &more);
                }
            }
            Delta::Signature(text) => self.signature(at, number, &text),
            Delta::Redacted(data) => self.mark(at, sealed(self.cx.upstream, media::Delta::Redacted(&data))),
            Delta::Data(more) => self.data(at, number, &more),
            Delta::Citation(citation) => {
                if let Some(Choice { grounds, text, before, .. }) = self.choices.get_mut(at) {
                    grounds.cite(&citation, text, *before);
                }
            }
            Delta::LogProbs(log_probs) => self.log_probs(at, &encode::log_probs(&log_probs)),
            Delta::Extra(extra) => self.extra(at, number, &extra),
            Delta::Text(_)
            | Delta::Refusal(_)
            | Delta::Transcript(_)
            | Delta::Reasoning(_)
            | Delta::ExpiresAt(_) => {}
        }
    }

    /// An empty thought that carries what other providers sign or encrypt.
    fn mark(&mut self, at: usize, signature: String) {
        let mut part = media::text("");
        part.thought = Some(true);
        part.thought_signature = Some(Str::from(signature));
        self.wire_part(at, &part);
    }

    fn signature(&mut self, at: usize, number: u32, text: &str) {
        let upstream = self.cx.upstream;
        match self.open(at, number).map(|open| &mut open.kind) {
            Some(Kind::Call { signature, .. }) => {
                signature.get_or_insert_with(String::new).push_str(text);
            }
            Some(Kind::Reasoning) => self.mark(at, sealed(upstream, media::Delta::Signature(text))),
            _ => {
                let mut part = media::text("");
                part.thought_signature = Some(Str::from(text.to_owned()));
                self.wire_part(at, &part);
            }
        }
    }

    fn data(&mut self, at: usize, number: u32, more: &str) {
        let waits = self.cx.upstream == Some(Dialect::Gemini);
        match self.open(at, number).map(|open| &mut open.kind) {
            Some(Kind::Image { data, .. }) => push(data, more),
            Some(Kind::Audio { media_type: None, held }) if waits => push(held, more),
            Some(Kind::Audio { media_type, .. }) => {
                let kind = media_type.clone();
                self.sound(at, kind.as_deref(), more.to_owned());
            }
            _ => {}
        }
    }

    /// Sound of this media type, if there is any.
    fn sound(&mut self, at: usize, kind: Option<&str>, data: String) {
        if !data.is_empty() {
            let kind = kind.unwrap_or(media::SOUND);
            self.wire_part(at, &media::inline(kind, Str::from(data)));
        }
    }

    fn log_probs(&mut self, at: usize, log_probs: &wire::Logprobs<'_>) {
        if let Some(choice) = self.choices.get_mut(at) {
            // Whatever was read from JSON can be written as such.
            let _ = choice.members.set_json("logprobsResult", log_probs);
        }
        self.part(at, |out| out.put_slice(b"{\"text\":\"\"}"));
    }

    /// Members of a part that no delta names: those of this dialect are understood.
    fn extra(&mut self, at: usize, number: u32, members: &Extra) {
        if self.cx.upstream != Some(Dialect::Gemini) {
            return;
        }
        match self.open(at, number).map(|open| &mut open.kind) {
            Some(Kind::Audio { media_type, held }) => {
                let kind = media::sound_type(members, None).into_owned();
                *media_type = Some(kind.clone());
                let data = std::mem::take(held);
                self.sound(at, Some(&kind), data);
            }
            Some(Kind::Image { extra, .. }) => extra.clone_from(members),
            Some(Kind::Text) => {
                let mut part = media::text("");
                part.extra = members.members();
                self.wire_part(at, &part);
            }
            _ => {}
        }
    }

    /// What has no deltas goes out at its end.
    pub(super) fn part_end(&mut self, index: u32, number: u32) {
        let at = self.choice(index);
        let Some(choice) = self.choices.get_mut(at) else { return };
        let Some(place) = choice.open.iter().position(|open| open.number == number) else { return };
        match choice.open.remove(place).kind {
            Kind::Call { id, name, kind, arguments, signature } => {
                let mut part = media::call(&id, &name, kind, &arguments);
                part.thought_signature = signature.as_ref().map(Str::from);
                self.wire_part(at, &part);
            }
            Kind::Image { media_type, data, extra } => {
                let mut part = media::inline(&media_type, Str::from(data));
                part.extra = extra.members();
                self.wire_part(at, &part);
            }
            Kind::Audio { media_type, held } => self.sound(at, media_type.as_deref(), held),
            Kind::Text | Kind::Reasoning | Kind::Other => {}
        }
    }
}

fn push(into: &mut String, more: &str) {
    if into.len().saturating_add(more.len()) <= GATHER_LIMIT {
        into.push_str(more);
    }
}
