//! Groups that were left for a while: everybody there was unwell or late, or its provider wanted a pause.

use std::time::{Duration, Instant};

use super::{Plan, Target};
use crate::attempts::Attempts;
use crate::record::End;

impl<T> Plan<'_, T> {
    /// Goes on at the group that was left first without having said no: only if anybody there is well by now, or because
    /// nobody else is left.
    pub(super) fn go_back(&mut self, now: Instant, well: bool) -> bool {
        let left = |attempts: &Attempts<T>| attempts.record().end == Some(End::AllCooling);
        let may_go_on = |attempts: &Attempts<T>| left(attempts) && (!well || attempts.could_go_on(now));
        let at = self.past.iter().position(|(_, attempts)| may_go_on(attempts));
        let Some(at) = at.filter(|_| self.may_fall_back(now)) else {
            return false;
        };
        self.return_to(at);
        true
    }

    /// Insists where the shortest pause is that providers have asked for: at the group that is asked now, or at one that
    /// was left.
    pub(super) fn insist(&mut self, now: Instant) {
        let here = self.attempts.pause_ahead(now, |_| Duration::ZERO);
        let left =
            self.past.iter().enumerate().filter(|(_, (_, past))| past.record().end == Some(End::AllCooling));
        let pauses = left.filter_map(|(at, (_, past))| Some((past.pause_ahead(now, |left| left)?, at)));
        let shortest = pauses.min().filter(|(pause, _)| here.is_none_or(|here| *pause < here));
        match shortest {
            Some((_, at)) if self.may_fall_back(now) => self.return_to(at),
            _ => self.attempts.insist(),
        }
    }

    fn return_to(&mut self, at: usize) {
        let (target, attempts) = self.past.remove(at);
        self.leave_for(target, attempts);
        self.returned = true;
        self.attempts.insist();
    }

    pub(super) fn leave_for(&mut self, target: Target, attempts: Attempts<T>) {
        let target = std::mem::replace(&mut self.current, target);
        self.past.push((target, std::mem::replace(&mut self.attempts, attempts)));
        self.returned = false;
        self.share_time();
    }
}

#[cfg(test)]
mod tests {
    use llm_types::{ApiError, ErrorKind};

    use crate::fallback::Fallbacks;
    use crate::record::WaitedFor;
    use crate::{Deployment, Group, RetryPolicy, Router, Step};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Plays a request for `a` whose providers ask for these pauses; for what it waits, and who answers then.
    fn play(deployments: usize, pauses: [u32; 2]) -> (Duration, String, usize) {
        let group = |name: &str| {
            let members = (0..deployments).map(|nth| Deployment::new(format!("{name}/{nth}"), 0, ()));
            Group::new(name, RetryPolicy::default(), members)
        };
        let a = group("a").with_fallbacks(Fallbacks::to(["b"]));
        let router = Router::builder().group(a).group(group("b")).build().unwrap();
        let mut now = Instant::now();
        let mut plan = router.plan(router.find("a").unwrap(), now, now + 600 * SECOND);
        let mut step = plan.next(now, None);
        let mut asked = 0;
        loop {
            match step {
                Step::Try(_) => {
                    asked += 1;
                    let mut error = ApiError::upstream(ErrorKind::RateLimit, "no");
                    error.retry_after = Some(pauses[usize::from(&*plan.group().name == "b")] * SECOND);
                    step = plan.next(now, Some(&error));
                }
                Step::Wait(pause) => {
                    let waits = plan.attempts().record().waits.clone();
                    assert!(matches!(waits[..], [waited] if matches!(waited.why, WaitedFor::RetryAfter(_))));
                    now += pause;
                    assert!(matches!(plan.next(now, None), Step::Try(_)));
                    assert!(plan.answered(now).is_some());
                    return (pause, plan.group().name.to_string(), asked);
                }
                Step::Fail => panic!("{}", plan.failure()),
            }
        }
    }

    #[test]
    fn the_shortest_pause_of_all_models_is_waited_for() {
        for deployments in [1, 2] {
            let all = 2 * deployments;
            assert_eq!(play(deployments, [2, 9]), (2 * SECOND, "a".to_owned(), all));
            assert_eq!(play(deployments, [9, 2]), (2 * SECOND, "b".to_owned(), all));
            assert_eq!(play(deployments, [3, 3]), (3 * SECOND, "b".to_owned(), all), "no need to go back");
        }
    }
}
