//! A call of the admin API, and its answer.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use llm_governance::Change;
use llm_types::{ApiError, Result};
use serde::Serialize;

use crate::action::{Action, Verb};
use crate::deed::Deed;
use crate::groups::Kind;
use crate::registry::Registry;
use crate::{audit, budgets, groups, keys, limits, parameter, usage};

/// How much of an id the audit log repeats, in characters.
const LOGGED: usize = 200;

/// A call of the admin API.
#[derive(Debug)]
pub struct Visit<'v> {
    /// Where something is asked or done.
    pub registry: &'v Registry,
    /// Decoded; empty where the path has none.
    pub id: Cow<'v, str>,
    /// What follows the path.
    pub query: Option<&'v str>,
    /// Empty where nothing was sent.
    pub body: Bytes,
    /// Who calls, for the audit log.
    pub by: String,
}

/// What a call is answered with.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// JSON.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer of this value; 500 for what cannot be written as JSON.
    #[must_use]
    pub fn new(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self { status, body },
            Err(_) => Self { status: StatusCode::INTERNAL_SERVER_ERROR, body: b"{}".to_vec() },
        }
    }
}

impl Visit<'_> {
    /// Makes a change; `action` is its word in the audit log.
    ///
    /// # Errors
    /// As [`Registry::change`].
    pub async fn change(&self, action: &str, change: Change) -> Result<()> {
        self.registry.change(change, Deed { by: &self.by, action }).await
    }

    /// Asks or does something. What is refused is not in the audit log yet: [`log`](Self::log) writes it.
    ///
    /// # Errors
    /// Whatever the action fails with.
    pub async fn run(&self, action: Action) -> Result<Answer> {
        parameter::check(self.query, &action.parameters())?;
        match action {
            Action::Usage => usage::get(self).await,
            Action::Audit => audit::list(self).await,
            Action::Keys(verb) => self.key(verb).await,
            Action::Groups(kind, verb) => self.group(kind, verb).await,
            Action::Budgets(verb) => match verb {
                Verb::List => budgets::list(self).await,
                Verb::Create => budgets::create(self).await,
                Verb::Get | Verb::Rotate | Verb::Block | Verb::Unblock => budgets::get(self).await,
                Verb::Update => budgets::update(self).await,
                Verb::Delete => budgets::delete(self).await,
                Verb::Release => budgets::release(self).await,
            },
            Action::Limits(verb) => match verb {
                Verb::List => limits::list(self),
                Verb::Create => limits::create(self).await,
                Verb::Get | Verb::Rotate | Verb::Block | Verb::Unblock | Verb::Release => limits::get(self),
                Verb::Update => limits::update(self).await,
                Verb::Delete => limits::delete(self).await,
            },
        }
    }

    async fn key(&self, verb: Verb) -> Result<Answer> {
        match verb {
            Verb::List => keys::list(self),
            Verb::Create => keys::create(self).await,
            Verb::Get | Verb::Release => keys::get(self).await,
            Verb::Update => keys::update(self).await,
            Verb::Delete => keys::delete(self).await,
            Verb::Rotate => keys::rotate(self).await,
            Verb::Block => keys::block(self, true).await,
            Verb::Unblock => keys::block(self, false).await,
        }
    }

    async fn group(&self, kind: Kind, verb: Verb) -> Result<Answer> {
        match verb {
            Verb::List => groups::list(self, kind),
            Verb::Create => groups::create(self, kind).await,
            Verb::Get | Verb::Rotate | Verb::Release => groups::get(self, kind).await,
            Verb::Update => groups::update(self, kind).await,
            Verb::Delete => groups::delete(self, kind).await,
            Verb::Block => groups::block(self, kind, true).await,
            Verb::Unblock => groups::block(self, kind, false).await,
        }
    }

    /// Writes something to the audit log that no change has written there: what was refused, or concerns no key or
    /// group. `object` makes its words from the id, shortened.
    pub async fn log(&self, action: &str, object: impl FnOnce(&str) -> String, error: Option<&ApiError>) {
        let id: String = self.id.chars().take(LOGGED).collect();
        let entry = Deed { by: &self.by, action }.plain(object(&id));
        let refused = error.map(|error| error.message.clone());
        let entry = llm_governance::report::AuditEntry { refused, ..entry };
        if let Err(error) = self.registry.reports().note(entry).await {
            tracing::error!(%error, by = self.by, action, "the audit log could not be written");
        }
    }
}
