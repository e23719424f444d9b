//! Shared over Redis.

use std::sync::Arc;
use std::time::Instant;

use llm_config::{Redis, RedisFailure};
use llm_governance::{LimitStore, OnFailure};
use llm_router::CooldownStore;
use llm_store::{LimitsWorker, RedisCooldowns, RedisLimits, RedisOptions, Status, StoreError, Worker};
use llm_types::{ApiError, Result};
use parking_lot::Mutex;

use crate::gateway::Gateway;

/// What is shared over Redis.
#[derive(Debug)]
pub(crate) struct Shared {
    settings: Redis,
    cooldowns: Arc<RedisCooldowns>,
    /// `None`: each gateway counts for itself.
    limits: Option<Arc<RedisLimits>>,
    /// Until they are started.
    workers: Mutex<Option<(Worker, Option<LimitsWorker>)>>,
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
        let Redis { url, prefix, timeout, limits, on_failure: _ } = settings.clone();
        let options = RedisOptions { url, prefix, timeout };
        let no_address =
            |error: StoreError| ApiError::bad_request(format!("redis.url: {error}")).with_source(error);
        let (cooldowns, worker) = RedisCooldowns::new(&options).map_err(no_address)?;
        let limits = limits.then(|| RedisLimits::new(&options)).transpose().map_err(no_address)?;
        let (limits, counting) = limits.unzip();
        let workers = Mutex::new(Some((worker, counting)));
        Ok(Some(Arc::new(Self { settings: settings.clone(), cooldowns, limits, workers })))
    }

    /// Where limits are counted, if not here, and what becomes of requests while that is away.
    pub(crate) fn limits(&self) -> Option<(Arc<dyn LimitStore>, OnFailure)> {
        let on_failure = match self.settings.on_failure {
            RedisFailure::Open => OnFailure::Local,
            RedisFailure::Closed => OnFailure::Refuse,
        };
        self.limits.as_ref().map(|limits| (Arc::clone(limits) as _, on_failure))
    }

    /// Where the router tells of cooldowns.
    pub(crate) fn cooldowns(&self) -> Arc<dyn CooldownStore> {
        Arc::clone(&self.cooldowns) as _
    }

    /// Connects, if that was not begun yet.
    pub(crate) fn begin(&self, gateway: &Arc<Gateway>) {
        let Some((worker, counting)) = self.workers.lock().take() else { return };
        let tasks = gateway.tasks().clone();
        if let Some(counting) = counting {
            tasks.spawn(counting.run());
        }
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

    /// Why limits are not shared at the moment, where they should be.
    pub(crate) fn trouble(&self) -> Option<String> {
        let status = self.limits.as_ref()?.status();
        let why = status.error.as_deref().unwrap_or("Redis was not reached yet, or is slow");
        (!status.connected).then(|| format!("limits are not shared: {why}"))
    }

    /// Tells what waits to be told, and ends.
    pub(crate) fn close(&self) {
        self.cooldowns.close();
        if let Some(limits) = &self.limits {
            limits.close();
        }
    }
}
