//! Budgets: what may be spent in a window, decided for every budget of a request at once.
//!
//! The rule: at every instant settled + reserved ≤ limit, in every hard budget. An attempt reserves the most that it
//! can cost before it is sent and settles what it did cost afterwards. All accounts of an attempt are locked
//! together, in one fixed order, checked, added to and unlocked; nothing waits for I/O in between.

mod account;
mod event;
mod fund;
mod price;
mod reservation;
mod reserve;
mod slot;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use llm_types::PicoUsd;

pub(crate) use account::{Account, Accounts, Due, Duty, Granted, Returning, by_order};
pub use event::{Event, Observer, Quiet, THRESHOLDS};
pub(crate) use fund::{Dry, Funds, Need, Shortage};
pub use price::PriceBound;
pub use reservation::{Basis, Charge, Reservation, Settled};
pub(crate) use reserve::{Denied, Hold, attach, reserve};
pub use slot::BudgetView;

use crate::error::Error;
use crate::key::as_text;
use crate::scope::Scope;
use crate::window::{Period, Window, Zone};

/// Whether a budget refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is never exceeded: what might not fit is refused.
    Hard,
    /// It only tells.
    Soft,
}

impl Mode {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }
}

/// What may be spent in a window.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Budget {
    /// How much.
    pub limit: PicoUsd,
    /// In which time.
    pub window: Window,
    /// Whether it refuses.
    pub mode: Mode,
    /// The models that may answer instead of one that is not affordable any more, the best first.
    #[serde(default)]
    pub fallbacks: Vec<Arc<str>>,
}

impl Budget {
    /// One without fallbacks.
    #[must_use]
    pub fn new(limit: PicoUsd, window: Window, mode: Mode) -> Self {
        Self { limit, window, mode, fallbacks: Vec::new() }
    }

    /// A hard one, by the calendar of coordinated universal time.
    #[must_use]
    pub fn hard(limit: PicoUsd, period: crate::window::Period) -> Self {
        Self::new(limit, Window::utc(period), Mode::Hard)
    }

    /// Whether it is the same budget, perhaps with another limit.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.window == other.window && self.mode == other.mode
    }
}

/// The name of a budget: its owner, window and mode. Stable, also across restarts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct BudgetId {
    /// Whose.
    pub scope: Scope,
    /// In which time.
    pub window: Window,
    /// Whether it refuses.
    pub mode: Mode,
}

impl fmt::Display for BudgetId {
    /// `team:search/day/hard`, with the time zone unless it is UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, window: Window { period, zone }, mode } = self;
        write!(f, "{scope}/{period}/{}", mode.name())?;
        if *zone == Zone::UTC { Ok(()) } else { write!(f, "/{zone}") }
    }
}

impl FromStr for BudgetId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::NotAScope(text.to_owned());
        let periods = [Period::Day, Period::Week, Period::Month, Period::Total];
        let kinds =
            periods.into_iter().flat_map(|period| [Mode::Hard, Mode::Soft].map(|mode| (period, mode)));
        // What an owner is called may hold anything, what a time zone is called no such word: the last one counts.
        let found = kinds.filter_map(|(period, mode)| {
            let words = format!("/{period}/{}", mode.name());
            let at = text.rfind(&words)?;
            Some((at, text.get(at + words.len()..)?, period, mode))
        });
        let (at, zone, period, mode) = found.max_by_key(|(at, ..)| *at).ok_or_else(wrong)?;
        let zone = match zone.strip_prefix('/') {
            Some(zone) => zone.parse()?,
            None if zone.is_empty() => Zone::UTC,
            None => return Err(wrong()),
        };
        Ok(Self { scope: text.get(..at).unwrap_or_default().parse()?, window: Window { period, zone }, mode })
    }
}

/// One window of one budget: what spend is booked on. As text `team:search/day/hard@2026-11-21T00:00:00Z`, or
/// `team:search/total/hard@total` where it has no beginning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BudgetWindow {
    /// The budget.
    pub budget: Arc<BudgetId>,
    /// When the window starts; [`Timestamp::MIN`] for a total.
    pub start: Timestamp,
}

/// In the place of a start, where there is none.
const EVER: &str = "total";

impl fmt::Display for BudgetWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { budget, start } = self;
        match *start == Timestamp::MIN {
            true => write!(f, "{budget}@{EVER}"),
            false => write!(f, "{budget}@{start}"),
        }
    }
}

impl FromStr for BudgetWindow {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::NotAScope(text.to_owned());
        let (budget, start) = text.rsplit_once('@').ok_or_else(wrong)?;
        let start = if start == EVER { Timestamp::MIN } else { start.parse().map_err(|_| wrong())? };
        Ok(Self { budget: Arc::new(budget.parse()?), start })
    }
}

as_text!(BudgetWindow);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_read_back_from_its_text() {
        for text in [
            "global/total/soft@1970-01-01T00:00:00Z",
            "team:search/day/hard@2026-11-21T00:00:00Z",
            "model:openai/gpt-4o/month/hard/Europe/Berlin@2026-10-31T23:00:00Z",
            "tag:a/day/hard@b/week/soft@2026-11-16T00:00:00Z",
        ] {
            assert_eq!(text.parse::<BudgetWindow>().unwrap().to_string(), text);
        }
        let total = "user:u/total/hard".parse().unwrap();
        let ever = BudgetWindow { budget: Arc::new(total), start: Timestamp::MIN };
        assert_eq!(ever.to_string(), "user:u/total/hard@total");
        assert_eq!(ever.to_string().parse::<BudgetWindow>().unwrap(), ever);
        // As it was once written.
        assert_eq!("user:u/total/hard@-009999-01-02T01:59:59Z".parse::<BudgetWindow>().unwrap(), ever);
        for wrong in ["", "global", "global/day/hard", "global/day/hard@", "/day/hard@1970-01-01T00:00:00Z"] {
            assert!(wrong.parse::<BudgetWindow>().is_err(), "{wrong}");
        }
        assert!("global/day/hardest@1970-01-01T00:00:00Z".parse::<BudgetWindow>().is_err());
    }
}
