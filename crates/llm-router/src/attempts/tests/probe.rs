//! Who finds out whether somebody is well again, and what is held against whom.

use super::health::{MINUTE, SECOND, ask, tried};
use super::*;
use crate::cooldown::CooldownPolicy;
use crate::record::Because;
use crate::stats::Standing;

#[test]
fn one_request_probes_and_the_others_go_elsewhere() {
    let now = Instant::now();
    let group = group(2, 2);
    tried(&group, now, &[failure(ErrorKind::Auth)]);
    let later = now + 6 * SECOND;
    let mut first = begin(&group, later, MINUTE);
    assert_eq!(first.next(later, None), Step::Try(0));
    for _ in 0..5 {
        assert_eq!(tried(&group, later, &[]), [1]);
    }
    // Its failure is no harm: somebody else is well.
    assert_eq!(first.next(later, Some(&failure(ErrorKind::Auth))), Step::Try(1));
    assert!(first.answered(later).is_some());
    let standing = group.deployments[0].stats.standing(later);
    assert_eq!(standing, Standing::Cooling(later + 10 * SECOND), "twice as long");
}

#[test]
fn a_probe_that_is_dropped_makes_room_for_the_next() {
    let now = Instant::now();
    let group = group(2, 2);
    tried(&group, now, &[failure(ErrorKind::Auth)]);
    let later = now + 6 * SECOND;
    let mut first = begin(&group, later, MINUTE);
    assert_eq!(first.next(later, None), Step::Try(0));
    drop(first);
    assert_eq!(ask(&group, later, &[]), [(0, Because::Probe)]);
}

#[test]
fn of_many_too_the_one_that_is_due_is_asked_next() {
    let now = Instant::now();
    let group = group(1000, 2);
    let stats = |index: usize| &group.deployments[index].stats;
    for (index, seconds) in [(900, 20), (700, 10), (3, 30)] {
        stats(index).learn_cooldown(Duration::from_secs(seconds), 1, now);
    }
    assert_eq!(ask(&group, now + 9 * SECOND, &[])[0].1, Because::Strategy);
    assert_eq!(ask(&group, now + 11 * SECOND, &[]), [(700, Because::Probe)]);
    // One finds out, and nobody else meanwhile; if that comes to nothing, the next one does.
    let later = now + 21 * SECOND;
    let mut first = begin(&group, later, MINUTE);
    assert_eq!(first.next(later, None), Step::Try(900));
    assert_eq!(ask(&group, later, &[])[0].1, Because::Strategy);
    drop(first);
    stats(900).drain(true);
    assert_eq!(ask(&group, later, &[])[0].1, Because::Strategy);
    stats(900).drain(false);
    assert_eq!(ask(&group, later, &[]), [(900, Because::Probe)]);
    // What is learned goes on in a later group, and that too knows who is due.
    let deployments = (0..1000)
        .map(|nth| Deployment::new(format!("d{nth}"), 0, ()).with_stats(Some(Arc::clone(stats(nth)))));
    let after = Arc::new(Group::new("smart", group.policy, deployments));
    assert_eq!(ask(&after, now + 31 * SECOND, &[]), [(3, Because::Probe)]);
}

#[test]
fn nobody_cools_down_where_that_was_switched_off() {
    let now = Instant::now();
    let before = group(2, 2);
    tried(&before, now, &[failure(ErrorKind::Auth)]);
    let stats = &before.deployments[0].stats;
    assert!(matches!(stats.standing(now), Standing::Cooling(_)));
    before.end_cooldowns(now);
    assert!(matches!(stats.standing(now), Standing::Cooling(_)), "here they go on");
    let kept = before
        .deployments
        .iter()
        .map(|old| Deployment::new(&*old.id, 0, ()).with_stats(Some(Arc::clone(&old.stats))));
    let off = Group::new("smart", before.policy, kept).with_cooldown(CooldownPolicy::OFF);
    off.end_cooldowns(now);
    assert_eq!(stats.standing(now), Standing::Ready);
    let router = crate::Router::builder().group(off).build().unwrap();
    let told = |trips| crate::Cooldown { group: "smart", id: "smart/1", fingerprint: 0, left: MINUTE, trips };
    router.learn(&told(1), now);
    assert_eq!(stats.standing(now), Standing::Ready, "nor because others say so");
    router.learn(&told(0), now);
    assert_eq!(stats.standing(now), Standing::Resting(now + MINUTE));
}

