//! How many were refused, and for what: for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use llm_types::{ApiError, ErrorKind};

/// How many requests and attempts were refused since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefusalCounts {
    /// For what they may not call.
    pub access: u64,
    /// For a limit.
    pub limit: u64,
    /// Because shared limits could not be looked up.
    pub limits_unavailable: u64,
    /// For a budget. A request may go on elsewhere for less: each of its attempts counts.
    pub budget: u64,
    /// Because money could not be leased.
    pub budget_unavailable: u64,
}

/// The counters. Only a refusal touches them.
#[derive(Debug, Default)]
pub(super) struct Refused {
    access: AtomicU64,
    limit: AtomicU64,
    limits_unavailable: AtomicU64,
    budget: AtomicU64,
    budget_unavailable: AtomicU64,
}

impl Refused {
    pub(super) fn count(&self, error: &ApiError) {
        let counter = match error.kind {
            ErrorKind::Budget => &self.budget,
            ErrorKind::RateLimit => &self.limit,
            ErrorKind::Unavailable if error.code.as_deref() == Some("limits_unavailable") => {
                &self.limits_unavailable
            }
            ErrorKind::Unavailable => &self.budget_unavailable,
            _ => &self.access,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> RefusalCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RefusalCounts {
            access: read(&self.access),
            limit: read(&self.limit),
            limits_unavailable: read(&self.limits_unavailable),
            budget: read(&self.budget),
            budget_unavailable: read(&self.budget_unavailable),
        }
    }
}
