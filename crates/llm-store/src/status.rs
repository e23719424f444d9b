//! What can be seen of a store from outside.

/// How the store is, at one moment. Counts are since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Whether Redis can be reached. Without it every gateway decides by what it sees itself.
    pub connected: bool,
    /// Changes that were told.
    pub sent: u64,
    /// Changes that were not told: nobody could be reached in time, or too many waited.
    pub dropped: u64,
    /// Changes that others told.
    pub heard: u64,
    /// Messages that no gateway of this version wrote.
    pub ignored: u64,
    /// Connections that were lost or given up, failed attempts included.
    pub failures: u64,
    /// Why the last of them was.
    pub error: Option<String>,
}
