//! Pauses that providers ask for, in groups of several: nobody is worse off than behind one deployment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use llm_testkit::{Received, Script, Upstream};
use tokio::task::JoinSet;

use crate::harness::{Gateway, answer, chat, failing, model, openai, well};

/// Requests that an upstream takes in a second.
const RATE: u32 = 5;
/// How long requests come.
const TIME: Duration = Duration::from_secs(6);
/// How long an answer takes.
const ANSWER: Duration = Duration::from_secs(3);

fn limited() -> Script {
    failing(429, "rate_limit_exceeded").header("retry-after", "1")
}

fn upstream(script: impl Fn(&Received) -> Script + Send + Sync + 'static) -> Upstream {
    let upstream = Upstream::start().unwrap();
    upstream.on("/v1/chat/completions", script);
    upstream
}

/// An upstream with a limit a second, that says when to come back.
fn with_a_limit() -> Upstream {
    let second = Mutex::new((Instant::now(), 0));
    upstream(move |request| {
        let mut second = second.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, count) = &mut *second;
        if began.elapsed() >= Duration::from_secs(1) {
            (*began, *count) = (Instant::now(), 0);
        }
        *count += 1;
        if *count > RATE { limited() } else { answer(request).delay_head(ANSWER) }
    })
}

/// An upstream that sends everybody away for the first second.
fn limited_at_first() -> Upstream {
    let first = Mutex::new(None);
    upstream(move |request| {
        let began = *first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        let is_early = began.elapsed() < Duration::from_millis(900);
        if is_early { limited() } else { answer(request).delay_head(Duration::from_millis(300)) }
    })
}

fn gateway(upstreams: &[Upstream]) -> Arc<Gateway> {
    let deployments: Vec<_> = upstreams.iter().map(openai).collect();
    Arc::new(Gateway::start(&model("smart", &deployments)))
}

/// The statuses of so many requests, each so long after the one before.
async fn ask(gateway: &Arc<Gateway>, count: u32, gap: Duration) -> Vec<u16> {
    let mut asked = JoinSet::new();
    for nth in 0..count {
        let gateway = Arc::clone(gateway);
        asked.spawn(async move {
            tokio::time::sleep(gap * nth).await;
            gateway.chat(&chat("smart")).await.status
        });
    }
    asked.join_all().await
}

/// How many requests so many deployments answer, of a fifth more than they could.
async fn answered_by(count: u32) -> usize {
    let upstreams: Vec<_> = (0..count).map(|_| with_a_limit()).collect();
    let rate = (RATE + 1) * count;
    let offered = rate * u32::try_from(TIME.as_secs()).unwrap();
    let statuses = ask(&gateway(&upstreams), offered, Duration::from_secs(1) / rate).await;
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 200).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_limited_deployments_answer_no_fewer_than_one() {
    let (one, two) = tokio::join!(answered_by(1), answered_by(2));
    eprintln!("one deployment answered {one}, two answered {two}");
    assert!(one >= 15 && two >= one, "one deployment answered {one}, two answered {two}");
}

#[tokio::test]
async fn whoever_waited_for_the_pause_of_all_is_answered() {
    for count in [3, 5] {
        let upstreams = [limited_at_first(), limited_at_first()];
        let statuses = ask(&gateway(&upstreams), count, Duration::ZERO).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
}

#[tokio::test]
async fn answers_that_say_their_limit_is_used_up_shut_nobody_out() {
    let used_up = || {
        upstream(|request| {
            let answer = answer(request).header("x-ratelimit-limit-requests", "60");
            answer.header("x-ratelimit-remaining-requests", "0").header("x-ratelimit-reset-requests", "59s")
        })
    };
    let (upstreams, free) = ([used_up(), used_up()], well());
    let all = gateway(&upstreams);
    assert_eq!(ask(&all, 12, Duration::from_millis(20)).await, [200; 12]);
    assert!(upstreams.iter().all(|upstream| upstream.requests().len() > 2), "both are asked");
    // Somebody else goes first.
    let [one, two] = upstreams.each_ref().map(openai);
    let mixed = Gateway::start(&model("smart", &[one, two, openai(&free)]));
    for _ in 0..10 {
        mixed.chat(&chat("smart")).await.served();
    }
    assert!(free.requests().len() >= 8, "{}", free.requests().len());
}
