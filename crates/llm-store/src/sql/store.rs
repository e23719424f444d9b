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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passwords_are_not_shown() {
        let store = SqlStore::open("sqlite::memory:").await.unwrap();
        assert!(!format!("{store:?}").contains("memory"), "{store:?}");
        for url in
            ["postgres://ada:hunter2@127.0.0.1:1/d", "postgres://ada:hunter2@[/d", "mysql://ada:hunter2@h/d"]
        {
            let error = SqlStore::open(url).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_opened_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("no/such/folder/gateway.db");
        let error = SqlStore::open(&format!("sqlite:{}", missing.display())).await.unwrap_err();
        assert!(error.to_string().contains("no/such/folder/gateway.db"), "{error}");
        // Not a database: it is not touched.
        let other = dir.path().join("letter.txt");
        std::fs::write(&other, "Dear Ada,".repeat(500)).unwrap();
        assert!(SqlStore::open(&format!("sqlite:{}", other.display())).await.is_err());
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "Dear Ada,".repeat(500));
        // A name that an address would take for something else.
        let odd = dir.path().join("100% ours#1.db");
        SqlStore::open(&format!("sqlite:{}", odd.display())).await.unwrap().ping().await.unwrap();
        assert!(odd.exists());
    }
}
