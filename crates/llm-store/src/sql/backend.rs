//! The two databases behind one face: how they are opened, and the few words in which their SQL differs.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Executor as _, Transaction};

use super::error::SqlError;

/// How long a connection may take, to be made or to be free.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long any work on the store may take, reports included.
const LONGEST: Duration = Duration::from_secs(30);
/// How long what a request waits for may take.
const BRIEF: Duration = Duration::from_secs(2);
/// How long a database that was away is not asked for what a request waits for.
const REST: Duration = Duration::from_secs(1);
/// How long a connection stays that nobody needs.
const IDLE: Duration = Duration::from_secs(300);
/// Readers beside the one writer of a SQLite file.
const READERS: u32 = 4;
/// Connections to PostgreSQL.
const CONNECTIONS: u32 = 8;

/// For each connection to a SQLite file.
///
/// `synchronous=FULL`: a lease that was granted must still be known after a loss of power, or its money would be
/// granted again. It costs one sync for each batch of rows and for each slice, none for a request.
const SQLITE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; \
     PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 67108864;";

/// For each connection to PostgreSQL. A gateway that hangs in the middle must not hold the others up.
const POSTGRES: &str = "SET statement_timeout = '30s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '10s'; SET synchronous_commit = on;";

/// Which database it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Backend {
    /// A file, or `None`: in memory.
    Sqlite(Option<PathBuf>),
    Postgres,
}

impl Backend {
    /// From an address.
    pub(super) fn of(url: &str) -> Result<Self, SqlError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let path = path.split_once('?').map_or(path, |(path, _)| path);
            return match path {
                ":memory:" => Ok(Self::Sqlite(None)),
                "" => Err(SqlError::Url),
                path => Ok(Self::Sqlite(Some(PathBuf::from(path)))),
            };
        }
        let known = url.starts_with("postgres://") || url.starts_with("postgresql://");
        if known { Ok(Self::Postgres) } else { Err(SqlError::Url) }
    }

    /// What ends a table's definition where the table is its primary key.
    pub(super) fn tight(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => " WITHOUT ROWID",
            Self::Postgres => "",
        }
    }
}

/// An open database.
#[derive(Debug, Clone)]
pub(super) struct Db {
    pub(super) backend: Backend,
    write: AnyPool,
    read: AnyPool,
    /// When it was last found to be away.
    away: Arc<Mutex<Option<Instant>>>,
    /// The same, found by who is no request.
    silent: Arc<Mutex<Option<Instant>>>,
}

impl Db {
    /// Opens it; a SQLite file is made if there is none.
    pub(super) async fn open(url: &str) -> Result<Self, SqlError> {
        sqlx::any::install_default_drivers();
        let backend = Backend::of(url)?;
        let (write, read) = match &backend {
            Backend::Sqlite(None) => {
                let pool = pool(&backend, "sqlite::memory:", 1, None).await?;
                (pool.clone(), pool)
            }
            Backend::Sqlite(Some(path)) => {
                let url = format!("sqlite:{}?mode=rwc", plain(path)?);
                let write = pool(&backend, &url, 1, None).await?;
                (write, pool(&backend, &url, READERS, Some(IDLE)).await?)
            }
            Backend::Postgres => {
                let pool = pool(&backend, url, CONNECTIONS, Some(IDLE)).await?;
                (pool.clone(), pool)
            }
        };
        Ok(Self { backend, write, read, away: Arc::default(), silent: Arc::default() })
    }

