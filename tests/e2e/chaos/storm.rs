//! Three upstreams, a gateway before them, 200 clients, and a timetable of faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::client::{Answered, ask};
use super::fault::{Fault, Moody};
use crate::harness::{Gateway, Options, model, openai};

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

/// The stage: a model with two deployments, and another model that it falls back to.
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
}

impl Storm {
    pub(crate) fn begin(config: &str) -> Self {
        let upstreams = ['A', 'B', 'C'].map(Moody::start);
        let [one, two, three] = upstreams.each_ref().map(|moody| openai(&moody.upstream));
        let smart =
            model("smart", &[one, two]).replace("deployments", "fallbacks = [\"spare\"]\ndeployments");
        let config = format!(
            "[server]\nrequest_timeout = \"{}s\"\n\
             [router]\ntimeout = \"6s\"\nfirst_token_timeout = \"4s\"\nbackoff = {{ base = \"20ms\", max = \"100ms\" }}\n\
             cooldown = {{ failures = 3, window = \"10s\", duration = \"1s\", max = \"{}s\" }}\n{config}{smart}{}",
            DEADLINE.as_secs(),
            COOLDOWN.as_secs(),
            model("spare", &[three]),
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
                        answered.push(ask(&gateway, format!("request-{nth:06}"), nth % 2 == 0).await);
                    }
                    answered
                })
            })
            .collect();
        let ((), beside) = tokio::join!(self.play(changes, start.into()), beside);
        let mut answered = Vec::new();
        for client in clients {
            answered.extend(client.await.unwrap());
        }
        (Aftermath { start, time, answered }, beside)
    }

    /// Goes through the timetable.
    async fn play(&self, changes: &[Change], start: tokio::time::Instant) {
        let begins = changes.iter().map(|change| (change.from, change, true));
        let ends = changes.iter().map(|change| (change.to, change, false));
        let mut turns: Vec<_> = begins.chain(ends).collect();
        // What ends goes before what begins at the same time.
        turns.sort_by_key(|(at, _, begins)| (*at, *begins));
        for (at, change, begins) in turns {
            tokio::time::sleep_until(start + at).await;
            let Some(moody) = self.upstreams.get(change.upstream) else { continue };
            if begins {
                moody.falls_ill(change.fault);
            } else {
                moody.recovers();
            }
        }
    }
}
