//! One choice of a stream.

use std::borrow::Cow;

use llm_types::chat::Media;
use llm_types::{Delta, Dialect, Event, EventSink, Extra, Flow, PartStart, RawValue, Result, Str, Wtf8};

use super::super::super::wire::{
    self, AudioDelta, ChunkChoice, DeltaContent, ImageUrl, Written, without_padding,
};
use super::super::citation::{self, Marks, Sources};
use super::super::content::{self, ContentPart};
use super::super::decode::{self, Habits};
use super::super::error;
use super::super::finish::{Ended, ended};
use super::part::{Kind, Parts};
use super::tool::Calls;
use crate::dialect::think::{self, Piece, Splitter};

/// Whether the text of thoughts was handed on already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copies {
    Yes,
    No,
}

/// The state of one choice.
#[derive(Debug)]
pub(super) struct Choice {
    parts: Parts,
    calls: Calls,
    /// Thoughts in the text, where the provider has them there.
    splitter: Option<Splitter>,
    marks: Marks,
    /// The part of the model's voice.
    audio: Option<u32>,
    /// The last word on why it ended.
    finish: Option<String>,
    closed: bool,
}

impl Choice {
    pub(super) fn new(index: u32, habits: Habits) -> Self {
        Self {
            parts: Parts::new(index),
            calls: Calls::default(),
            splitter: habits.think_tags.then(|| Splitter::of(&think::TEMPLATE)),
            marks: Marks::default(),
            audio: None,
            finish: None,
            closed: false,
        }
    }

    pub(super) fn index(&self) -> u32 {
        self.parts.choice()
    }

    /// Whether the provider said that it is complete.
    pub(super) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Takes the next piece.
    pub(super) fn take(
        &mut self,
        wire: ChunkChoice<'_>,
        sources: &Sources,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        let ChunkChoice {
            index: _,
            delta,
            message: _,
            finish_reason,
            logprobs,
            usage: _,
            error: failed,
            mut extra,
        } = wire;
        if let Some(raw) = failed {
            return Err(error::inside(raw.get()));
        }
        if let Some(delta) = delta
            && self.delta(delta, sources, sink)?.is_break()
        {
            return Ok(Flow::Break(()));
        }
        if let Some(log_probs) = logprobs.and_then(|wire| wire.0).and_then(decode::log_probs) {
            let part = self.parts.text_number().unwrap_or_default();
            let delta = Delta::LogProbs(Cow::Owned(log_probs));
            if sink.event(Event::Delta { choice: self.index(), part, delta }).is_break() {
                return Ok(Flow::Break(()));
            }
        }
        without_padding(&mut extra);
        if !extra.is_empty() && self.opaque(extra.to_extra(), sink).is_break() {
            return Ok(Flow::Break(()));
        }
        match finish_reason.map(|word| word.0).filter(|word| !word.is_empty()) {
            Some(word) if ended(&word, 0) == Ended::Failed => Err(decode::gave_up()),
            Some(word) => {
                self.finish = Some(word.into_owned());
                Ok(Flow::Continue(()))
            }
            None => Ok(Flow::Continue(())),
        }
    }

    fn opaque(&mut self, extra: Extra, sink: &mut dyn EventSink) -> Flow {
        let members = Cow::Owned(extra);
        sink.event(Event::Opaque { choice: Some(self.index()), dialect: Dialect::OpenaiChat, members })
    }

    fn delta(&mut self, delta: wire::Delta<'_>, sources: &Sources, sink: &mut dyn EventSink) -> Result<Flow> {
        let wire::Delta {
            role: _,
            content,
            refusal,
            reasoning_content,
            reasoning,
            reasoning_details,
            thinking_blocks,
            tool_calls,
            function_call,
            audio,
            images,
            annotations,
            provider_specific_fields,
            mut extra,
        } = delta;
        let thought = reasoning_content.filter(|piece| !piece.0.is_empty()).or(reasoning).unwrap_or_default();
        // Where thoughts come in two forms, the text of the second is a copy.
        let copies = if thought.0.is_empty() { Copies::No } else { Copies::Yes };
        let mut flow = self.push(Kind::Reasoning, thought.0, sink);
        if let (Flow::Continue(()), Some(json)) = (flow, &reasoning_details) {
            flow = self.details(json, copies, sink);
        }
        for block in thinking_blocks.unwrap_or_default() {
            if flow.is_continue() {
                flow = self.thinking_block(&block, copies, sink);
            }
        }
        if flow.is_continue() {
            flow = match content {
                None => flow,
                Some(DeltaContent::Text(text)) => self.text(text, sources, sink),
                Some(DeltaContent::Parts(list)) => self.content_parts(&list, sources, sink)?,
            };
        }
        if flow.is_continue() {
            flow = self.push(Kind::Refusal, refusal.unwrap_or_default().0, sink);
        }
        if let (Flow::Continue(()), Some(list)) = (flow, annotations) {
            flow = self.annotations(&list, sink);
        }
        if let (Flow::Continue(()), Some(audio)) = (flow, audio) {
            flow = self.sound(audio, sink);
        }
        for image in images.unwrap_or_default() {
            if flow.is_continue() {
                flow = self.image(&image, sink);
            }
        }
        if flow.is_continue() {
            flow = self.tools(tool_calls.unwrap_or_default(), function_call, sink);
        }
        if let (Flow::Continue(()), Some(json)) = (flow, &provider_specific_fields) {
            flow = self.specific(json, sink);
        }
        without_padding(&mut extra);
        if flow.is_continue() && !extra.is_empty() {
            flow = self.opaque(extra.to_extra(), sink);
        }
        Ok(flow)
    }

