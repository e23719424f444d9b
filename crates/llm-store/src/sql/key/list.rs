//! Reading keys and groups one by one and in pages, in the order in which they were made.

use jiff::Timestamp;
use llm_governance::report::{Page, PageAsk};
use llm_governance::{Group, Key, KeyId, Revision, Scope};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::super::backend::within;
use super::super::error::SqlError;
use super::super::statement::{Statement, rows};
use super::super::store::SqlStore;
use super::{group, key, signed, unsigned};

/// Something kept, with when and by which change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept<T> {
    /// What.
    pub of: T,
    /// The change that made it; its place in lists.
    pub created: Revision,
    /// When it was made.
    pub created_at: Timestamp,
    /// The change that changed it last; for [`SqlStore::keep_if`].
    pub updated: Revision,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Which keys or groups; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this name.
    pub name: Option<String>,
    /// Keys of this team.
    pub team: Option<String>,
    /// Keys of this user.
    pub user: Option<String>,
    /// Keys and teams of this organisation.
    pub organisation: Option<String>,
}

const KEY: &str = "SELECT created, created_ms, updated, updated_ms, body FROM virtual_key WHERE ";
const GROUP: &str = "SELECT created, created_ms, updated, updated_ms, scope, body FROM owner_group WHERE ";

impl SqlStore {
    /// A key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn key(&self, id: KeyId) -> Result<Option<Kept<Key>>, SqlError> {
        let mut sql = Statement::new(KEY);
        sql.push("id = ").bind(id.to_string())?;
        let found = self.fetch(sql).await?;
        found.first().map(|row| kept(row, key(row)?)).transpose()
    }

    /// A page of keys.
    ///
    /// # Errors
    /// When the store cannot be read or the cursor is not of this list.
    pub async fn keys(&self, filter: &Filter, ask: &PageAsk) -> Result<Page<Kept<Key>>, SqlError> {
        let Filter { name, team, user, organisation } = filter;
        let mut sql = Statement::new(KEY);
        sql.push("created > ").bind(ask.place::<i64>("key")?.unwrap_or(-1))?;
        for (column, value) in
            [("name", name), ("team", team), ("user_id", user), ("organisation", organisation)]
        {
            if let Some(value) = value {
                sql.push(" AND ").push(column).push(" = ").bind(&**value)?;
            }
        }
        sql.push(" ORDER BY created LIMIT ").bind(rows(ask))?;
        let found = self.fetch(sql).await?;
        let keys = found.iter().map(|row| kept(row, key(row)?)).collect::<Result<_, _>>()?;
        Ok(ask.page("key", keys, |kept: &Kept<Key>| signed(kept.created)))
    }

    /// A team, organisation, user, tag, model or provider, or the terms of everything.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn group(&self, scope: &Scope) -> Result<Option<Kept<Group>>, SqlError> {
        let mut sql = Statement::new(GROUP);
        sql.push("scope = ").bind(scope.to_string())?;
        let found = self.fetch(sql).await?;
        found.first().map(|row| kept(row, group(row)?.1)).transpose()
    }

    /// A page of groups of one kind: `team`, `organisation`, `user`, `tag`, `model`, `provider`.
    ///
    /// # Errors
    /// When the store cannot be read or the cursor is not of this list.
    pub async fn groups(
        &self,
        kind: &str,
        filter: &Filter,
        ask: &PageAsk,
    ) -> Result<Page<Kept<(Scope, Group)>>, SqlError> {
        let Filter { name, organisation, team: _, user: _ } = filter;
        let mut sql = Statement::new(GROUP);
        sql.push("kind = ").bind(kind)?;
        sql.push(" AND created > ").bind(ask.place::<i64>(kind)?.unwrap_or(-1))?;
        for (column, value) in [("name", name), ("organisation", organisation)] {
            if let Some(value) = value {
                sql.push(" AND ").push(column).push(" = ").bind(&**value)?;
            }
        }
        sql.push(" ORDER BY created LIMIT ").bind(rows(ask))?;
        let found = self.fetch(sql).await?;
        let groups = found.iter().map(|row| kept(row, group(row)?)).collect::<Result<_, _>>()?;
        Ok(ask.page(kind, groups, |kept: &Kept<(Scope, Group)>| signed(kept.created)))
    }

    /// The newest revision.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn revision(&self) -> Result<Revision, SqlError> {
        within(async { Ok(super::head(&mut *self.db.reader().await?).await?.0) }).await
    }
}

fn kept<T>(row: &AnyRow, of: T) -> Result<Kept<T>, SqlError> {
    let at = |column| {
        let moment = Timestamp::from_millisecond(row.try_get(column)?);
        moment.map_err(|error| SqlError::unreadable("moment")(error.into()))
    };
    Ok(Kept {
        of,
        created: unsigned(row.try_get("created")?),
        created_at: at("created_ms")?,
        updated: unsigned(row.try_get("updated")?),
        updated_at: at("updated_ms")?,
    })
}
