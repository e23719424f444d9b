//! A usage row as it is journaled and stored: owned, clean, serialisable.

use std::borrow::Cow;
use std::sync::Arc;

use llm_governance::{Basis, BudgetWindow, RowCache, RowItem, RowOwner, RowServed, UsageRow};
use llm_types::{ErrorKind, PicoUsd};
use serde::{Deserialize, Serialize};

use super::counts::Counts;
use crate::sql::text::clean;

/// How long a row usually is, in bytes.
const USUAL: usize = 768;
/// The most tags of a row that are kept.
const TAGS: usize = 32;

/// A row. Names that are not there are empty: they are part of the keys of sums.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) request: Arc<str>,
    pub(super) attempt: u32,
    pub(super) time_us: i64,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) key: Arc<str>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) user: Arc<str>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) team: Arc<str>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) organisation: Arc<str>,
    pub(super) model_asked: Arc<str>,
    pub(super) model: Arc<str>,
    pub(super) provider: Arc<str>,
    pub(super) deployment: Arc<str>,
    pub(super) cost: PicoUsd,
    pub(super) basis: Basis,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) incomplete: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) overrun: bool,
    pub(super) latency_us: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first_token_us: Option<i64>,
    pub(super) status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ErrorKind>,
    pub(super) cache: Cache,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) quality: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) bookings: Vec<BudgetWindow>,
    pub(super) detail: Detail,
}

/// A row and its text: what is written once for the journal goes into the database as it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) record: Box<Record>,
    /// A JSON object.
    pub(super) text: Vec<u8>,
}

/// What nothing is searched or summed by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Detail {
    #[serde(default)]
    pub(super) usage: Counts,
    /// Class, count, amount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) items: Vec<(Cow<'static, str>, u64, Option<PicoUsd>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<Arc<str>>,
}

/// [`RowCache`] in the journal and the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cache {
    Bypass,
    Miss,
    Hit,
}

impl Cache {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Miss => "miss",
            Self::Hit => "hit",
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

fn is_empty(text: &Arc<str>) -> bool {
    text.is_empty()
}

impl From<UsageRow> for Record {
    fn from(row: UsageRow) -> Self {
        let UsageRow {
            request,
            attempt,
            time,
            who: RowOwner { key, user, team, organisation },
            tags,
            served: RowServed { model_asked, model, provider, deployment },
            usage,
            items,
            cost,
            basis,
            cost_incomplete,
            overrun,
            bookings,
            latency,
            first_token,
            status,
            error,
            cache,
            quality,
        } = row;
        let item = |RowItem { class, count, amount }| (Cow::Borrowed(class), count, amount);
        let name = |name: Option<Arc<str>>| name.as_ref().map_or_else(Arc::default, clean);
        Self {
            request: clean(&request),
            attempt,
            time_us: time.as_microsecond(),
            key: key.map_or_else(Arc::default, |key| key.to_string().into()),
            user: name(user),
            team: name(team),
            organisation: name(organisation),
            model_asked: clean(&model_asked),
            model: clean(&model),
            provider: clean(&provider),
            deployment: clean(&deployment),
            cost,
            basis,
            incomplete: cost_incomplete,
            overrun,
            bookings: bookings.into_vec(),
            latency_us: micros(latency),
            first_token_us: first_token.map(micros),
            status,
            error,
            cache: match cache {
                RowCache::Bypass => Cache::Bypass,
                RowCache::Miss => Cache::Miss,
                RowCache::Hit => Cache::Hit,
            },
            quality: quality.filter(|quality| quality.is_finite()),
            detail: Detail {
                usage: Counts(usage),
                items: items.into_iter().map(item).collect(),
                tags: tags.iter().take(TAGS).map(clean).collect(),
            },
        }
    }
}

fn micros(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

impl Record {
    /// How its cost is known.
    pub(super) fn basis_name(&self) -> &'static str {
        match self.basis {
            Basis::Reported => "reported",
            Basis::Received => "received",
            Basis::Estimated => "estimated",
            Basis::Reserved => "reserved",
        }
    }

    /// The row and its text.
    pub(super) fn line(self) -> serde_json::Result<Line> {
        let mut text = Vec::with_capacity(USUAL);
        serde_json::to_writer(&mut text, &self)?;
        Ok(Line { record: Box::new(self), text })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Some row.
    pub(in super::super) fn record(request: &str, attempt: u32) -> Record {
        let text = |text: &str| Arc::<str>::from(text);
        Record {
            request: text(request),
            attempt,
            time_us: 1_800_000_000_000_000,
            key: text("key_00000000000000000000000000000001"),
            user: text(""),
            team: text("search"),
            organisation: text(""),
            model_asked: text("smart"),
            model: text("gpt-4o"),
            provider: text("openai"),
            deployment: text("smart/1"),
            cost: PicoUsd::from_pico(12_345),
            basis: Basis::Reported,
            incomplete: false,
            overrun: false,
            latency_us: 1_500,
            first_token_us: Some(200),
            status: 200,
            error: Some(ErrorKind::RateLimit),
            cache: Cache::Miss,
            quality: None,
            bookings: Vec::new(),
            detail: Detail { tags: vec![text("blue")], ..Detail::default() },
        }
    }

    /// Some row with its text.
    pub(in super::super) fn line(request: &str, attempt: u32) -> Line {
        record(request, attempt).line().unwrap()
    }

    #[test]
    fn a_row_is_written_small_and_read_back() {
        let row = record("r", 1);
        let text = serde_json::to_string(&row).unwrap();
        assert!(!text.contains("user") && text.contains(r#""error":"rate_limit""#), "{text}");
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), row);
        assert_eq!(row.line().unwrap().text, text.into_bytes());
    }
}