    fn tools(
        &mut self,
        calls: Vec<wire::ToolCallDelta<'_>>,
        legacy: Option<wire::FunctionDelta<'_>>,
        sink: &mut dyn EventSink,
    ) -> Flow {
        for call in calls {
            if self.calls.take(call, &mut self.parts, sink).is_break() {
                return Flow::Break(());
            }
        }
        if let Some(call) = legacy
            && self.calls.take_legacy(call, &mut self.parts, sink).is_break()
        {
            return Flow::Break(());
        }
        if self.calls.is_held_up() { Flow::Continue(()) } else { self.calls.end(&mut self.parts, sink) }
    }

    /// More of a text-like part. Calls that are open end before it.
    fn push(&mut self, kind: Kind, text: Wtf8<'_>, sink: &mut dyn EventSink) -> Flow {
        if text.is_empty() {
            return Flow::Continue(());
        }
        if self.calls.hold(kind, &text) {
            return Flow::Continue(());
        }
        if self.calls.end(&mut self.parts, sink).is_break() || self.end_audio(sink).is_break() {
            return Flow::Break(());
        }
        self.parts.push(kind, text, sink)
    }

    fn text(&mut self, text: Wtf8<'_>, sources: &Sources, sink: &mut dyn EventSink) -> Flow {
        let Some(mut splitter) = self.splitter.take() else {
            return self.cited(text, sources, sink);
        };
        let mut pieces = Vec::new();
        splitter.push(text, |piece| pieces.push(piece));
        self.splitter = Some(splitter);
        self.pieces(pieces, sources, sink)
    }

    fn pieces(&mut self, pieces: Vec<Piece>, sources: &Sources, sink: &mut dyn EventSink) -> Flow {
        for piece in pieces {
            let flow = match &piece {
                Piece::Thought(text) => self.push(Kind::Reasoning, Wtf8::from(text.as_str()), sink),
                Piece::Text(text) => self.cited(Wtf8::from(text.as_str()), sources, sink),
            };
            if flow.is_break() {
                return flow;
            }
        }
        Flow::Continue(())
    }

    /// Text, with a source for each mark in it.
    fn cited(&mut self, text: Wtf8<'_>, sources: &Sources, sink: &mut dyn EventSink) -> Flow {
        if sources.is_empty() || text.is_empty() {
            return self.push(Kind::Text, text, sink);
        }
        let plain = text.clone().into_lossy().into_owned();
        if self.push(Kind::Text, text, sink).is_break() {
            return Flow::Break(());
        }
        for c in plain.chars() {
            let citation = self.marks.push(c).and_then(|mark| sources.at(mark));
            if let (Some(citation), Some(part)) = (citation, self.parts.text_number()) {
                let delta = Delta::Citation(Cow::Owned(citation));
                if sink.event(Event::Delta { choice: self.index(), part, delta }).is_break() {
                    return Flow::Break(());
                }
            }
        }
        Flow::Continue(())
    }

