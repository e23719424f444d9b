//! The port behind which answers are kept.
//!
//! A store keeps and forgets; what may be kept, for whom and for how long is decided before it is asked.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::entry::Entry;
use crate::error::Error;
use crate::key::Key;

/// Keeps answers under keys. One that is shared says how long it lets itself be waited for.
#[async_trait]
pub trait CacheStore: Debug + Send + Sync {
    /// What is kept under a key.
    ///
    /// # Errors
    /// When the store cannot be asked; the request then goes on as if nothing were kept.
    async fn get(&self, key: &Key) -> Result<Option<Arc<Entry>>, Error>;

    /// Keeps an answer for at most `ttl`, in place of an earlier one. It may be forgotten at any time.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn put(&self, key: Key, entry: Arc<Entry>, ttl: Duration) -> Result<(), Error>;

    /// Forgets everything.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn clear(&self) -> Result<(), Error>;

    /// How many answers are kept and what they weigh in bytes, as far as it is known.
    fn size(&self) -> (u64, u64);
}
