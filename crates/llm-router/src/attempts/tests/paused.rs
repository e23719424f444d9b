//! All of several are under pauses that their providers have asked for.

use super::health::{MINUTE, SECOND, ask, tried};
use super::*;
use crate::fallback::Fallbacks;
use crate::record::{Because, WaitedFor};
use crate::router::Router;
use crate::stats::Standing;

/// Two deployments whose providers have asked for these pauses, in seconds.
fn limited(pauses: [u64; 2], now: Instant) -> Arc<Group<()>> {
    let group = group(2, 1);
    let failures = pauses.map(|pause| after(ErrorKind::RateLimit, Duration::from_secs(pause)));
    let mut attempts = begin(&group, now, MINUTE).at_most(1);
    play(&mut attempts, now, &failures);
    assert_eq!(attempts.record().attempts.len(), 2);
    group
}

#[test]
fn nobody_is_asked_during_the_pauses_of_all() {
    let now = Instant::now();
    let group = limited([300, 120], now);
    let later = now + 20 * SECOND;
    let mut attempts = begin(&group, later, MINUTE);
    assert_eq!(attempts.next(later, None), Step::Fail);
    assert!(attempts.record().attempts.is_empty());
    let error = attempts.failure();
    assert_eq!((error.kind, error.retry_after.map(|wait| wait.as_secs())), (ErrorKind::RateLimit, Some(100)));
    assert!(
        error.message.starts_with("the providers of `smart` have asked for a pause: openai/model-1"),
        "{error}"
    );
    // When the first pause is over, one finds out; however long that takes, the others ask there too.
    let due = now + 121 * SECOND;
    let mut scout = begin(&group, due, MINUTE);
    assert_eq!(scout.next(due, None), Step::Try(1));
    assert_eq!(scout.record().attempts[0].because, Because::Probe);
    let others = (0..3).map(|nth| {
        let later = due + nth * 20 * SECOND;
        let mut other = begin(&group, later, MINUTE);
        assert_eq!(other.next(later, None), Step::Try(1), "the other one's pause is not over");
        assert_eq!(other.record().attempts[0].because, Because::LastResort);
        other
    });
    drop(others.collect::<Vec<_>>());
    assert!(scout.answered(due).is_some());
    assert_eq!(tried(&group, due, &[]), [1]);
}

#[test]
fn the_request_whose_attempts_began_the_pauses_is_told_the_shortest() {
    let now = Instant::now();
    let mut attempts = begin(&group(2, 5), now, 100 * MINUTE);
    let failures = [after(ErrorKind::RateLimit, 120 * SECOND), after(ErrorKind::RateLimit, 300 * SECOND)];
    let got = play(&mut attempts, now, &failures);
    assert_eq!(got, (vec![0, 1], Some(End::AllPaused)), "nobody goes back to them");
    assert_eq!(attempts.failure().retry_after.map(|wait| wait.as_secs()), Some(119));
}

#[test]
fn a_short_pause_is_waited_for() {
    let now = Instant::now();
    let group = limited([30, 8], now);
    let later = now + 4 * SECOND;
    let mut attempts = begin(&group, later, MINUTE);
    let Step::Wait(pause) = attempts.next(later, None) else { panic!("it is not long") };
    assert!(pause > 3 * SECOND && pause < 5 * SECOND, "{pause:?}");
    assert_eq!(attempts.record().waits[0].why, WaitedFor::RetryAfter(1));
    let mut other = begin(&group, later, MINUTE);
    assert_eq!(other.next(later, None), Step::Wait(pause));
    assert_eq!(attempts.next(later + pause, None), Step::Try(1));
    assert_eq!(attempts.record().attempts[0].because, Because::Probe);
    // Another one that waited as long finds the probe under way, and does not wait for what comes of it.
    let due = later + pause;
    assert_eq!(other.next(due, None), Step::Try(1));
    assert_eq!(other.record().attempts[0].because, Because::LastResort);
    // Nobody waits past the deadline, nor on the account of a budget that is spent.
    assert_eq!(begin(&group, later, 3 * SECOND).next(later, None), Step::Fail);
    let budget = Arc::new(RetryBudget::new(later));
    while budget.withdraw(later) {}
    assert_eq!(Attempts::new(Arc::clone(&group), budget, later + MINUTE).next(later, None), Step::Fail);
}

#[test]
fn whoever_waited_for_a_pause_is_asked_when_it_is_over() {
    let now = Instant::now();
    for (deployments, gap) in [(2, 0), (3, 0), (2, 5), (3, 5)] {
        let group = group(deployments, 3);
        let mut all: Vec<_> = (0..12).map(|_| begin(&group, now, MINUTE)).collect();
        let first: Vec<_> = all.iter_mut().map(|attempts| attempts.next(now, None)).collect();
        assert!(first.iter().all(|step| matches!(step, Step::Try(_))));
        // Each hears of the limit a moment after the one before, and goes on to whoever has not said so yet.
        let mut waiting = Vec::new();
        for (attempts, nth) in all.iter_mut().zip(0..) {
            let heard = now + nth * gap * MS;
            let mut step = attempts.next(heard, Some(&after(ErrorKind::RateLimit, SECOND)));
            while let Step::Try(_) = step {
                step = attempts.next(heard, Some(&after(ErrorKind::RateLimit, SECOND)));
            }
            let Step::Wait(pause) = step else { panic!("{step:?}") };
            waiting.push((heard + pause, attempts));
        }
        waiting.sort_by_key(|(due, _)| *due);
        for (mut due, attempts) in waiting {
            let mut step = attempts.next(due, None);
            if let Step::Wait(longer) = step {
                assert!(longer < 100 * MS, "others have heard of it later: {longer:?}");
                due += longer;
                step = attempts.next(due, None);
            }
            assert!(matches!(step, Step::Try(_)), "{:?}", attempts.record());
            let waited = attempts.record().attempts.last().unwrap().waited;
            assert!(waited > 900 * MS, "{waited:?}");
        }
        let under_way = group.deployments.iter().map(|deployment| deployment.stats.in_flight());
        let under_way: Vec<_> = under_way.collect();
        let (least, most) = (under_way.iter().min(), under_way.iter().max());
        assert!(gap > 0 || most <= least.map(|least| least + 2).as_ref(), "{under_way:?}");
    }
}

