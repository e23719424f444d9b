//! How long attempts may take: a hang must leave time for others.

use super::*;
use crate::fallback::Fallbacks;
use crate::needs::Needs;
use crate::record::Because;
use crate::router::Router;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn attempts_are_as_long_as_the_deadline_leaves() {
    let now = Instant::now();
    let group = group(1, 0);
    let mut short = Deployment::new("x", 0, ());
    short.timeout = Some(Duration::from_secs(3));
    let check = |deployment: &Deployment<()>, deadline, total, first_token, hurried| {
        let attempts = begin(&group, now, Duration::from_secs(deadline));
        let [total, first_token] = [total, first_token].map(Duration::from_secs);
        let expect = Limits { total, first_token, hurried };
        assert_eq!(attempts.limits(deployment, now), expect);
    };
    let plain = Arc::clone(&group.deployments[0]);
    check(&plain, 600, 30, 5, false);
    check(&plain, 20, 20, 5, false);
    check(&plain, 10, 10, 5, true);
    check(&plain, 2, 2, 2, true);
    check(&short, 600, 3, 3, false);
}

/// As shipped: an attempt may take as long as a request.
fn shipped(deployments: usize, retries: u32) -> Arc<Group<()>> {
    let deployments = (0..deployments).map(|nth| Deployment::new(format!("d{nth}"), 0, ()));
    Arc::new(Group::new("g", RetryPolicy { retries, ..RetryPolicy::default() }, deployments))
}

/// What the attempt under way may take.
fn limits(attempts: &Attempts<()>, index: usize, now: Instant) -> Limits {
    attempts.limits(&attempts.group().deployments[index], now)
}

#[test]
fn a_hang_is_failed_over_with_what_is_shipped() {
    let mut now = Instant::now();
    let mut attempts = begin(&shipped(3, 2), now, 600 * SECOND);
    let late = failure(ErrorKind::Timeout);
    let mut step = attempts.next(now, None);
    for (index, expect) in [(0, 300), (1, 150), (2, 150)] {
        assert_eq!(step, Step::Try(index));
        let limits = limits(&attempts, index, now);
        assert_eq!((limits.total, limits.first_token), (expect * SECOND, 60 * SECOND), "{index}");
        now += limits.total;
        step = attempts.next(now, Some(&late));
    }
    assert_eq!((step, attempts.record().end), (Step::Fail, Some(End::Deadline)));
    // The first two had half of what is theirs, or the request ended them; the last one was not heard for long enough.
    let failures: Vec<_> =
        attempts.group().deployments.iter().map(|deployment| deployment.stats.counts().failures).collect();
    assert_eq!(failures, [1, 1, 0]);
}

#[test]
fn whoever_is_the_last_has_all_the_time() {
    let now = Instant::now();
    let check = |attempts: &mut Attempts<()>, expect: u64| {
        assert_eq!(attempts.next(now, None), Step::Try(0));
        assert_eq!(limits(attempts, 0, now).total, Duration::from_millis(expect));
    };
    check(&mut begin(&shipped(1, 2), now, 600 * SECOND), 600_000);
    check(&mut begin(&shipped(2, 0), now, 600 * SECOND), 600_000);
    check(&mut begin(&shipped(2, 2), now, 600 * SECOND).at_most(0), 600_000);
    check(&mut begin(&shipped(2, 2), now, 600 * SECOND), 300_000);
    check(&mut begin(&shipped(2, 2), now, 601 * SECOND), 300_500);
    check(&mut begin(&shipped(2, 2), now, 602 * SECOND), 600_000);
    check(&mut begin(&shipped(2, 2), now, 3 * SECOND), 2_000);
    check(&mut begin(&shipped(2, 2), now, SECOND), 1_000);
    // What is configured to be shorter stays as it is.
    check(&mut begin(&group(2, 2), now, 45 * SECOND), 30_000);
    check(&mut begin(&group(2, 2), now, 31 * SECOND), 15_500);
    let drained = shipped(2, 2);
    drained.deployments[1].stats.drain(true);
    check(&mut begin(&drained, now, 600 * SECOND), 600_000);
    // Somebody who will not be well in time is nobody.
    let away = shipped(2, 2);
    away.deployments[1].stats.learn_cooldown(400 * SECOND, 1, now);
    check(&mut begin(&away, now, 600 * SECOND), 600_000);
    let soon = shipped(2, 2);
    soon.deployments[1].stats.learn_cooldown(5 * SECOND, 1, now);
    check(&mut begin(&soon, now, 600 * SECOND), 300_000);
}

