//! Letting a session's responses in: each is a request of its own in the limits of whoever opened the session.

use std::net::IpAddr;
use std::sync::Arc;

use llm_governance::{Facts, Grant, Principal as Who, Refusal, Seating};
use smallvec::SmallVec;

use super::ROUTE;
use crate::governance::Governance;

/// Who has a session, and what it is about.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) governance: Arc<Governance>,
    pub(super) who: Who,
    /// Where they come from.
    pub(super) address: Option<IpAddr>,
    /// The model, as the client called it.
    pub(super) model: Arc<str>,
    /// Its own name, where that is another one.
    pub(super) alias_of: Option<Arc<str>>,
    pub(super) tags: SmallVec<[Arc<str>; 2]>,
}

impl Entry {
    /// Lets the session in.
    ///
    /// # Errors
    /// 403 for what is not allowed, 429 for limits.
    pub(super) async fn enter(&self) -> Result<Option<Grant>, Refusal> {
        self.governance.enter(&self.who, &self.facts()).await
    }

    /// Lets a response in, under what holds today for whoever has the session.
    ///
    /// # Errors
    /// As [`enter`](Self::enter); 401 for a key that is not good any more.
    pub(super) async fn enter_within(&mut self, seating: Seating) -> Result<Option<Grant>, Refusal> {
        self.who = self.governance.again(&self.who, self.address)?;
        self.governance.enter_as(&self.who, &self.facts(), seating).await
    }

    /// How many tokens a response will have nobody knows before it ends.
    fn facts(&self) -> Facts<'_> {
        let Self { model, alias_of, tags, .. } = self;
        Facts { model, alias_of: alias_of.as_deref(), route: ROUTE, tags, tokens: 0, bound: None }
    }
}
