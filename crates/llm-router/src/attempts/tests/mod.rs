//! The rules one by one, then over random groups and failures. Time is a number here: nothing sleeps.

mod health;
mod hedge;
mod larger;
mod limits;
mod paused;
mod prefix;
mod probe;
mod recovery;
mod trace;

use llm_types::ErrorKind;
use proptest::prelude::*;
use rand::SeedableRng;

use super::again::RETRY_AFTER_LIMIT;
use super::*;
use crate::facts::{Allowance, Facts};
use crate::policy::{Backoff, RetryPolicy};
use crate::record::{Reason, Verdict};

const MS: Duration = Duration::from_millis(1);
const BASE: Duration = Duration::from_millis(100);

fn group(deployments: usize, retries: u32) -> Arc<Group<()>> {
    let policy = RetryPolicy {
        retries,
        backoff: Backoff { base: BASE, max: Duration::from_secs(1) },
        timeout: Duration::from_secs(30),
        first_token_timeout: Duration::from_secs(5),
        ..RetryPolicy::default()
    };
    let deployments = (1..=deployments)
        .map(|nth| Deployment::new(format!("smart/{nth}"), 0, ()).labelled(format!("openai/model-{nth}")));
    Arc::new(Group::new("smart", policy, deployments))
}

fn begin(group: &Arc<Group<()>>, now: Instant, deadline: Duration) -> Attempts<()> {
    let budget = Arc::new(RetryBudget::new(now));
    Attempts::new(Arc::clone(group), budget, now + deadline).with_rng(SmallRng::seed_from_u64(7))
}

fn failure(kind: ErrorKind) -> ApiError {
    ApiError::upstream(kind, "went wrong")
}

fn after(kind: ErrorKind, wait: Duration) -> ApiError {
    let mut error = failure(kind);
    error.retry_after = Some(wait);
    error
}

/// Plays a request in which each attempt fails as told; gives the deployments tried and why it ended.
/// What is left over at the end is answered.
fn play(attempts: &mut Attempts<()>, start: Instant, failures: &[ApiError]) -> (Vec<usize>, Option<End>) {
    let mut failures = failures.iter();
    let mut now = start;
    let mut step = attempts.next(now, None);
    let mut tried = Vec::new();
    loop {
        match step {
            Step::Try(index) => {
                tried.push(index);
                now += MS;
                let Some(error) = failures.next() else {
                    attempts.answered(now);
                    break;
                };
                step = attempts.next(now, Some(error));
            }
            Step::Wait(pause) => {
                now += pause;
                step = attempts.next(now, None);
            }
            Step::Fail => break,
        }
    }
    (tried, attempts.record().end)
}

#[test]
fn failures_decide_where_to_go() {
    use ErrorKind as K;
    let check = |deployments, retries, kinds: &[K], tried: &[usize], end| {
        let now = Instant::now();
        let mut attempts = begin(&group(deployments, retries), now, Duration::from_secs(60));
        let failures: Vec<_> = kinds.iter().copied().map(failure).collect();
        assert_eq!(
            play(&mut attempts, now, &failures),
            (tried.to_vec(), Some(end)),
            "{deployments} deployments, {retries} retries, {kinds:?}"
        );
    };
    check(1, 2, &[], &[0], End::Answered);
    check(3, 2, &[], &[0], End::Answered);
    // Moves on while somebody is untried.
    check(3, 2, &[K::Unavailable, K::RateLimit], &[0, 1, 2], End::Answered);
    check(3, 2, &[K::Auth, K::NotFound], &[0, 1, 2], End::Answered);
    check(3, 2, &[K::Unavailable; 3], &[0, 1, 2], End::RetriesSpent);
    // Retries bound the returns: nobody who is well and untried is left out for them, unless there are none at all.
    check(3, 1, &[K::Unavailable; 3], &[0, 1, 2], End::RetriesSpent);
    check(5, 2, &[K::Unavailable; 4], &[0, 1, 2, 3, 4], End::Answered);
    check(5, 2, &[K::Unavailable; 5], &[0, 1, 2, 3, 4], End::RetriesSpent);
    check(40, 2, &[K::Unavailable; 40], &Vec::from_iter(0..17), End::RetriesSpent);
    check(3, 0, &[K::Unavailable; 3], &[0], End::RetriesSpent);
    // Returns when nobody is.
    check(1, 2, &[K::Unavailable; 2], &[0, 0, 0], End::Answered);
    check(1, 2, &[K::Unavailable; 3], &[0, 0, 0], End::RetriesSpent);
    check(2, 3, &[K::Timeout, K::Internal], &[0, 1, 0], End::Answered);
    check(3, 5, &[K::Timeout, K::Internal, K::Internal, K::Timeout], &[0, 1, 2, 0, 1], End::Answered);
    // But not to one that would fail again.
    check(1, 2, &[K::Auth], &[0], End::NobodyLeft);
    check(2, 5, &[K::Auth, K::Unavailable, K::Unavailable], &[0, 1, 1, 1], End::Answered);
    check(2, 5, &[K::Unavailable, K::Quota], &[0, 1, 0], End::Answered);
    check(2, 5, &[K::Permission, K::Payment], &[0, 1], End::NobodyLeft);
    // The request's own fault ends it.
    check(3, 2, &[K::BadRequest], &[0], End::NotRetryable);
    check(3, 2, &[K::Unavailable, K::ContextWindow], &[0, 1], End::NotRetryable);
    check(3, 2, &[K::ContentPolicy], &[0], End::NotRetryable);
    check(3, 2, &[K::ClientCancelled], &[0], End::NotRetryable);
}