    fn content_parts(
        &mut self,
        list: &[&RawValue],
        sources: &Sources,
        sink: &mut dyn EventSink,
    ) -> Result<Flow> {
        for raw in list {
            let Ok(part) = serde_json::from_str::<ContentPart<'_>>(raw.get()) else {
                return Err(error::format("a part of the upstream's stream is not an object"));
            };
            let flow = match part.kind.as_ref().map(Str::as_str) {
                Some("text") => {
                    let text = part.text.unwrap_or_default().0;
                    self.text(Wtf8::from(&*text), sources, sink)
                }
                Some("thinking" | "reasoning") => {
                    let (text, signature) = content::thoughts_of(&part);
                    let flow = self.push(Kind::Reasoning, Wtf8::from(text.as_str()), sink);
                    if flow.is_continue() { self.seal(signature, None, sink) } else { flow }
                }
                kind => {
                    let opaque = llm_types::chat::Opaque {
                        dialect: Dialect::OpenaiChat,
                        kind: kind.unwrap_or_default().to_owned(),
                        json: (*raw).to_owned(),
                    };
                    self.whole(PartStart::Opaque(Cow::Owned(opaque)), None, sink)
                }
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(Flow::Continue(()))
    }

    fn whole(&mut self, start: PartStart<'_>, delta: Option<Delta<'_>>, sink: &mut dyn EventSink) -> Flow {
        if self.calls.end(&mut self.parts, sink).is_break() || self.end_audio(sink).is_break() {
            return Flow::Break(());
        }
        self.parts.whole(start, delta, sink)
    }

    /// A signature of the open thoughts, or encrypted thoughts as a part of their own.
    fn seal(
        &mut self,
        signature: Option<String>,
        redacted: Option<String>,
        sink: &mut dyn EventSink,
    ) -> Flow {
        if let Some(signature) = signature {
            let (part, flow) = self.parts.open(Kind::Reasoning, sink);
            let delta = Delta::Signature(Cow::Owned(signature));
            if flow.is_break() || sink.event(Event::Delta { choice: self.index(), part, delta }).is_break() {
                return Flow::Break(());
            }
        }
        match redacted {
            Some(data) => {
                let delta = Delta::Redacted(Cow::Owned(data));
                self.whole(PartStart::Reasoning, Some(delta), sink)
            }
            None => Flow::Continue(()),
        }
    }

    /// OpenRouter's `reasoning_details`: their text is in `reasoning` too; they are handed on whole.
    fn details(&mut self, json: &Written<'_>, copies: Copies, sink: &mut dyn EventSink) -> Flow {
        for one in content::reasoning_details(json) {
            if copies == Copies::No
                && self.push(Kind::Reasoning, Wtf8::from(one.text.as_str()), sink).is_break()
            {
                return Flow::Break(());
            }
            if self.seal(one.signature, one.redacted, sink).is_break() {
                return Flow::Break(());
            }
        }
        if !self.parts.is_open(Kind::Reasoning) {
            return Flow::Continue(());
        }
        let (part, flow) = self.parts.open(Kind::Reasoning, sink);
        let mut extra = Extra::default();
        extra.set("reasoning_details", json.0.clone().into_owned());
        let delta = Delta::Extra(Cow::Owned(extra));
        if flow.is_break() { flow } else { sink.event(Event::Delta { choice: self.index(), part, delta }) }
    }

    fn thinking_block(
        &mut self,
        block: &wire::ThinkingBlock<'_>,
        copies: Copies,
        sink: &mut dyn EventSink,
    ) -> Flow {
        if let (Copies::No, Some(text)) = (copies, block.thinking.as_ref())
            && self.push(Kind::Reasoning, Wtf8::from(&*text.0), sink).is_break()
        {
            return Flow::Break(());
        }
        let own = |text: &Option<Str<'_>>| content::non_empty(text.clone());
        self.seal(own(&block.signature), own(&block.data), sink)
    }

    /// The open text, or a new one: what belongs to a text may come before or behind it.
    fn open_text(&mut self, sink: &mut dyn EventSink) -> (u32, Flow) {
        if self.calls.end(&mut self.parts, sink).is_break() || self.end_audio(sink).is_break() {
            return (0, Flow::Break(()));
        }
        self.parts.open(Kind::Text, sink)
    }

    fn annotations(&mut self, list: &[Written<'_>], sink: &mut dyn EventSink) -> Flow {
        let (part, flow) = self.open_text(sink);
        if flow.is_break() {
            return flow;
        }
        for json in list {
            let delta = Delta::Citation(Cow::Owned(citation::annotation(&json.0)));
            if sink.event(Event::Delta { choice: self.index(), part, delta }).is_break() {
                return Flow::Break(());
            }
        }
        Flow::Continue(())
    }

    fn sound(&mut self, audio: AudioDelta<'_>, sink: &mut dyn EventSink) -> Flow {
        let AudioDelta { id, data, transcript, expires_at, extra: _ } = audio;
        let choice = self.index();
        let id = id.unwrap_or_default();
        let data = data.unwrap_or_default();
        let transcript = transcript.unwrap_or_default().0.into_lossy();
        let expires_at = expires_at.map(|count| count.0).filter(|at| *at > 0);
        if id.as_str().is_empty() && data.as_str().is_empty() && transcript.is_empty() && expires_at.is_none()
        {
            return Flow::Continue(());
        }
        let part = match self.audio {
            Some(part) => part,
            None => {
                if self.parts.end(sink).is_break() || self.calls.end(&mut self.parts, sink).is_break() {
                    return Flow::Break(());
                }
                let part = self.parts.number();
                self.audio = Some(part);
                let start = PartStart::Audio { id: Cow::Borrowed(id.as_str()) };
                if sink.event(Event::PartStart { choice, part, start }).is_break() {
                    return Flow::Break(());
                }
                part
            }
        };
        let deltas = [
            (!transcript.is_empty()).then_some(Delta::Transcript(transcript)),
            (!data.as_str().is_empty()).then_some(Delta::Data(data.0)),
            expires_at.map(Delta::ExpiresAt),
        ];
        for delta in deltas.into_iter().flatten() {
            if sink.event(Event::Delta { choice, part, delta }).is_break() {
                return Flow::Break(());
            }
        }
        Flow::Continue(())
    }

    fn end_audio(&mut self, sink: &mut dyn EventSink) -> Flow {
        match self.audio.take() {
            Some(part) => sink.event(Event::PartEnd { choice: self.index(), part }),
            None => Flow::Continue(()),
        }
    }

    fn image(&mut self, json: &Written<'_>, sink: &mut dyn EventSink) -> Flow {
        let Ok(open) = serde_json::from_str::<wire::Part<'_>>(json.get()) else {
            return Flow::Continue(());
        };
        let address = open.image_url.as_ref().map(|json| json.get()).unwrap_or("null");
        let url = serde_json::from_str::<ImageUrl<'_>>(address).ok().and_then(|address| address.url);
        match url.as_ref().map(|url| Media::from_url(url.as_str())) {
            Some(Media::Base64 { media_type, data }) => {
                let start = PartStart::Image { media_type: Cow::Owned(media_type) };
                self.whole(start, Some(Delta::Data(Cow::Owned(data))), sink)
            }
            // A streamed picture is its data; one at an address is kept whole.
            Some(_) => {
                let kind = "image_url".to_owned();
                let json = json.0.clone().into_owned();
                let opaque = llm_types::chat::Opaque { dialect: Dialect::OpenaiChat, kind, json };
                self.whole(PartStart::Opaque(Cow::Owned(opaque)), None, sink)
            }
            None => Flow::Continue(()),
        }
    }

    fn specific(&mut self, json: &Written<'_>, sink: &mut dyn EventSink) -> Flow {
        let mut extra = Extra::default();
        let mut found = Vec::new();
        let signature = content::specific_fields(json, &mut found, &mut extra);
        for part in found {
            if let llm_types::chat::Part::Opaque(opaque) = part
                && self.whole(PartStart::Opaque(Cow::Owned(opaque)), None, sink).is_break()
            {
                return Flow::Break(());
            }
        }
        if let Some(signature) = signature {
            let (part, flow) = self.open_text(sink);
            let delta = Delta::Signature(Cow::Owned(signature));
            if flow.is_break() || sink.event(Event::Delta { choice: self.index(), part, delta }).is_break() {
                return Flow::Break(());
            }
        }
        if extra.is_empty() { Flow::Continue(()) } else { self.opaque(extra, sink) }
    }

    /// Ends what is open and tells why the choice ended.
    pub(super) fn close(&mut self, sink: &mut dyn EventSink) -> Flow {
        if std::mem::replace(&mut self.closed, true) {
            return Flow::Continue(());
        }
        if let Some(mut splitter) = self.splitter.take() {
            let mut pieces = Vec::new();
            splitter.finish(|piece| pieces.push(piece));
            if self.pieces(pieces, &Sources::default(), sink).is_break() {
                return Flow::Break(());
            }
        }
        let flow = self.parts.end(sink);
        if flow.is_break()
            || self.calls.end(&mut self.parts, sink).is_break()
            || self.end_audio(sink).is_break()
        {
            return Flow::Break(());
        }
        match ended(self.finish.as_deref().unwrap_or_default(), self.calls.count()) {
            Ended::Finish(finish) => sink.event(Event::Finish { choice: self.index(), finish }),
            // Refused when it was read.
            Ended::Failed => Flow::Continue(()),
        }
    }
}