#[test]
fn our_own_cooldowns_and_those_who_are_alone_are_asked_all_the_same() {
    let now = Instant::now();
    let mixed = group(2, 1);
    assert_eq!(tried(&mixed, now, &[after(ErrorKind::RateLimit, 300 * SECOND)]), [0, 1]);
    mixed.deployments[1].stats.learn_cooldown(60 * SECOND, 1, now);
    assert_eq!(ask(&mixed, now + SECOND, &[]), [(1, Because::LastResort)], "somebody is asked");

    let left = limited([300, 120], now);
    left.deployments[1].stats.drain(true);
    assert_eq!(ask(&left, now + SECOND, &[]), [(0, Because::LastResort)], "the only one that is left");

    let single = group(1, 1);
    for _ in 0..3 {
        assert_eq!(tried(&single, now, &[after(ErrorKind::RateLimit, 300 * SECOND)])[0], 0);
    }
    assert_eq!(single.deployments[0].stats.standing(now), Standing::Ready);
}

#[test]
fn a_limit_that_an_answer_used_up_is_no_pause() {
    let now = Instant::now();
    let used_up = |reset| crate::RateLimits {
        requests: crate::stats::RateLimit { left: Some(0), limit: Some(30), reset: Some(reset) },
        ..crate::RateLimits::default()
    };
    let group = group(3, 2);
    let stats = |index: usize| &group.deployments[index].stats;
    stats(0).note_rate_limits(&used_up(59 * SECOND), now);
    stats(1).note_rate_limits(&used_up(40 * SECOND), now);
    assert_eq!(tried(&group, now, &[]), [2], "somebody else first");
    stats(2).note_rate_limits(&used_up(50 * SECOND), now);
    assert_eq!(ask(&group, now, &[]), [(1, Because::LastResort)], "it may have room long before it is full");
    // What is turned away there goes on, and comes back when the pause that was asked for then is over.
    let limited = after(ErrorKind::RateLimit, 2 * SECOND);
    let mut attempts = begin(&group, now, MINUTE);
    assert_eq!(
        play(&mut attempts, now, &[limited.clone(), limited.clone()]),
        (vec![1, 2, 0], Some(End::Answered))
    );
    assert_eq!(stats(1).standing(now + SECOND), Standing::Cooling(now + MS + 2 * SECOND));
    let later = now + 3 * SECOND;
    assert_eq!(ask(&group, later, &[]), [(1, Because::LastResort)]);
    let mut attempts = begin(&group, later, MINUTE);
    let (tried, _) = play(&mut attempts, later, &[limited.clone(), limited.clone(), limited]);
    assert_eq!(
        (tried.len(), attempts.failure().retry_after.is_some_and(|wait| wait <= 2 * SECOND)),
        (3, true)
    );
}

#[test]
fn a_fallback_is_asked_at_once() {
    let now = Instant::now();
    let paused = |name: &str| {
        let members = (0..2).map(|nth| Deployment::new(format!("{name}/{nth}"), 0, ()));
        let group = Arc::new(Group::new(name, RetryPolicy::default(), members));
        let mut attempts = begin(&group, now, MINUTE).at_most(1);
        play(
            &mut attempts,
            now,
            &[after(ErrorKind::RateLimit, 100 * SECOND), after(ErrorKind::RateLimit, 100 * SECOND)],
        );
        drop(attempts);
        Arc::into_inner(group).unwrap()
    };
    let well = Group::new("well", RetryPolicy::default(), [Deployment::new("w", 0, ())]);
    let router = Router::builder()
        .group(paused("a").with_fallbacks(Fallbacks::to(["b", "well"])))
        .group(paused("b"))
        .group(well)
        .group(paused("c").with_fallbacks(Fallbacks::to(["b"])))
        .build()
        .unwrap();
    let mut plan = router.plan(router.find("a").unwrap(), now, now + 600 * SECOND);
    assert_eq!((plan.next(now, None), &*plan.group().name), (Step::Try(0), "well"));
    let mut plan = router.plan(router.find("c").unwrap(), now, now + 600 * SECOND);
    assert_eq!((plan.next(now, None), plan.attempt_count()), (Step::Fail, 0));
    let error = plan.failure();
    assert_eq!((error.kind, error.retry_after), (ErrorKind::RateLimit, Some(100 * SECOND + MS)));
}
