//! Batches whose requests are in the call that makes one, for dialects that have such.
//!
//! What a request in it says is what [`super::ClientCodec::encode`] writes, and what an answer says is what
//! [`super::ClientCodec::decode`] reads. Here is what is around them: paths, the frame of the call, how a batch stands,
//! and where in a line of answers the answer is.

use std::fmt::Debug;

use bytes::Bytes;
use http::HeaderMap;
use llm_types::{ApiError, Result};

use super::WireRequest;

/// What is asked of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchPath<'a> {
    /// One is made.
    Make,
    /// The next so many behind this one, newest first.
    List {
        /// How many.
        limit: usize,
        /// The last one that is known; `None`: from the newest on.
        after: Option<&'a str>,
    },
    /// How one stands.
    One(&'a str),
    /// One is cancelled.
    Cancel(&'a str),
    /// Its answers, a line for each.
    Answers(&'a str),
}

/// What the body of the call that makes a batch is made of, around its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchFrame {
    /// What it begins with.
    pub open: &'static str,
    /// What is between two requests.
    pub between: &'static str,
    /// What it ends with.
    pub close: &'static str,
}

/// How much one call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchBounds {
    /// The most requests.
    pub requests: u64,
    /// The longest body, in bytes.
    pub bytes: u64,
}

/// How a batch stands. Times are in seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchStanding {
    /// Its id.
    pub id: String,
    /// Nothing comes any more.
    pub is_over: bool,
    /// When it was made.
    pub created: i64,
    /// When somebody asked for its end.
    pub cancelled: Option<i64>,
    /// When it ended.
    pub ended: Option<i64>,
    /// When it is given up.
    pub expires: Option<i64>,
    /// Its answers can be read.
    pub has_answers: bool,
    /// How far its requests are.
    pub counts: BatchCounts,
}

/// How far the requests of a batch are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchCounts {
    /// Not answered yet.
    pub open: u64,
    /// Answered.
    pub answered: u64,
    /// Refused, or failed.
    pub failed: u64,
    /// Cancelled before they were answered.
    pub cancelled: u64,
    /// Too late.
    pub expired: u64,
}

/// What came of one request.
#[derive(Debug, Clone)]
pub enum BatchAnswer {
    /// A whole answer, as [`super::ClientCodec::decode`] reads it.
    Answered(Bytes),
    /// It was refused, or it failed.
    Failed(Box<ApiError>),
    /// It was cancelled before it was answered.
    Cancelled,
    /// The batch was given up before it was answered.
    Expired,
}

/// Batches whose requests are in the call that makes one.
pub trait BatchCodec: Debug + Send + Sync {
    /// Where something is asked: path and query behind the base URL.
    fn path(&self, what: BatchPath<'_>) -> String;

    /// What every call about batches carries.
    fn headers(&self) -> HeaderMap;

    /// How much one call takes.
    fn bounds(&self) -> BatchBounds;

    /// What is around the requests.
    fn frame(&self) -> BatchFrame;

    /// One request in it, under the id that its client gave it.
    ///
    /// # Errors
    /// 400 for an id that the provider does not take.
    fn request(&self, id: &str, wire: &WireRequest) -> Result<Vec<u8>>;

    /// Adds what a request needs to the headers of the call that makes the batch.
    ///
    /// # Errors
    /// When they cannot be put together.
    fn join(&self, headers: &mut HeaderMap, of: &HeaderMap) -> Result<()>;

    /// Reads how a batch stands.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::UpstreamFormat`] when it is no batch.
    fn standing(&self, body: &[u8]) -> Result<BatchStanding>;

    /// Reads a line of its answers: the id that the client gave to the request, and what came of it.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::UpstreamFormat`] when it is none.
    fn answer(&self, line: &Bytes) -> Result<(String, BatchAnswer)>;

    /// The tool through which an encoder asks for a structured answer where there is no other way
    /// ([`super::Memo::json_tool`]).
    fn json_tool(&self) -> &'static str;
}
