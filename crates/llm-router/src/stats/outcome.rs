//! What became of an attempt.

use std::time::Duration;

use llm_types::{ApiError, ErrorKind};

use super::Shape;

/// How an attempt ended, as far as the deployment's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered to the end.
    Success,
    /// It failed, or the call could not be made.
    Failure(ErrorKind),
    /// The client went away: says nothing about the deployment.
    Cancelled,
}

/// What kind of request it was, and how long it took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) shape: Shape,
    pub(crate) took: Duration,
}

/// A failure and what belongs to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure<'a> {
    pub(crate) error: &'a ApiError,
    pub(crate) seen: Seen,
    /// Nobody else could have taken the request.
    pub(crate) alone: bool,
    /// It says nothing about the deployment.
    pub(crate) excused: bool,
}

/// What an answer used.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Used {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// What it cost, in USD, where that is known.
    pub usd: Option<f32>,
}

impl Used {
    pub(crate) fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}
