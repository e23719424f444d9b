//! Durable budgets: a node spends only what a store has leased to it.
//!
//! A budget's limit is divided among nodes in slices. Each node has one lease for each window of a hard budget; a
//! slice makes it larger, a hand-back smaller, and rows use it up:
//!
//! ```text
//! committed = Σ over leases of max(amount, used)     committed ≤ limit, save for overruns
//! lease     : amount = used + unknown + outstanding
//! ```
//!
//! - *acquire*: `amount` falls to what the node holds to its own knowledge, grows by a slice if `committed` leaves room,
//!   and the lease's end moves on.
//! - *book*: a row adds its cost to `used`, in the transaction that writes the row, once for each row.
//! - *hand back*: `amount` falls to what the node still needs, never below `used`.
//! - *expire*: a lease whose node has not been heard of until its end and some grace turns `outstanding` into
//!   `unknown`: money that may have been spent. It counts as spent until rows arrive, the node comes back, or an
//!   administrator releases it.
//!
//! So a crash can make a budget refuse early and never late, and what it ties up is no more than the slices out.
//! Nothing but `amount` and `used` has to be kept for each lease, with a unique name for each node's life, so the
//! same rules are a few statements in SQLite or PostgreSQL. [`MemoryLedger`] is their reference.

mod funding;
mod memory;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use llm_types::PicoUsd;

pub use funding::Funding;
pub use memory::{LedgerView, MemoryLedger};

use crate::budget::BudgetWindow;
use crate::error::Error;

/// A node that wants more of a window.
#[derive(Debug, Clone)]
pub struct SliceAsk {
    /// The node's life: another name after each start.
    pub node: Arc<str>,
    /// Which window.
    pub window: BudgetWindow,
    /// When the window ends.
    pub end: Timestamp,
    /// The budget's limit, as the node knows it. The store's own, where it has one, wins.
    pub limit: PicoUsd,
    /// The limit stands in the node's configuration: it wins over the store's own.
    pub fixed: bool,
    /// How large the lease is to the node's knowledge. Where the store has more it is back with the store: the node
    /// has not heard of it, or may not spend it since its limit is lower.
    pub held: PicoUsd,
    /// How much more is needed; zero: the lease is only to last longer.
    pub missing: PicoUsd,
    /// Less than this is of no use: what the shortest answer that will do needs.
    pub least: PicoUsd,
    /// For how long, from when the store hears of it.
    pub time: Duration,
}

/// What the store has leased to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The whole lease: all that this node may have spent and reserved in the window.
    pub amount: PicoUsd,
    /// Whether it had less than was missing.
    pub dry: bool,
    /// What it has left for whoever needs no more than that.
    pub left: PicoUsd,
    /// What other nodes have spent in the window.
    pub elsewhere: PicoUsd,
    /// What nodes that were not heard of again may have spent beyond that.
    pub unknown: PicoUsd,
}

/// Keeps budgets for several nodes, or for one that must not forget.
#[async_trait]
pub trait Ledger: Debug + Send + Sync {
    /// Makes the node's lease larger by [`slice()`] of what is left, and last for `time` from now.
    ///
    /// # Errors
    /// When the store cannot be asked. The node must then assume that it got nothing; should the store have granted
    /// after all, it has that back with the next question.
    async fn acquire(&self, ask: &SliceAsk) -> Result<Slice, Error>;

    /// Makes the node's lease as small as `keep`, or as what was booked on it, whichever is more.
    ///
    /// # Errors
    /// When the store cannot be asked; the lease then ends by itself.
    async fn hand_back(&self, node: &str, window: &BudgetWindow, keep: PicoUsd) -> Result<(), Error>;
}

/// How much of what is `left` of a budget one node gets: what it is missing, and where there is plenty more, so that it
/// need not ask for every request. A share of the rest, so that the last money is dealt in small pieces and several
/// nodes use up a budget nearly to its end. What is less than missing is given where it is of any use.
#[must_use]
pub fn slice(left: PicoUsd, ask: &SliceAsk) -> PicoUsd {
    let SliceAsk { missing, least, limit, .. } = ask;
    if missing.is_zero() || left < *least || left <= PicoUsd::ZERO {
        return PicoUsd::ZERO;
    }
    let share = PicoUsd::from_pico((left.pico() / 8).min(limit.pico() / 20));
    share.max(*missing).min(left)
}
