//! What a node may spend of a window: all of it, or what it has leased.
//!
//! Alone and in memory, a node may spend the limit. With a durable store it spends slices that the store has granted
//! to it, for as long as they are granted; see [`lease`](crate::lease).

use std::sync::Arc;
use std::time::Instant;

use llm_types::PicoUsd;

use super::{Account, BudgetWindow};
use crate::window::Span;

/// Where hard budgets get their money from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Funds {
    /// This node is the only one and keeps its books in memory.
    Own,
    /// From a store, in slices.
    Leased,
}

/// The money of one window on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fund {
    /// The limit.
    Whole,
    /// What was leased in this window, spent or not.
    Leased {
        amount: PicoUsd,
        /// Until when it may be spent; `None`: nothing was leased yet.
        until: Option<Instant>,
        /// What the store had left, where that was too little.
        dry: Option<Dry>,
        /// The store holds more for this node than `amount`, which it is to have back.
        excess: bool,
    },
}

/// A store that had too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dry {
    /// For so long it is not asked for more than it had.
    pub(crate) until: Instant,
    /// What it had left.
    pub(crate) left: PicoUsd,
}

impl Fund {
    pub(super) fn new(funds: Funds) -> Self {
        match funds {
            Funds::Own => Self::Whole,
            Funds::Leased => Self::Leased { amount: PicoUsd::ZERO, until: None, dry: None, excess: false },
        }
    }

    /// What may be spent here now, spent or not.
    pub(super) fn allowance(&self, limit: PicoUsd, now: Instant) -> PicoUsd {
        match self {
            Self::Whole => limit,
            Self::Leased { amount, until, .. } if until.is_some_and(|until| now < until) => *amount,
            Self::Leased { .. } => PicoUsd::ZERO,
        }
    }

    /// What may be spent here now, spent or not, with what the store has left; `None`: that is not known.
    pub(super) fn reach(&self, limit: PicoUsd, now: Instant) -> Option<PicoUsd> {
        let left = match self {
            Self::Whole => PicoUsd::ZERO,
            Self::Leased { dry, .. } => (*dry).filter(|dry| now < dry.until)?.left,
        };
        Some(self.allowance(limit, now).saturating_add(left))
    }

    /// The limit is another: the store may have more.
    pub(super) fn ask_again(&mut self) {
        if let Self::Leased { dry, .. } = self {
            *dry = None;
        }
    }

    /// The limit is lower: of what was leased under the one before nothing more is spent than what is taken. The rest
    /// goes back, and what may be had of the lower limit is asked for.
    pub(super) fn lower(&mut self, taken: PicoUsd) {
        if let Self::Leased { amount, until: Some(_), excess, .. } = self
            && *amount > taken
        {
            (*amount, *excess) = (taken.max(PicoUsd::ZERO), true);
        }
    }
}

/// How much an attempt needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    /// For all that was asked for.
    pub(crate) whole: PicoUsd,
    /// For the shortest answer that will do.
    pub(crate) least: PicoUsd,
}

/// A window that has too little money here while the store may have more.
#[derive(Debug, Clone)]
pub(crate) struct Shortage {
    pub(crate) account: Arc<Account>,
    pub(crate) window: BudgetWindow,
    pub(crate) span: Span,
    pub(crate) limit: PicoUsd,
    pub(crate) need: Need,
}
