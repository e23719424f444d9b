//! Letting a session in, and in again after each of its responses: limits count what it uses as it goes on.

use std::sync::Arc;

use llm_governance::{Facts, Grant, Principal as Who, Refusal};
use smallvec::SmallVec;

use super::ROUTE;
use crate::governance::Governance;

/// Who has a session, and what it is about.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) governance: Arc<Governance>,
    pub(super) who: Who,
    /// The model, as the client called it.
    pub(super) model: Arc<str>,
    /// Its own name, where that is another one.
    pub(super) alias_of: Option<Arc<str>>,
    pub(super) tags: SmallVec<[Arc<str>; 2]>,
}

impl Entry {
    /// Takes a place in the limits. How many tokens a response will have nobody knows before it ends.
    ///
    /// # Errors
    /// 403 for what is not allowed, 429 for limits.
    pub(super) async fn enter(&self) -> Result<Option<Grant>, Refusal> {
        let Self { governance, who, model, alias_of, tags } = self;
        let facts =
            Facts { model, alias_of: alias_of.as_deref(), route: ROUTE, tags, tokens: 0, bound: None };
        governance.enter(who, &facts).await
    }
}