#[test]
fn a_stream_shares_only_the_time_until_it_begins() {
    let now = Instant::now();
    let needs = || Arc::new(Needs { stream: true, ..Needs::default() });
    let check = |deployments, deadline: u32, expect: [u64; 2]| {
        let mut attempts = begin(&shipped(deployments, 2), now, deadline * SECOND).needing(needs());
        attempts.next(now, None);
        let limits = limits(&attempts, 0, now);
        assert_eq!([limits.total, limits.first_token], expect.map(Duration::from_secs), "{deadline}");
    };
    check(2, 600, [600, 60]);
    check(2, 60, [60, 30]);
    check(2, 20, [20, 10]);
    check(1, 20, [20, 20]);
}

#[test]
fn a_probe_has_a_quarter() {
    let mut now = Instant::now();
    let group = shipped(2, 2);
    group.deployments[0].stats.learn_cooldown(SECOND, 1, now);
    now += SECOND;
    let mut attempts = begin(&group, now, 600 * SECOND);
    assert_eq!(attempts.next(now, None), Step::Try(0));
    assert_eq!(attempts.record().attempts[0].because, Because::Probe);
    assert_eq!(limits(&attempts, 0, now).total, 150 * SECOND);
    now += 150 * SECOND;
    assert_eq!(attempts.next(now, Some(&failure(ErrorKind::Timeout))), Step::Try(1));
    assert!(!group.deployments[0].stats.standing(now).is_open(), "it is not well");
    assert_eq!(limits(&attempts, 1, now).total, 450 * SECOND);
}

#[test]
fn fallbacks_are_others_and_oneself_is_not() {
    let now = Instant::now();
    let check = |name: &str, expect: &[u64]| {
        let group = |name: &str| Group::new(name, RetryPolicy::default(), [Deployment::new(name, 0, ())]);
        let router = Router::builder()
            .group(group("a").with_fallbacks(Fallbacks::to(["b"])))
            .group(group("b"))
            .group(
                group("c")
                    .with_fallbacks(Fallbacks { context_window: vec!["b".into()], ..Fallbacks::default() }),
            )
            .default_fallbacks(["last", "nowhere"])
            .group(group("last"))
            .group(group("nowhere").with_cooldown(crate::CooldownPolicy::OFF))
            .build()
            .unwrap();
        let mut now = now;
        let mut plan = router.plan(router.find(name).unwrap(), now, now + 600 * SECOND);
        let mut step = plan.next(now, None);
        let mut times = Vec::new();
        while let (Step::Try(_), true) = (step, times.len() < expect.len()) {
            let deployment = Arc::clone(&plan.group().deployments[0]);
            let limits = plan.attempts().limits(&deployment, now);
            times.push(limits.total.as_secs());
            now += limits.total;
            step = plan.next(now, Some(&failure(ErrorKind::Timeout)));
        }
        assert_eq!(times, expect, "{name}");
    };
    let few = |retries: u32, bound: fn(&mut crate::fallback::Plan<'_, ()>, u32)| {
        let group = |name: &str| Group::new(name, RetryPolicy::default(), [Deployment::new(name, 0, ())]);
        let with_fallback = group("a").with_fallbacks(Fallbacks::to(["b"]));
        let router = Router::builder().group(with_fallback).group(group("b")).build().unwrap();
        let mut plan = router.plan(router.find("a").unwrap(), now, now + 600 * SECOND);
        bound(&mut plan, retries);
        assert_eq!(plan.next(now, None), Step::Try(0));
        let deployment = Arc::clone(&plan.group().deployments[0]);
        plan.attempts().limits(&deployment, now).total.as_secs()
    };
    // Without retries of its own a request falls back all the same; one that cannot be sent twice does not.
    assert_eq!(few(0, |plan, retries| plan.bound_retries(retries)), 300);
    assert_eq!(few(0, |plan, retries| plan.limit_retries(retries)), 600);
    assert_eq!(few(1, |plan, retries| plan.limit_retries(retries)), 300);
    check("a", &[300, 150, 75, 75]);
    check("c", &[300, 150, 150]);
    check("last", &[300, 300]);
}
