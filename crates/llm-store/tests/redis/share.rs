//! What one gateway finds out, the others know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_router::{Cooldown, CooldownPolicy, Deployment, Group, RetryPolicy, Router, Step};
use llm_store::RedisOptions;
use llm_testkit::Redis;
use llm_types::{ApiError, ErrorKind};

use crate::harness::{SECOND, Side, patient};

#[tokio::test]
async fn two_gateways_share_cooldowns_and_recoveries() {
    let redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let (mut one, mut two) = (Side::connected(&options).await, Side::connected(&options).await);
    let told = Instant::now();
    one.tell("smart/1", 60 * SECOND);
    let left = two.hears("smart/1").await;
    // By the channel, not by the next reading of the record.
    assert!(told.elapsed() < 9 * SECOND, "{:?}", told.elapsed());
    assert!(left <= 60 * SECOND && left > 30 * SECOND, "{left:?}");
    two.tell("smart/1", Duration::ZERO);
    assert_eq!(one.hears("smart/1").await, Duration::ZERO);
    // Nobody hears himself.
    two.hears_nothing();
    one.hears_nothing();
    // Who hears may do so before the teller has its answer.
    one.wait(|status| status.sent >= 1).await;
    two.wait(|status| status.sent >= 1).await;
    assert_eq!((one.store.status().sent, two.store.status().sent), (1, 1));
    assert_eq!((one.store.status().dropped, one.store.status().ignored), (0, 0));
}

#[tokio::test]
async fn who_comes_later_reads_what_holds() {
    let redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let one = Side::connected(&options).await;
    one.tell("smart/1", 60 * SECOND);
    one.tell("smart/2", 50 * SECOND);
    one.tell("smart/3", 70 * SECOND);
    one.tell("over", Duration::from_millis(1));
    // A shorter one does not end a longer one.
    let two = Side::connected(&options).await;
    two.tell("smart/3", 5 * SECOND);
    two.tell("smart/2", Duration::ZERO);
    one.wait(|status| status.sent >= 3 && status.heard >= 2).await;
    let mut late = Side::connected(&options).await;
    let mut found = [late.next().await, late.next().await];
    found.sort();
    let ids = found.clone().map(|(id, ..)| id);
    assert_eq!(ids, ["smart/1", "smart/3"]);
    let [(_, fingerprint, first, trips), (_, _, third, _)] = found;
    assert_eq!((fingerprint, trips), (7, 2));
    assert!(first <= 60 * SECOND && first > 30 * SECOND, "{first:?}");
    assert!(third <= 70 * SECOND && third > 40 * SECOND, "{third:?}");
    late.hears_nothing();
    // The record goes away by itself.
    let expires = redis.command(&[b"PTTL", b"gateway:cooldowns:v1"]).unwrap();
    let expires: u64 = expires.trim_start_matches(':').parse().unwrap();
    assert!((1..=70_000).contains(&expires), "{expires}");
}

#[tokio::test]
async fn installations_with_two_prefixes_do_not_meet() {
    let redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let other = RedisOptions { prefix: "other:".to_owned(), ..options.clone() };
    let (one, mut two) = (Side::connected(&options).await, Side::connected(&other).await);
    let mut three = Side::connected(&options).await;
    one.tell("smart/1", 60 * SECOND);
    three.hears("smart/1").await;
    two.hears_nothing();
}

#[tokio::test]
async fn what_waits_is_told_before_the_end() {
    let redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let (one, mut two) = (Side::connected(&options).await, Side::connected(&options).await);
    one.tell("smart/1", 60 * SECOND);
    one.store.close();
    one.task.await.unwrap();
    two.hears("smart/1").await;
    // Dropping the store ends the task as well.
    let Side { store, task, .. } = two;
    drop(store);
    task.await.unwrap();
}

fn router(store: &Side) -> Router<()> {
    let deployments = (1..=2).map(|nth| Deployment::new(format!("smart/{nth}"), 7, ()));
    let group = Group::new("smart", RetryPolicy::default(), deployments)
        .with_cooldown(CooldownPolicy { failures: 1, ..CooldownPolicy::default() });
    Router::builder().group(group).cooldown_store(Arc::clone(&store.store) as _).build().unwrap()
}

#[tokio::test]
async fn a_router_passes_over_what_another_one_found_unwell() {
    let redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let (one, mut two) = (Side::connected(&options).await, Side::connected(&options).await);
    let (here, there) = (router(&one), router(&two));
    let now = Instant::now();
    let deadline = now + 60 * SECOND;
    let mut plan = here.plan(here.find("smart").unwrap(), now, deadline);
    assert_eq!(plan.next(now, None), Step::Try(0));
    assert_eq!(plan.next(now, Some(&ApiError::upstream(ErrorKind::RateLimit, "slow down"))), Step::Try(1));
    let (id, fingerprint, left, trips) = two.next().await;
    let now = Instant::now();
    there.learn(&Cooldown { group: "smart", id: &id, fingerprint, left, trips }, now);
    for _ in 0..3 {
        let mut plan = there.plan(there.find("smart").unwrap(), now, deadline);
        assert_eq!(plan.next(now, None), Step::Try(1), "the first is cooling down: {id} {left:?}");
    }
}
