//! Streamed events gathered into a whole answer.
//!
//! For callers that want both, and for whoever has to compare a stream with its unstreamed twin.

use std::collections::BTreeMap;

use crate::chat::{Audio, Image, LogProbs, Media, Part, Reasoning, Refusal, Text, ToolCall};
use crate::{ApiError, Choice, Delta, Event, EventSink, Extra, Flow, PartStart, Reply};

/// Gathers events into a [`Reply`].
#[derive(Debug, Default)]
pub struct ReplyBuilder {
    reply: Reply,
    choices: BTreeMap<u32, Gathered>,
    error: Option<ApiError>,
}

#[derive(Debug, Default)]
struct Gathered {
    /// By part number; a citation belongs behind its text.
    parts: BTreeMap<u32, Vec<Part>>,
    choice: Choice,
}

impl ReplyBuilder {
    /// The answer gathered so far.
    ///
    /// # Errors
    /// The error that the stream ended with, if it did.
    pub fn finish(self) -> crate::Result<Reply> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut reply = self.reply;
        reply.choices = self
            .choices
            .into_iter()
            .map(|(index, gathered)| Choice {
                index,
                parts: gathered.parts.into_values().flatten().collect(),
                ..gathered.choice
            })
            .collect();
        Ok(reply)
    }

    fn choice(&mut self, index: u32) -> &mut Gathered {
        self.choices.entry(index).or_default()
    }

    fn delta(&mut self, choice: u32, part: u32, delta: Delta<'_>) {
        let gathered = self.choice(choice);
        if let Delta::LogProbs(more) = &delta {
            let all = gathered.choice.logprobs.get_or_insert_with(LogProbs::default);
            all.content.extend_from_slice(&more.content);
            all.refusal.extend_from_slice(&more.refusal);
            return;
        }
        let Some(parts) = gathered.parts.get_mut(&part) else {
            return;
        };
        if let Delta::Citation(citation) = &delta {
            parts.push(Part::Citation(citation.clone().into_owned()));
            return;
        }
        let Some(part) = parts.first_mut() else {
            return;
        };
        append(part, delta);
    }
}

fn append(part: &mut Part, delta: Delta<'_>) {
    match (part, delta) {
        (Part::Text(text), Delta::Text(more)) => text.text.push_str(&more),
        (Part::Text(text), Delta::Signature(more)) => {
            text.signature.get_or_insert_with(String::new).push_str(&more);
        }
        (Part::Refusal(refusal), Delta::Refusal(more)) => refusal.text.push_str(&more),
        (Part::Reasoning(reasoning), Delta::Reasoning(more)) => reasoning.text.push_str(&more),
        (Part::Reasoning(reasoning), Delta::Signature(more)) => {
            reasoning.signature.get_or_insert_with(String::new).push_str(&more);
        }
        (Part::Reasoning(reasoning), Delta::Redacted(data)) => {
            reasoning.redacted = Some(data.into_owned());
        }
        (Part::ToolCall(call), Delta::ToolArgs(more)) => call.arguments.push_str(&more),
        (Part::ToolCall(call), Delta::Signature(more)) => {
            call.signature.get_or_insert_with(String::new).push_str(&more);
        }
        (Part::Image(image), Delta::Data(more)) => push_data(&mut image.media, &more),
        (Part::Audio(audio), Delta::Data(more)) => {
            let empty = || Media::Base64 { media_type: String::new(), data: String::new() };
            push_data(audio.media.get_or_insert_with(empty), &more);
        }
        (Part::Audio(audio), Delta::Transcript(more)) => {
            audio.transcript.get_or_insert_with(String::new).push_str(&more);
        }
        (Part::Audio(audio), Delta::ExpiresAt(at)) => audio.expires_at = Some(at),
        (Part::Text(text), Delta::Extra(extra)) => merge(&mut text.extra, &extra),
        (Part::ToolCall(call), Delta::Extra(extra)) => merge(&mut call.extra, &extra),
        (Part::Reasoning(reasoning), Delta::Extra(extra)) => merge(&mut reasoning.extra, &extra),
        (Part::Image(image), Delta::Extra(extra)) => merge(&mut image.extra, &extra),
        (Part::Audio(audio), Delta::Extra(extra)) => merge(&mut audio.extra, &extra),
        _ => {}
    }
}

fn push_data(media: &mut Media, more: &str) {
    if let Media::Base64 { data, .. } = media {
        data.push_str(more);
    }
}

fn merge(into: &mut Extra, from: &Extra) {
    for (name, value) in from.iter() {
        into.set(name, value.to_owned());
    }
}

fn empty_part(start: PartStart<'_>) -> Part {
    match start {
        PartStart::Text => Part::Text(Text::default()),
        PartStart::Refusal => Part::Refusal(Refusal::default()),
        PartStart::Reasoning => Part::Reasoning(Reasoning::default()),
        PartStart::ToolCall { id, name, kind } => Part::ToolCall(ToolCall {
            id: id.into_owned(),
            name: name.into_owned(),
            kind,
            ..ToolCall::default()
        }),
        PartStart::Audio { id } => {
            Part::Audio(Audio { id: (!id.is_empty()).then(|| id.into_owned()), ..Audio::default() })
        }
        PartStart::Image { media_type } => Part::Image(Image::new(Media::Base64 {
            media_type: media_type.into_owned(),
            data: String::new(),
        })),
        PartStart::Opaque(opaque) => Part::Opaque(opaque.into_owned()),
    }
}

impl EventSink for ReplyBuilder {
    fn event(&mut self, event: Event<'_>) -> Flow {
        match event {
            Event::Start(start) => {
                self.reply.id = start.id.into_owned();
                self.reply.model = start.model.into_owned();
                self.reply.created = start.created;
                self.reply.service_tier = start.service_tier.map(Into::into);
                self.reply.system_fingerprint = start.system_fingerprint.map(Into::into);
            }
            Event::PartStart { choice, part, start } => {
                self.choice(choice).parts.insert(part, vec![empty_part(start)]);
            }
            Event::Delta { choice, part, delta } => self.delta(choice, part, delta),
            Event::PartEnd { .. } => {}
            Event::Usage(usage) => self.reply.usage = Some(usage),
            Event::Finish { choice, finish } => self.choice(choice).choice.finish = Some(finish),
            Event::Error(error) => {
                self.error = Some(error);
                return Flow::Break(());
            }
            Event::Opaque { choice, dialect, members } => {
                self.reply.origin = Some(dialect);
                match choice {
                    Some(choice) => merge(&mut self.choice(choice).choice.extra, &members),
                    None => merge(&mut self.reply.extra, &members),
                }
            }
        }
        Flow::Continue(())
    }
}
