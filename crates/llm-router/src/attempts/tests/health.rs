//! Who is asked when somebody is unwell, full, or not able.

use super::*;
use crate::affinity::Prefixes;
use crate::cooldown::{Cooldown, CooldownPolicy, CooldownStore};
use crate::facts::{Allowance, Capabilities, Facts};
use crate::needs::Needs;
use crate::policy::KindRetries;
use crate::record::Because;
use crate::router::Router;
use crate::stats::{Outcome, RateLimit, RateLimits, Standing};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// A group of deployments with these facts, asked three times at most.
fn of(facts: impl IntoIterator<Item = Facts>) -> Arc<Group<()>> {
    let deployments = facts.into_iter().enumerate();
    let deployments =
        deployments.map(|(nth, facts)| Deployment::new(format!("d{nth}"), 0, ()).with_facts(facts));
    Arc::new(Group::new("g", RetryPolicy { retries: 2, ..RetryPolicy::default() }, deployments))
}

/// Runs one request at this time; gives who was asked, and why.
pub(super) fn ask(group: &Arc<Group<()>>, now: Instant, failures: &[ApiError]) -> Vec<(usize, Because)> {
    let mut attempts = begin(group, now, MINUTE);
    play(&mut attempts, now, failures);
    attempts.record().attempts.iter().map(|attempt| (attempt.index, attempt.because)).collect()
}

pub(super) fn tried(group: &Arc<Group<()>>, now: Instant, failures: &[ApiError]) -> Vec<usize> {
    ask(group, now, failures).into_iter().map(|(index, _)| index).collect()
}

#[test]
fn the_limited_one_is_left_alone_until_it_said_then_probed_first() {
    let now = Instant::now();
    let group = group(3, 2);
    assert_eq!(tried(&group, now, &[after(ErrorKind::RateLimit, 20 * SECOND)]), [0, 1]);
    for second in 1..20 {
        let got = tried(&group, now + second * SECOND, &[]);
        assert!(got == [1] || got == [2], "{got:?} after {second} s");
    }
    assert_eq!(ask(&group, now + 21 * SECOND, &[]), [(0, Because::Probe)]);
    let then: Vec<_> = (0..3).flat_map(|_| tried(&group, now + 21 * SECOND, &[])).collect();
    assert!(then.contains(&0), "back in the round: {then:?}");
}

#[test]
fn the_only_one_is_always_asked() {
    let now = Instant::now();
    let group = group(1, 0);
    for _ in 0..10 {
        assert_eq!(tried(&group, now, &[failure(ErrorKind::Unavailable)]), [0]);
    }
    assert!(!group.deployments[0].stats.standing(now).is_open());
    assert_eq!(ask(&group, now, &[]), [(0, Because::LastResort)]);
    assert_eq!(group.deployments[0].stats.standing(now), Standing::Ready, "an answer is an answer");
}

#[test]
fn when_all_are_unwell_the_first_to_be_well_is_asked() {
    let now = Instant::now();
    let group = group(2, 1);
    group.deployments[0].stats.learn_cooldown(30 * SECOND, 1, now);
    group.deployments[1].stats.learn_cooldown(10 * SECOND, 1, now);
    assert_eq!(ask(&group, now + SECOND, &[]), [(1, Because::LastResort)]);

    let mut elsewhere = begin(&group, now + SECOND, MINUTE).with_elsewhere(true);
    group.deployments[1].stats.learn_cooldown(9 * SECOND, 1, now + SECOND);
    assert_eq!(elsewhere.next(now + SECOND, None), Step::Fail);
    assert_eq!(elsewhere.record().end, Some(End::AllCooling));
}

#[test]
fn one_that_is_being_probed_is_not_the_first_resort() {
    let now = Instant::now();
    let group = group(2, 1);
    group.deployments[0].stats.learn_cooldown(SECOND, 1, now);
    group.deployments[1].stats.learn_cooldown(10 * SECOND, 1, now);
    let due = now + 2 * SECOND;
    let mut probe = begin(&group, due, MINUTE);
    assert_eq!(probe.next(due, None), Step::Try(0));
    assert_eq!(group.deployments[0].stats.standing(due), Standing::Probing);
    assert_eq!(ask(&group, due, &[]), [(1, Because::LastResort)]);
}

