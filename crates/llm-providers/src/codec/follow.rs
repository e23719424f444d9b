//! Answers that point to where the rest is.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;

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
        /// Where it can be asked for as well.
        get: Option<String>,
    },
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// All of it came.
    Done,
    /// It failed.
    Failed,
}

/// Knows from an answer whether it is the last. The transport does what it says.
pub trait Follow: Debug + Send + Sync {
    /// What is to be done with an answer, after it was asked for so many times.
    fn next(&self, body: &[u8], asked: u32) -> Next;

    /// Where what is under way can be given up.
    fn cancel(&self, body: &[u8]) -> Option<String>;

    /// Who goes on where the stream of an answer cannot be had.
    fn whole(&self) -> Option<&'static dyn Follow> {
        None
    }

    /// Whether whole events of a stream say that it is over.
    fn over(&self, events: &[u8]) -> Option<Over> {
        let _ = events;
        None
    }

    /// An event that says what of the last answer the stream did not.
    fn told(&self, body: &[u8]) -> Option<Bytes> {
        let _ = body;
        None
    }
}
