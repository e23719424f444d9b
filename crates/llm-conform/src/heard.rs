//! What came back.

use llm_types::{ApiError, Changes, Output, Reply, Usage};

/// What came back of one call.
#[derive(Debug)]
pub struct Heard {
    /// The answer, put together where it was streamed; or why there is none.
    pub output: Result<Output, ApiError>,
    /// How a stream came; `None`: the answer was asked for whole.
    pub streamed: Option<Streamed>,
    /// What of the request did not reach the provider as it was asked.
    pub changes: Changes,
}

/// How a stream came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Streamed {
    /// Whether it was no stream: the answer came whole.
    pub whole: bool,
    /// How many pieces of text, thoughts or arguments.
    pub pieces: usize,
    /// Whether it said why it ended.
    pub finished: bool,
    /// Whether it said what was used.
    pub usage: bool,
}

impl Heard {
    /// The conversation turn, where it is one.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        self.output.as_ref().ok()?.as_chat()
    }

    /// What was used, where it is told and not our own estimate.
    #[must_use]
    pub fn usage(&self) -> Option<&Usage> {
        self.output.as_ref().ok()?.usage()
    }
}
