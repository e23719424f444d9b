//! From the provider's stream to the client's, event by event.
//!
//! The same dialect on both sides: complete events go on as the bytes they are, in the wake-up in which
//! they came, while a tap looks at them; only an incomplete tail is held. Otherwise a decoder writes its
//! events straight into the client's encoder. Either way nothing here knows a dialect, and nothing waits.

mod heard;
mod pass;
mod seam;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use llm_providers::codec::{ClientCodec, ServerCodec, StreamDecoder, StreamEncoder, StreamTap, is_content};
use llm_providers::mark::Mark;
use llm_providers::target::Target;
use llm_types::{ApiError, ErrorKind, Event, EventSink, Flow, Op, Result, Usage};

use self::heard::Heard;
use self::pass::Pass;
use self::seam::Seam;
use crate::belief::Belief;

/// Turns upstream chunks into client bytes.
#[derive(Debug)]
pub(crate) struct Relay {
    way: Way,
    out: VecDeque<Bytes>,
    facts: Facts,
    /// The end was told: a stream that ends before its first content is told of it twice.
    ended: bool,
    /// Which usage is believed; `None`: any.
    belief: Option<Belief>,
}

/// What is known of the stream so far.
#[derive(Debug, Default)]
struct Facts {
    content: bool,
    /// How many pieces of content came from whoever is read now: about as many tokens.
    pieces: u64,
    /// What they said, where that has to be counted should nobody else do it.
    heard: Option<Heard>,
    usage: Option<Usage>,
    /// The model that whoever is read now names, where it is read and written anew.
    model: Option<Box<str>>,
    /// An error that came as an event.
    error: Option<ApiError>,
    /// What was said, where another deployment may have to go on with it.
    seam: Option<Box<Seam>>,
}

impl Facts {
    fn ok(&mut self) -> Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }
}

#[derive(Debug)]
enum Way {
    Pass(Pass),
    Translate {
        decoder: Box<dyn StreamDecoder>,
        encoder: Box<dyn StreamEncoder>,
    },
    /// The chunks are the client's bytes already.
    Written {
        usage: Option<Usage>,
    },
    /// The chunks are sound: no events, and nothing that could be told between them.
    Raw {
        kind: Option<HeaderValue>,
        usage: Option<Usage>,
    },
}

/// Whether the client asked for the usage event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsageEvent {
    /// It did: the event goes through.
    Wanted,
    /// Only we did: the event is kept back.
    Withheld,
}

impl Relay {
    /// The bytes go through; the tap watches.
    pub(crate) fn pass(tap: Box<dyn StreamTap>, usage: UsageEvent) -> Self {
        Self::new(Way::Pass(Pass::new(tap, usage)))
    }

    /// The events go through in a frame of the client's own.
    pub(crate) fn reframe(tap: Box<dyn StreamTap>, usage: UsageEvent, frame: Box<dyn StreamEncoder>) -> Self {
        Self::new(Way::Pass(Pass { frame: Some(frame), ..Pass::new(tap, usage) }))
    }

    /// The ids in what goes through get this mark, by which their owner is found again.
    pub(crate) fn marked(mut self, front: &'static dyn ServerCodec, mark: Arc<Mark>) -> Self {
        if let Way::Pass(pass) = &mut self.way {
            pass.mark = Some((front, mark));
        }
        self
    }

    /// The events are read and written anew.
    pub(crate) fn translate(decoder: Box<dyn StreamDecoder>, encoder: Box<dyn StreamEncoder>) -> Self {
        Self::new(Way::Translate { decoder, encoder })
    }

    /// Keeps what comes, so that it can be counted: the provider's events are those of this codec.
    pub(crate) fn counting(mut self, codec: &'static dyn ClientCodec, op: Op) -> Self {
        self.facts.heard = match &self.way {
            Way::Pass(_) => Some(Heard::events(codec, op)),
            Way::Translate { .. } => Some(Heard::text()),
            Way::Written { .. } | Way::Raw { .. } => None,
        };
        self
    }

    /// Keeps what is said, so that another deployment can go on with it.
    pub(crate) fn keeping(mut self) -> Self {
        self.facts.seam = Some(Box::default());
        self
    }

    /// Which usage is believed.
    pub(crate) fn believing(self, belief: Option<Belief>) -> Self {
        Self { belief, ..self }
    }

    fn believes(&self, usage: &Usage) -> bool {
        self.belief.as_ref().is_none_or(|belief| belief.holds(usage))
    }