#[test]
fn a_well_one_is_waited_for_rather_than_an_unwell_one_asked() {
    let now = Instant::now();
    let group = group(2, 2);
    let mut attempts = begin(&group, now, MINUTE);
    assert_eq!(attempts.next(now, None), Step::Try(0));
    group.deployments[0].stats.learn_cooldown(MINUTE, 1, now);
    // The first may be asked again after a short pause of ours, but cools down; the second asks for a second.
    assert_eq!(attempts.next(now, Some(&failure(ErrorKind::Internal))), Step::Try(1));
    assert_eq!(attempts.next(now, Some(&after(ErrorKind::Internal, SECOND))), Step::Wait(SECOND));
    assert_eq!(attempts.next(now + SECOND, None), Step::Try(1));
}

#[test]
fn whoever_asks_for_a_pause_is_left_alone_for_it() {
    let now = Instant::now();
    for kind in [ErrorKind::Unavailable, ErrorKind::Internal, ErrorKind::Overloaded, ErrorKind::RateLimit] {
        let pair = group(2, 2);
        assert_eq!(tried(&pair, now, &[after(kind, 20 * SECOND)]), [0, 1]);
        for second in 0..20 {
            assert_eq!(tried(&pair, now + second * SECOND, &[]), [1], "{kind:?} after {second} s");
        }
        assert_eq!(ask(&pair, now + 21 * SECOND, &[]), [(0, Because::Probe)]);

        let single = group(1, 2);
        assert_eq!(tried(&single, now, &[after(kind, 20 * SECOND)]), [0, 0], "a pause, and once more");
        assert_eq!(ask(&single, now, &[]), [(0, Because::Strategy)], "the only one is not locked out");
    }
}

#[test]
fn a_pause_is_waited_for_unless_somebody_may_be_well_before() {
    let now = Instant::now();
    let check = |kind, cooling, pause, expect| {
        // The first one is untried and cools down; the second wants a pause.
        let pair = group(2, 2);
        pair.deployments[0].stats.learn_cooldown(cooling, 1, now);
        let mut attempts = begin(&pair, now, MINUTE);
        assert_eq!(attempts.next(now, None), Step::Try(1));
        assert_eq!(attempts.next(now, Some(&after(kind, pause))), expect, "{kind:?} {cooling:?} {pause:?}");
    };
    for kind in [ErrorKind::Unavailable, ErrorKind::RateLimit] {
        check(kind, 30 * SECOND, SECOND, Step::Wait(SECOND));
        check(kind, 5 * SECOND, 30 * SECOND, Step::Try(0));
        check(kind, 100 * SECOND, 60 * SECOND, Step::Try(0));
    }
}

#[test]
fn what_is_drained_is_never_asked() {
    let now = Instant::now();
    let group = group(1, 2);
    group.deployments[0].stats.drain(true);
    let mut attempts = begin(&group, now, MINUTE);
    assert_eq!(attempts.next(now, None), Step::Fail);
    let error = attempts.failure();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.ends_with("openai/model-1 (smart/1): was taken out of service"), "{error}");
}

#[test]
fn what_is_drained_meanwhile_is_not_asked_again() {
    let now = Instant::now();
    let group = group(1, 2);
    let mut attempts = begin(&group, now, MINUTE);
    assert_eq!(attempts.next(now, None), Step::Try(0));
    let Step::Wait(pause) = attempts.next(now, Some(&after(ErrorKind::Internal, SECOND))) else {
        panic!("no pause");
    };
    group.deployments[0].stats.drain(true);
    assert_eq!(attempts.next(now + pause, None), Step::Fail);
    assert_eq!(attempts.record().end, Some(End::NobodyLeft));
}

#[test]
fn an_error_names_ten_and_counts_the_rest() {
    let group = of((0..30).map(|_| Facts { region: Some("us".into()), ..Facts::default() }));
    let now = Instant::now();
    let needs = Needs { region: Some("eu".into()), ..Needs::default() };
    let mut attempts = begin(&group, now, MINUTE).needing(Arc::new(needs));
    assert_eq!(attempts.next(now, None), Step::Fail);
    let message = &attempts.failure().message;
    assert!(
        message.ends_with("d9: is not in the region that the request asks for; and 20 more"),
        "{message}"
    );
}

