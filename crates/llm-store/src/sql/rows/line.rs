//! A row as text: one JSON object, written by hand because every answer waits for it.
//!
//! `Record` reads it back. What rows have in common is in words already; the rest is a few numbers.

use std::sync::Arc;

use llm_governance::report::Sums;
use llm_governance::{RowCache, RowItem, UsageRow};
use llm_types::PicoUsd;
use serde::Serialize;

use super::counts::named;
use super::record::{Record, basis_name, bounded};
use super::subject::Subject;
use crate::sql::text::clean;

/// A row that is about to be put into a pack.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub(super) subject: &'a Arc<Subject>,
    pub(super) request: &'a str,
    /// Since 1970.
    pub(super) time_us: i64,
    pub(super) sums: Sums,
    /// A JSON object.
    pub(super) text: &'a [u8],
}

impl<'a> Entry<'a> {
    /// A row with its subject and its text; its request as the text has it.
    pub(super) fn new(row: &UsageRow, request: &'a str, subject: &'a Arc<Subject>, text: &'a [u8]) -> Self {
        Self { subject, request, time_us: row.time.as_microsecond(), sums: bounded(Sums::of(row)), text }
    }
}

/// The same, kept.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) request: Arc<str>,
    pub(super) text: Vec<u8>,
    subject: Arc<Subject>,
    time_us: i64,
    sums: Sums,
}

impl Line {
    /// Of a row that has to wait.
    pub(super) fn of(row: &UsageRow) -> Self {
        let subject = Arc::new(Subject::of(row));
        let (mut text, request) = (Vec::new(), clean(&row.request));
        write(&mut text, row, &request, &subject);
        let (time_us, sums) = (row.time.as_microsecond(), bounded(Sums::of(row)));
        Self { request, text, subject, time_us, sums }
    }

    /// Of the text of a row.
    pub(super) fn read(text: &[u8]) -> serde_json::Result<Self> {
        let row: Record = serde_json::from_slice(text)?;
        let subject = Arc::new(Subject::read(&row));
        let (time_us, sums) = (row.time_us, row.sums());
        Ok(Self { request: row.request, text: text.to_vec(), subject, time_us, sums })
    }

    pub(super) fn entry(&self) -> Entry<'_> {
        let Self { request, text, subject, time_us, sums } = self;
        Entry { subject, request, time_us: *time_us, sums: *sums, text }
    }
}

/// Adds the text of a row, whose clean id and subject these are.
pub(super) fn write(to: &mut Vec<u8>, row: &UsageRow, request: &str, subject: &Subject) {
    let UsageRow { request: _, attempt, time, who: _, tags: _, served: _, bookings: _, .. } = row;
    let UsageRow { usage, items, cost, basis, cost_incomplete, overrun, .. } = row;
    let UsageRow { latency, first_token, status, error, cache, quality, .. } = row;
    put(to, "{\"request\":");
    quoted(to, request);
    put(to, ",\"attempt\":");
    number(to, *attempt);
    put(to, ",\"time_us\":");
    number(to, time.as_microsecond());
    put(to, ",");
    put(to, &subject.members);
    put(to, "\"cost\":");
    money(to, *cost);
    put(to, ",\"basis\":\"");
    put(to, basis_name(*basis));
    put(to, "\"");
    for (name, _) in [("incomplete", cost_incomplete), ("overrun", overrun)].iter().filter(|(_, is)| **is) {
        put(to, ",\"");
        put(to, name);
        put(to, "\":true");
    }
    put(to, ",\"latency_us\":");
    number(to, micros(*latency));
    if let Some(first) = first_token {
        put(to, ",\"first_token_us\":");
        number(to, micros(*first));
    }
    put(to, ",\"status\":");
    number(to, *status);
    if let Some(error) = error {
        put(to, ",\"error\":");
        any(to, error);
    }
    put(to, ",\"cache\":\"");
    put(to, cache_name(*cache));
    put(to, "\"");
    if let Some(quality) = quality.filter(|quality| quality.is_finite()) {
        put(to, ",\"quality\":");
        any(to, &quality);
    }
    put(to, ",\"detail\":{\"usage\":{");
    for (nth, (name, count)) in named(usage).enumerate() {
        put(to, if nth > 0 { ",\"" } else { "\"" });
        put(to, name);
        put(to, "\":");
        number(to, count);
    }
    put(to, "}");
    list(to, items);
    put(to, &subject.tags_member);
    put(to, "}}");
}

/// Class, count, amount; nothing where there are none.
fn list(to: &mut Vec<u8>, items: &[RowItem]) {
    for (nth, RowItem { class, count, amount }) in items.iter().enumerate() {
        put(to, if nth > 0 { ",[\"" } else { ",\"items\":[[\"" });
        put(to, class);
        put(to, "\",");
        number(to, *count);
        put(to, ",");
        match amount {
            Some(amount) => money(to, *amount),
            None => put(to, "null"),
        }
        put(to, "]");
    }
    if !items.is_empty() {
        put(to, "]");
    }
}

/// How the cache took part, as it is stored.
fn cache_name(cache: RowCache) -> &'static str {
    match cache {
        RowCache::Bypass => "bypass",
        RowCache::Miss => "miss",
        RowCache::Hit => "hit",
    }
}

fn micros(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn put(to: &mut Vec<u8>, text: &str) {
    to.extend_from_slice(text.as_bytes());
}

fn number(to: &mut Vec<u8>, number: impl itoa::Integer) {
    put(to, itoa::Buffer::new().format(number));
}

fn money(to: &mut Vec<u8>, amount: PicoUsd) {
    put(to, "\"");
    put(to, amount.text().as_str());
    put(to, "\"");
}

/// A string. Ids need no escapes, unless a client makes them up.
fn quoted(to: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        put(to, "\"");
        put(to, text);
        put(to, "\"");
    } else {
        any(to, text);
    }
}

