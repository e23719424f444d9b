//! Where the rest of an answer is.

use std::time::Duration;

use bytes::Bytes;
use llm_types::Str;

use super::wire::{METRICS, Prediction, Urls};
use crate::codec::{Follow, Next, Over};

/// For an answer that is wanted whole.
#[derive(Debug)]
pub(super) struct Whole;

/// For one that is wanted as it is made.
#[derive(Debug)]
pub(super) struct Streamed;

/// The first pause before it is asked again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

impl Follow for Whole {
    fn next(&self, body: &[u8], asked: u32) -> Next {
        match begun(body).and_then(|urls| urls.get) {
            Some(url) => Next::Again { url: url.into_string(), after: pause(asked) },
            None => Next::Done,
        }
    }

    fn cancel(&self, body: &[u8]) -> Option<String> {
        cancel(body)
    }
}

impl Follow for Streamed {
    fn next(&self, body: &[u8], asked: u32) -> Next {
        match begun(body) {
            Some(Urls { stream: Some(url), get, .. }) => {
                Next::Stream { url: url.into_string(), get: get.map(Str::into_string) }
            }
            // A model that does not stream is asked until it is done.
            Some(_) => Whole.next(body, asked),
            None => Next::Done,
        }
    }

    fn cancel(&self, body: &[u8]) -> Option<String> {
        cancel(body)
    }

    fn whole(&self) -> Option<&'static dyn Follow> {
        Some(&Whole)
    }

    fn over(&self, events: &[u8]) -> Option<Over> {
        let mut lines = events.split(|byte| *byte == b'\n');
        lines.find_map(|line| match line.strip_prefix(b"event:")?.trim_ascii() {
            b"done" => Some(Over::Done),
            b"error" => Some(Over::Failed),
            _ => None,
        })
    }

    fn told(&self, body: &[u8]) -> Option<Bytes> {
        let read: Prediction<'_> = serde_json::from_slice(body).ok()?;
        let metrics = serde_json::to_string(&read.metrics?).ok()?;
        Some(format!("event: {METRICS}\ndata: {metrics}\n\n").into())
    }
}

/// Where a prediction that is under way can be asked for; `None`: it is not.
fn begun(body: &[u8]) -> Option<Urls<'_>> {
    let read: Prediction<'_> = serde_json::from_slice(body).ok()?;
    let under_way = matches!(read.status?.as_str(), "starting" | "processing" | "queued");
    read.urls.filter(|_| under_way)
}

fn cancel(body: &[u8]) -> Option<String> {
    begun(body)?.cancel.map(Str::into_string)
}

/// Twice as long each time.
fn pause(asked: u32) -> Duration {
    let (first, most) = PAUSES;
    first.saturating_mul(2_u32.saturating_pow(asked.min(16))).min(most)
}