#[test]
fn the_provider_may_say_whether_to_return() {
    let check = |deployments, kind, should_retry, tried: &[usize], end| {
        let now = Instant::now();
        let mut attempts = begin(&group(deployments, 2), now, Duration::from_secs(60));
        let mut error = failure(kind);
        error.should_retry = should_retry;
        let got = play(&mut attempts, now, &[error]);
        assert_eq!(got, (tried.to_vec(), Some(end)), "{deployments} {kind:?} {should_retry:?}");
    };
    check(1, ErrorKind::Unavailable, Some(false), &[0], End::NobodyLeft);
    check(2, ErrorKind::Unavailable, Some(false), &[0, 1], End::Answered);
    check(1, ErrorKind::BadRequest, Some(true), &[0, 0], End::Answered);
    check(2, ErrorKind::BadRequest, Some(false), &[0], End::NotRetryable);
    check(1, ErrorKind::Auth, Some(true), &[0, 0], End::Answered);
}

#[test]
fn pauses_follow_the_provider_up_to_a_minute() {
    let check = |retry_after: Option<u64>, shortest: u64, longest: u64| {
        let expect = Duration::from_millis(shortest)..=Duration::from_millis(longest);
        let now = Instant::now();
        let mut attempts = begin(&group(1, 2), now, Duration::from_secs(600));
        let mut error = failure(ErrorKind::RateLimit);
        error.retry_after = retry_after.map(Duration::from_millis);
        assert_eq!(attempts.next(now, None), Step::Try(0));
        let Step::Wait(pause) = attempts.next(now, Some(&error)) else {
            panic!("no pause after {retry_after:?}");
        };
        assert!(expect.contains(&pause), "{retry_after:?}: {pause:?}");
        assert_eq!(attempts.next(now + pause / 2, None), Step::Wait(pause - pause / 2), "too early");
        assert_eq!(attempts.next(now + pause, None), Step::Try(0));
        assert_eq!(attempts.record().attempts[1].waited, pause);
    };
    check(Some(1500), 1500, 1500);
    check(Some(60_000), 60_000, 60_000);
    check(Some(60_001), 0, 100);
    check(Some(0), 0, 100);
    check(None, 0, 100);
}

#[test]
fn the_one_that_is_ready_first_is_asked_first() {
    let now = Instant::now();
    let mut attempts = begin(&group(2, 5), now, Duration::from_secs(600));
    let after = |seconds| {
        let mut error = failure(ErrorKind::RateLimit);
        error.retry_after = Some(Duration::from_secs(seconds));
        error
    };
    assert_eq!(attempts.next(now, None), Step::Try(0));
    assert_eq!(attempts.next(now, Some(&after(30))), Step::Try(1));
    assert_eq!(attempts.next(now, Some(&after(2))), Step::Wait(Duration::from_secs(2)));
    let now = now + Duration::from_secs(2);
    assert_eq!(attempts.next(now, None), Step::Try(1));
    let now = now + Duration::from_secs(29);
    assert_eq!(attempts.next(now, Some(&after(50))), Step::Try(0), "its wait is over");
    let now = now + Duration::from_secs(50);
    assert_eq!(attempts.next(now, Some(&after(1))), Step::Try(1), "so is the other's");
}

