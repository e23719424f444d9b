//! Faults of every kind under load: what clients get, and what upstreams see of it.
//!
//! Three upstreams fail by a timetable while 200 clients ask without a pause. Nothing is asserted about which
//! deployment answers; only what must be true whatever happens, and that who is well again is asked again as soon as
//! the cooldown is over that the gateway states.

mod client;
mod fault;
mod judge;
mod storm;

use std::time::{Duration, Instant};

use llm_testkit::Redis;

use fault::Fault;
use storm::{Change, Storm};

use crate::harness::PATIENCE;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// At every moment one of the three has been well for longer than a cooldown (`judge::somebody_is_well`), and each is well
/// for long enough after each fault that its recovery can be seen. Hanging lasts for longer than anybody waits, and ends when
/// few have just waited for that long: they would be late after it is over.
const TROUBLE: [Change; 8] = [
    Change { upstream: 0, from: s(1), to: s(5), fault: Fault::RateLimited },
    Change { upstream: 2, from: s(1), to: s(3), fault: Fault::ResetEarly },
    Change { upstream: 1, from: s(5), to: s(8), fault: Fault::Broken },
    Change { upstream: 0, from: s(9), to: ms(17_500), fault: Fault::Hang },
    Change { upstream: 1, from: s(12), to: s(15), fault: Fault::Garbage },
    Change { upstream: 1, from: s(19), to: s(22), fault: Fault::ResetLate },
    Change { upstream: 0, from: s(22), to: s(25), fault: Fault::Slow },
    Change { upstream: 2, from: s(24), to: s(26), fault: Fault::Broken },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_answered_whatever_the_upstreams_do() {
    let storm = Storm::begin("");
    let (aftermath, ()) = storm.rage(&TROUBLE, s(30), async {}).await;
    judge::somebody_is_well(&TROUBLE, s(30));
    judge::answers(&aftermath, &storm.upstreams);
    judge::recoveries(&TROUBLE, &aftermath, &storm.upstreams);
    storm.gateway.assert_alive().await;
}

/// All at once, as limits of one account may be.
const LIMITED: [Change; 3] = [
    Change { upstream: 0, from: s(2), to: s(4), fault: Fault::RateLimited },
    Change { upstream: 1, from: s(2), to: s(4), fault: Fault::RateLimited },
    Change { upstream: 2, from: s(2), to: s(4), fault: Fault::RateLimited },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_were_limited_at_once_all_come_back_with_their_pauses() {
    let storm = Storm::begin("");
    let (aftermath, ()) = storm.rage(&LIMITED, s(10), async {}).await;
    judge::answers_but(&aftermath, &storm.upstreams, s(2)..s(4));
    judge::all_are_back(&aftermath, &storm.upstreams);
    storm.gateway.assert_alive().await;
}

/// How long a command of Redis may take.
const COMMAND: Duration = Duration::from_millis(500);

/// Every fault but the one that must reach a client: a stream that is cut after content. Nobody hangs while Redis is away, so
/// that how long requests take then says how long they waited for it.
const LIGHT: [Change; 6] = [
    Change { upstream: 0, from: s(1), to: s(3), fault: Fault::RateLimited },
    Change { upstream: 1, from: s(3), to: s(5), fault: Fault::ResetEarly },
    Change { upstream: 2, from: s(5), to: s(8), fault: Fault::Slow },
    Change { upstream: 0, from: s(7), to: s(9), fault: Fault::Garbage },
    Change { upstream: 1, from: s(11), to: ms(19_500), fault: Fault::Hang },
    Change { upstream: 0, from: s(14), to: s(17), fault: Fault::Broken },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_redis_comes_and_goes() {
    let mut redis = Redis::start().unwrap();
    // Every request asks Redis for its place in a limit that nobody reaches. Without the deadline a request would wait
    // for as long as Redis is frozen, or until the connection is given up, after ten times as long.
    let storm = Storm::begin(&format!(
        "[redis]\nurl = \"{}\"\ntimeout = \"{}ms\"\n[[limits]]\nscope = \"global\"\nrpm = 100000000\n",
        redis.url(),
        COMMAND.as_millis()
    ));
    storm.gateway.wait_log("Redis is there");
    storm.gateway.wait_log("limits are shared over Redis");
    let trouble = async {
        tokio::time::sleep(s(2)).await;
        redis.freeze().unwrap();
        tokio::time::sleep(s(6)).await;
        redis.kill().unwrap();
        tokio::time::sleep(s(2)).await;
        redis.restart().unwrap();
        redis.subscribe("gateway:cooldowns:v1").unwrap()
    };
    let (aftermath, mut told) = storm.rage(&LIGHT, s(24), trouble).await;
    judge::somebody_is_well(&LIGHT, s(24));
    judge::answers(&aftermath, &storm.upstreams);
    judge::recoveries(&LIGHT, &aftermath, &storm.upstreams);
    judge::no_waiting(&aftermath, &LIGHT, s(2)..s(10), COMMAND);
    assert!(aftermath.answered.iter().all(|result| result.answer.is_whole()));
    storm.gateway.wait_log("Redis is away");
    let until = Instant::now() + PATIENCE;
    while storm.gateway.logs().matches("Redis is there").count() < 2 {
        assert!(Instant::now() < until, "Redis is back, and nobody sees it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What is found out after its return is told; in the storm, or now.
    let told = tokio::task::spawn_blocking(move || told.message());
    for nth in 0.. {
        if told.is_finished() {
            break;
        }
        let [moody, ..] = &storm.upstreams;
        if nth % 4 == 0 {
            moody.falls_ill(Fault::RateLimited)
        } else {
            moody.recovers()
        }
        client::ask(&storm.gateway, "smart", format!("after-{nth}"), false).await;
    }
    let message = told.await.unwrap().unwrap();
    assert!(message.contains("\"id\":\"smart/"), "{message}");
}
