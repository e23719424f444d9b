//! What is reserved for a batch, as long as this gateway keeps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use llm_providers::transport::Progress;
use llm_types::ApiError;

use super::sum::Sum;
use crate::attempt::Attempt;

/// What is reserved for a batch. Where it is dropped, whoever gets to know of the batch books it; hard budgets are
/// charged all of it. Of a call that did not go out to its end nothing can have come, and it costs nothing.
#[derive(Debug)]
pub(super) struct Held(Option<Attempt>, Option<Whole>);

/// Whether a call has gone out to its end.
pub(super) type Whole = Arc<AtomicBool>;

impl Held {
    /// `whole`, where the call has its requests in it.
    pub(super) fn new(attempt: Attempt, whole: Option<Whole>) -> Self {
        Self(Some(attempt), whole)
    }

    /// Its attempt.
    #[cfg(feature = "sql")]
    pub(super) fn into_attempt(mut self) -> Option<Attempt> {
        self.0.take()
    }

    pub(super) fn progress(&self) -> Option<&Progress> {
        self.0.as_ref()?.progress()
    }

    /// No batch came of it.
    pub(super) fn fail(mut self, error: &ApiError) {
        if let Some(attempt) = self.0.take() {
            attempt.fail(error);
        }
    }

    /// Somebody else has booked it.
    pub(super) fn forget(mut self) {
        if let Some(attempt) = self.0.take() {
            attempt.forget();
        }
    }

    /// It is over. On a hard budget all that was reserved is charged where not all of it is known.
    pub(super) async fn settle(mut self, sum: &Sum) {
        let Some(attempt) = self.0.take() else { return };
        if sum.incomplete && attempt.is_hard() {
            attempt.leave();
        } else {
            attempt.settle_at(&sum.usage, sum.cost, sum.incomplete).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(attempt) = self.0.take() else { return };
        if self.1.as_ref().is_some_and(|whole| !whole.load(Ordering::Relaxed)) {
            attempt.forget();
        } else {
            attempt.leave();
        }
    }
}
