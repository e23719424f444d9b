//! Redis dies, hangs and returns.

use std::time::{Duration, Instant};

use llm_store::RedisOptions;
use llm_testkit::Redis;

use crate::harness::{SECOND, Side, patient};

/// Tells many changes, and asserts that it takes next to no time.
fn tell_many(side: &Side) {
    let started = Instant::now();
    for nth in 0..10_000 {
        side.tell(&format!("smart/{}", nth % 2000), 60 * SECOND);
    }
    // A single wait for a deadline would be a part of it, ten thousand of them far more.
    assert!(started.elapsed() < 5 * SECOND, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telling_never_waits_whatever_the_server_does() {
    let mut redis = Redis::start().unwrap();
    let side = Side::connected(&RedisOptions::new(redis.url())).await;
    redis.freeze().unwrap();
    tell_many(&side);
    let status = side.wait(|status| !status.connected).await;
    assert!(status.error.as_deref().unwrap().contains("did not answer in time"), "{status:?}");
    redis.kill().unwrap();
    tell_many(&side);
    // More deployments than can wait, and nobody to tell.
    let status = side.wait(|status| status.dropped > 0).await;
    assert!(!status.connected && status.sent < 2000, "{status:?}");
}

#[tokio::test]
async fn what_was_found_out_meanwhile_is_told_on_return() {
    let mut redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let (mut one, mut two) = (Side::connected(&options).await, Side::connected(&options).await);
    one.tell("before", 300 * SECOND);
    let before = two.hears("before").await;
    redis.kill().unwrap();
    for side in [&one, &two] {
        side.wait(|status| !status.connected && status.failures >= 2).await;
    }
    one.tell("meanwhile", 300 * SECOND);
    one.tell("over", Duration::from_millis(1));
    redis.restart().unwrap();
    for side in [&one, &two] {
        side.wait(|status| status.connected).await;
    }
    // What holds is read again, from the record: each of the two is told once or twice, by it and by the channel.
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let (id, _, left, _) = two.next().await;
        assert!(id != "over" && left <= before, "{id} {left:?}");
        if !seen.contains(&id) {
            seen.push(id);
        }
    }
    seen.sort();
    assert_eq!(seen, ["before", "meanwhile"]);
    one.hears_nothing();
    // And all is as it was.
    one.tell("after", 10 * SECOND);
    while two.next().await.0 != "after" {}
}

#[tokio::test]
async fn a_server_that_hangs_is_left_and_found_again() {
    let redis = Redis::start().unwrap();
    let options = RedisOptions { timeout: Duration::from_millis(300), ..RedisOptions::new(redis.url()) };
    let (one, mut two) = (Side::connected(&options).await, Side::connected(&options).await);
    redis.freeze().unwrap();
    one.tell("smart/1", 300 * SECOND);
    let status = one.wait(|status| !status.connected).await;
    assert_eq!(status.sent, 0);
    redis.thaw().unwrap();
    let status = one.wait(|status| status.connected && status.sent > 0).await;
    assert!(status.failures >= 1 && status.dropped == 0, "{status:?}");
    two.hears("smart/1").await;
}

#[tokio::test]
async fn a_server_that_was_never_there_is_waited_for() {
    let mut redis = Redis::start().unwrap();
    redis.kill().unwrap();
    let side = Side::new(&patient(redis.url()));
    side.tell("smart/1", 300 * SECOND);
    let status = side.wait(|status| status.failures >= 2).await;
    assert!(!status.connected && status.error.as_deref().unwrap().contains("refused"), "{status:?}");
    redis.restart().unwrap();
    let status = side.wait(|status| status.connected).await;
    assert_eq!((status.sent, status.dropped), (1, 0));
    // It can be ended while it waits, too.
    redis.kill().unwrap();
    side.wait(|status| !status.connected).await;
    side.store.close();
    side.task.await.unwrap();
}
