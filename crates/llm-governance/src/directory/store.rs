//! The port for whoever keeps keys: a database, or a file that an administrator writes.

use std::fmt::Debug;

use async_trait::async_trait;

use super::Change;
use crate::error::Error;

/// How far a store's changes have been seen; counts up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// Keeps keys and groups.
///
/// A gateway loads everything at its start and then follows the changes, so that no request waits for the store. A
/// store that can tell of changes wakes the gateway, which asks for them: what is told may be lost, what is asked for
/// is not.
#[async_trait]
pub trait KeyStore: Debug + Send + Sync {
    /// Everything, as changes that make it from nothing, groups before keys, handed over one by one.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn load(&self, each: &mut (dyn FnMut(Change) + Send)) -> Result<Revision, Error>;

    /// What has changed since, in order; `None`: too long ago to know, so load everything.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn since(&self, seen: Revision) -> Result<Option<(Vec<Change>, Revision)>, Error>;

    /// Keeps a change, with a word on who made it for the audit log. It is in force once this returns.
    ///
    /// # Errors
    /// When the store cannot be written, or the change contradicts what is kept.
    async fn keep(&self, change: &Change, by: &str) -> Result<Revision, Error>;

    /// The same with the audit log's word for what is done, such as `rotate`, where a store keeps that.
    ///
    /// # Errors
    /// As [`keep`](Self::keep).
    async fn keep_as(&self, change: &Change, by: &str, action: &str) -> Result<Revision, Error> {
        let _ = action;
        self.keep(change, by).await
    }
}