#[test]
fn full_deployments_are_passed_over_and_say_when_there_is_room() {
    let allowance = |rpm| Allowance { rpm: Some(rpm), ..Allowance::default() };
    let group = of([1, 2].map(|rpm| Facts { allowance: allowance(rpm), ..Facts::default() }));
    let now = Instant::now();
    let mut got: Vec<_> = (0..3).flat_map(|_| tried(&group, now, &[])).collect();
    got.sort_unstable();
    assert_eq!(got, [0, 1, 1]);
    let mut late = begin(&group, now, MINUTE);
    assert_eq!(late.next(now, None), Step::Fail);
    let error = late.failure();
    assert_eq!(error.kind, ErrorKind::RateLimit);
    let wait = error.retry_after.unwrap();
    assert!(wait > 64 * SECOND && wait <= 65 * SECOND, "{wait:?}");
    assert!(error.message.contains("is at its limit per minute for another 65.0 s"), "{error}");
    assert_eq!(tried(&group, now + 65 * SECOND, &[]).len(), 1);
}

#[test]
fn places_come_back_with_the_lease() {
    let now = Instant::now();
    let allowance = Allowance { max_parallel: Some(1), ..Allowance::default() };
    let group = of([Facts { allowance, ..Facts::default() }]);
    let mut first = begin(&group, now, MINUTE);
    assert_eq!(first.next(now, None), Step::Try(0));
    let lease = first.answered(now).unwrap();
    drop(first);
    let mut second = begin(&group, now, MINUTE);
    assert_eq!(second.next(now, None), Step::Fail);
    assert_eq!(second.failure().retry_after, Some(SECOND), "a place is free soon");
    drop(lease);
    assert_eq!(begin(&group, now, MINUTE).next(now, None), Step::Try(0));
}

#[test]
fn the_provider_may_say_that_nothing_is_left() {
    let now = Instant::now();
    let group = group(2, 2);
    let rate = RateLimit { left: Some(0), limit: Some(100), reset: Some(7 * SECOND) };
    group.deployments[0].stats.note_rate_limits(&RateLimits { requests: rate, ..RateLimits::default() }, now);
    (0..4).for_each(|_| assert_eq!(tried(&group, now + 6 * SECOND, &[]), [1]));
    let then: Vec<_> = (0..2).flat_map(|_| tried(&group, now + 7 * SECOND, &[])).collect();
    assert!(then.contains(&0), "{then:?}");
}

#[test]
fn lower_tiers_go_first() {
    let now = Instant::now();
    let group = of([1, 0, 0].map(|order| Facts { order, ..Facts::default() }));
    for _ in 0..6 {
        assert_ne!(tried(&group, now, &[]), [0]);
    }
    let down = failure(ErrorKind::Unavailable);
    let got = tried(&group, now, &[down.clone(), down]);
    assert_eq!(got.last(), Some(&0), "{got:?}");
    let backup = Deployment::new("backup", 0, ()).weighing(0);
    let later = Deployment::new("later", 0, ()).with_facts(Facts { order: 9, ..Facts::default() });
    let group = Arc::new(Group::new("g", RetryPolicy::default(), [backup, later]));
    assert_eq!(tried(&group, now, &[failure(ErrorKind::Unavailable)]), [1, 0], "no weight: last of all");
}

#[test]
fn what_a_deployment_cannot_do_it_is_not_asked() {
    let now = Instant::now();
    let facts = Facts::default;
    let group = of([
        Facts { capabilities: Capabilities::TOOLS, ..facts() },
        Facts { region: Some("eu".into()), ..facts() },
        Facts { context_window: Some(8000), ..facts() },
        Facts { max_output: Some(1000), ..facts() },
    ]);
    let check = |needs: Needs, expect: &[usize]| {
        let able: Vec<_> = group.able(&needs).iter().collect();
        assert_eq!(able, expect, "{needs:?}");
    };
    check(Needs::default(), &[0, 1, 2, 3]);
    check(Needs { capabilities: Capabilities::TOOLS, ..Needs::default() }, &[0, 1, 2, 3]);
    check(Needs { capabilities: Capabilities::IMAGE_INPUT, ..Needs::default() }, &[1, 2, 3]);
    check(Needs { region: Some("eu".into()), ..Needs::default() }, &[1]);
    check(Needs { input_tokens: 7000, output_tokens: 900, ..Needs::default() }, &[0, 1, 2, 3]);
    check(Needs { input_tokens: 7500, output_tokens: 900, ..Needs::default() }, &[0, 1, 3]);
    check(Needs { output_tokens: 1001, ..Needs::default() }, &[0, 1, 2]);
    check(Needs { tags: ["x".into()].into_iter().collect(), ..Needs::default() }, &[]);
    check(Needs { pin: Some("d2".into()), ..Needs::default() }, &[2]);

    let small = of([Facts { context_window: Some(100), ..facts() }]);
    let needs = Arc::new(Needs { input_tokens: 101, ..Needs::default() });
    let mut attempts = begin(&small, now, MINUTE).needing(needs);
    assert_eq!(attempts.next(now, None), Step::Fail);
    let error = attempts.failure();
    assert_eq!(error.kind, ErrorKind::ContextWindow);
    assert!(error.message.contains("context window of 100 tokens, the request needs about 101"), "{error}");
}

