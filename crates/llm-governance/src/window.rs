//! The stretch of time that a budget is for.
//!
//! Windows follow the calendar of a time zone, so that a day ends at midnight where the team lives and has 23 or 25
//! hours when the clocks are changed. A budget that counts goes from one window to the next and never back: a clock
//! that is set back must not open a window again whose money is spent.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

use crate::error::Error;
use crate::key::as_text;

/// How long a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
    /// For ever: it never starts again.
    Total,
}

impl Period {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A time zone of the IANA database.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// A moment as its clocks show it.
    #[must_use]
    pub fn shown(&self, moment: Timestamp) -> Zoned {
        moment.to_zoned(self.0.clone())
    }

    /// When a day begins there.
    #[must_use]
    pub fn midnight(&self, day: Date) -> Option<Timestamp> {
        Some(self.0.to_ambiguous_zoned(day.at(0, 0, 0, 0)).compatible().ok()?.timestamp())
    }

    /// By how many seconds it is ahead of UTC, from the first moment on, and from each of those in which that changes
    /// before the second.
    #[must_use]
    pub fn offsets(&self, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, i32)> {
        let changes = self.0.following(from).take_while(|change| change.timestamp() < to);
        let changes = changes.map(|change| (change.timestamp(), change.offset().seconds()));
        std::iter::once((from, self.0.to_offset(from).seconds())).chain(changes).collect()
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        TimeZone::get(name).map(Self).map_err(|_| Error::UnknownZone(name.chars().take(64).collect()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

as_text!(Zone);

/// A window that comes again and again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// How long.
    pub period: Period,
    /// By whose calendar.
    #[serde(default)]
    pub zone: Zone,
}

/// One window: from its start up to but not including its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

impl Span {
    const EVER: Self = Self { start: Timestamp::MIN, end: Timestamp::MAX };

    /// Whether the moment is in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

impl Window {
    /// One in coordinated universal time.
    #[must_use]
    pub fn utc(period: Period) -> Self {
        Self { period, zone: Zone::UTC }
    }

    /// The window that a moment is in.
    #[must_use]
    pub fn span(&self, at: Timestamp) -> Span {
        let date = at.to_zoned(self.zone.0.clone()).date();
        let first = match self.period {
            Period::Day => Some(date),
            Period::Week => {
                let since = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(since.days()).ok()
            }
            Period::Month => Some(date.first_of_month()),
            Period::Total => None,
        };
        first.and_then(|first| self.around(first, at)).unwrap_or(Span::EVER)
    }

    /// Of the windows beginning on this day and the next such day, the one that the moment is in. Where clocks are
    /// set back over midnight, a moment of the second round has the date of the day that is over.
    fn around(&self, first: Date, at: Timestamp) -> Option<Span> {
        let second = self.next(first)?;
        let (start, end) = (self.midnight(first)?, self.midnight(second)?);
        if at < end {
            return Some(Span { start, end });
        }
        Some(Span { start: end, end: self.midnight(self.next(second)?)? })
    }

    fn next(&self, first: Date) -> Option<Date> {
        let step = match self.period {
            Period::Day => 1.day(),
            Period::Week => 1.week(),
            Period::Month => 1.month(),
            Period::Total => return None,
        };
        first.checked_add(step).ok()
    }

    /// The first moment of a day, also where midnight is skipped.
    fn midnight(&self, date: Date) -> Option<Timestamp> {
        date.to_zoned(self.zone.0.clone()).ok().map(|midnight| midnight.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(period: Period, zone: &str) -> Window {
        Window { period, zone: zone.parse().unwrap() }
    }

    #[test]
    fn windows_follow_the_calendar_of_their_zone() {
        let check = |period, zone: &str, at: &str, start: &str, end: &str| {
            let span = window(period, zone).span(at.parse().unwrap());
            let got = (span.start.to_string(), span.end.to_string());
            assert_eq!(got, (start.to_owned(), end.to_owned()), "{period} {zone} {at}");
        };
        use Period::{Day, Month, Total, Week};
        check(Day, "UTC", "2026-03-01T23:59:59Z", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z");
        check(Day, "UTC", "2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z");
        // 23 and 25 hours.
        check(Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        check(Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        // Midnight is skipped: the day begins at one.
        check(
            Day,
            "America/Santiago",
            "2026-09-06T12:00:00Z",
            "2026-09-06T04:00:00Z",
            "2026-09-07T03:00:00Z",
        );
        // Monday to Monday.
        check(Week, "UTC", "2026-03-01T12:00:00Z", "2026-02-23T00:00:00Z", "2026-03-02T00:00:00Z");
        check(Week, "UTC", "2026-03-02T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z");
        check(Month, "UTC", "2028-02-29T00:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z");
        check(Month, "Asia/Tokyo", "2026-01-31T15:00:00Z", "2026-01-31T15:00:00Z", "2026-02-28T15:00:00Z");
        let ever = window(Total, "UTC").span(Timestamp::UNIX_EPOCH);
        assert_eq!(ever, Span::EVER);
        assert!("Europe/Atlantis".parse::<Zone>().is_err());
    }

    const ZONES: [&str; 8] = [
        "UTC",
        "Europe/Berlin",
        "America/Santiago",
        "America/Havana",
        "America/St_Johns",
        "Asia/Tehran",
        "Pacific/Apia",
        "Australia/Lord_Howe",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Over a century, clock changes at midnight and days that never were included.
        #[test]
        fn windows_hold_their_moments_and_leave_no_gap(seconds in 0..4_000_000_000_i64, zone in 0..8_usize, period in 0..3_usize) {
            let window = window([Period::Day, Period::Week, Period::Month][period], ZONES[zone]);
            let at = Timestamp::from_second(seconds).unwrap();
            let span = window.span(at);
            prop_assert!(span.contains(at), "{span:?} {at}");
            prop_assert_eq!(window.span(span.end).start, span.end);
            prop_assert_eq!(window.span(span.start), span);
        }
    }
}
