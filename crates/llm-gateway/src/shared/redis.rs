//! Shared over Redis.

use std::sync::Arc;
use std::time::Instant;

use llm_config::Redis;
use llm_router::CooldownStore;
use llm_store::{RedisCooldowns, RedisOptions, Status, Worker};
use llm_types::{ApiError, Result};
use parking_lot::Mutex;

use crate::gateway::Gateway;

/// A connection to Redis and what goes over it.
#[derive(Debug)]
pub(crate) struct Shared {
    settings: Redis,
    cooldowns: Arc<RedisCooldowns>,
    /// Until it is started.
    worker: Mutex<Option<Worker>>,
}

impl Shared {
    /// What these settings ask for; the one there is, if its settings are the same.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub(crate) fn of(settings: Option<&Redis>, previous: Option<&Arc<Self>>) -> Result<Option<Arc<Self>>> {
        let Some(settings) = settings else { return Ok(None) };
        if let Some(same) = previous.filter(|previous| previous.settings == *settings) {
            return Ok(Some(Arc::clone(same)));
        }
        let Redis { url, prefix, timeout } = settings.clone();
        let options = RedisOptions { url, prefix, timeout };
        let (cooldowns, worker) = RedisCooldowns::new(&options)
            .map_err(|error| ApiError::bad_request(format!("redis.url: {error}")).with_source(error))?;
        let settings = settings.clone();
        Ok(Some(Arc::new(Self { settings, cooldowns, worker: Mutex::new(Some(worker)) })))
    }

    /// Where the router tells of cooldowns.
    pub(crate) fn cooldowns(&self) -> Arc<dyn CooldownStore> {
        Arc::clone(&self.cooldowns) as _
    }

    /// Connects, if that was not begun yet.
    pub(crate) fn begin(&self, gateway: &Arc<Gateway>) {
        let Some(worker) = self.worker.lock().take() else { return };
        let tasks = gateway.tasks().clone();
        // It may outlive the gateway by a moment, and must not keep it.
        let gateway = Arc::downgrade(gateway);
        tasks.spawn(worker.run(move |cooldown| {
            if let Some(gateway) = gateway.upgrade() {
                gateway.snapshot().router.learn(cooldown, Instant::now());
            }
        }));
    }

    /// How it is.
    pub(crate) fn status(&self) -> Status {
        self.cooldowns.status()
    }

    /// Tells what waits to be told, and ends.
    pub(crate) fn close(&self) {
        self.cooldowns.close();
    }
}
