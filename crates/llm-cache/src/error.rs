//! What can go wrong with a cache. None of it may fail a request: whoever asks goes on without.

/// What can go wrong with a cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is too large, or made of too many values, to be worth a key.
    #[error("the request is too large to be looked up: ask without the cache")]
    TooLarge,
    /// The store cannot be asked.
    #[error("the store of the cache cannot be asked: go on without it")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}