    /// Begins to write. In SQLite the lock is taken at once: a reader cannot become a writer later without failing.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Any>, SqlError> {
        Ok(match self.backend {
            Backend::Sqlite(_) => self.write.begin_with("BEGIN IMMEDIATE").await?,
            Backend::Postgres => self.write.begin().await?,
        })
    }

    /// Begins to read: everything as of one moment.
    pub(super) async fn snapshot(&self) -> Result<Transaction<'static, Any>, SqlError> {
        Ok(match self.backend {
            Backend::Sqlite(_) => self.read.begin().await?,
            Backend::Postgres => {
                self.read.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?
            }
        })
    }

    /// A connection to read with.
    pub(super) async fn reader(&self) -> Result<sqlx::pool::PoolConnection<Any>, SqlError> {
        Ok(self.read.acquire().await?)
    }

    /// The time in ms since 1970, by one clock for all who share the database: leases of several nodes end by it.
    pub(super) async fn now(&self, on: &mut AnyConnection) -> Result<i64, SqlError> {
        match self.backend {
            Backend::Sqlite(_) => Ok(jiff::Timestamp::now().as_millisecond()),
            Backend::Postgres => {
                let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
                Ok(sqlx::query_scalar(sql).fetch_one(on).await?)
            }
        }
    }

    /// Lets the transaction take as long as it needs.
    pub(super) async fn be_patient(&self, on: &mut AnyConnection) -> Result<(), SqlError> {
        if self.backend == Backend::Postgres {
            on.execute("SET LOCAL statement_timeout = 0").await?;
            on.execute("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
        }
        Ok(())
    }

    /// Does what a request waits for: soon or not at all. Of those who come while the database is away, few wait.
    pub(super) async fn soon<T>(
        &self,
        work: impl Future<Output = Result<T, SqlError>> + Send,
    ) -> Result<T, SqlError> {
        swiftly(&self.away, work).await
    }

    /// The same for what others wait behind who are no requests, and who are to keep none from asking.
    pub(super) async fn briefly<T>(
        &self,
        work: impl Future<Output = Result<T, SqlError>> + Send,
    ) -> Result<T, SqlError> {
        swiftly(&self.silent, work).await
    }

    pub(super) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// Does something soon or not at all, and not while the database was away a moment ago.
async fn swiftly<T>(
    away: &Mutex<Option<Instant>>,
    work: impl Future<Output = Result<T, SqlError>> + Send,
) -> Result<T, SqlError> {
    if away.lock().is_some_and(|since| since.elapsed() < REST) {
        return Err(SqlError::Late);
    }
    let done = tokio::time::timeout(BRIEF, work).await.unwrap_or(Err(SqlError::Late));
    let is_away = matches!(done, Err(SqlError::Late | SqlError::Database(_)));
    *away.lock() = is_away.then(Instant::now);
    done
}

/// Ends work that takes too long; what it had begun is rolled back.
pub(super) async fn within<T>(work: impl Future<Output = Result<T, SqlError>> + Send) -> Result<T, SqlError> {
    tokio::time::timeout(LONGEST, work).await.map_err(|_| SqlError::Late)?
}

/// A path as it stands in an address.
fn plain(path: &Path) -> Result<String, SqlError> {
    let text = path.to_str().ok_or(SqlError::Url)?;
    Ok(text.replace('%', "%25").replace('?', "%3F").replace('#', "%23"))
}

async fn pool(backend: &Backend, url: &str, most: u32, idle: Option<Duration>) -> Result<AnyPool, SqlError> {
    let options = AnyConnectOptions::from_str(url).map_err(|_| SqlError::Url)?;
    let settings = if *backend == Backend::Postgres { POSTGRES } else { SQLITE };
    let memory = *backend == Backend::Sqlite(None);
    let pool = AnyPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(PATIENCE)
        .idle_timeout(idle)
        .max_lifetime(None)
        // A file does not go away; a server may have.
        .test_before_acquire(matches!(backend, Backend::Postgres))
        // SQLite ends a transaction by itself where the disk is full or fails. The driver's own rollback fails then,
        // for there is nothing to roll back, and to the driver the transaction goes on for ever: such a connection is
        // closed, and another opened. One in memory would take its database with it.
        .before_acquire(move |connection, _| {
            let good = memory || !connection.is_in_transaction();
            Box::pin(async move { Ok(good) })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(sqlx::raw_sql(settings)).await.map(drop) })
        });
    let place = match backend {
        Backend::Sqlite(Some(path)) => format!(" in {}", path.display()),
        // The address of a server may hold a password.
        Backend::Sqlite(None) | Backend::Postgres => String::new(),
    };
    pool.connect_with(options).await.map_err(|source| SqlError::Open { place, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_or_refused_without_repeating_them() {
        let file = |path: &str| Some(Backend::Sqlite(Some(path.into())));
        let check = |url: &str, expect: Option<Backend>| assert_eq!(Backend::of(url).ok(), expect, "{url}");
        check("sqlite:gateway.db", file("gateway.db"));
        check("sqlite:///var/lib/gateway.db", file("/var/lib/gateway.db"));
        check("sqlite:gateway.db?mode=rwc", file("gateway.db"));
        check("sqlite::memory:", Some(Backend::Sqlite(None)));
        check("postgres://u:p@h/d", Some(Backend::Postgres));
        check("postgresql://h/d", Some(Backend::Postgres));
        check("mysql://u:secret@h/d", None);
        check("sqlite:", None);
        check("gateway.db", None);
        assert!(!Backend::of("mysql://u:secret@h/d").unwrap_err().to_string().contains("secret"));
    }

    /// Writes that a database has no room for.
    async fn overfill(db: &Db) {
        let mut transaction = db.begin().await.unwrap();
        transaction.execute("PRAGMA max_page_count = 8").await.unwrap();
        let full = transaction.execute("INSERT INTO pile VALUES (zeroblob(1000000))").await.unwrap_err();
        assert!(full.to_string().contains("full"), "{full}");
        // As everywhere: whoever failed drops it.
        drop(transaction);
    }

    #[tokio::test]
    async fn a_database_that_was_full_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("a.db").display());
        let db = Db::open(&url).await.unwrap();
        let mut transaction = db.begin().await.unwrap();
        transaction.execute("CREATE TABLE pile (body BLOB)").await.unwrap();
        transaction.commit().await.unwrap();
        for _ in 0..3 {
            overfill(&db).await;
        }
        let mut transaction = db.begin().await.unwrap();
        transaction.execute("INSERT INTO pile VALUES (zeroblob(1000000))").await.unwrap();
        transaction.commit().await.unwrap();
        let count = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM pile");
        assert_eq!(count.fetch_one(&mut *db.reader().await.unwrap()).await.unwrap(), 1);
    }
}