#[test]
fn a_request_that_cannot_move_on_is_no_probe() {
    let now = Instant::now();
    let group = group(2, 2);
    tried(&group, now, &[failure(ErrorKind::Auth)]);
    let later = now + 6 * SECOND;
    for _ in 0..10 {
        let mut single = begin(&group, later, MINUTE).at_most(0);
        play(&mut single, later, &[]);
        let [first] = &single.record().attempts[..] else { panic!("one attempt") };
        assert_eq!((first.index, first.because), (1, Because::Strategy), "somebody is well");
    }
    let standing = group.deployments[0].stats.standing(later);
    assert_eq!(standing, Standing::ProbeDue, "it waits for one that can move on");
}

#[test]
fn where_nobody_is_asked_twice_somebody_finds_out_all_the_same() {
    let now = Instant::now();
    let group = group(2, 0);
    tried(&group, now, &[failure(ErrorKind::Auth)]);
    let later = now + 6 * SECOND;
    assert_eq!(ask(&group, later, &[]), [(0, Because::Probe)]);

    // A request that cannot be sent twice leaves it to the others, but not for ever.
    let group = super::group(2, 2);
    tried(&group, now, &[failure(ErrorKind::Auth)]);
    let single = |at: Instant| {
        let mut single = begin(&group, at, MINUTE).at_most(0);
        play(&mut single, at, &[]);
        single.record().attempts[0].index
    };
    assert!((0..10).all(|_| single(now + 6 * SECOND) == 1));
    assert!((0..10).any(|_| single(now + 16 * SECOND) == 0), "nobody else has come by");
}

#[test]
fn what_had_no_time_left_is_not_to_blame() {
    let now = Instant::now();
    let policy = RetryPolicy { timeout: 15 * SECOND, ..RetryPolicy::default() };
    let deployments = [Deployment::new("a", 0, ()), Deployment::new("b", 0, ())];
    let group = Arc::new(Group::new("g", policy, deployments));
    let mut request = begin(&group, now, 20 * SECOND);
    let Step::Try(first) = request.next(now, None) else { panic!("nobody") };
    let step = request.next(now + 15 * SECOND, Some(&failure(ErrorKind::Timeout)));
    assert_eq!(step, Step::Try(1 - first));
    assert_eq!(request.next(now + 20 * SECOND, Some(&failure(ErrorKind::Timeout))), Step::Fail);
    let failures = |index: usize| group.deployments[index].stats.counts().failures;
    assert_eq!((failures(first), failures(1 - first)), (1, 0), "it had five of fifteen seconds");
}

#[test]
fn a_name_that_callers_make_up_spoils_nobody() {
    let now = Instant::now();
    let ask = |name: &str| {
        let deployments = [Deployment::new("a", 0, ()), Deployment::new("b", 0, ())];
        let group = Arc::new(Group::new(name, RetryPolicy::default(), deployments));
        tried(&group, now, &[failure(ErrorKind::NotFound), failure(ErrorKind::NotFound)]);
        group.deployments.iter().filter(|one| one.stats.standing(now) == Standing::Ready).count()
    };
    assert_eq!(ask("openai/*"), 2);
    assert!(ask("smart") < 2, "a model that we configured, and that is not there");
}

#[test]
fn of_many_the_unwell_are_left_alone_and_probed_in_time() {
    for strategy in crate::picker::Strategy::ALL {
        let deployments = (0..200).map(|nth| Deployment::new(format!("d{nth}"), 0, ()));
        let group = Arc::new(Group::new("g", RetryPolicy::default(), deployments).with_strategy(strategy));
        let now = Instant::now();
        for index in (0..200).step_by(2) {
            group.deployments[index].stats.learn_cooldown(10 * SECOND, 1, now);
        }
        for seed in 0..1000 {
            let mut attempts = begin(&group, now, MINUTE).with_rng(SmallRng::seed_from_u64(seed));
            let Step::Try(index) = attempts.next(now, None) else { panic!("nobody") };
            assert!(index % 2 == 1, "{strategy:?} asked {index}");
            attempts.answered(now);
        }
        let later = now + 10 * SECOND;
        for seed in 0..4000 {
            let mut attempts = begin(&group, later, MINUTE).with_rng(SmallRng::seed_from_u64(seed));
            attempts.next(later, None);
            attempts.answered(later);
        }
        let unwell =
            group.deployments.iter().filter(|one| one.stats.standing(later) != Standing::Ready).count();
        assert_eq!(unwell, 0, "{strategy:?}");
    }
}
