//! The store as a whole: opened once, cheap to clone.

use std::sync::Arc;

use llm_governance::Revision;
use sqlx::any::AnyRow;
use tokio::sync::watch;

use super::backend::{Backend, Db, within};
use super::error::SqlError;
use super::schema;
use super::statement::Statement;

/// Keys, budgets and usage in a database. A clone is the same store.
#[derive(Debug, Clone)]
pub struct SqlStore {
    pub(super) db: Db,
    /// For listening to changes; never shown.
    pub(super) url: Arc<Address>,
    /// The newest revision that was made through this store.
    pub(super) newest: Arc<watch::Sender<Revision>>,
}

/// An address, which may hold a password.
pub(super) struct Address(pub(super) String);

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl SqlStore {
    /// Opens `sqlite:FILE` (made if there is none), `sqlite::memory:` or `postgres://…`, and brings it to this
    /// program's schema.
    ///
    /// # Errors
    /// When it cannot be opened, is newer than this program, or cannot be brought to its schema: nothing was changed
    /// then, and nothing should be started.
    pub async fn open(url: &str) -> Result<Self, SqlError> {
        let db = within(Db::open(url)).await?;
        schema::bring_up(&db).await?;
        Ok(Self { db, url: Arc::new(Address(url.to_owned())), newest: Arc::default() })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not, in words for whoever looks after it.
    pub async fn ping(&self) -> Result<(), SqlError> {
        within(async {
            let mut on = self.db.reader().await?;
            sqlx::query("SELECT 1").execute(&mut *on).await?;
            Ok(())
        })
        .await
    }

    /// Reads all rows of a question.
    pub(super) async fn fetch(&self, sql: Statement) -> Result<Vec<AnyRow>, SqlError> {
        within(async { sql.fetch_all(&mut *self.db.reader().await?).await }).await
    }

    /// Whether several gateways may share it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.db.backend == Backend::Postgres
    }

    /// Closes all connections, after what is under way. Whatever is asked for afterwards fails.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
