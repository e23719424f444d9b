//! The port: told on the request path, so it hands on and never waits.

use std::sync::Arc;
use std::time::Instant;

use llm_router::{Cooldown, CooldownStore};
use tokio::sync::{Notify, mpsc};

use super::options::{RedisOptions, StoreError};
use super::state::State;
use super::worker::Worker;
use crate::backlog::News;
use crate::status::Status;

/// How many changes can wait for the task to look. It looks at once; this is for a process that stalls.
const QUEUE: usize = 1024;

/// Cooldowns shared over Redis: the half that is told.
///
/// The other half is the [`Worker`] that comes with it. This one may live as long as the process and be given
/// to one router after the other.
#[derive(Debug)]
pub struct RedisCooldowns {
    queue: mpsc::Sender<News>,
    state: Arc<State>,
    stop: Arc<Notify>,
}

impl RedisCooldowns {
    /// The two halves. Nothing is connected before the worker runs.
    ///
    /// # Errors
    /// [`StoreError::Url`] when the address cannot be read.
    pub fn new(options: &RedisOptions) -> Result<(Arc<Self>, Worker), StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (state, stop) = (Arc::new(State::default()), Arc::new(Notify::new()));
        let worker = Worker::new(options, waiting, Arc::clone(&state), Arc::clone(&stop))?;
        Ok((Arc::new(Self { queue, state, stop }), worker))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// Ends the worker, after what waits was told, if that works at the first try.
    pub fn close(&self) {
        self.stop.notify_one();
    }
}

impl CooldownStore for RedisCooldowns {
    fn tell(&self, cooldown: &Cooldown<'_>) {
        if self.queue.try_send(News::new(cooldown, Instant::now())).is_err() {
            self.state.dropped.add();
        }
    }
}
