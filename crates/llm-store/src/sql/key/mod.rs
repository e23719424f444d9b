//! Keys and groups: kept with every change in one order, and with who made it.

mod audit;
mod changes;
mod keep;
mod list;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use llm_governance::{Change, Error, Group, Key, KeyStore, Revision, Scope};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

pub(super) use audit::Entry;
pub use changes::Changes;
pub(super) use keep::next_revision;
pub use list::{Filter, Kept};

use super::backend::within;
use super::error::SqlError;
use super::store::SqlStore;

#[async_trait]
impl KeyStore for SqlStore {
    async fn load(&self, each: &mut (dyn FnMut(Change) + Send)) -> Result<Revision, Error> {
        // A million keys take seconds.
        let mut snapshot = self.db.snapshot().await?;
        self.db.be_patient(&mut snapshot).await?;
        let (revision, _) = head(&mut snapshot).await?;
        let mut groups =
            sqlx::query("SELECT scope, body FROM owner_group ORDER BY created").fetch(&mut *snapshot);
        while let Some(row) = groups.try_next().await.map_err(SqlError::from)? {
            let (scope, group) = group(&row)?;
            each(Change::Put(scope, Box::new(group)));
        }
        drop(groups);
        let mut keys = sqlx::query("SELECT body FROM virtual_key").fetch(&mut *snapshot);
        while let Some(row) = keys.try_next().await.map_err(SqlError::from)? {
            each(Change::PutKey(Box::new(key(&row)?)));
        }
        drop(keys);
        snapshot.commit().await.map_err(SqlError::from)?;
        Ok(revision)
    }

    async fn since(&self, seen: Revision) -> Result<Option<(Vec<Change>, Revision)>, Error> {
        Ok(within(self.changes_since(seen)).await?)
    }

    async fn keep(&self, change: &Change, by: &str) -> Result<Revision, Error> {
        Ok(self.keep_all(std::slice::from_ref(change), by).await?)
    }

    async fn keep_as(&self, change: &Change, by: &str, action: &str) -> Result<Revision, Error> {
        let by = keep::Author { name: by, action: Some(action) };
        Ok(within(self.keep_in_one(std::slice::from_ref(change), None, by)).await?)
    }
}

impl SqlStore {
    async fn changes_since(&self, seen: Revision) -> Result<Option<(Vec<Change>, Revision)>, SqlError> {
        let mut snapshot = self.db.snapshot().await?;
        let (revision, floor) = head(&mut snapshot).await?;
        if seen < floor || seen > revision {
            return Ok(None);
        }
        let rows = sqlx::query("SELECT body FROM change WHERE revision > $1 ORDER BY revision")
            .bind(signed(seen))
            .fetch_all(&mut *snapshot)
            .await?;
        snapshot.commit().await?;
        let read = |row: &AnyRow| {
            let body: String = row.try_get("body")?;
            serde_json::from_str(&body).map_err(|error| SqlError::unreadable("change")(error.into()))
        };
        Ok(Some((rows.iter().map(read).collect::<Result<_, _>>()?, revision)))
    }
}

/// The newest revision, and the oldest that changes are still known after.
async fn head(on: &mut AnyConnection) -> Result<(Revision, Revision), SqlError> {
    let (revision, floor) =
        sqlx::query_as::<_, (i64, i64)>("SELECT revision, floor FROM head").fetch_one(on).await?;
    Ok((unsigned(revision), unsigned(floor)))
}

fn signed(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

fn unsigned(revision: i64) -> Revision {
    Revision(u64::try_from(revision).unwrap_or_default())
}

fn key(row: &AnyRow) -> Result<Key, SqlError> {
    let body: String = row.try_get("body")?;
    serde_json::from_str(&body).map_err(|error| SqlError::unreadable("key")(error.into()))
}

fn group(row: &AnyRow) -> Result<(Scope, Group), SqlError> {
    let (scope, body): (String, String) = (row.try_get("scope")?, row.try_get("body")?);
    let scope = scope.parse().map_err(|error: Error| SqlError::unreadable("group")(error.into()))?;
    let group = serde_json::from_str(&body).map_err(|error| SqlError::unreadable("group")(error.into()))?;
    Ok((scope, group))
}