    /// Whether what is said is kept.
    pub(crate) fn keeps_said(&self) -> bool {
        self.facts.seam.is_some()
    }

    /// The text so far, where it can be gone on from.
    pub(crate) fn said(&self) -> Option<&str> {
        self.facts.seam.as_ref()?.said()
    }

    /// From here on reads another deployment's stream, which goes on with the text so far.
    pub(crate) fn go_on(&mut self, with: Box<dyn StreamDecoder>) {
        if let (Way::Translate { decoder, .. }, Some(seam)) = (&mut self.way, &mut self.facts.seam) {
            seam.join(self.facts.usage.as_ref());
            self.facts.pieces = 0;
            if let Some(heard) = &mut self.facts.heard {
                heard.anew();
            }
            self.facts.model = None;
            *decoder = with;
        }
    }

    /// All bytes that wait, and the tail behind them.
    pub(crate) fn into_bytes(self) -> Vec<Bytes> {
        let mut bytes: Vec<Bytes> = self.out.into();
        if let Way::Pass(pass) = self.way {
            bytes.push(pass.tail.freeze());
        }
        bytes
    }

    /// The chunks are written for the client already; this is what they used.
    pub(crate) fn written(usage: Option<Usage>) -> Self {
        Self::new(Way::Written { usage })
    }

    /// The bytes go through as they are; of their kind, and using so much.
    pub(crate) fn raw(kind: Option<HeaderValue>, usage: Option<Usage>) -> Self {
        Self::new(Way::Raw { kind, usage })
    }

    /// Whether what goes through is no stream of events, and its content type.
    pub(crate) fn binary(&self) -> Option<Option<&HeaderValue>> {
        match &self.way {
            Way::Raw { kind, .. } => Some(kind.as_ref()),
            Way::Pass(_) | Way::Translate { .. } | Way::Written { .. } => None,
        }
    }

    fn new(way: Way) -> Self {
        Self { way, out: VecDeque::new(), facts: Facts::default(), ended: false, belief: None }
    }

    /// Takes the next chunk of the upstream.
    ///
    /// # Errors
    /// When the upstream sent an error or what cannot be read. What was complete before that is in `pop`.
    pub(crate) fn feed(&mut self, chunk: Bytes) -> Result<()> {
        match &mut self.way {
            Way::Written { .. } => {
                push(&mut self.out, chunk);
                Ok(())
            }
            Way::Raw { .. } => {
                self.facts.content |= !chunk.is_empty();
                push(&mut self.out, chunk);
                Ok(())
            }
            Way::Translate { decoder, encoder } => {
                let mut watch = Watch { encoder: &mut **encoder, facts: &mut self.facts };
                let fed = decoder.feed(&chunk, &mut watch);
                push(&mut self.out, encoder.take());
                fed.and_then(|_| self.facts.ok())
            }
            Way::Pass(pass) => pass.feed(chunk, &mut self.facts, &mut self.out),
        }
    }

