//! A whole answer told again as a stream.
//!
//! For answers that exist whole where a client wants a stream: the built-in provider, a cache hit, an
//! upstream that cannot stream. What comes out gathers into the same answer again (`ReplyBuilder`).

use std::borrow::Cow;

use llm_types::chat::{Audio, Citation, Image, Media, Part, Reasoning, Refusal, Text, ToolCall};
use llm_types::{Choice, Delta, Dialect, Event, EventSink, Extra, Flow, PartStart, Reply, Start};

/// Into how many deltas a text is cut at least, if it has so many characters.
const PIECES: usize = 5;
/// The most characters of one delta.
const PIECE_CHARS: usize = 24;

/// Sends an answer as events: a start, each choice part by part with texts in at least five pieces, its
/// end, and the usage last. Files and tool results are not part of any stream and are left out.
/// Stops as soon as the sink wants no more.
pub fn replay(reply: &Reply, sink: &mut dyn EventSink) -> Flow {
    sink.event(Event::Start(Start {
        id: Cow::Borrowed(&reply.id),
        model: Cow::Borrowed(&reply.model),
        created: reply.created,
        service_tier: reply.service_tier.as_deref().map(Cow::Borrowed),
        system_fingerprint: reply.system_fingerprint.as_deref().map(Cow::Borrowed),
    }))?;
    for choice in &reply.choices {
        send_choice(choice, reply.origin, sink)?;
    }
    if let (Some(dialect), false) = (reply.origin, reply.extra.is_empty()) {
        sink.event(Event::Opaque { choice: None, dialect, members: Cow::Borrowed(&reply.extra) })?;
    }
    match &reply.usage {
        Some(usage) => sink.event(Event::Usage(usage.clone())),
        None => Flow::Continue(()),
    }
}

/// Sends parts that came whole in the middle of a stream. `next` is the number of the next part.
pub(crate) fn send_parts(parts: &[Part], choice: u32, next: &mut u32, sink: &mut dyn EventSink) -> Flow {
    let mut out = Sender { sink, choice, part: *next };
    let flow = out.parts(parts);
    *next = out.part;
    flow
}

fn send_choice(choice: &Choice, origin: Option<Dialect>, sink: &mut dyn EventSink) -> Flow {
    let mut out = Sender { sink, choice: choice.index, part: 0 };
    out.parts(&choice.parts)?;
    if let Some(logprobs) = &choice.logprobs {
        out.delta(Delta::LogProbs(Cow::Borrowed(logprobs)))?;
    }
    for members in [&choice.extra, &choice.message_extra] {
        if let (Some(dialect), false) = (origin, members.is_empty()) {
            let choice = Some(choice.index);
            out.sink.event(Event::Opaque { choice, dialect, members: Cow::Borrowed(members) })?;
        }
    }
    match &choice.finish {
        Some(finish) => out.sink.event(Event::Finish { choice: choice.index, finish: finish.clone() }),
        None => Flow::Continue(()),
    }
}

struct Sender<'s> {
    sink: &'s mut dyn EventSink,
    choice: u32,
    part: u32,
}

/// Whether a part was opened.
type Opened = std::ops::ControlFlow<(), bool>;