#[test]
fn requests_return_to_where_they_belong() {
    let now = Instant::now();
    let group = group(4, 2);
    let with = |needs: Needs, failures: &[ApiError]| {
        let mut attempts = begin(&group, now, MINUTE).needing(Arc::new(needs));
        play(&mut attempts, now, failures);
        let attempts = &attempts.record().attempts;
        attempts.iter().map(|attempt| (attempt.index, attempt.because)).collect::<Vec<_>>()
    };
    let session = || Needs { session: Some(77), ..Needs::default() };
    let home = with(session(), &[])[0];
    assert_eq!(home.1, Because::Session);
    (0..5).for_each(|_| assert_eq!(with(session(), &[]), [home]));
    let moved = with(session(), &[failure(ErrorKind::NotFound)]);
    assert!(moved[0] == home && moved[1].0 != home.0, "{moved:?}");
    assert_eq!(with(session(), &[])[0], moved[1], "while it is unwell");

    let prompt = || Needs { prefixes: Prefixes::of(&[b'p'; 9000]), ..Needs::default() };
    let first = with(prompt(), &[])[0];
    assert_eq!(first.1, Because::Strategy);
    (0..5).for_each(|_| assert_eq!(with(prompt(), &[]), [(first.0, Because::Prefix)]));

    // The client's own word goes first.
    let both = || Needs { prefixes: prompt().prefixes, ..session() };
    (0..5).for_each(|_| assert_eq!(with(both(), &[])[0].1, Because::Session));

    let pinned = || Needs { pin: Some("smart/3".into()), ..Needs::default() };
    assert_eq!(with(pinned(), &[]), [(2, Because::Pinned)]);
    let got = with(pinned(), &[failure(ErrorKind::Unavailable)]);
    assert!(got.iter().all(|(index, _)| *index == 2) && got.len() == 2, "{got:?}");
}

#[test]
fn retries_may_be_bounded_by_kind() {
    let now = Instant::now();
    let check = |by_kind, kinds: &[ErrorKind], expect: &[usize]| {
        let policy = RetryPolicy { retries: 2, by_kind, ..RetryPolicy::default() };
        let deployments = (0..4).map(|nth| Deployment::new(format!("d{nth}"), 0, ()));
        let group = Arc::new(Group::new("g", policy, deployments));
        let failures: Vec<_> = kinds.iter().copied().map(failure).collect();
        assert_eq!(tried(&group, now, &failures), expect, "{by_kind:?} {kinds:?}");
    };
    use ErrorKind as K;
    let none = KindRetries::default();
    check(none, &[K::Timeout; 3], &[0, 1, 2, 3]);
    check(none, &[K::Timeout; 4], &[0, 1, 2, 3]);
    check(KindRetries { timeout: Some(4), ..none }, &[K::Timeout; 4], &[0, 1, 2, 3, 0]);
    check(KindRetries { timeout: Some(0), ..none }, &[K::Timeout; 3], &[0]);
    check(KindRetries { timeout: Some(1), ..none }, &[K::Internal, K::Timeout], &[0, 1, 2]);
    check(KindRetries { rate_limit: Some(3), ..none }, &[K::RateLimit; 3], &[0, 1, 2, 3]);
    check(KindRetries { bad_request: Some(1), ..none }, &[K::BadRequest; 3], &[0, 1]);
}

#[test]
fn some_failures_are_worth_one_return() {
    let now = Instant::now();
    let check = |kind, expect: usize| {
        let failures = vec![failure(kind); 5];
        assert_eq!(tried(&group(1, 4), now, &failures).len(), expect, "{kind:?}");
    };
    check(ErrorKind::Conflict, 2);
    check(ErrorKind::UpstreamFormat, 2);
    check(ErrorKind::Internal, 5);
}