    /// The upstream closed its stream.
    ///
    /// # Errors
    /// When it did so before its terminal event.
    pub(crate) fn finish(&mut self) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        let finished = match &mut self.way {
            Way::Translate { decoder, encoder } => {
                let mut watch = Watch { encoder: &mut **encoder, facts: &mut self.facts };
                let finished = decoder.finish(&mut watch).and_then(|()| watch.facts.ok());
                if finished.is_ok() {
                    encoder.finish();
                }
                push(&mut self.out, encoder.take());
                finished
            }
            Way::Written { .. } => Ok(()),
            Way::Raw { .. } if !self.facts.content => {
                let message = "the upstream's answer is empty";
                Err(ApiError::upstream(ErrorKind::UpstreamFormat, message))
            }
            Way::Raw { .. } => Ok(()),
            Way::Pass(pass) => pass.finish(&mut self.facts, &mut self.out),
        };
        self.ended = finished.is_ok();
        finished
    }

    /// Whether the terminal event came: nothing more is to be read.
    pub(crate) fn is_done(&self) -> bool {
        match &self.way {
            Way::Translate { decoder, .. } => decoder.is_done(),
            Way::Pass(pass) => pass.done,
            Way::Written { .. } | Way::Raw { .. } => false,
        }
    }

    /// Whether bytes passed through that lack their terminal event, although the answer is complete.
    pub(crate) fn is_left_open(&self) -> bool {
        matches!(&self.way, Way::Pass(pass) if !pass.done && pass.frame.is_none())
    }

    /// Whether something came that a client would see as an answer.
    pub(crate) fn has_content(&self) -> bool {
        self.facts.content
    }

    /// What was used, as far as the provider said and can be believed; zeros say nothing.
    pub(crate) fn usage(&self) -> Option<&Usage> {
        let usage = match &self.way {
            Way::Translate { .. } => self.facts.usage.as_ref(),
            Way::Pass(pass) => pass.tap.usage(),
            Way::Written { usage } | Way::Raw { usage, .. } => usage.as_ref(),
        };
        usage.filter(|usage| !usage.is_empty() && self.believes(usage))
    }

    /// The model that whoever is read now names.
    pub(crate) fn model(&self) -> Option<&str> {
        match &self.way {
            Way::Translate { .. } => self.facts.model.as_deref(),
            Way::Pass(pass) => pass.tap.model(),
            Way::Written { .. } | Way::Raw { .. } => None,
        }
    }

    /// What the deployment that is read now used: of a stream that was gone on with not the whole.
    pub(crate) fn spent(&self) -> Option<&Usage> {
        match &self.facts.seam {
            Some(seam) if seam.is_joined() => seam.own().filter(|usage| self.believes(usage)),
            _ => self.usage(),
        }
    }

    /// How many tokens of an answer came, should nobody say it: counted where the vocabulary of the model is published,
    /// else estimated; of what is not kept, the pieces. It takes up to some milliseconds.
    pub(crate) fn received(&self, target: &Target) -> u64 {
        let pieces = self.facts.pieces;
        match &self.facts.heard {
            Some(heard) if pieces > 0 => heard.tokens(target, pieces),
            _ => pieces,
        }
    }

    /// The bytes that wait for the client.
    pub(crate) fn buffered(&self) -> usize {
        self.out.iter().map(Bytes::len).sum()
    }

    /// The next bytes for the client.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        self.out.pop_front()
    }

    /// The event in which the provider said that it broke off, where clients of this dialect know it and may
    /// be shown it as it is.
    pub(crate) fn parting(&mut self) -> Vec<Bytes> {
        match &mut self.way {
            Way::Pass(pass) => pass.parting.drain(..).filter(|bytes| !bytes.is_empty()).collect(),
            Way::Translate { .. } | Way::Written { .. } | Way::Raw { .. } => Vec::new(),
        }
    }

    /// Whether what may come behind the last event goes through as well.
    pub(crate) fn passes_on(&self) -> bool {
        matches!(&self.way, Way::Pass(pass) if pass.frame.is_none())
    }

    /// Adds bytes for the client, e.g. an error event.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        push(&mut self.out, bytes);
    }

    /// The encoder of a translated stream, for a last word.
    pub(crate) fn encoder(&mut self) -> Option<&mut dyn StreamEncoder> {
        match &mut self.way {
            Way::Translate { encoder, .. } => Some(&mut **encoder),
            Way::Pass(Pass { frame: Some(frame), .. }) => Some(&mut **frame),
            Way::Pass(_) | Way::Written { .. } | Way::Raw { .. } => None,
        }
    }
}

fn push(out: &mut VecDeque<Bytes>, bytes: Bytes) {
    if !bytes.is_empty() {
        out.push_back(bytes);
    }
}

/// Notes what an event is before the client's encoder gets it.
struct Watch<'a> {
    encoder: &'a mut dyn StreamEncoder,
    facts: &'a mut Facts,
}

impl EventSink for Watch<'_> {
    fn event(&mut self, event: Event<'_>) -> Flow {
        let content = is_content(&event);
        self.facts.content |= content;
        self.facts.pieces += u64::from(content);
        if let (Event::Delta { delta, .. }, Some(heard)) = (&event, &mut self.facts.heard) {
            heard.delta(delta);
        }
        if let Event::Start(start) = &event
            && !start.model.is_empty()
        {
            self.facts.model = Some((*start.model).into());
        }
        match event {
            // Told by whoever owns the stream: before any content another deployment takes over.
            Event::Error(error) => {
                self.facts.error = Some(error);
                Flow::Break(())
            }
            event => {
                let event = match &mut self.facts.seam {
                    Some(seam) => seam.event(event),
                    None => Some(event),
                };
                let Some(event) = event else { return Flow::Continue(()) };
                if let Event::Usage(usage) = &event {
                    self.facts.usage = Some(usage.clone());
                }
                self.encoder.event(event)
            }
        }
    }
}

#[cfg(test)]
mod tests;
