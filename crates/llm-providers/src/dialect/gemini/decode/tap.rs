//! The facts of an answer that is passed through unread.

use std::borrow::Cow;
use std::collections::BTreeMap;

use llm_types::{Flow, Result, Usage};

use super::super::{model, wire};
use super::ground::Sources;
use super::usage::Lookups;
use super::{error, malformed, usage};
use crate::codec::{Seen, StreamTap, Tapped, named};
use crate::frame::SseFrames;

/// Reads the facts of a whole answer.
///
/// # Errors
/// [`llm_types::ErrorKind::UpstreamFormat`] when it is not one, and the error in it where it holds one.
pub(in super::super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    let response: wire::Response<'_> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    if let Some(json) = response.error {
        return Err(error::contained(json));
    }
    let mut tap = Tap::default();
    tap.note(&response);
    Ok(Tapped { usage: tap.usage, model: tap.model.map(|model| Cow::Owned(model.into())) })
}

/// Watches a stream. Its end is that of the body: there is no terminal event.
#[derive(Debug, Default)]
pub(in super::super) struct Tap {
    usage: Option<Usage>,
    model: Option<Box<str>>,
    lookups: Lookups,
    /// Which answers began, and whether they ended.
    ended: BTreeMap<u32, bool>,
    blocked: bool,
}

impl Tap {
    /// Notes what a chunk tells; whether it is content.
    fn note(&mut self, response: &wire::Response<'_>) -> bool {
        let mut content = false;
        for (position, candidate) in response.candidates.iter().flatten().enumerate() {
            let index = candidate.index.or_else(|| u32::try_from(position).ok()).unwrap_or_default();
            let ended = self.ended.entry(index).or_default();
            *ended |= candidate.finish_reason.is_some();
            let parts = candidate.content.iter().filter_map(|content| content.parts.as_ref()).flatten();
            content |= candidate.finish_reason.is_some() || parts.into_iter().any(is_content);
            if let Some(json) = candidate.grounding_metadata {
                let mut sources = Sources::default();
                sources.ground(json);
                self.lookups = self.lookups.and(sources.lookups());
            }
        }
        if let Some(json) = response.prompt_feedback {
            let block: wire::Block<'_> = serde_json::from_str(json.get()).unwrap_or_default();
            self.blocked |= block.block_reason.is_some();
        }
        let name = response.model_version.as_ref().map_or("", |version| model::bare(version.as_str()));
        named(&mut self.model, Some(name));
        if let Some(counts) = &response.usage_metadata {
            self.usage = usage::usage(counts, name, self.lookups).or(self.usage.take());
        }
        content || self.blocked
    }
}

fn is_content(part: &wire::Part<'_>) -> bool {
    part.thought_signature.is_some() || part.text.as_ref().is_none_or(|text| !text.0.is_empty())
}

impl StreamTap for Tap {
    fn see(&mut self, event: &[u8]) -> Seen {
        let mut seen = Seen::Quiet;
        let read = SseFrames::default().feed(event, |event| {
            seen = match serde_json::from_slice::<wire::Response<'_>>(event.data) {
                Ok(response) => match response.error {
                    Some(json) => Seen::Failed(error::contained(json)),
                    None if self.note(&response) => Seen::Content,
                    None => Seen::Quiet,
                },
                Err(_) => match error_in_list(event.data) {
                    Some(error) => Seen::Error(error),
                    None => Seen::Quiet,
                },
            };
            Ok(Flow::Continue(()))
        });
        match read {
            Ok(_) => seen,
            Err(error) => Seen::Error(error),
        }
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn is_done(&self) -> bool {
        self.blocked || (!self.ended.is_empty() && self.ended.values().all(|ended| *ended))
    }
}

/// `[{"error": …}]`
fn error_in_list(json: &[u8]) -> Option<llm_types::ApiError> {
    let list: Vec<wire::ErrorBody<'_>> = serde_json::from_slice(json).ok()?;
    list.into_iter().find_map(|one| one.error).map(error::contained)
}
