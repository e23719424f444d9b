//! What can be wrong with what this crate is given.
//!
//! A request's failures are [`llm_types::ApiError`]s, so that every front renders them alike; these are for
//! whoever writes keys and budgets, and for the stores behind the ports.

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No time zone of that name.
    #[error("no time zone is called `{0}`: use a name of the IANA database, such as Europe/Berlin")]
    UnknownZone(String),
    /// Not a range of addresses.
    #[error("`{0}` is no range of IP addresses: write an address or a range such as 10.0.0.0/8")]
    NotARange(String),
    /// Not the id of a key.
    #[error("`{0}` is no id of a key: it is `key_` and 32 hexadecimal digits")]
    NotAKeyId(String),
    /// Not the hash of a key.
    #[error("a key's hash is 64 hexadecimal digits")]
    NotAHash,
    /// Not the end of a key.
    #[error("a key's hint is its last four characters, or none")]
    NotAHint,
    /// Not the name of a scope.
    #[error(
        "`{0}` names no scope: write global, or key:, team:, organisation:, user:, tag:, model:, provider: and an id"
    )]
    NotAScope(String),
    /// The system's source of randomness fails.
    #[error("the system gives no random bytes: no key can be made")]
    NoRandomness,
    /// Two budgets that would be one.
    #[error("two {mode} budgets for one {window} window in the same scope: keep one")]
    DuplicateBudget {
        /// `hard` or `soft`.
        mode: &'static str,
        /// The period's name.
        window: &'static str,
    },
    /// Two limits that would be one.
    #[error("the model `{0}` has limits twice: keep one of them")]
    DuplicateLimits(String),
    /// A limit that cannot be counted.
    #[error("a limit of {0} a minute cannot be counted: the most is {max}", max = crate::limit::MOST)]
    LimitTooLarge(u64),
    /// A key with the hash of another.
    #[error("this key exists already, with the id {0}: make another, or change that one")]
    DuplicateKey(crate::KeyId),
    /// Nothing of that name.
    #[error("{0} does not exist")]
    NotFound(String),
    /// A cursor that no list has given.
    #[error("the cursor is not of this list: send `next_cursor` of the page before as it came")]
    Cursor,
    /// A question that the store has no sums for.
    #[error("{0}")]
    NoSums(String),
    /// A store behind a port cannot be reached or has failed.
    #[error("{0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}
