//! The schema and its steps: embedded, forward only, each in one transaction.
//!
//! A store is brought to the newest schema before anything else happens, and if that fails the program does not
//! start: a gateway on half a schema would count money wrongly. A store from the future is refused for the same reason.

use sqlx::{AnyConnection, AssertSqlSafe, Executor as _};

use super::backend::{Backend, Db};
use super::error::SqlError;

/// Every step, the first one at 1. A step that was released is never changed: its digest is in the stores.
const STEPS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
];

/// What is added up over rows: the columns that `usage/sums.rs` names.
const SUMS: &str = "    attempts BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    cache_hits BIGINT NOT NULL,
    input BIGINT NOT NULL,
    cache_read BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    other_tokens BIGINT NOT NULL,
    cost_m BIGINT NOT NULL,
    cost_p BIGINT NOT NULL,
    incomplete BIGINT NOT NULL,
    latency_us BIGINT NOT NULL,
    first_token_us BIGINT NOT NULL,
    first_tokens BIGINT NOT NULL";

/// Any number will do that nobody else takes a lock with.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7166182904431)";

/// Brings the store to the newest schema.
pub(super) async fn bring_up(db: &Db) -> Result<(), SqlError> {
    bring_to(db, STEPS).await
}

async fn bring_to(db: &Db, steps: &[&str]) -> Result<(), SqlError> {
    let mut transaction = db.begin().await?;
    let on = &mut *transaction;
    if db.backend == Backend::Postgres {
        // Several gateways may start at once; the others find the work done.
        on.execute("SET LOCAL lock_timeout = 0").await?;
        db.be_patient(on).await?;
        on.execute(LOCK).await?;
    }
    on.execute(
        "CREATE TABLE IF NOT EXISTS schema_version \
         (version BIGINT NOT NULL PRIMARY KEY, digest BIGINT NOT NULL, applied_ms BIGINT NOT NULL)",
    )
    .await?;
    let found: Vec<(i64, i64)> =
        sqlx::query_as("SELECT version, digest FROM schema_version ORDER BY version")
            .fetch_all(&mut *on)
            .await?;
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if let Some((version, _)) = found.last().filter(|(version, _)| *version > known) {
        return Err(SqlError::Newer { found: *version, known });
    }
    for (step, version) in steps.iter().zip(1_i64..) {
        let digest = i64::from(crc32fast::hash(step.as_bytes()));
        match found.iter().find(|(done, _)| *done == version) {
            Some((_, made)) if *made == digest => {}
            Some(_) => return Err(SqlError::Foreign(version)),
            None => {
                let now = db.now(&mut *on).await?;
                take(&db.backend, on, step, (version, digest, now))
                    .await
                    .map_err(|source| SqlError::Migration { version, source })?;
            }
        }
    }
    Ok(transaction.commit().await?)
}

async fn take(
    backend: &Backend,
    on: &mut AnyConnection,
    step: &str,
    (version, digest, now): (i64, i64, i64),
) -> Result<(), sqlx::Error> {
    let sql = step.replace("{tight}", backend.tight()).replace("{sums}", SUMS);
    on.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    sqlx::query("INSERT INTO schema_version (version, digest, applied_ms) VALUES ($1, $2, $3)")
        .bind(version)
        .bind(digest)
        .bind(now)
        .execute(on)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn tables(db: &Db) -> i64 {
        let mut on = db.reader().await.unwrap();
        let sql = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('a', 'b')";
        sqlx::query_scalar(sql).fetch_one(&mut *on).await.unwrap()
    }

    #[tokio::test]
    async fn steps_go_forward_and_a_failed_one_leaves_nothing() {
        const ONE: &str = "CREATE TABLE a (x BIGINT);";
        let db = Db::open("sqlite::memory:").await.unwrap();
        bring_to(&db, &[ONE]).await.unwrap();
        bring_to(&db, &[ONE]).await.unwrap();
        assert_eq!(tables(&db).await, 1);
        let error = bring_to(&db, &[ONE, "CREATE TABLE b (x BIGINT); NONSENSE;"]).await.unwrap_err();
        assert!(matches!(error, SqlError::Migration { version: 2, .. }), "{error}");
        assert!(error.to_string().contains("stays as it was"), "{error}");
        assert_eq!(tables(&db).await, 1);
        bring_to(&db, &[ONE, "CREATE TABLE b (x BIGINT);"]).await.unwrap();
        assert_eq!(tables(&db).await, 2);
        let error = bring_to(&db, &[ONE]).await.unwrap_err();
        assert!(matches!(error, SqlError::Newer { found: 2, known: 1 }), "{error}");
        let error = bring_to(&db, &["CREATE TABLE c (x BIGINT);", "x"]).await.unwrap_err();
        assert!(matches!(error, SqlError::Foreign(1)), "{error}");
    }
}
