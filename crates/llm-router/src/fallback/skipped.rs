//! Models that a request could have fallen back to and did not.
//!
//! Worked out from the chains when somebody asks, and only where a group gave up: a request that never fails pays nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::{Plan, Target};
use crate::attempts::Attempts;
use crate::record::End;

/// A model that was named and not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The model, as a chain names it.
    pub model: Arc<str>,
    /// The group whose failure led there.
    pub group: Arc<str>,
    /// Why it was not asked.
    pub why: Skip,
}

/// Why a model was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// It was asked before: nobody is asked twice.
    Asked,
    /// It is for another kind of failure.
    OtherKind,
    /// After this failure nobody else is asked.
    Final,
    /// As many models were asked as a request may, or it may not be sent twice.
    Spent,
    /// The request's time was up.
    Deadline,
    /// Nobody there could take the request at once.
    Unable,
    /// Another model answered before it was its turn.
    NotNeeded,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "was asked before",
            Self::OtherKind => "is for another kind of failure",
            Self::Final => "nobody else is asked after this failure",
            Self::Spent => "the request may be sent to no further model",
            Self::Deadline => "the request's time was up",
            Self::Unable => "nobody there could take the request at once",
            Self::NotNeeded => "another model answered before",
        })
    }
}

impl<T> Plan<'_, T> {
    /// The models that were named by chains and not asked, and why; before the records are taken.
    #[must_use]
    pub fn skipped(&self) -> Box<[Skipped]> {
        let Some((depth, at)) = self.considered else { return Box::default() };
        let mut skipped: Vec<Skipped> = Vec::new();
        let asked: Vec<(&Target, &Attempts<T>)> =
            self.past.iter().map(|(target, attempts)| (target, attempts)).collect();
        let asked = [asked, vec![(&self.current, &self.attempts)]].concat();
        let answered = self.attempts.record().end == Some(End::Answered);
        for (nth, (_, attempts)) in asked.iter().enumerate() {
            let is_last = nth + 1 == asked.len();
            // Who answered without having given up leads nowhere.
            if is_last && depth != self.past.len() {
                continue;
            }
            for (name, target, is_meant) in self.leads(attempts) {
                let place = asked.iter().position(|(known, _)| known.is_same(&target));
                let why = match place {
                    // That is how it was come to: before, where this one was gone back to.
                    Some(place) if place > nth || (is_last && self.returned && place < nth) => continue,
                    _ if !is_meant => Skip::OtherKind,
                    Some(_) => Skip::Asked,
                    None if answered && is_last => Skip::Unable,
                    None if answered => Skip::NotNeeded,
                    None => self.hindrance(at).unwrap_or(Skip::Unable),
                };
                let group = Arc::clone(&attempts.group().name);
                let is_known = |known: &Skipped| known.model == name && known.why == why;
                if !skipped.iter().any(is_known) {
                    skipped.push(Skipped { model: name, group, why });
                }
            }
        }
        skipped.into()
    }

    /// Where a group leads: each model that is named, and whether it is for the failure there.
    fn leads(&self, attempts: &Attempts<T>) -> Vec<(Arc<str>, Target, bool)> {
        if let Some(own) = &self.own {
            let own = own.iter().enumerate().filter_map(|(entry, fallback)| {
                let target = self.resolve(&fallback.model, Some((entry, fallback)))?;
                Some((Arc::clone(&fallback.model), target, true))
            });
            return own.collect();
        }
        let (fallbacks, kind) = (&attempts.group().fallbacks, attempts.chain_kind());
        let own = self.own_chain(kind);
        let meant = own.unwrap_or_else(|| fallbacks.chain(kind));
        let names =
            own.unwrap_or_default().iter().chain(fallbacks.names()).map(|name| (name, meant.contains(name)));
        let defaults = self.router.defaults().iter().map(|name| (name, true));
        let found = |(name, is_meant): (&Arc<str>, bool)| {
            Some((Arc::clone(name), self.resolve(name, None)?, is_meant))
        };
        names.chain(defaults).filter_map(found).collect()
    }

    /// Why the group that is asked now leads to no other, if so.
    pub(super) fn hindrance(&self, now: Instant) -> Option<Skip> {
        let record = self.attempts.record();
        let once = self.most == Some(0) && !record.attempts.is_empty();
        if !self.leads_on() {
            return Some(Skip::Final);
        }
        if now >= self.deadline {
            return Some(Skip::Deadline);
        }
        (once || self.past.len() + 1 >= super::MOST).then_some(Skip::Spent)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use llm_types::{ApiError, ErrorKind};

    use super::*;
    use crate::attempts::Step;
    use crate::fallback::{Fallback, Fallbacks};
    use crate::{Deployment, Group, RetryPolicy, Router};

    const MINUTE: Duration = Duration::from_secs(60);

    fn router() -> Router<()> {
        let group = |name: &str, fallbacks| {
            let policy = RetryPolicy { retries: 0, ..RetryPolicy::default() };
            Group::new(name, policy, [Deployment::new(format!("{name}/1"), 0, ())]).with_fallbacks(fallbacks)
        };
        let special = Fallbacks { context_window: vec!["long".into()], ..Fallbacks::to(["b", "c"]) };
        let groups = [
            group("a", special),
            group("b", Fallbacks::to(["a"])),
            group("c", Fallbacks::default()),
            group("long", Fallbacks::default()),
        ];
        let builder = groups.into_iter().fold(Router::builder(), |builder, group| builder.group(group));
        builder.default_fallbacks(["last"]).group(group("last", Fallbacks::default())).build().unwrap()
    }

    /// Plays a request whose first so many attempts fail; each model that was passed over, whose it was, and why.
    fn play(
        failures: &[ErrorKind],
        prepare: impl Fn(&mut Plan<'_, ()>, Instant),
        time: Duration,
    ) -> Vec<(String, String, Skip)> {
        let (router, now) = (router(), Instant::now());
        let mut plan = router.plan(router.find("a").unwrap(), now, now + time);
        prepare(&mut plan, now);
        let mut step = plan.next(now, None);
        for (nth, kind) in (1..).zip(failures) {
            assert!(matches!(step, Step::Try(_)), "{step:?}");
            step = plan.next(now + nth * Duration::from_secs(1), Some(&ApiError::upstream(*kind, "no")));
        }
        if let Step::Try(_) = step {
            assert!(plan.answered(now).is_some());
        }
        let told = |skipped: &Skipped| (skipped.model.to_string(), skipped.group.to_string(), skipped.why);
        plan.skipped().iter().map(told).collect()
    }

    #[test]
    fn every_model_that_was_not_asked_is_told_why() {
        use ErrorKind as K;
        let check = |failures: &[K], time, expect: &[(&str, &str, Skip)]| {
            let own = |(model, group, why): &(&str, &str, Skip)| (model.to_string(), group.to_string(), *why);
            let expect: Vec<_> = expect.iter().map(own).collect();
            assert_eq!(play(failures, |_, _| {}, time), expect, "{failures:?}");
        };
        check(&[], MINUTE, &[]);
        let other = ("long", "a", Skip::OtherKind);
        let unneeded = |model| (model, "a", Skip::NotNeeded);
        check(&[K::Internal], MINUTE, &[unneeded("c"), other, unneeded("last")]);
        let round = ("a", "b", Skip::Asked);
        check(&[K::Internal; 2], MINUTE, &[other, unneeded("last"), round]);
        check(&[K::Internal; 4], MINUTE, &[other, round, ("last", "last", Skip::Asked)]);
        let final_ = |model| (model, "a", Skip::Final);
        check(&[K::BadRequest], MINUTE, &[final_("b"), final_("c"), other, final_("last")]);
        let late = |model| (model, "a", Skip::Deadline);
        check(&[K::Internal], Duration::from_secs(1), &[late("b"), late("c"), other, late("last")]);
        let b = ("b", "a", Skip::OtherKind);
        check(&[K::ContextWindow], MINUTE, &[b, ("c", "a", Skip::OtherKind), unneeded("last")]);
    }

    #[test]
    fn so_are_those_of_its_own_list_and_those_that_are_unwell() {
        let once = |plan: &mut Plan<'_, ()>, _: Instant| {
            plan.fall_back_to(vec![Fallback { model: "b".into(), overrides: false }]);
            plan.limit_retries(0);
        };
        let spent = ("b".to_owned(), "a".to_owned(), Skip::Spent);
        assert_eq!(play(&[ErrorKind::Internal], once, MINUTE), [spent]);
        // Nobody is well anywhere: the first is asked all the same.
        let unwell = |plan: &mut Plan<'_, ()>, now: Instant| {
            for group in plan.router.groups() {
                group.deployments[0].stats.learn_cooldown(MINUTE, 1, now);
            }
        };
        let skipped = play(&[], unwell, MINUTE);
        let unable = skipped.iter().filter(|(.., why)| *why == Skip::Unable).count();
        assert_eq!((unable, skipped.len()), (3, 4), "{skipped:?}");
    }
}
