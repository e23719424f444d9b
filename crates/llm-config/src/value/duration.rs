//! Durations: `"250ms"`, `"10m"`, `"1h30m"`.
//!
//! A bare number is refused: whether it means seconds or milliseconds is the classic mistake.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

pub(crate) const FORMAT: &str = "gateway-duration";
/// Longer waits are mistakes, and would overflow the clock of some platforms.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a duration: whole numbers, each with a unit of `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// A fragment that says what is wrong with it.
pub fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("a duration must not be empty, write for example \"30s\"".to_owned());
    }
    let mut sum = Some(0u64);
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(unit_at);
        let next_at = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(next_at);
        if number.is_empty() {
            return Err("not a duration, write a whole number and a unit, for example \"30s\"".to_owned());
        }
        if unit.is_empty() {
            return Err("a duration needs a unit: ms, s, m, h or d".to_owned());
        }
        let Some((_, ms)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("`{unit}` is not a unit of time, use ms, s, m, h or d"));
        };
        sum = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*ms)).and_then(|n| sum?.checked_add(n));
        rest = next;
    }
    let duration = sum.map(Duration::from_millis).filter(|duration| *duration <= LONGEST);
    duration.ok_or_else(|| "longer than a year, shorten it".to_owned())
}

/// Writes a duration in its largest unit that divides it.
#[must_use]
pub fn write(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms == 0 {
        return "0s".to_owned();
    }
    let (unit, size) =
        UNITS.iter().find(|(_, size)| ms.is_multiple_of(u128::from(*size))).unwrap_or(&("ms", 1));
    format!("{}{unit}", ms / u128::from(*size))
}

pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write(*duration))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For `Option<Duration>` fields.
pub(crate) mod optional {
    use super::{Deserializer, Duration, Serializer};

    #[expect(clippy::ref_option, reason = "serde's `with` hands a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

/// Stands for a duration in the JSON Schema.
#[derive(Debug)]
pub struct Text;

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::text_schema(FORMAT, Some(r"^\s*([0-9]+(ms|s|m|h|d))+\s*$"), "30s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        let check = |text, ms: u64, back: &str| {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
            assert_eq!(write(Duration::from_millis(ms)), back);
        };
        check("250ms", 250, "250ms");
        check("10m", 600_000, "10m");
        check("90s", 90_000, "90s");
        check("1h30m", 5_400_000, "90m");
        check(" 2d ", 172_800_000, "2d");
        check("0s", 0, "0s");
    }

    #[test]
    fn what_is_no_duration_says_why() {
        let check = |text, part: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        };
        check("", "empty");
        check("30", "needs a unit");
        check("1.5s", "needs a unit");
        check("s", "whole number");
        check("-1s", "whole number");
        check("5 m", "needs a unit");
        check("5min", "`min` is not a unit");
        check("9000d", "longer than a year");
        check("99999999999999999999s", "longer than a year");
        check("18446744073709551615ms18446744073709551615ms", "longer than a year");
    }
}
