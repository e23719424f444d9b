//! Whether a group is the last one that a request could go to: then an attempt there may use up its time.

use std::sync::Arc;

use llm_types::{ApiError, ErrorKind};

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
        let hung = |past: &Attempts<T>| {
            past.record().last_error().is_some_and(|error| error.kind == ErrorKind::Timeout)
        };
        let left = |(_, past): &(Target, Attempts<T>)| {
            past.record().end == Some(End::AllCooling) && past.has_anybody() && !hung(past)
        };
        if !self.queue.is_empty() || self.past.iter().any(left) {
            return true;
        }
        let kind = if self.attempts.was_too_long() { ErrorKind::ContextWindow } else { ErrorKind::Timeout };
        if let Some(own) = self.own_chain(kind) {
            return own.iter().any(|model| self.is_new(model));
        }
        match &self.own {
            Some(own) => {
                let changes = |model: &str| self.router.find(model).is_some();
                let mut own = own.iter().filter(|_| !self.own_begun);
                own.any(|entry| (entry.overrides && changes(&entry.model)) || self.is_new(&entry.model))
            }
            None => {
                let chain = self.attempts.group().fallbacks.chain(kind).iter();
                let defaults = self.router.defaults().iter().filter(|_| !self.defaults_used);
                chain.chain(defaults).any(|model| self.is_new(model))
            }
        }
    }

    /// After this failure: a prompt that is too long for one goes elsewhere from all of them.
    pub(super) fn share_time_after(&mut self, last: Option<&ApiError>) {
        if last.is_some_and(|error| error.kind == ErrorKind::ContextWindow) {
            self.share_time();
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::facts::Facts;
    use crate::fallback::{Fallback, Fallbacks};
    use crate::policy::{Backoff, RetryPolicy};
    use crate::{Deployment, Group, Router, Step};

    /// `a` has a small window first, then a large one.
    fn router(fallbacks: Fallbacks) -> Router<()> {
        let windowed = |(order, window): (u32, u64)| {
            let facts = Facts { order, context_window: Some(window), ..Facts::default() };
            Deployment::new(format!("a/{order}"), 0, ()).with_facts(facts)
        };
        let backoff = Backoff { base: Duration::ZERO, max: Duration::ZERO };
        let policy = RetryPolicy { retries: 1, backoff, ..RetryPolicy::default() };
        let one = |name: &str| Group::new(name, policy, [Deployment::new(name, 0, ())]);
        let a = Group::new("a", policy, [(0, 8_000), (1, 200_000)].map(windowed)).with_fallbacks(fallbacks);
        Router::builder().group(a).group(one("long")).group(one("b")).group(one("last")).build().unwrap()
    }

    const NONE: [&[&str]; 2] = [&[], &[]];

    /// Who is asked, when all fail like this: the first for its window, and as told from then on.
    fn asked(router: &Router<()>, own: [&[&str]; 2], then: ErrorKind) -> Vec<String> {
        let now = Instant::now();
        let mut plan = router.plan(router.find("a").unwrap(), now, now + Duration::from_secs(600));
        let [too_long, general] =
            own.map(|own| own.iter().map(|model| Arc::from(*model)).collect::<Vec<_>>());
        if !too_long.is_empty() {
            plan.fall_back_when_too_long(too_long);
        }
        if !general.is_empty() {
            let own = general.into_iter().map(|model| Fallback { model, overrides: false });
            plan.fall_back_to(own.collect());
        }
        let (mut asked, mut kind) = (Vec::new(), ErrorKind::ContextWindow);
        let mut step = plan.next(now, None);
        while step != Step::Fail {
            let mut last = None;
            if let Step::Try(index) = step {
                asked.push(plan.group().deployments[index].id.to_string());
                last = Some(ApiError::upstream(std::mem::replace(&mut kind, then), "no"));
            }
            step = plan.next(now, last.as_ref());
        }
        asked
    }

    #[test]
    fn a_prompt_that_is_too_long_stays_so_where_the_larger_ones_are_down() {
        use ErrorKind as K;
        let long = Fallbacks { context_window: vec!["long".into()], ..Fallbacks::to(["b"]) };
        for then in [K::Internal, K::RateLimit, K::Connection] {
            let asked = asked(&router(long.clone()), NONE, then);
            assert_eq!(asked.first().map(|id| &**id), Some("a/0"), "{then:?}");
            assert!(asked.iter().any(|id| id == "a/1") && asked.iter().any(|id| id == "long"), "{asked:?}");
            assert!(asked.iter().all(|id| id != "b"), "{asked:?}");
        }
        let asked_of_own = asked(&router(Fallbacks::to(["b"])), [&["long"], &[]], K::Internal);
        assert!(asked_of_own.iter().any(|id| id == "long"), "{asked_of_own:?}");
        // What is the request's own fault is that.
        assert_eq!(asked(&router(long), NONE, K::BadRequest), ["a/0", "a/1"]);
    }

    #[test]
    fn its_own_list_comes_after_those_that_it_names_for_long_prompts() {
        let router = router(Fallbacks::default());
        let mut asked = asked(&router, [&["long", "last"], &["b", "long"]], ErrorKind::Internal);
        asked.dedup();
        assert_eq!(asked, ["a/0", "a/1", "long", "last", "b"]);
    }

    #[test]
    fn a_larger_one_that_hangs_leaves_time_for_those() {
        let now = Instant::now();
        let router = router(Fallbacks { context_window: vec!["long".into()], ..Fallbacks::default() });
        let mut plan = router.plan(router.find("a").unwrap(), now, now + Duration::from_secs(600));
        assert_eq!(plan.next(now, None), Step::Try(0));
        let too_long = ApiError::upstream(ErrorKind::ContextWindow, "no");
        assert_eq!(plan.next(now, Some(&too_long)), Step::Try(1));
        let deployment = Arc::clone(&plan.group().deployments[1]);
        assert_eq!(plan.attempts().limits(&deployment, now).total, Duration::from_secs(300));
    }
}
