//! The state of an answer while its chunks come in.
//!
//! Why a choice ended is held until the end of the body: older models say `STOP` in every chunk, and
//! sources may follow the last text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use llm_types::{ApiError, Dialect, ErrorKind, Event, EventSink, Extra, Finish, RawValue, Start, Usage};

use super::super::{model, wire};
use super::candidate::Candidate;
use super::usage::Lookups;
use super::{error, finish, malformed, time, usage};
use crate::codec::{DecodeCx, Memo};

/// The most answers in one reply.
const CANDIDATE_LIMIT: u32 = 128;

/// Why reading stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// The taker wants no more.
    Asked,
    /// The provider broke off with an error.
    Said(ApiError),
    /// The bytes are not of this dialect.
    Failed(ApiError),
}

/// Hands events on until their taker wants no more.
pub(super) struct Out<'s> {
    pub(super) sink: &'s mut dyn EventSink,
    pub(super) memo: &'s Memo,
}

impl Out<'_> {
    /// Hands on one event.
    pub(super) fn event(&mut self, event: Event<'_>) -> Result<(), Stop> {
        if self.sink.event(event).is_break() { Err(Stop::Asked) } else { Ok(()) }
    }
}

/// An answer so far.
#[derive(Debug)]
pub(super) struct Answer {
    memo: Memo,
    /// The model as it was asked for, then as the provider names it.
    model: String,
    started: bool,
    traffic_seen: bool,
    candidates: BTreeMap<u32, Candidate>,
    /// The prompt was refused.
    blocked: Option<Finish>,
}

impl Answer {
    /// Nothing came yet.
    pub(super) fn new(cx: &DecodeCx<'_>) -> Self {
        Self {
            memo: cx.memo.clone(),
            model: cx.model.to_owned(),
            started: false,
            traffic_seen: false,
            candidates: BTreeMap::new(),
            blocked: None,
        }
    }

    /// Whether there is neither an answer nor a refusal.
    pub(super) fn is_empty(&self) -> bool {
        self.candidates.is_empty() && self.blocked.is_none()
    }

    /// Whether every answer that began has ended.
    pub(super) fn is_complete(&self) -> bool {
        self.blocked.is_some()
            || (!self.candidates.is_empty() && self.candidates.values().all(Candidate::is_complete))
    }

    /// Reads a chunk, or a whole answer. Errors on streams may stand in an array.
    pub(super) fn chunk(&mut self, json: &[u8], sink: &mut dyn EventSink) -> Result<(), Stop> {
        let failed = |error: serde_json::Error| Stop::Failed(malformed(&error));
        if json.trim_ascii_start().starts_with(b"[") {
            let list: Vec<wire::Response<'_>> = serde_json::from_slice(json).map_err(failed)?;
            return list.into_iter().try_for_each(|response| self.response(response, sink));
        }
        self.response(serde_json::from_slice(json).map_err(failed)?, sink)
    }

    fn response(&mut self, response: wire::Response<'_>, sink: &mut dyn EventSink) -> Result<(), Stop> {
        let wire::Response {
            candidates,
            prompt_feedback,
            usage_metadata,
            model_version,
            response_id,
            create_time,
            error,
            extra,
        } = response;
        if let Some(json) = error {
            return Err(Stop::Said(error::contained(json)));
        }
        // Taken out of `self`, which is changed below while the names are read.
        let memo = std::mem::take(&mut self.memo);
        let mut out = Out { sink, memo: &memo };
        let counts = usage_metadata.unwrap_or_default();
        let read = (|| {
            if !self.started {
                self.started = true;
                if let Some(version) = &model_version {
                    model::bare(version.as_str()).clone_into(&mut self.model);
                }
                let id = response_id.map(|id| id.0).unwrap_or_default();
                let created = create_time.and_then(|at| time::unix_seconds(at.as_str()));
                self.start(id, created, &counts, &mut out)?;
            }
            let mut members = extra.to_extra();
            if let Some(json) = prompt_feedback {
                members.set("promptFeedback", json.to_owned());
            }
            self.members(members, &counts, &mut out)?;
            for (position, candidate) in candidates.into_iter().flatten().enumerate() {
                self.candidate(position, candidate, &mut out)?;
            }
            if let Some(usage) = self.usage(&counts) {
                out.event(Event::Usage(usage))?;
            }
            if let Some(json) = prompt_feedback {
                self.feedback(json);
            }
            Ok(())
        })();
        self.memo = memo;
        read
    }

    fn start(
        &self,
        id: Cow<'_, str>,
        created: Option<u64>,
        counts: &wire::UsageMetadata<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        let tier = counts.service_tier.as_ref().map(|tier| Cow::Borrowed(tier.as_str()));
        out.event(Event::Start(Start {
            id,
            model: Cow::Borrowed(&self.model),
            created,
            service_tier: tier,
            system_fingerprint: None,
        }))
    }

    /// Members that have no neutral field, kept for this dialect.
    fn members(
        &mut self,
        mut members: Extra,
        counts: &wire::UsageMetadata<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        if let Some(traffic) = counts.traffic_type.filter(|_| !self.traffic_seen) {
            self.traffic_seen = true;
            members.set("trafficType", traffic.to_owned());
        }
        if members.is_empty() {
            return Ok(());
        }
        out.event(Event::Opaque { choice: None, dialect: Dialect::Gemini, members: Cow::Owned(members) })
    }

    fn candidate(
        &mut self,
        position: usize,
        candidate: wire::Candidate<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        let index = candidate.index.or_else(|| u32::try_from(position).ok()).unwrap_or(u32::MAX);
        if index >= CANDIDATE_LIMIT {
            return Err(Stop::Failed(ApiError::upstream(
                ErrorKind::UpstreamFormat,
                format!("the upstream sent a candidate number {index}: more than anyone asked for"),
            )));
        }
        self.candidates.entry(index).or_insert_with(|| Candidate::new(index)).read(candidate, out)
    }

    fn usage(&self, counts: &wire::UsageMetadata<'_>) -> Option<Usage> {
        let mut lookups = Lookups::default();
        for candidate in self.candidates.values() {
            lookups = lookups.and(candidate.lookups());
        }
        usage::usage(counts, &self.model, lookups)
    }

    fn feedback(&mut self, json: &RawValue) {
        let block: wire::Block<'_> = serde_json::from_str(json.get()).unwrap_or_default();
        if let Some(reason) = block.block_reason {
            self.blocked = Some(finish::blocked(&reason));
        }
    }

    /// The body is over: ends what is open.
    pub(super) fn close(&mut self, sink: &mut dyn EventSink) -> Result<(), Stop> {
        let mut out = Out { sink, memo: &self.memo };
        let blocked = self.blocked.take();
        if let (Some(finish), true) = (&blocked, self.candidates.is_empty()) {
            out.event(Event::Finish { choice: 0, finish: finish.clone() })?;
        }
        for candidate in self.candidates.values_mut() {
            candidate.close(blocked.as_ref(), &mut out)?;
        }
        self.blocked = blocked;
        Ok(())
    }
}