#[derive(Debug, Default)]
struct Told(parking_lot::Mutex<Vec<(String, Duration, u32)>>);

impl CooldownStore for Told {
    fn tell(&self, cooldown: &Cooldown<'_>) {
        self.0.lock().push((cooldown.id.to_owned(), cooldown.left, cooldown.trips));
    }
}

#[test]
fn others_are_told_and_listened_to() {
    let now = Instant::now();
    let told = Arc::new(Told::default());
    let new = |fingerprint| {
        let deployments = (0..2).map(move |nth| Deployment::new(format!("d{nth}"), fingerprint, ()));
        let policy = CooldownPolicy { failures: 1, ..CooldownPolicy::default() };
        Group::new("g", RetryPolicy::default(), deployments).with_cooldown(policy)
    };
    let ours = Router::builder().group(new(1)).cooldown_store(Arc::clone(&told) as _).build().unwrap();
    let group = ours.find("g").unwrap().group;
    assert_eq!(tried(group, now, &[failure(ErrorKind::Internal)]), [0, 1]);
    assert_eq!(tried(group, now + 6 * SECOND, &[]), [0]);
    assert_eq!(*told.0.lock(), [("d0".to_owned(), 5 * SECOND, 1), ("d0".to_owned(), Duration::ZERO, 0)]);

    told.0.lock().clear();
    group.checked(1, Err(&failure(ErrorKind::BadRequest)), now);
    assert!(told.0.lock().is_empty(), "says nothing of the deployment");
    group.checked(1, Err(&failure(ErrorKind::Internal)), now);
    group.checked(1, Ok(()), now + SECOND);
    assert_eq!(*told.0.lock(), [("d1".to_owned(), 5 * SECOND, 1), ("d1".to_owned(), Duration::ZERO, 0)]);

    let news = Cooldown { group: "g", id: "d1", fingerprint: 1, left: 9 * SECOND, trips: 2 };
    let check = |router: &Router<()>, news, open| {
        router.learn(&news, now + 5 * SECOND);
        let deployment = &router.find("g").unwrap().group.deployments[1];
        assert_eq!(deployment.stats.standing(now + 6 * SECOND).is_open(), open, "{news:?}");
    };
    check(&ours, news, false);
    check(&Router::builder().group(new(2)).build().unwrap(), news, true);
    check(&ours, Cooldown { left: Duration::ZERO, ..news }, true);
}

#[test]
fn cooldowns_may_be_off() {
    let now = Instant::now();
    let deployments = (0..2).map(|nth| Deployment::new(format!("d{nth}"), 0, ()));
    let group = Group::new("g", RetryPolicy::default(), deployments).with_cooldown(CooldownPolicy::OFF);
    let group = Arc::new(group);
    let first = |_| tried(&group, now, &[after(ErrorKind::RateLimit, MINUTE)])[0];
    let firsts: Vec<_> = (0..4).map(first).collect();
    assert_eq!(firsts, [0, 1, 0, 1], "turn and turn about, whatever happened");
    assert!(group.deployments.iter().all(|deployment| deployment.stats.standing(now) == Standing::Ready));
}

#[test]
fn counters_are_kept_without_the_caller() {
    let now = Instant::now();
    let group = group(2, 2);
    tried(&group, now, &[failure(ErrorKind::Internal)]);
    tried(&group, now, &[failure(ErrorKind::BadRequest)]);
    group.deployments[0].note(Outcome::Cancelled, now);
    let sum = |of: fn(&crate::stats::Counts) -> u64| -> u64 {
        group.deployments.iter().map(|deployment| of(&deployment.stats.counts())).sum()
    };
    assert_eq!((sum(|c| c.successes), sum(|c| c.failures), sum(|c| c.refusals)), (1, 1, 1));
    assert_eq!(sum(|c| u64::from(c.in_flight)), 0);
}

#[test]
fn a_stream_that_breaks_off_counts() {
    let now = Instant::now();
    let group = group(2, 2);
    for _ in 0..6 {
        let mut attempts = begin(&group, now, MINUTE);
        let Step::Try(_) = attempts.next(now, None) else { panic!("nobody") };
        attempts.answered(now).unwrap().fail(&failure(ErrorKind::Connection), now);
    }
    assert!(group.deployments.iter().all(|deployment| !deployment.stats.standing(now).is_open()));
}
