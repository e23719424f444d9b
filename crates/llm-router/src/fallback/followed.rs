//! Whether a group is the last one that a request could go to: then an attempt there may use up its time.

use std::sync::Arc;

use llm_types::ErrorKind;

use super::{Plan, Target};
use crate::attempts::Attempts;
use crate::record::End;
use crate::router::Found;

impl<T> Plan<'_, T> {
    /// Whether an attempt that does not answer in time leads to other groups.
    pub(super) fn could_be_followed(&self) -> bool {
        if self.most == Some(0) {
            return false;
        }
        // One that was left because it hung is no reason to be short with the last one.
        let hung = |past: &Attempts<T>| past.failure_kind() == ErrorKind::Timeout;
        let left = |(_, past): &(Target, Attempts<T>)| {
            past.record().end == Some(End::AllCooling) && past.has_anybody() && !hung(past)
        };
        if !self.queue.is_empty() || self.past.iter().any(left) {
            return true;
        }
        match &self.own {
            Some(own) => {
                let changes = |model: &str| self.router.find(model).is_some();
                let mut own = own.iter().filter(|_| self.past.is_empty());
                own.any(|entry| (entry.overrides && changes(&entry.model)) || self.is_new(&entry.model))
            }
            None => {
                let chain = self.attempts.group().fallbacks.chain(ErrorKind::Timeout).iter();
                let defaults = self.router.defaults().iter().filter(|_| !self.defaults_used);
                chain.chain(defaults).any(|model| self.is_new(model))
            }
        }
    }

    /// Whether this model was not asked before.
    fn is_new(&self, model: &str) -> bool {
        let Some(Found { group, star }) = self.router.find(model) else { return false };
        let is = |target: &Target, attempts: &Attempts<T>| {
            Arc::ptr_eq(group, attempts.group()) && star == target.star.as_deref()
        };
        !is(&self.current, &self.attempts) && !self.past.iter().any(|(target, past)| is(target, past))
    }
}