#[test]
fn nothing_happens_past_the_deadline() {
    let second = Duration::from_secs(1);
    let now = Instant::now();
    let mut late = begin(&group(1, 2), now, second);
    assert_eq!(late.next(now + second, None), Step::Fail);
    assert_eq!(late.record().end, Some(End::Deadline));

    let mut slow = begin(&group(3, 2), now, second);
    assert_eq!(slow.next(now, None), Step::Try(0));
    assert_eq!(slow.next(now + second, Some(&failure(ErrorKind::Timeout))), Step::Fail);
    assert_eq!(slow.record().end, Some(End::Deadline));

    let mut asked = begin(&group(1, 2), now, second);
    let mut error = failure(ErrorKind::RateLimit);
    error.retry_after = Some(second);
    assert_eq!(asked.next(now, None), Step::Try(0));
    assert_eq!(asked.next(now, Some(&error)), Step::Fail, "the wait would end at the deadline");
    assert_eq!(asked.record().end, Some(End::Deadline));
}

#[test]
fn the_retry_budget_is_for_returning_not_for_moving_on() {
    let now = Instant::now();
    let budget = Arc::new(RetryBudget::new(now));
    while budget.withdraw(now) {}
    let mut attempts = Attempts::new(group(2, 5), budget, now + Duration::from_secs(60));
    let got = play(&mut attempts, now, &[failure(ErrorKind::Unavailable), failure(ErrorKind::Unavailable)]);
    assert_eq!(got, (vec![0, 1], Some(End::BudgetSpent)));
}

#[test]
fn what_we_would_not_send_to_one_is_for_the_others() {
    // The second would be asked again if a provider said it.
    for kind in [ErrorKind::UnsupportedParam, ErrorKind::Unavailable] {
        for_the_others(kind);
    }
}

fn for_the_others(kind: ErrorKind) {
    let now = Instant::now();
    let mut refused = ApiError::new(kind, "cannot be said there");
    refused.retry_after = Some(Duration::from_secs(1));
    refused.should_retry = Some(true);
    let allowance = Allowance { rpm: Some(1), ..Allowance::default() };
    let facts = Facts { allowance, ..Facts::default() };
    let policy = RetryPolicy { retries: 0, ..RetryPolicy::default() };
    let deployments = (0..4).map(|nth| Deployment::new(format!("d{nth}"), 0, ()).with_facts(facts.clone()));
    let group = Arc::new(Group::new("g", policy, deployments));
    let mut attempts = begin(&group, now, Duration::from_secs(60));
    let (tried, end) = play(&mut attempts, now, &vec![refused.clone(); 3]);
    assert_eq!((tried.len(), end), (4, Some(End::Answered)), "a refusal of ours is no retry");
    let load = |index: usize| group.seats()[index].stats.load(now).requests;
    let (last, before) = tried.split_last().unwrap();
    assert_eq!((load(*last), before.iter().map(|index| load(*index)).sum::<u64>()), (1, 0), "never sent");
    let mut attempts = begin(&group, now + Duration::from_secs(120), Duration::from_secs(60));
    let (tried, end) = play(&mut attempts, now + Duration::from_secs(120), &vec![refused; 9]);
    assert_eq!((tried.len(), end), (4, Some(End::NobodyLeft)), "each once");
    assert_eq!(attempts.failure().message, "cannot be said there");
}

#[test]
fn what_is_passed_over_is_not_asked() {
    let now = Instant::now();
    let mut attempts = begin(&group(3, 5), now, Duration::from_secs(60));
    attempts.pass_over(|deployment| (&*deployment.id != "smart/2").then_some("cannot embed"));
    let got = play(&mut attempts, now, &[failure(ErrorKind::NotFound)]);
    assert_eq!(got, (vec![1], Some(End::NobodyLeft)));
    let passed = Verdict::PassedOver(Reason::Caller("cannot embed"));
    assert_eq!(attempts.verdicts(now), [passed, Verdict::Tried, passed]);
}

#[test]
fn a_body_that_cannot_be_sent_twice_gets_one_attempt() {
    let now = Instant::now();
    let mut attempts = begin(&group(3, 5), now, Duration::from_secs(60)).at_most(0);
    let got = play(&mut attempts, now, &[failure(ErrorKind::Unavailable)]);
    assert_eq!(got, (vec![0], Some(End::RetriesSpent)));
}

#[test]
fn an_attempt_without_an_end_is_not_repeated() {
    let now = Instant::now();
    let mut attempts = begin(&group(3, 5), now, Duration::from_secs(60));
    assert_eq!(attempts.next(now, None), Step::Try(0));
    assert_eq!(attempts.next(now, None), Step::Fail);
    assert_eq!(attempts.next(now, Some(&failure(ErrorKind::Unavailable))), Step::Fail);
    assert_eq!(attempts.record().end, Some(End::Abandoned));
}

