//! Values that are written as text, each with the word that the schema has for its notation.
//!
//! [`problem`] says what is wrong with a text in a notation, so that the walk can name the member; reading it
//! afterwards cannot fail for the same reason.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use llm_governance::{Cidr, Scope, Zone};
use llm_types::PicoUsd;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The most dollars of a limit: sums of many must fit.
const MOST_DOLLARS: i128 = 1_000_000_000_000_000;
/// The longest time for which a secret may go on beside the next.
const LONGEST_GRACE: Duration = Duration::from_secs(366 * 24 * 3600);

/// What is wrong with a text; `None`: nothing, or the notation is not known here.
pub(crate) fn problem(format: &str, text: &str) -> Option<String> {
    match format {
        "usd" => usd(text).err(),
        "date-time" => rfc3339(text).err(),
        "time-zone" => text.parse::<Zone>().err().map(|error| error.to_string()),
        "ip-range" => text.parse::<Cidr>().err().map(|error| error.to_string()),
        "scope" => text.parse::<Scope>().err().map(|error| error.to_string()),
        "gateway-duration" => grace(text).err(),
        "id" | "name" => plain(text).err(),
        _ => None,
    }
}

fn usd(text: &str) -> Result<PicoUsd, String> {
    let amount = text.parse::<PicoUsd>().map_err(|error| format!("is {error}"))?;
    if amount < PicoUsd::ZERO || amount.pico() / 1_000_000_000_000 > MOST_DOLLARS {
        return Err("must be from 0 to 1000000000000000 dollars".to_owned());
    }
    Ok(amount)
}

/// The last moment that people write; what is counted here ends a little before it.
const LAST: &str = "9999-12-31T23:59:59Z";

fn rfc3339(text: &str) -> Result<Timestamp, String> {
    // The last two days of the year 9999 are beyond all counting, and stand for its end.
    let far = || {
        let year_before = text.strip_prefix("9999-12-3").map(|rest| format!("9998-12-3{rest}"))?;
        year_before.parse::<Timestamp>().ok().map(|_| Timestamp::MAX)
    };
    let wrong = || "is no moment as RFC 3339 writes it, such as 2026-11-21T08:00:00Z".to_owned();
    text.parse().ok().or_else(far).ok_or_else(wrong)
}

/// A moment as RFC 3339 writes it, or a day in UTC. In a query `+` may have become a space.
#[must_use]
pub fn moment(text: &str) -> Option<Timestamp> {
    let text = text.replace(' ', "+");
    rfc3339(&text).or_else(|_| rfc3339(&format!("{text}T00:00:00Z"))).ok()
}

/// A moment as it is shown.
#[must_use]
pub fn moment_text(at: Timestamp) -> String {
    if at == Timestamp::MAX { LAST.to_owned() } else { at.to_string() }
}

fn grace(text: &str) -> Result<Duration, String> {
    let time =
        llm_config::value::duration::parse(text).map_err(|error| format!("is no duration: {error}"))?;
    if time > LONGEST_GRACE {
        return Err("must be 366 days or less".to_owned());
    }
    Ok(time)
}

fn plain(text: &str) -> Result<Arc<str>, String> {
    if text.trim().is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text.trim() != text {
        return Err("must not begin or end with a space".to_owned());
    }
    match text.chars().any(char::is_control) {
        true => Err("must not hold control characters".to_owned()),
        false => Ok(text.into()),
    }
}

/// Makes types of text out of a reading, an inner type and a schema.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident($inner:ty) = $read:expr, $schema:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let read: Result<$inner, String> = ($read)(&text);
                read.map(Self).map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

fn parsed<T: FromStr<Err = llm_governance::Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: llm_governance::Error| error.to_string())
}

/// No space at either end, no control characters.
const PLAIN: &str = r"^[!-~¡-퟿]([ -~¡-퟿]*[!-~¡-퟿])?$";

texts! {
    /// Dollars.
    Usd(PicoUsd) = usd, json_schema!({
        "type": "string", "format": "usd", "pattern": r"^[0-9]{1,15}(\.[0-9]{1,12})?$", "examples": ["25.00"]
    });
    /// A moment.
    Moment(Timestamp) = rfc3339, json_schema!({
        "type": "string", "format": "date-time", "examples": ["2027-01-01T00:00:00Z"]
    });
    /// A time zone.
    ZoneText(Zone) = parsed, json_schema!({
        "type": "string", "format": "time-zone", "maxLength": 64, "examples": ["Europe/Berlin"]
    });
    /// Addresses.
    Range(Cidr) = parsed, json_schema!({
        "type": "string", "format": "ip-range", "maxLength": 64, "examples": ["10.0.0.0/8"]
    });
    /// Whose a budget is.
    ScopeText(Scope) = parsed, json_schema!({
        "type": "string", "format": "scope", "maxLength": 256, "examples": ["team:search", "global"]
    });
    /// How long a secret goes on beside the next.
    Grace(Duration) = grace, json_schema!({
        "type": "string", "format": "gateway-duration", "pattern": r"^[0-9]{1,6}(ms|s|m|h)$", "examples": ["24h"]
    });
    /// A name for machines.
    Id(Arc<str>) = plain, json_schema!({
        "type": "string", "format": "id", "minLength": 1, "maxLength": 128, "pattern": PLAIN
    });
    /// A name for people, a glob, a tag.
    Name(Arc<str>) = plain, json_schema!({
        "type": "string", "format": "name", "minLength": 1, "maxLength": 256, "pattern": PLAIN
    });
}

/// An object of somebody else's.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(transparent)]
pub struct Object(pub Map<String, Value>);

impl JsonSchema for Object {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Object".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "format": "metadata" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_time_is_a_moment() {
        for text in ["9999-12-31T23:59:59Z", "9999-12-30T22:00:01Z", "9999-12-31T23:59:59.999+01:00"] {
            assert_eq!(rfc3339(text).unwrap(), Timestamp::MAX, "{text}");
        }
        assert_eq!(moment_text(Timestamp::MAX), LAST);
        assert_eq!(moment("9999-12-31"), Some(Timestamp::MAX));
        let near = "9999-12-29T00:00:00Z";
        assert_eq!(moment_text(rfc3339(near).unwrap()), near);
        assert_eq!(moment("2026-11-21T01:00:00 01:00"), moment("2026-11-21"));
        for wrong in ["9999-12-32T00:00:00Z", "9999-12-31", "9999-12-31T23:59:59", "9999-12-31T25:00:00Z"] {
            assert!(rfc3339(wrong).is_err(), "{wrong}");
        }
    }
}
