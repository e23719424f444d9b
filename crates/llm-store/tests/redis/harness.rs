//! One side of what is shared: a store, its task, and what it hears.

use std::sync::Arc;
use std::time::Duration;

use llm_router::{Cooldown, CooldownStore};
use llm_store::{RedisCooldowns, RedisOptions, Status};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The longest wait for anything that must happen; generous, as machines that build are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What a store heard: id, fingerprint, how long, how often.
pub(crate) type Heard = (String, u64, Duration, u32);

/// A store whose task runs.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) store: Arc<RedisCooldowns>,
    heard: mpsc::UnboundedReceiver<Heard>,
    pub(crate) task: JoinHandle<()>,
}

/// Options for a server that may be slow because the machine is.
pub(crate) fn patient(url: impl Into<String>) -> RedisOptions {
    RedisOptions { timeout: 5 * SECOND, ..RedisOptions::new(url) }
}

impl Side {
    /// Starts one without waiting for its connection.
    pub(crate) fn new(options: &RedisOptions) -> Self {
        let (store, worker) = RedisCooldowns::new(options).unwrap();
        let (sender, heard) = mpsc::unbounded_channel();
        let task = tokio::spawn(worker.run(move |cooldown| {
            let Cooldown { group, id, fingerprint, left, trips } = *cooldown;
            assert_eq!(group, "smart");
            // The test may have ended.
            let _ = sender.send((id.to_owned(), fingerprint, left, trips));
        }));
        Self { store, heard, task }
    }

    /// Starts one and waits for its connection.
    pub(crate) async fn connected(options: &RedisOptions) -> Self {
        let side = Self::new(options);
        side.wait(|status| status.connected).await;
        side
    }

    pub(crate) fn tell(&self, id: &str, left: Duration) {
        self.store.tell(&Cooldown { group: "smart", id, fingerprint: 7, left, trips: 2 });
    }

    /// Waits until the store is as wanted.
    pub(crate) async fn wait(&self, wanted: impl Fn(&Status) -> bool) -> Status {
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

    /// The next thing it hears.
    pub(crate) async fn next(&mut self) -> Heard {
        timeout(PATIENCE, self.heard.recv()).await.expect("news in time").unwrap()
    }

    /// Asserts that it hears of this deployment next, and gives how long it cools down.
    pub(crate) async fn hears(&mut self, id: &str) -> Duration {
        let (heard, fingerprint, left, trips) = self.next().await;
        assert_eq!((&*heard, fingerprint, trips), (id, 7, 2));
        left
    }

    /// Asserts that it has heard nothing more.
    pub(crate) fn hears_nothing(&mut self) {
        assert_eq!(self.heard.try_recv().ok(), None);
    }
}
