//! Streamed answers to events.
//!
//! A line holds the next words, thoughts or whole calls; the last one says that it is done, with the counts. A part ends
//! here when something else begins.

use std::borrow::Cow;

use llm_types::chat::{LogProbs, TokenLogProb, ToolCall};
use llm_types::{
    ApiError, Delta, ErrorKind, Event, EventSink, Flow, PartStart, Result, Start, Str, SurrogateCarry, Wtf8,
};

use super::super::wire::{self, ReplyMessage};
use super::error::broke_off;
use super::finish::{finish, usage};
use super::part;
use crate::codec::{DecodeCx, Memo, StreamDecoder};
use crate::dialect::think::{Piece, Splitter, THINK};
use crate::frame::JsonLines;

/// The most probabilities that wait for their words.
const WAITING: usize = 64;

/// Reads a streamed answer.
#[derive(Debug)]
pub(in super::super) struct Decoder {
    lines: JsonLines,
    state: State,
}

#[derive(Debug)]
struct State {
    memo: Memo,
    started: bool,
    open: Option<Open>,
    /// Tells thoughts from words where they come as one text.
    splitter: Splitter,
    /// Probabilities of words that are held back there.
    waiting: Vec<TokenLogProb>,
    parts: u32,
    called: bool,
    done: bool,
}

/// The part that is being sent.
#[derive(Debug)]
struct Open {
    thoughts: bool,
    carry: SurrogateCarry,
}

impl Decoder {
    /// A decoder for the answer to one call.
    pub(in super::super) fn new(cx: &DecodeCx<'_>) -> Self {
        let memo = cx.memo.clone();
        let state = State {
            memo,
            started: false,
            open: None,
            splitter: Splitter::of(&THINK),
            waiting: Vec::new(),
            parts: 0,
            called: false,
            done: false,
        };
        Self { lines: JsonLines::default(), state }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, chunk: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        if self.state.done {
            return Ok(Flow::Continue(()));
        }
        let state = &mut self.state;
        self.lines.feed(chunk, |line| state.line(line, sink))
    }

    fn finish(&mut self, sink: &mut dyn EventSink) -> Result<()> {
        if !self.state.done {
            let state = &mut self.state;
            let last = self.lines.finish(|line| state.line(line, sink));
            // Half a line is a stream cut short, whatever the half looks like; an error is an error.
            if let Err(error) = last
                && error.kind != ErrorKind::UpstreamFormat
            {
                return Err(error);
            }
        }
        if self.state.done {
            return Ok(());
        }
        let message = "the upstream's stream ended before it was complete";
        Err(ApiError::upstream(ErrorKind::Connection, message))
    }

    fn is_done(&self) -> bool {
        self.state.done
    }
}

/// A line that cannot be read.
pub(super) fn unreadable(error: serde_json::Error) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, "a line of the upstream's stream cannot be read")
        .with_source(error)
}

impl State {
    fn line(&mut self, line: &[u8], sink: &mut dyn EventSink) -> Result<Flow> {
        if self.done {
            return Ok(Flow::Continue(()));
        }
        let read: wire::Reply<'_> = serde_json::from_slice(line).map_err(unreadable)?;
        if let Some(error) = &read.error {
            self.done = true;
            return Ok(sink.event(Event::Error(broke_off(error))));
        }
        let counts = usage(&read, &self.memo);
        let wire::Reply {
            model,
            message,
            response,
            thinking,
            tool_calls,
            context: _,
            done,
            done_reason,
            prompt_eval_count: _,
            eval_count: _,
            logprobs,
            error: _,
            extra: _,
        } = read;
        let ReplyMessage { role: _, content, thinking: own, images, tool_calls: calls, extra: _ } =
            message.unwrap_or_default();
        let mut flow = self.start(model, sink);
        let words = [(true, own.or(thinking)), (false, content.or(response))];
        for (thoughts, words) in words.into_iter().filter_map(|(kind, words)| Some((kind, words?.0))) {
            if flow.is_continue() && !words.is_empty() {
                flow = if thoughts { self.say(true, words, sink) } else { self.words(words, sink) };
            }
        }
        if let (true, Some(list)) = (flow.is_continue(), logprobs.filter(|list| !list.is_empty())) {
            flow = self.logprobs(part::logprobs(list).content, sink);
        }
        for image in images.unwrap_or_default() {
            if flow.is_continue() {
                flow = self.picture(&image, sink);
            }
        }
        for call in calls.or(tool_calls).unwrap_or_default() {
            if flow.is_continue() {
                flow = self.call(part::called(call, &self.memo), sink);
            }
        }
        if flow.is_continue() && done == Some(true) {
            return Ok(self.end(done_reason.unwrap_or_default().as_str(), counts, sink));
        }
        Ok(flow)
    }

    fn start(&mut self, model: Option<Str<'_>>, sink: &mut dyn EventSink) -> Flow {
        if std::mem::replace(&mut self.started, true) {
            return Flow::Continue(());
        }
        sink.event(Event::Start(Start { model: model.unwrap_or_default().0, ..Start::default() }))
    }

    /// Ends the part that is open, and begins another.
    fn begin(&mut self, start: PartStart<'_>, sink: &mut dyn EventSink) -> Flow {
        if self.close(sink).is_break() {
            return Flow::Break(());
        }
        let part = self.parts;
        self.parts = self.parts.saturating_add(1);
        sink.event(Event::PartStart { choice: 0, part, start })
    }