impl Sender<'_> {
    fn parts(&mut self, parts: &[Part]) -> Flow {
        let mut parts = parts.iter().peekable();
        while let Some(part) = parts.next() {
            if !self.open(part)? {
                continue;
            }
            self.body(part)?;
            // A citation belongs to the part before it.
            while let Some(Part::Citation(citation)) = parts.peek() {
                self.citation(citation)?;
                parts.next();
            }
            self.close()?;
        }
        Flow::Continue(())
    }

    fn open(&mut self, part: &Part) -> Opened {
        let start = match part {
            Part::Text(_) => PartStart::Text,
            Part::Refusal(_) => PartStart::Refusal,
            Part::Reasoning(_) => PartStart::Reasoning,
            Part::ToolCall(call) => PartStart::ToolCall {
                id: Cow::Borrowed(&call.id),
                name: Cow::Borrowed(&call.name),
                kind: call.kind,
            },
            Part::Audio(audio) => PartStart::Audio { id: audio.id.as_deref().unwrap_or_default().into() },
            Part::Image(image) => PartStart::Image { media_type: media_type(image).into() },
            Part::Opaque(opaque) => PartStart::Opaque(Cow::Borrowed(opaque)),
            // A citation without a text before it gets an empty one.
            Part::Citation(_) => PartStart::Text,
            Part::File(_) | Part::ToolResult(_) => return Opened::Continue(false),
        };
        self.sink.event(Event::PartStart { choice: self.choice, part: self.part, start })?;
        Opened::Continue(true)
    }

    fn body(&mut self, part: &Part) -> Flow {
        match part {
            Part::Text(Text { text, cache: _, signature, extra }) => {
                self.pieces(text, Delta::Text)?;
                self.some(signature.as_deref(), Delta::Signature)?;
                self.extra(extra)
            }
            Part::Refusal(Refusal { text }) => self.pieces(text, Delta::Refusal),
            Part::Reasoning(Reasoning { text, signature, redacted, origin: _, extra }) => {
                self.pieces(text, Delta::Reasoning)?;
                self.some(redacted.as_deref(), Delta::Redacted)?;
                self.some(signature.as_deref(), Delta::Signature)?;
                self.extra(extra)
            }
            Part::ToolCall(ToolCall { id: _, name: _, arguments, kind: _, signature, cache: _, extra }) => {
                self.some(signature.as_deref(), Delta::Signature)?;
                self.extra(extra)?;
                self.pieces(arguments, Delta::ToolArgs)
            }
            Part::Audio(Audio { media, format: _, transcript, id: _, expires_at, cache: _, extra }) => {
                self.some(media.as_ref().and_then(data), Delta::Data)?;
                if let Some(transcript) = transcript {
                    self.pieces(transcript, Delta::Transcript)?;
                }
                if let Some(at) = expires_at {
                    self.delta(Delta::ExpiresAt(*at))?;
                }
                self.extra(extra)
            }
            Part::Image(Image { media, detail: _, media_type: _, cache: _, extra }) => {
                self.some(data(media), Delta::Data)?;
                self.extra(extra)
            }
            Part::Citation(citation) => self.citation(citation),
            Part::Opaque(_) | Part::File(_) | Part::ToolResult(_) => Flow::Continue(()),
        }
    }

    fn close(&mut self) -> Flow {
        let part = self.part;
        self.part += 1;
        self.sink.event(Event::PartEnd { choice: self.choice, part })
    }

    fn delta(&mut self, delta: Delta<'_>) -> Flow {
        self.sink.event(Event::Delta { choice: self.choice, part: self.part, delta })
    }

    fn pieces<'t>(&mut self, text: &'t str, delta: fn(Cow<'t, str>) -> Delta<'t>) -> Flow {
        for piece in pieces(text) {
            self.delta(delta(Cow::Borrowed(piece)))?;
        }
        Flow::Continue(())
    }

    fn some<'t>(&mut self, text: Option<&'t str>, delta: fn(Cow<'t, str>) -> Delta<'t>) -> Flow {
        match text {
            Some(text) => self.delta(delta(Cow::Borrowed(text))),
            None => Flow::Continue(()),
        }
    }

    fn citation(&mut self, citation: &Citation) -> Flow {
        self.delta(Delta::Citation(Cow::Borrowed(citation)))
    }

    fn extra(&mut self, extra: &Extra) -> Flow {
        if extra.is_empty() { Flow::Continue(()) } else { self.delta(Delta::Extra(Cow::Borrowed(extra))) }
    }
}

fn media_type(image: &Image) -> &str {
    match &image.media {
        Media::Base64 { media_type, .. } if !media_type.is_empty() => media_type,
        _ => image.media_type.as_deref().unwrap_or_default(),
    }
}

fn data(media: &Media) -> Option<&str> {
    match media {
        Media::Base64 { data, .. } => Some(data),
        Media::Url(url) => Some(url),
        Media::FileId(_) | Media::Text(_) => None,
    }
}

/// A text in pieces of whole characters: at least five, none longer than 24 characters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let size = (text.chars().count() / PIECES).clamp(1, PIECE_CHARS);
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = rest.char_indices().nth(size).map_or(rest.len(), |(at, _)| at);
        let (piece, tail) = rest.split_at_checked(at)?;
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests;
