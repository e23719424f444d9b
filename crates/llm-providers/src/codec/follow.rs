//! Answers that point to where the rest is.

use std::fmt::Debug;
use std::time::Duration;

/// What is to be done with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is the last.
    Done,
    /// It is not there yet: ask here.
    Again {
        /// Where, as the provider says it.
        url: String,
        /// After this pause.
        after: Duration,
    },
    /// It is streamed here.
    Stream {
        /// Where, as the provider says it.
        url: String,
    },
}

/// Knows from an answer whether it is the last. The transport does what it says.
pub trait Follow: Debug + Send + Sync {
    /// What is to be done with an answer, after it was asked for so many times.
    fn next(&self, body: &[u8], asked: u32) -> Next;

    /// Where what is under way can be given up.
    fn cancel(&self, body: &[u8]) -> Option<String>;

    /// Whether the last bytes of a stream say that it is over.
    fn is_over(&self, tail: &[u8]) -> bool {
        let _ = tail;
        false
    }
}