    /// The number of the latest part.
    fn part(&self) -> u32 {
        self.parts.saturating_sub(1)
    }

    fn close(&mut self, sink: &mut dyn EventSink) -> Flow {
        let Some(Open { thoughts, mut carry }) = self.open.take() else { return Flow::Continue(()) };
        let part = self.part();
        let left = carry.finish();
        if !left.is_empty() && hand_on(thoughts, left.into(), part, sink).is_break() {
            return Flow::Break(());
        }
        sink.event(Event::PartEnd { choice: 0, part })
    }

    /// More words, which may hold thoughts.
    fn words(&mut self, words: Wtf8<'_>, sink: &mut dyn EventSink) -> Flow {
        if self.splitter.is_over() {
            return self.say(false, words, sink);
        }
        let mut pieces = Vec::new();
        self.splitter.push(words, |piece| pieces.push(piece));
        self.pieces(&pieces, sink)
    }

    fn pieces(&mut self, pieces: &[Piece], sink: &mut dyn EventSink) -> Flow {
        for piece in pieces {
            let flow = match piece {
                Piece::Thought(text) => self.say(true, Wtf8::from(text.as_str()), sink),
                Piece::Text(text) => self.say(false, Wtf8::from(text.as_str()), sink),
            };
            if flow.is_break() {
                return flow;
            }
        }
        Flow::Continue(())
    }

    /// Hands on what was held back: something else comes, or nothing more.
    fn release(&mut self, sink: &mut dyn EventSink) -> Flow {
        let mut pieces = Vec::new();
        self.splitter.finish(|piece| pieces.push(piece));
        if self.pieces(&pieces, sink).is_break() {
            return Flow::Break(());
        }
        self.logprobs(Vec::new(), sink)
    }

    /// More words or thoughts.
    fn say(&mut self, thoughts: bool, words: Wtf8<'_>, sink: &mut dyn EventSink) -> Flow {
        if self.open.as_ref().is_none_or(|open| open.thoughts != thoughts) {
            let start = if thoughts { PartStart::Reasoning } else { PartStart::Text };
            if self.begin(start, sink).is_break() {
                return Flow::Break(());
            }
            self.open = Some(Open { thoughts, carry: SurrogateCarry::default() });
        }
        let part = self.part();
        let Some(open) = &mut self.open else { return Flow::Continue(()) };
        let words = open.carry.join(words);
        if words.is_empty() { Flow::Continue(()) } else { hand_on(thoughts, words, part, sink) }
    }

    /// Log probabilities of the words of the same line, where they are the answer's.
    fn logprobs(&mut self, list: Vec<TokenLogProb>, sink: &mut dyn EventSink) -> Flow {
        let mut content = std::mem::take(&mut self.waiting);
        content.extend(list);
        if self.splitter.holds() {
            content.truncate(WAITING);
            self.waiting = content;
            return Flow::Continue(());
        }
        if content.is_empty() || !matches!(self.open, Some(Open { thoughts: false, .. })) {
            return Flow::Continue(());
        }
        let delta = Delta::LogProbs(Cow::Owned(LogProbs { content, refusal: Vec::new() }));
        sink.event(Event::Delta { choice: 0, part: self.part(), delta })
    }

    fn picture(&mut self, data: &Str<'_>, sink: &mut dyn EventSink) -> Flow {
        let start = PartStart::Image { media_type: "image/png".into() };
        let delta = Delta::Data(data.as_str().into());
        self.whole(start, delta, sink)
    }

    /// A call, which comes whole.
    fn call(&mut self, call: ToolCall, sink: &mut dyn EventSink) -> Flow {
        self.called = true;
        let start = PartStart::ToolCall { id: call.id.into(), name: call.name.into(), kind: call.kind };
        self.whole(start, Delta::ToolArgs(call.arguments.into()), sink)
    }

    /// A part that is whole in one line.
    fn whole(&mut self, start: PartStart<'_>, delta: Delta<'_>, sink: &mut dyn EventSink) -> Flow {
        if self.release(sink).is_break() || self.begin(start, sink).is_break() {
            return Flow::Break(());
        }
        let part = self.part();
        if sink.event(Event::Delta { choice: 0, part, delta }).is_break() {
            return Flow::Break(());
        }
        sink.event(Event::PartEnd { choice: 0, part })
    }

    fn end(&mut self, reason: &str, counts: Option<llm_types::Usage>, sink: &mut dyn EventSink) -> Flow {
        self.done = true;
        if self.release(sink).is_break() || self.close(sink).is_break() {
            return Flow::Break(());
        }
        if let Some(usage) = counts
            && sink.event(Event::Usage(usage)).is_break()
        {
            return Flow::Break(());
        }
        sink.event(Event::Finish { choice: 0, finish: finish(reason, self.called) })
    }
}

fn hand_on(thoughts: bool, words: Cow<'_, str>, part: u32, sink: &mut dyn EventSink) -> Flow {
    let delta = if thoughts { Delta::Reasoning(words) } else { Delta::Text(words) };
    sink.event(Event::Delta { choice: 0, part, delta })
}
