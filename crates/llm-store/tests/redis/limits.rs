//! Limits that several gateways count together: what they let in, what comes back, and what becomes of it when a
//! gateway dies or a server is away, slow or forgets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use llm_governance::limit::{LimitAsk, LimitDecision, LimitKind};
use llm_governance::{LimitStore, Limits};
use llm_store::{LimitsStatus, RedisLimits, RedisOptions};
use llm_testkit::Redis;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::harness::{PATIENCE, SECOND, patient};

/// One gateway's half, with its task.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) store: Arc<RedisLimits>,
    task: JoinHandle<()>,
    next: AtomicU64,
}

impl Gate {
    fn new(options: &RedisOptions) -> Self {
        let (store, worker) = RedisLimits::new(options).unwrap();
        Self { store, task: tokio::spawn(worker.run()), next: AtomicU64::new(1) }
    }

    pub(crate) async fn connected(options: &RedisOptions) -> Self {
        let gate = Self::new(options);
        gate.wait(|status| status.connected).await;
        gate
    }

    pub(crate) async fn wait(&self, wanted: impl Fn(&LimitsStatus) -> bool) -> LimitsStatus {
        let reached = async {
            loop {
                let status = self.store.status();
                if wanted(&status) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{:?}", self.store.status()))
    }

    /// The request that was let in, or why it was not.
    async fn take(&self, asks: &[LimitAsk], tokens: u64) -> Result<u64, Option<(LimitKind, Duration)>> {
        let request = self.next.fetch_add(1, Ordering::Relaxed);
        match self.store.take(request, asks, tokens).await {
            Ok(LimitDecision::Taken(_)) => Ok(request),
            Ok(LimitDecision::Refused { kind, wait, .. }) => Err(Some((kind, wait))),
            Err(_) => Err(None),
        }
    }

    /// Waits until there is a place.
    pub(crate) async fn takes(&self, asks: &[LimitAsk], tokens: u64) -> u64 {
        let taking = async {
            loop {
                if let Ok(request) = self.take(asks, tokens).await {
                    return request;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, taking).await.unwrap_or_else(|_| panic!("no place: {:?}", self.store.status()))
    }

    /// Asserts that all places among those under way are taken.
    async fn is_full(&self, asks: &[LimitAsk]) {
        let refused = self.take(asks, 0).await.unwrap_err();
        assert_eq!(refused, Some((LimitKind::Parallel, SECOND)));
    }
}

pub(crate) fn ask(scope: &str, rpm: Option<u64>, tpm: Option<u64>, parallel: Option<u32>) -> [LimitAsk; 1] {
    [LimitAsk { scope: scope.parse().unwrap(), model: None, limits: Limits { rpm, tpm, parallel } }]
}

#[tokio::test]
async fn two_gateways_let_in_as_many_as_one() {
    let redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let gates = [Gate::connected(&options).await, Gate::connected(&options).await];
    // So few a minute that none flows off meanwhile.
    let asks =
        [ask("team:a", Some(2), None, None), ask("user:b", Some(1_000), Some(1_000_000), None)].concat();
    let mut came = 0;
    for nth in 0..10 {
        came += usize::from(gates[nth % 2].take(&asks, 10).await.is_ok());
    }
    assert_eq!(came, 2);
    let Err(Some((kind, wait))) = gates[0].take(&asks, 10).await else { panic!("it is let in") };
    assert!(kind == LimitKind::Requests && wait <= 30 * SECOND && wait > SECOND, "{wait:?}");
    // What is left is what both have left: nobody who was refused was counted anywhere.
    let LimitDecision::Taken(left) = gates[1].store.take(99, &asks[1..], 10).await.unwrap() else {
        panic!("it is refused")
    };
    assert_eq!((left.requests.limit, left.requests.left), (Some(1_000), Some(997)));
    assert!(left.tokens.left.unwrap() >= 1_000_000 - 30, "{left:?}");
    // The same model of the same owner is counted beside the owner.
    let mut of_model = ask("team:a", Some(1), None, None);
    of_model[0].model = Some("smart".into());
    assert!(gates[0].take(&of_model, 0).await.is_ok());
    assert!(gates[1].take(&of_model, 0).await.is_err());
}

#[tokio::test]
async fn tokens_are_corrected_for_all() {
    let redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let (one, two) = (Gate::connected(&options).await, Gate::connected(&options).await);
    // 60 a minute: one a second.
    let asks = ask("team:a", None, Some(600), None);
    let request = one.take(&asks, 600).await.unwrap();
    assert!(matches!(two.take(&asks, 300).await, Err(Some((LimitKind::Tokens, _)))));
    one.store.end(request, &asks, 600, Some(100));
    let began = Instant::now();
    two.takes(&asks, 500).await;
    assert!(began.elapsed() < 25 * SECOND, "it did not flow off: {:?}", began.elapsed());
    // More than was reserved is a debt.
    let request = one.takes(&asks, 0).await;
    one.store.end(request, &asks, 0, Some(60_000));
    let refused = async {
        while !matches!(two.take(&asks, 1).await, Err(Some((LimitKind::Tokens, wait))) if wait > 3_600 * SECOND)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, refused).await.expect("the debt is known in time");
}

#[tokio::test]
async fn whoever_asks_again_finds_what_it_gave_back() {
    let redis = Redis::start().unwrap();
    let gate = Gate::connected(&patient(redis.url())).await;
    let asks = ask("team:a", None, None, Some(1));
    for nth in 0..300 {
        let request = gate.take(&asks, 0).await.unwrap_or_else(|why| panic!("{nth}: {why:?}"));
        gate.is_full(&asks).await;
        gate.store.end(request, &asks, 0, Some(0));
    }
}

#[tokio::test]
async fn a_gateway_that_dies_gives_its_places_back() {
    let redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let (one, two) = (Gate::connected(&options).await, Gate::connected(&options).await);
    let asks = ask("team:a", None, None, Some(2));
    one.take(&asks, 0).await.unwrap();
    one.take(&asks, 0).await.unwrap();
    two.is_full(&asks).await;
    one.task.abort();
    two.is_full(&asks).await;
    two.takes(&asks, 0).await;
    two.takes(&asks, 0).await;
    two.is_full(&asks).await;
    // One that stops in order does not make others wait.
    let three = Gate::connected(&options).await;
    let mine = ask("team:b", None, None, Some(1));
    let request = three.take(&mine, 0).await.unwrap();
    two.is_full(&mine).await;
    three.store.close();
    // Its last request is waited for.
    assert!(!three.task.is_finished());
    three.store.end(request, &mine, 0, Some(0));
    timeout(PATIENCE, three.task).await.expect("it ends in time").unwrap();
    assert!(two.take(&mine, 0).await.is_ok());
}

#[tokio::test]
async fn places_outlive_a_connection() {
    let mut redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let (one, two) = (Gate::connected(&options).await, Gate::connected(&options).await);
    let asks = ask("team:a", None, None, Some(2));
    let requests = [one.take(&asks, 0).await.unwrap(), one.take(&asks, 0).await.unwrap()];
    redis.kill().unwrap();
    for gate in [&one, &two] {
        gate.wait(|status| !status.connected).await;
    }
    // Given back while nobody is there to be told.
    one.store.end(requests[0], &asks, 0, Some(0));
    redis.restart().unwrap();
    for gate in [&one, &two] {
        gate.wait(|status| status.connected).await;
    }
    let other = two.take(&asks, 0).await.unwrap();
    two.is_full(&asks).await;
    one.store.end(requests[1], &asks, 0, Some(0));
    two.takes(&asks, 0).await;
    two.is_full(&asks).await;
    two.store.end(other, &asks, 0, Some(0));
    assert_eq!(one.store.status().seats, 0);
}

#[tokio::test]
async fn a_server_that_forgets_is_told_again() {
    let redis = Redis::start().unwrap();
    let options = patient(redis.url());
    let (one, two) = (Gate::connected(&options).await, Gate::connected(&options).await);
    let asks = ask("team:a", None, None, Some(1));
    redis.command(&[b"SCRIPT", b"FLUSH"]).unwrap();
    let request = one.take(&asks, 0).await.expect("with the script's text");
    two.is_full(&asks).await;
    // Places are known again after a few seconds.
    redis.command(&[b"FLUSHALL"]).unwrap();
    let full = async {
        while let Ok(request) = two.take(&asks, 0).await {
            two.store.end(request, &asks, 0, Some(0));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, full).await.expect("its place is known again in time");
    one.store.end(request, &asks, 0, Some(0));
    two.takes(&asks, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_twice_for_a_server_that_hangs() {
    let redis = Redis::start().unwrap();
    let options = RedisOptions { timeout: Duration::from_millis(200), ..RedisOptions::new(redis.url()) };
    let one = Gate::connected(&options).await;
    let asks = ask("team:a", None, None, Some(1));
    redis.freeze().unwrap();
    assert_eq!(one.take(&asks, 0).await, Err(None));
    let began = Instant::now();
    for _ in 0..10_000 {
        assert_eq!(one.take(&asks, 0).await, Err(None));
    }
    // A single wait is a part of it, ten thousand of them are half an hour.
    assert!(began.elapsed() < 20 * SECOND, "{:?}", began.elapsed());
    assert!(!one.store.status().connected);
    redis.thaw().unwrap();
    one.wait(|status| status.connected).await;
    // What the server did when it went on, for a request that had not waited, is undone.
    one.takes(&asks, 0).await;
    one.is_full(&asks).await;
    assert!(one.store.status().late >= 1);
}

#[tokio::test]
async fn whoever_goes_away_while_asking_holds_nothing() {
    let redis = Redis::start().unwrap();
    let one = Gate::connected(&patient(redis.url())).await;
    let asks = ask("team:a", None, None, Some(1));
    for request in 1_000..1_020 {
        assert!(one.store.take(request, &asks, 0).now_or_never().is_none());
    }
    one.takes(&asks, 0).await;
    one.is_full(&asks).await;
    assert_eq!(one.store.status().seats, 1);
}

#[tokio::test]
async fn a_name_that_somebody_else_uses_harms_nobody_else() {
    let redis = Redis::start().unwrap();
    let one = Gate::connected(&patient(redis.url())).await;
    redis.command(&[b"SET", b"gateway:{limits}:v1:all:team:a", b"mine"]).unwrap();
    let (poisoned, sound) = (ask("team:a", Some(9), None, None), ask("team:b", Some(9), None, None));
    for _ in 0..3 {
        assert_eq!(one.take(&poisoned, 0).await, Err(None));
        assert!(one.take(&sound, 0).await.is_ok());
    }
    let status = one.store.status();
    assert!(status.connected && status.failures == 0, "{status:?}");
}

#[tokio::test]
async fn a_server_that_was_never_there_is_waited_for() {
    let mut redis = Redis::start().unwrap();
    redis.kill().unwrap();
    let one = Gate::new(&patient(redis.url()));
    let asks = ask("team:a", Some(9), None, None);
    assert_eq!(one.take(&asks, 0).await, Err(None));
    let status = one.wait(|status| status.failures >= 2).await;
    assert!(status.error.unwrap().contains("refused"));
    redis.restart().unwrap();
    one.takes(&asks, 0).await;
    // It can be ended while it waits, too.
    redis.kill().unwrap();
    one.wait(|status| !status.connected).await;
    let Gate { store, task, .. } = one;
    drop(store);
    timeout(PATIENCE, task).await.expect("it ends in time").unwrap();
}

#[tokio::test]
async fn a_request_within_another_leaves_what_that_is_counted_in() {
    let redis = Redis::start().unwrap();
    let one = Gate::connected(&patient(redis.url())).await;
    let session = ask("team:a", Some(9), None, Some(1));
    let held = one.takes(&session, 0).await;
    // Its parts are not among those under way; the first is not counted as a request either.
    let (first, other) = (ask("team:a", None, Some(100), None), ask("team:a", Some(9), Some(100), None));
    for asks in [&first, &other] {
        let part = one.takes(asks, 0).await;
        one.store.end(part, asks, 0, Some(7));
    }
    one.takes(&other, 0).await;
    let lasts = redis.command(&[b"PTTL", b"gateway:{limits}:v1:all:team:a"]).unwrap();
    let lasts: u64 = lasts.trim_start_matches(':').parse().unwrap();
    assert!(lasts > 3_600_000, "the session's place is forgotten in {lasts} ms");
    one.is_full(&session).await;
    one.store.end(held, &session, 0, Some(0));
    one.takes(&session, 0).await;
}
