//! What can be wrong with a store, in words that say what to do.

use std::error::Error as StdError;

/// Why the store did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// Not an address of a database. The address is not repeated: it may hold a password.
    #[error(
        "the store's address is not understood: write sqlite:FILE, sqlite::memory: or postgres://USER:PASSWORD@HOST/DATABASE"
    )]
    Url,
    /// The database cannot be opened.
    #[error("the store{place} cannot be opened: {source}")]
    Open {
        /// Which file, where it is one; ` in FILE`.
        place: String,
        /// What failed.
        source: sqlx::Error,
    },
    /// A later version of the program has been here.
    #[error(
        "the store has schema {found} and this program knows {known}: start a program as new as the store, or restore a copy from before it"
    )]
    Newer {
        /// The store's schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// A schema that this program would have made otherwise.
    #[error(
        "the store's schema {0} was made by another program: restore a copy, or start with an empty database"
    )]
    Foreign(i64),
    /// A step to a newer schema failed; nothing of it was kept.
    #[error("the store cannot be brought to schema {version}, and stays as it was: {source}")]
    Migration {
        /// Which step.
        version: i64,
        /// What failed.
        source: sqlx::Error,
    },
    /// The database fails or cannot be reached.
    #[error("the store fails: {0}")]
    Database(#[from] sqlx::Error),
    /// The database does not answer in time.
    #[error("the store does not answer in time")]
    Late,
    /// What the store holds cannot be read.
    #[error("the store holds a {what} that cannot be read: {source}")]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Nothing is added up by this.
    #[error(
        "no sums are kept of this: ask by tag, key, team, user and organisation, or by deployment and hour, each with day, model, model_served and provider"
    )]
    NoSums,
    /// More lines than a report has.
    #[error("the report would have more than 100,000 lines: ask for less time, or divide it by less")]
    TooMany,
    /// More rows than are read for a report.
    #[error(
        "no sums are kept of this, and there are more than 200,000 rows to add up: ask for less time, for UTC's days, or by \
         model, provider and deployment"
    )]
    TooManyRows,
    /// More money than a store counts.
    #[error("an amount of money is too large to be kept: the most is nine quadrillion dollars")]
    Amount,
    /// A name that a database does not take.
    #[error("the {what} is longer than {most} bytes or holds control characters: choose another")]
    Name {
        /// Whose name.
        what: &'static str,
        /// The most bytes.
        most: usize,
    },
    /// Somebody else has said that it books the batch.
    #[error("another gateway is about to book the batch: it is looked at again later")]
    Claimed,
    /// Somebody else changed the object first.
    #[error("{object} was changed meanwhile: read it again and repeat the change")]
    Conflict {
        /// What it is.
        object: String,
    },
    /// A change that contradicts what is kept, or cannot be kept.
    #[error(transparent)]
    Rule(#[from] llm_governance::Error),
    /// The journal's folder cannot be used.
    #[error("the journal in {folder} cannot be used: {source}")]
    Journal {
        /// Where.
        folder: String,
        /// What failed.
        source: std::io::Error,
    },
}

impl SqlError {
    /// For what cannot be read.
    pub(super) fn unreadable(what: &'static str) -> impl FnOnce(Unread) -> Self {
        move |Unread(source)| Self::Unreadable { what, source }
    }

    /// Whether the database refuses what it is given, however often it is asked: nothing is wrong with the
    /// connection, the server or the disk.
    pub(super) fn is_refusal(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else {
            return matches!(self, Self::Database(sqlx::Error::Encode(_)) | Self::Amount);
        };
        // PostgreSQL's class 22 is about data; SQLite's 18 is too large, 19 a constraint, 20 a mismatch.
        let code = error.code().unwrap_or_default();
        code.starts_with("22") && code.len() == 5
            || error.is_check_violation()
            || error.is_unique_violation()
            || matches!(&*code, "18" | "20" | "1299")
    }
}

/// Any reason why something cannot be read.
pub(super) struct Unread(Box<dyn StdError + Send + Sync>);

impl<E: StdError + Send + Sync + 'static> From<E> for Unread {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl From<SqlError> for llm_governance::Error {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Rule(error) => error,
            SqlError::NoSums | SqlError::TooMany | SqlError::TooManyRows => Self::NoSums(error.to_string()),
            error => Self::Store(Box::new(error)),
        }
    }
}