#[test]
fn the_failure_names_every_attempt() {
    let now = Instant::now();
    let check = |deployments, failures: &[ApiError], expect: &str| {
        let mut attempts = begin(&group(deployments, 2), now, Duration::from_secs(60));
        attempts.pass_over(|_| failures.is_empty().then_some("cannot embed"));
        play(&mut attempts, now, failures);
        assert_eq!(attempts.failure().to_string(), expect);
    };
    let mut limited = failure(ErrorKind::RateLimit);
    limited.provider = Some("openai".to_owned());
    check(1, &[failure(ErrorKind::BadRequest)], "went wrong");
    check(
        3,
        &[failure(ErrorKind::Unavailable), ApiError::upstream(ErrorKind::Connection, "refused"), limited],
        "all 3 attempts failed: openai/model-1 (smart/1): 503 service_unavailable: went wrong; \
         openai/model-2 (smart/2): 502 upstream_unreachable: refused; \
         openai/model-3 (smart/3): 429 rate_limit_exceeded: went wrong",
    );
    check(
        2,
        &[],
        "no deployment of `smart` can take this request: openai/model-1 (smart/1): cannot embed; \
         openai/model-2 (smart/2): cannot embed",
    );
}

#[test]
fn the_record_tells_times() {
    let start = Instant::now();
    let mut attempts = begin(&group(2, 2), start, Duration::from_secs(60));
    attempts.next(start, None);
    attempts.next(start + 3 * MS, Some(&failure(ErrorKind::Internal)));
    attempts.answered(start + 10 * MS);
    let record = attempts.take_record();
    let times: Vec<_> =
        record.attempts.iter().map(|attempt| (attempt.started - start, attempt.took)).collect();
    assert_eq!(times, [(Duration::ZERO, Some(3 * MS)), (3 * MS, Some(7 * MS))]);
    assert_eq!((record.retries(), record.end), (1, Some(End::Answered)));
    assert!(!record.attempts.spilled());
}

fn any_failure() -> impl Strategy<Value = Option<ApiError>> {
    use ErrorKind as K;
    let kinds = [K::Unavailable, K::RateLimit, K::Timeout, K::Auth, K::NotFound, K::BadRequest, K::Quota];
    let fault =
        (prop::sample::select(kinds.to_vec()), prop::option::of(0_u64..90_000), any::<Option<bool>>());
    prop::option::weighted(
        0.9,
        fault.prop_map(|(kind, retry_after, should_retry)| {
            let mut error = failure(kind);
            error.retry_after = retry_after.map(Duration::from_millis);
            error.should_retry = should_retry;
            error
        }),
    )
}

proptest! {
    #[test]
    fn every_request_keeps_the_rules(
        weights in prop::collection::vec(0_u32..5, 1..6),
        retries in 0_u32..8,
        deadline in 0_u64..200_000,
        plays in prop::collection::vec((any_failure(), 0_u64..20_000), 12),
        seed in any::<u64>(),
    ) {
        let count = weights.len();
        let policy = RetryPolicy { retries, ..RetryPolicy::default() };
        let deployments = weights
            .iter()
            .enumerate()
            .map(|(index, weight)| Deployment::new(format!("d{index}"), 0, ()).weighing(*weight));
        let group = Arc::new(Group::new("g", policy, deployments));
        let start = Instant::now();
        let end = start + Duration::from_millis(deadline);
        let budget = Arc::new(RetryBudget::new(start));
        let mut attempts = Attempts::new(group, budget, end).with_rng(SmallRng::seed_from_u64(seed));

        let mut now = start;
        let mut tried: Vec<usize> = Vec::new();
        let mut plays = plays.into_iter();
        let mut step = attempts.next(now, None);
        loop {
            match step {
                Step::Try(index) => {
                    prop_assert!(now < end, "an attempt past the deadline");
                    let returns = tried.contains(&index);
                    prop_assert!(tried.len() <= retries as usize || (!returns && retries > 0), "too many attempts");
                    if returns {
                        prop_assert!((0..count).all(|other| tried.contains(&other)), "returned too early");
                    }
                    tried.push(index);
                    // Running out of plays would mean more attempts than retries allow.
                    let (error, took) = plays.next().unwrap();
                    now += Duration::from_millis(took);
                    let Some(error) = error else {
                        attempts.answered(now);
                        break;
                    };
                    step = attempts.next(now, Some(&error));
                }
                Step::Wait(pause) => {
                    prop_assert!(!pause.is_zero() && pause <= RETRY_AFTER_LIMIT);
                    prop_assert!(now + pause < end, "a wait past the deadline");
                    now += pause;
                    step = attempts.next(now, None);
                    prop_assert!(matches!(step, Step::Try(_)), "a wait must lead to an attempt");
                }
                Step::Fail => break,
            }
        }
        let record = attempts.record();
        prop_assert!(record.end.is_some());
        prop_assert_eq!(record.attempts.len(), tried.len());
    }
}
