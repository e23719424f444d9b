//! What is counted, and who is let in.

use super::*;

#[test]
fn outcomes_are_counted_by_whose_fault_they_are() {
    let check = |outcome, successes, failures, refusals| {
        let now = Instant::now();
        let stats = Stats::new(now);
        stats.note(outcome, now + Duration::from_millis(5));
        let expect = Counts { in_flight: 0, successes, failures, refusals };
        assert_eq!(stats.counts(), expect, "{outcome:?}");
        assert_eq!(
            stats.last_failure(),
            (failures > 0).then(|| now + Duration::from_millis(5)),
            "{outcome:?}"
        );
    };
    check(Outcome::Success, 1, 0, 0);
    check(Outcome::Failure(ErrorKind::Unavailable), 0, 1, 0);
    check(Outcome::Failure(ErrorKind::Auth), 0, 1, 0);
    check(Outcome::Failure(ErrorKind::BadRequest), 0, 0, 1);
    check(Outcome::Failure(ErrorKind::ContextWindow), 0, 0, 1);
    check(Outcome::Cancelled, 0, 0, 0);
}

#[test]
fn a_guard_counts_while_it_lives() {
    let stats = Arc::new(Stats::new(Instant::now()));
    let first = stats.begin();
    let second = stats.begin();
    assert_eq!(stats.in_flight(), 2);
    drop(first);
    assert_eq!(stats.in_flight(), 1);
    drop(second);
    assert_eq!(stats.in_flight(), 0);
}

fn bounded(rpm: Option<u32>, max_parallel: Option<u32>) -> Allowance {
    Allowance { rpm, tpm: None, max_parallel }
}

#[test]
fn nobody_gets_in_beyond_the_allowance() {
    let now = Instant::now();
    let check = |allowance: Allowance, leaves: bool, expect: u32| {
        let stats = Stats::new(now);
        let granted = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        if stats.acquire(&allowance, 0, false, now).is_ok() {
                            granted.fetch_add(1, Ordering::Relaxed);
                            if leaves {
                                stats.leave();
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(granted.into_inner(), expect, "{allowance:?}");
        assert_eq!(stats.in_flight(), if leaves { 0 } else { expect });
    };
    check(bounded(Some(7), None), true, 7);
    check(bounded(None, Some(5)), false, 5);
    check(bounded(Some(9), Some(5)), false, 5);
    check(bounded(Some(3), Some(5)), false, 3);
    check(bounded(None, None), true, 200);
}

#[test]
fn a_refusal_leaves_nothing_behind() {
    let now = Instant::now();
    let stats = Stats::new(now);
    let allowance = bounded(Some(2), Some(2));
    stats.drain(true);
    assert_eq!(stats.acquire(&allowance, 0, false, now).unwrap_err(), Refused::Health);
    assert_eq!((stats.in_flight(), stats.load(now)), (0, Load::default()));
    stats.drain(false);
    assert!(stats.acquire(&allowance, 0, false, now).is_ok());
    assert!(stats.acquire(&allowance, 0, false, now).is_ok());
    assert_eq!(stats.fits(&allowance, 0, now), Err(Refused::Parallel));
    stats.leave();
    assert_eq!(stats.fits(&allowance, 0, now), Err(Refused::Minute));
    assert_eq!(stats.fits(&allowance, 0, now + Duration::from_secs(65)), Ok(()), "looked at anew");
}

#[test]
fn a_timeout_is_a_time_and_a_fast_failure_is_not() {
    let check = |kind, expect: Option<f64>| {
        let now = Instant::now();
        let stats = Stats::new(now);
        let seen = Seen { shape: Shape::new(true, 0, 0), took: Duration::from_secs(4) };
        let error = ApiError::upstream(kind, "x");
        let failure = Failure { error: &error, seen, alone: false, excused: false };
        stats.failed(Pass::Normal, failure, &CooldownPolicy::default(), now);
        assert_eq!(stats.latencies(now).first_token, expect, "{kind:?}");
    };
    check(ErrorKind::Timeout, Some(4.0));
    check(ErrorKind::Internal, None);
    check(ErrorKind::BadRequest, None);
}

#[test]
fn active_checks_open_and_close() {
    let start = Instant::now();
    let stats = Stats::new(start);
    let policy = CooldownPolicy::default();
    let down = ApiError::upstream(ErrorKind::Connection, "refused");
    let at = |seconds| start + Duration::from_secs(seconds);
    (0..2).for_each(|second| stats.checked(Err(&down), &policy, at(second)));
    assert_eq!(stats.standing(at(2)), Standing::Ready);
    stats.checked(Err(&down), &policy, at(2));
    assert_eq!(stats.standing(at(3)), Standing::Cooling(at(7)));
    stats.checked(Err(&down), &policy, at(7));
    assert_eq!(stats.standing(at(8)), Standing::Cooling(at(17)), "longer each time");
    stats.checked(Ok(()), &policy, at(9));
    assert_eq!(stats.standing(at(9)), Standing::Ready, "before its time, since it answers");
    assert_eq!(stats.counts(), Counts::default(), "no requests");
}
