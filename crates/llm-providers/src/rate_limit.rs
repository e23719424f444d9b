//! What the headers of an answer say of a provider's rate limits.
//!
//! OpenAI's names are used by most others; a dialect whose provider has its own reads those. A reset is told
//! as a time to go (`1s`, `6m0s`, `12ms`, `0.5`) or as a moment (RFC 3339).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName};
use llm_types::{RateLimit, RateLimits};

/// The names of one limit's headers: the most, what is left, when it is whole again.
type Names = [HeaderName; 3];

/// A provider's names: what all of them begin with, those of requests and those of tokens.
pub(crate) type Family = (&'static str, [Names; 2]);

/// OpenAI, Azure, Groq, xAI, Mistral, Together and others.
static USUAL: Family = (
    "x-ratelimit-",
    [
        [
            HeaderName::from_static("x-ratelimit-limit-requests"),
            HeaderName::from_static("x-ratelimit-remaining-requests"),
            HeaderName::from_static("x-ratelimit-reset-requests"),
        ],
        [
            HeaderName::from_static("x-ratelimit-limit-tokens"),
            HeaderName::from_static("x-ratelimit-remaining-tokens"),
            HeaderName::from_static("x-ratelimit-reset-tokens"),
        ],
    ],
);

/// Anthropic.
pub(crate) static ANTHROPIC: Family = (
    "anthropic-ratelimit-",
    [
        [
            HeaderName::from_static("anthropic-ratelimit-requests-limit"),
            HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
            HeaderName::from_static("anthropic-ratelimit-requests-reset"),
        ],
        [
            HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
            HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
            HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
        ],
    ],
);

/// What headers of the usual names say; `None`: nothing.
#[must_use]
pub fn usual(headers: &HeaderMap) -> Option<RateLimits> {
    named(headers, &USUAL)
}

pub(crate) fn named(headers: &HeaderMap, (start, [requests, tokens]): &Family) -> Option<RateLimits> {
    // Many answers have none of them, and to see that takes less than to look for each.
    if !headers.keys().any(|name| name.as_str().starts_with(start)) {
        return None;
    }
    let limits = RateLimits { requests: one(headers, requests), tokens: one(headers, tokens) };
    (limits != RateLimits::default()).then_some(limits)
}

fn one(headers: &HeaderMap, [limit, left, reset]: &Names) -> RateLimit {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let Some(remaining) = text(left) else { return RateLimit::default() };
    RateLimit {
        limit: text(limit).and_then(|value| value.parse().ok()),
        left: remaining.parse().ok(),
        reset: text(reset).and_then(|value| span(value).or_else(|| moment(value))),
    }
}

/// A time to go; without a unit: seconds.
fn span(text: &str) -> Option<Duration> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => units(text),
    }
}

/// A time of numbers with units, `1m2.5s`.
pub(crate) fn units(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|at| *at > 0)?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

/// The time to a moment, `2026-11-21T10:00:00Z`.
fn moment(text: &str) -> Option<Duration> {
    let at = UNIX_EPOCH + Duration::from_secs(unix(text)?);
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Unix seconds of an RFC 3339 moment in UTC; fractions are left out.
fn unix(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.split('.').next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 0000-03-01 in the proleptic Gregorian calendar: years begin in March, so that the leap day is last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    Some((days.checked_sub(719_468)? * 24 + hour) * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn headers_are_read() {
        let read = usual(&headers(&[
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "6m0.5s"),
            ("x-ratelimit-remaining-tokens", "149984"),
        ]));
        let read = read.unwrap();
        assert_eq!((read.requests.limit, read.requests.left), (Some(10_000), Some(0)));
        assert_eq!(read.requests.reset, Some(Duration::from_millis(360_500)));
        assert_eq!((read.tokens.left, read.tokens.reset), (Some(149_984), None));
        assert_eq!(usual(&headers(&[("x-request-id", "1")])), None);
        let read = named(
            &headers(&[
                ("anthropic-ratelimit-tokens-remaining", "80000"),
                ("anthropic-ratelimit-tokens-reset", "2001-01-01T00:00:00Z"),
            ]),
            &ANTHROPIC,
        );
        assert_eq!(read.unwrap().tokens.reset, Some(Duration::ZERO), "that was long ago");
    }

    #[test]
    fn spans_and_moments() {
        let check = |text, ms: Option<u64>| assert_eq!(span(text), ms.map(Duration::from_millis), "{text}");
        check("1s", Some(1000));
        check("12ms", Some(12));
        check("1h2m3s", Some(3_723_000));
        check("0.25", Some(250));
        check("", None);
        check("soon", None);
        check("1x", None);
        let check = |text, seconds| assert_eq!(unix(text), seconds, "{text}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2000-02-29T12:00:00Z", Some(951_825_600));
        check("2026-11-21T10:11:12.5Z", Some(1_795_255_872));
        check("2026-13-21T10:11:12Z", None);
        check("yesterday", None);
    }
}
