//! Three upstreams, a gateway before them, 200 clients, a timetable of faults, and somebody who watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::{Answer, Answered, ask};
use super::fault::{Fault, Moody};
use crate::harness::{Gateway, Options, model_with, openai};

/// Clients that ask without a pause, so many requests are under way at any time.
const CLIENTS: usize = 200;
/// All attempts of a request together.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// The longest cooldown.
pub(crate) const COOLDOWN: Duration = Duration::from_secs(2);

/// One upstream is unwell for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) upstream: usize,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) fault: Fault,
}

/// The stage: a model with two deployments, and another model that it falls back to and that falls back to it.
#[derive(Debug)]
pub(crate) struct Storm {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) upstreams: [Moody; 3],
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Aftermath {
    pub(crate) start: Instant,
    /// How long clients asked.
    pub(crate) time: Duration,
    pub(crate) answered: Vec<Answered>,
    /// When each change of the timetable was over.
    pub(crate) over: Vec<Instant>,
    pub(crate) sightings: Vec<Sighting>,
}

/// What `GET /admin/v1/deployments` said.
#[derive(Debug)]
pub(crate) struct Sighting {
    pub(crate) asked: Instant,
    pub(crate) told: Instant,
    /// For how long each is to be left alone, by upstream; `None`: it is not.
    pub(crate) left: [Option<Duration>; 3],
}

/// The model that leads to each upstream.
pub(crate) const MODELS: [&str; 3] = ["smart", "smart", "spare"];
/// Before a client that got an error asks anew.
const AFTER_ERROR: Duration = Duration::from_millis(100);
/// How often somebody looks.
const LOOK: Duration = Duration::from_millis(25);

impl Storm {
    pub(crate) fn begin(config: &str) -> Self {
        let upstreams = ['A', 'B', 'C'].map(Moody::start);
        let [one, two, three] = upstreams.each_ref().map(|moody| openai(&moody.upstream));
        let smart = model_with("smart", "fallbacks = [\"spare\"]", &[one, two]);
        let config = format!(
            "[server]\nrequest_timeout = \"{}s\"\n\
             [router]\ntimeout = \"6s\"\nfirst_token_timeout = \"4s\"\nbackoff = {{ base = \"20ms\", max = \"100ms\" }}\n\
             cooldown = {{ failures = 3, window = \"10s\", duration = \"1s\", max = \"{}s\" }}\n{config}{smart}{}",
            DEADLINE.as_secs(),
            COOLDOWN.as_secs(),
            model_with("spare", "fallbacks = [\"smart\"]", &[three]),
        );
        Self { gateway: Arc::new(Options::config(config).start()), upstreams }
    }

    /// Lets clients ask for so long while upstreams fall ill and recover, and something else happens.
    pub(crate) async fn rage<T>(
        &self,
        changes: &[Change],
        time: Duration,
        beside: impl Future<Output = T>,
    ) -> (Aftermath, T) {
        let start = Instant::now();
        let turn = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (gateway, turn) = (Arc::clone(&self.gateway), Arc::clone(&turn));
                tokio::spawn(async move {
                    let mut answered = Vec::new();
                    while start.elapsed() < time {
                        let nth = turn.fetch_add(1, Ordering::Relaxed);
                        // A quarter goes to the third upstream, streamed and whole as the others.
                        let model = if matches!(nth % 8, 3 | 6) { "spare" } else { "smart" };
                        let result = ask(&gateway, model, format!("request-{nth:06}"), nth % 2 == 0).await;
                        let failed = matches!(result.answer, Answer::Error(..));
                        answered.push(result);
                        if failed {
                            tokio::time::sleep(AFTER_ERROR).await;
                        }
                    }
                    answered
                })
            })
            .collect();
        let (over, sightings, beside) =
            tokio::join!(self.play(changes, start.into()), self.watch(start + time), beside);
        let mut answered = Vec::new();
        for client in clients {
            answered.extend(client.await.unwrap());
        }
        (Aftermath { start, time, answered, over, sightings }, beside)
    }

    /// Goes through the timetable: when each change was over.
    async fn play(&self, changes: &[Change], start: tokio::time::Instant) -> Vec<Instant> {
        let changes = || changes.iter().enumerate();
        let begins = changes().map(|(nth, change)| (change.from, true, nth, change));
        let ends = changes().map(|(nth, change)| (change.to, false, nth, change));
        let mut turns: Vec<_> = begins.chain(ends).collect();
        // What ends goes before what begins at the same time.
        turns.sort_by_key(|(at, begins, ..)| (*at, *begins));
        let mut over = vec![start.into_std(); turns.len() / 2];
        for (at, begins, nth, change) in turns {
            tokio::time::sleep_until(start + at).await;
            let Some(moody) = self.upstreams.get(change.upstream) else { continue };
            if begins {
                moody.falls_ill(change.fault);
            } else {
                moody.recovers();
                over[nth] = Instant::now();
            }
        }
        over
    }

    /// Looks again and again how the deployments are.
    async fn watch(&self, until: Instant) -> Vec<Sighting> {
        let mut sightings = Vec::new();
        while Instant::now() < until {
            let asked = Instant::now();
            let list = self.gateway.get("/admin/v1/deployments").await.json();
            let told = Instant::now();
            let left = |id: &str| {
                let mut all = list["data"].as_array()?.iter();
                let own: &Value = all.find(|own| own["id"] == id)?;
                let left = own["left_ms"].as_u64().filter(|_| own["state"] == "open")?;
                Some(Duration::from_millis(left))
            };
            sightings.push(Sighting { asked, told, left: ["smart/1", "smart/2", "spare/1"].map(left) });
            tokio::time::sleep(LOOK).await;
        }
        sightings
    }
}
