//! What an owner may do and spend: access, limits and budgets in one value.
//!
//! A million keys have a handful of terms between them, so a key holds a pointer to terms that are shared
//! ([`Directory`](crate::Directory) sees to that).

use std::net::IpAddr;
use std::sync::Arc;

use llm_types::glob_matches;

use crate::budget::Budget;
use crate::cidr::Cidr;
use crate::error::Error;
use crate::limit::{Limits, MOST, ModelLimits};

/// What an owner may do and spend. The default is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Terms {
    /// What may be called, and from where.
    pub access: Access,
    /// How often.
    pub limits: Limits,
    /// For how much.
    pub budgets: Vec<Budget>,
    /// How often single models, beside `limits`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_limits: Vec<ModelLimits>,
}

impl Terms {
    /// Whether the terms can be kept.
    ///
    /// # Errors
    /// For two budgets of the same window and mode, two limits of one model, and limits too large to count.
    pub fn check(&self) -> Result<(), Error> {
        for (nth, budget) in self.budgets.iter().enumerate() {
            if self.budgets.iter().skip(nth + 1).any(|other| other.is_same(budget)) {
                let (mode, window) = (budget.mode.name(), budget.window.period.name());
                return Err(Error::DuplicateBudget { mode, window });
            }
        }
        for (nth, ModelLimits { model, .. }) in self.model_limits.iter().enumerate() {
            if self.model_limits.iter().skip(nth + 1).any(|other| other.model == *model) {
                return Err(Error::DuplicateLimits(model.to_string()));
            }
        }
        let all = self.model_limits.iter().map(|one| &one.limits).chain([&self.limits]);
        let figures = all.flat_map(|Limits { rpm, tpm, parallel: _ }| rpm.iter().chain(tpm));
        match figures.copied().find(|limit| *limit > MOST) {
            Some(limit) => Err(Error::LimitTooLarge(limit)),
            None => Ok(()),
        }
    }

    /// Whether anything has to be counted.
    pub(crate) fn counts(&self) -> bool {
        !self.budgets.is_empty() || self.limits != Limits::default() || !self.model_limits.is_empty()
    }
}

/// What may be called, and from where. An empty list allows everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Access {
    /// Models, as clients ask for them; `*` stands for anything.
    pub models: Vec<Arc<str>>,
    /// Routes such as `/v1/chat/completions`; `*` stands for anything.
    pub routes: Vec<Arc<str>>,
    /// Addresses that requests may come from. Where there are any, an unknown address is refused.
    pub addresses: Vec<Cidr>,
}

impl Access {
    /// Whether the model may be asked for.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        allows(&self.models, model)
    }

    /// Whether the route may be called.
    #[must_use]
    pub fn allows_route(&self, route: &str) -> bool {
        allows(&self.routes, route)
    }

    /// Whether requests may come from there.
    #[must_use]
    pub fn allows_address(&self, address: Option<IpAddr>) -> bool {
        self.addresses.is_empty()
            || address.is_some_and(|address| self.addresses.iter().any(|range| range.contains(address)))
    }
}

fn allows(globs: &[Arc<str>], text: &str) -> bool {
    globs.is_empty() || globs.iter().any(|glob| glob_matches(glob, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Mode;
    use crate::window::{Period, Window};
    use llm_types::PicoUsd;

    #[test]
    fn lists_allow_what_they_name_and_empty_ones_everything() {
        let check = |models: &[&str], model: &str, expect: bool| {
            let models = models.iter().map(|glob| Arc::from(*glob)).collect();
            let access = Access { models, ..Access::default() };
            assert_eq!(access.allows_model(model), expect, "{access:?} {model}");
        };
        check(&[], "gpt-4o", true);
        check(&["*"], "gpt-4o", true);
        check(&["gpt-4o"], "gpt-4o", true);
        check(&["gpt-4o"], "gpt-4o-mini", false);
        check(&["openai/*", "claude-*"], "claude-opus-4", true);
        check(&["openai/*", "claude-*"], "gemini-2.5-pro", false);
        let access = Access { addresses: vec!["10.0.0.0/8".parse().unwrap()], ..Access::default() };
        assert!(access.allows_address(Some([10, 0, 0, 1].into())));
        assert!(!access.allows_address(Some([11, 0, 0, 1].into())));
        assert!(!access.allows_address(None));
    }

    #[test]
    fn terms_that_cannot_be_kept_are_refused() {
        let budget = |limit, mode| Budget::new(PicoUsd::from_pico(limit), Window::utc(Period::Day), mode);
        let check = |terms: Terms, good: bool| assert_eq!(terms.check().is_ok(), good, "{terms:?}");
        check(Terms::default(), true);
        let both = vec![budget(1, Mode::Hard), budget(1, Mode::Soft)];
        check(Terms { budgets: both, ..Terms::default() }, true);
        let twice = vec![budget(1, Mode::Hard), budget(2, Mode::Hard)];
        check(Terms { budgets: twice, ..Terms::default() }, false);
        let limits = Limits { tpm: Some(MOST + 1), ..Limits::default() };
        check(Terms { limits, ..Terms::default() }, false);
        let one = |model: &str, limits| ModelLimits { model: model.into(), limits };
        let of = |model_limits| Terms { model_limits, ..Terms::default() };
        check(of(vec![one("a", Limits::default()), one("b", Limits::default())]), true);
        check(of(vec![one("a", Limits::default()), one("a", Limits::default())]), false);
        check(of(vec![one("a", limits)]), false);
    }
}