/// Whatever is rare.
fn any(to: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // A string, a name or a number, into memory: nothing of it is unwritable.
    let _ = serde_json::to_writer(to, value);
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use llm_governance::{
        Basis, BudgetId, BudgetWindow, KeyId, Mode, Period, RowOwner, RowServed, Scope, Window,
    };
    use llm_types::{ErrorKind, Usage};
    use proptest::prelude::*;

    use super::super::counts::Counts;
    use super::super::record::{Cache, Detail};
    use super::*;

    /// Some row.
    pub(in super::super) fn row(request: &str, attempt: u32) -> UsageRow {
        let time = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let window = Window::utc(Period::Day);
        let start = window.span(time).start;
        let budget = Arc::new(BudgetId { scope: Scope::Team("search".into()), window, mode: Mode::Hard });
        UsageRow {
            request: request.into(),
            attempt,
            time,
            who: RowOwner {
                key: Some(KeyId::from_bytes([7; 16])),
                team: Some("search".into()),
                ..RowOwner::default()
            },
            tags: ["blue".into()].into_iter().collect(),
            served: RowServed {
                model_asked: "smart".into(),
                model: "gpt-4o".into(),
                provider: "openai".into(),
                deployment: "smart/1".into(),
            },
            usage: Usage { input: 100, output: 20, ..Usage::default() },
            items: [RowItem { class: "input", count: 100, amount: Some(PicoUsd::from_pico(12_345)) }]
                .into_iter()
                .collect(),
            cost: PicoUsd::from_pico(12_345),
            basis: Basis::Reported,
            cost_incomplete: false,
            overrun: false,
            bookings: [BudgetWindow { budget, start }].into_iter().collect(),
            latency: Duration::from_micros(1_500),
            first_token: Some(Duration::from_micros(200)),
            status: 200,
            error: None,
            cache: RowCache::Miss,
            quality: None,
        }
    }

    fn text(row: &UsageRow) -> String {
        String::from_utf8(Line::of(row).text).unwrap()
    }

    fn read(row: &UsageRow) -> Record {
        serde_json::from_str(&text(row)).unwrap()
    }

    #[test]
    fn a_row_is_written_small() {
        let mut row = row("r", 1);
        row.who.key = None;
        row.bookings.clear();
        assert_eq!(
            text(&row),
            "{\"request\":\"r\",\"attempt\":1,\"time_us\":1800000000000000,\"team\":\"search\",\
             \"model_asked\":\"smart\",\"model\":\"gpt-4o\",\"provider\":\"openai\",\"deployment\":\"smart/1\",\
             \"cost\":\"0.000000012345\",\"basis\":\"reported\",\"latency_us\":1500,\"first_token_us\":200,\
             \"status\":200,\"cache\":\"miss\",\"detail\":{\"usage\":{\"input\":100,\"output\":20},\
             \"items\":[[\"input\",100,\"0.000000012345\"]],\"tags\":[\"blue\"]}}"
        );
    }

    #[test]
    fn a_row_is_read_back() {
        let row = UsageRow {
            cost_incomplete: true,
            overrun: true,
            first_token: None,
            status: 429,
            error: Some(ErrorKind::RateLimit),
            cache: RowCache::Hit,
            quality: Some(0.5),
            basis: Basis::Estimated,
            ..row("r", 3)
        };
        let name = Arc::<str>::from;
        let expect = Record {
            request: "r".into(),
            attempt: 3,
            time_us: 1_800_000_000_000_000,
            key: row.who.key.unwrap().to_string().into(),
            user: name(""),
            team: name("search"),
            organisation: name(""),
            model_asked: name("smart"),
            model: name("gpt-4o"),
            provider: name("openai"),
            deployment: name("smart/1"),
            cost: PicoUsd::from_pico(12_345),
            basis: Basis::Estimated,
            incomplete: true,
            overrun: true,
            latency_us: 1_500,
            first_token_us: None,
            status: 429,
            error: Some(ErrorKind::RateLimit),
            cache: Cache::Hit,
            quality: Some(0.5),
            bookings: row.bookings.to_vec(),
            detail: Detail {
                usage: Counts(row.usage.clone()),
                items: vec![("input".to_owned(), 100, Some(PicoUsd::from_pico(12_345)))],
                tags: vec![name("blue")],
            },
        };
        assert_eq!(read(&row), expect);
        assert_eq!(expect.sums(), bounded(Sums::of(&row)));
        let (was, is) = (Line::of(&row), Line::read(text(&row).as_bytes()).unwrap());
        assert_eq!((was.time_us, &was.sums, &was.subject), (is.time_us, &is.sums, &is.subject));
    }

    proptest! {
        #[test]
        fn odd_names_are_read_back(
            request in "\\PC*|[\\x00-\\x20\"\\\\]{1,40}", name in "\\PC{0,80}|[\\x00-\\x20\"\\\\]{0,40}", cost in 0..u64::MAX,
        ) {
            let mut row = row(&request, 1);
            row.served.model = name.as_str().into();
            row.who.user = Some(name.as_str().into());
            row.tags.push(name.as_str().into());
            row.cost = PicoUsd::from_pico(i128::from(cost));
            let record = read(&row);
            prop_assert_eq!(&record.request, &clean(&row.request));
            let name = clean(&row.served.model);
            prop_assert_eq!((&record.model, &record.user, record.detail.tags.last()), (&name, &name, Some(&name)));
            prop_assert_eq!(record.cost, row.cost);
        }
    }
}
