//! Answers in the memory of this process, bounded in bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use moka::Expiry;
use moka::sync::Cache as Moka;

use crate::entry::Entry;
use crate::error::Error;
use crate::key::Key;
use crate::store::CacheStore;

/// Answers in memory. Those that are asked for often stay longest.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    kept: Moka<Key, Timed>,
}

#[derive(Debug, Clone)]
struct Timed {
    entry: Arc<Entry>,
    ttl: Duration,
}

/// Each answer has its own time, and a new one begins anew.
#[derive(Debug)]
struct OwnTime;

impl Expiry<Key, Timed> for OwnTime {
    fn expire_after_create(&self, _: &Key, timed: &Timed, _: Instant) -> Option<Duration> {
        Some(timed.ttl)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        timed: &Timed,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(timed.ttl)
    }
}

impl MemoryStore {
    /// Room for answers that weigh so many bytes together ([`Entry::weight`]).
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let max = u64::try_from(max_bytes).unwrap_or(u64::MAX);
        let weigher = |_: &Key, timed: &Timed| u32::try_from(timed.entry.weight()).unwrap_or(u32::MAX);
        let kept = Moka::builder()
            .name("llm-cache")
            .max_capacity(max)
            .weigher(weigher)
            .expire_after(OwnTime)
            .build();
        Self { kept }
    }
}

#[async_trait]
impl CacheStore for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Arc<Entry>>, Error> {
        Ok(self.kept.get(key).map(|timed| timed.entry))
    }

    async fn put(&self, key: Key, entry: Arc<Entry>, ttl: Duration) -> Result<(), Error> {
        self.kept.insert(key, Timed { entry, ttl });
        // Else up to some hundred answers wait beyond the bound before anything is thrown out.
        self.kept.run_pending_tasks();
        Ok(())
    }

    async fn clear(&self) -> Result<(), Error> {
        self.kept.invalidate_all();
        self.kept.run_pending_tasks();
        Ok(())
    }

    fn size(&self) -> (u64, u64) {
        (self.kept.entry_count(), self.kept.weighted_size())
    }
}
