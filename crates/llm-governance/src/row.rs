//! What is kept of each attempt: plain data that gateway, store and reports share.
//!
//! Budgets' spend is the sum of these rows: a row names the windows that it was booked on, so that a store adds to
//! their counters in the transaction that writes the row.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use llm_types::{ErrorKind, PicoUsd, Usage};
use smallvec::SmallVec;

use crate::budget::{Basis, BudgetWindow, Settled};
use crate::key::KeyId;
use crate::principal::Principal;

/// One attempt. Unique by request and attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageRow {
    /// The request's id, as the client was told.
    pub request: Arc<str>,
    /// Which attempt of the request, from 1; 0: it was answered without one.
    pub attempt: u32,
    /// When the attempt's money was reserved: its cost counts in the windows of this moment.
    pub time: Timestamp,
    /// Who asked.
    pub who: RowOwner,
    /// Words that the request was marked with.
    pub tags: SmallVec<[Arc<str>; 2]>,
    /// Who answered.
    pub served: RowServed,
    /// What was used.
    pub usage: Usage,
    /// What that cost, item by item; the sum of the known amounts is in `cost`.
    pub items: SmallVec<[RowItem; 6]>,
    /// What was booked.
    pub cost: PicoUsd,
    /// How the cost is known.
    pub basis: Basis,
    /// Whether a price was missing, so that the true cost is higher.
    pub cost_incomplete: bool,
    /// Whether more was booked than had been reserved.
    pub overrun: bool,
    /// The budgets that the cost is booked on.
    pub bookings: SmallVec<[BudgetWindow; 4]>,
    /// From the attempt's start to its end.
    pub latency: Duration,
    /// From the attempt's start to the first content.
    pub first_token: Option<Duration>,
    /// The HTTP status that the client saw.
    pub status: u16,
    /// What failed.
    pub error: Option<ErrorKind>,
    /// How the cache took part.
    pub cache: RowCache,
    /// What feedback said of the answer, from 0 to 1; set later.
    pub quality: Option<f64>,
}

/// Who asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowOwner {
    /// The key.
    pub key: Option<KeyId>,
    /// The user.
    pub user: Option<Arc<str>>,
    /// The team.
    pub team: Option<Arc<str>>,
    /// The organisation.
    pub organisation: Option<Arc<str>>,
}

impl From<&Principal> for RowOwner {
    fn from(who: &Principal) -> Self {
        Self {
            key: who.key_id(),
            user: who.user().cloned(),
            team: who.team().cloned(),
            organisation: who.organisation().cloned(),
        }
    }
}

/// Who answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowServed {
    /// The model, as the client called it.
    pub model_asked: Arc<str>,
    /// The model, as the provider calls it.
    pub model: Arc<str>,
    /// The provider, by its name in the provider table.
    pub provider: Arc<str>,
    /// The deployment's id.
    pub deployment: Arc<str>,
}

/// One line of a cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowItem {
    /// The class's stable name (`input`, `cache_read`, …).
    pub class: &'static str,
    /// How much: tokens, pieces, milliseconds.
    pub count: u64,
    /// What it costs; `None`: its price is unknown.
    pub amount: Option<PicoUsd>,
}

/// How the cache took part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RowCache {
    /// It was not asked.
    #[default]
    Bypass,
    /// It had no answer.
    Miss,
    /// It answered: nothing was spent.
    Hit,
}

impl UsageRow {
    /// Takes over how an attempt's money ended.
    #[must_use]
    pub fn settled(mut self, settled: Settled) -> Self {
        let Settled { amount, basis, reserved: _, overrun, bookings } = settled;
        (self.cost, self.basis, self.overrun, self.bookings) = (amount, basis, overrun, bookings);
        self
    }
}
