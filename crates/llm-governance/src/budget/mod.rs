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
use std::sync::Arc;

use jiff::Timestamp;
use llm_types::PicoUsd;

pub(crate) use account::{Account, Accounts, Due, Duty, Granted, Returning, by_order};
pub use event::{Event, Observer, Quiet, THRESHOLDS};
pub(crate) use fund::{Dry, Funds, Need, Shortage};
pub use price::PriceBound;
pub use reservation::{Basis, Charge, Reservation, Settled};
pub(crate) use reserve::{Denied, Hold, reserve};
pub use slot::BudgetView;

use crate::scope::Scope;
use crate::window::Window;

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
        if *zone == crate::window::Zone::UTC { Ok(()) } else { write!(f, "/{zone}") }
    }
}

/// One window of one budget: what spend is booked on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct BudgetWindow {
    /// The budget.
    pub budget: Arc<BudgetId>,
    /// When the window starts; [`Timestamp::MIN`] for a total.
    pub start: Timestamp,
}
