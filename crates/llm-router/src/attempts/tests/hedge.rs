//! A second deployment beside a slow one.

use super::*;
use crate::needs::Needs;
use crate::record::Because;

const MINUTE: Duration = Duration::from_secs(60);

fn hedged(deployments: usize, retries: u32) -> Arc<Group<()>> {
    let policy = RetryPolicy { retries, hedge: Some(100 * MS), ..RetryPolicy::default() };
    let deployments = (0..deployments).map(|nth| Deployment::new(format!("d{nth}"), 0, ()));
    Arc::new(Group::new("g", policy, deployments))
}

fn streaming(group: &Arc<Group<()>>, now: Instant) -> Attempts<()> {
    begin(group, now, MINUTE).needing(Arc::new(Needs { stream: true, ..Needs::default() }))
}

fn in_flight(group: &Group<()>) -> Vec<u32> {
    group.deployments.iter().map(|deployment| deployment.stats.in_flight()).collect()
}

#[test]
fn the_faster_one_wins_and_the_other_is_let_go() {
    let now = Instant::now();
    let check = |winner: usize| {
        let group = hedged(3, 2);
        let mut attempts = streaming(&group, now);
        assert_eq!(attempts.hedge_at(), None, "nobody is under way");
        assert_eq!(attempts.next(now, None), Step::Try(0));
        assert_eq!(attempts.hedge_at(), Some(now + 100 * MS));
        assert_eq!(attempts.hedge(now + 99 * MS), None, "too early");
        assert_eq!(attempts.hedge(now + 100 * MS), Some(1));
        assert_eq!((attempts.hedge_at(), attempts.under_way()), (None, 2), "one second is enough");
        assert_eq!(in_flight(&group), [1, 1, 0]);
        let lease = attempts.answered_by(winner, now + 300 * MS).unwrap();
        assert_eq!(lease.index(), winner);
        assert_eq!(in_flight(&group).iter().sum::<u32>(), 1, "the loser holds nothing any more");
        let told: Vec<_> =
            attempts.record().attempts.iter().map(|attempt| (attempt.because, attempt.lost)).collect();
        assert_eq!(told, [(Because::Strategy, winner == 1), (Because::Hedge, winner == 0)]);
        let slow = group.deployments[0].stats.latencies(now + 300 * MS).first_token.unwrap();
        assert!((slow - 0.3).abs() < 1e-6, "it took that long at least: {slow}");
        assert_eq!(group.deployments[1 - winner].stats.counts().failures, 0);
    };
    check(0);
    check(1);
}

#[test]
fn one_failure_of_two_is_waited_out_and_both_lead_on() {
    let now = Instant::now();
    let group = hedged(3, 1);
    let mut attempts = streaming(&group, now);
    assert_eq!(attempts.next(now, None), Step::Try(0));
    assert_eq!(attempts.hedge(now + 100 * MS), Some(1));
    let down = failure(ErrorKind::Unavailable);
    assert_eq!(attempts.failed(0, now + 150 * MS, &down), None, "the other one is still there");
    let step = attempts.failed(1, now + 200 * MS, &down);
    assert_eq!(step, Some(Step::Try(2)), "a hedge is no retry");
    assert_eq!(attempts.failed(2, now + 250 * MS, &down), Some(Step::Fail));
    assert_eq!(attempts.record().end, Some(End::RetriesSpent));
    assert!(attempts.failure().message.starts_with("all 3 attempts failed"));
    assert_eq!(in_flight(&group), [0; 3]);
}

#[test]
fn nobody_is_asked_twice_without_reason() {
    let now = Instant::now();
    let at = now + 100 * MS;
    let whole = &mut begin(&hedged(2, 2), now, MINUTE);
    whole.next(now, None);
    assert_eq!(whole.hedge_at(), None, "not streamed");
    let single = &mut streaming(&hedged(2, 2), now).at_most(0);
    single.next(now, None);
    assert_eq!(single.hedge_at(), None, "its body cannot be sent twice");
    let alone = &mut streaming(&hedged(1, 2), now);
    alone.next(now, None);
    assert_eq!(alone.hedge(at), None);

    let group = hedged(2, 2);
    let unwell = &mut streaming(&group, now);
    unwell.next(now, None);
    group.deployments[1].stats.learn_cooldown(MINUTE, 1, now);
    assert_eq!(unwell.hedge(at), None, "nobody unwell");

    let budget = Arc::new(RetryBudget::new(now));
    while budget.take(crate::Spent::Hedge, now) {}
    let group = hedged(2, 2);
    let needs = Arc::new(Needs { stream: true, ..Needs::default() });
    let poor = &mut Attempts::new(Arc::clone(&group), budget, now + MINUTE).needing(needs);
    poor.next(now, None);
    assert_eq!(poor.hedge(at), None, "the budget is spent");
    assert_eq!(in_flight(&group), [1, 0]);
    assert_eq!(poor.next(at, Some(&failure(ErrorKind::Internal))), Step::Try(1), "moving on is free");
}

#[test]
fn a_dropped_request_lets_both_go() {
    let now = Instant::now();
    let group = hedged(2, 2);
    let mut attempts = streaming(&group, now);
    attempts.next(now, None);
    assert!(attempts.hedge(now + 100 * MS).is_some());
    drop(attempts);
    assert_eq!(in_flight(&group), [0, 0]);
}

#[test]
fn a_second_one_that_is_not_sent_was_never_asked() {
    let now = Instant::now();
    let group = hedged(2, 1);
    let mut attempts = streaming(&group, now);
    assert_eq!(attempts.next(now, None), Step::Try(0));
    assert_eq!(attempts.hedge(now + 100 * MS), Some(1));
    attempts.withdraw(1, now + 110 * MS);
    assert_eq!((attempts.under_way(), in_flight(&group)), (1, vec![1, 0]));
    assert_eq!(attempts.record().attempts.len(), 1);
    assert_eq!(attempts.hedge_at(), None, "one try, whatever comes of it");
    let down = ApiError::upstream(ErrorKind::Unavailable, "down");
    assert_eq!(attempts.failed(0, now + 120 * MS, &down), Some(Step::Try(1)), "it may be asked as any other");
    assert!(attempts.answered(now + 130 * MS).is_some());
    assert_eq!(attempts.record().attempts.len(), 2);
}
