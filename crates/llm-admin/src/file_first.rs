//! Budgets whose limit stands in the configuration file: it wins over what the store has under the same name.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use llm_governance::lease::{Slice, SliceAsk};
use llm_governance::{BudgetWindow, Error, Ledger};
use llm_types::PicoUsd;

use crate::configured::Configured;

/// What the configuration file defines at present.
pub(crate) type Present = Arc<ArcSwap<Configured>>;

/// A store's ledger that goes by the file's limits where there are any.
#[derive(Debug)]
pub struct FileFirst {
    ledger: Arc<dyn Ledger>,
    configured: Present,
}

impl FileFirst {
    /// Over this ledger; nothing is configured until [`Registry::over`](crate::Registry::over) knows of it.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, configured: Present::default() }
    }

    pub(crate) fn configured(&self) -> Present {
        Arc::clone(&self.configured)
    }
}

#[async_trait]
impl Ledger for FileFirst {
    async fn acquire(&self, ask: &SliceAsk) -> Result<Slice, Error> {
        if !self.configured.load().defines(&ask.window.budget.scope) {
            return self.ledger.acquire(ask).await;
        }
        self.ledger.acquire(&SliceAsk { fixed: true, ..ask.clone() }).await
    }

    async fn hand_back(&self, node: &str, window: &BudgetWindow, keep: PicoUsd) -> Result<(), Error> {
        self.ledger.hand_back(node, window, keep).await
    }
}
