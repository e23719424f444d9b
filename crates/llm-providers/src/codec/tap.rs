//! What is read of an answer that passes through as it is.

use std::borrow::Cow;
use std::fmt::Debug;

use llm_types::{ApiError, Usage};

/// What is known of an answer that was passed through unread.
#[derive(Debug, Clone, Default)]
pub struct Tapped<'b> {
    /// What it used.
    pub usage: Option<Usage>,
    /// The model that it names; `None`: it names none.
    pub model: Option<Cow<'b, str>>,
}

/// What one complete event of a passed-through stream is.
#[derive(Debug)]
pub enum Seen {
    /// No content yet (a role, a comment, a ping).
    Quiet,
    /// Content, or the end of a choice.
    Content,
    /// The usage event that only we asked for.
    Usage,
    /// What came is no event of this dialect, or an error that its clients would not know for one.
    Error(ApiError),
    /// The provider broke off and says so in its dialect: behind content the client is shown its own words.
    Failed(ApiError),
    /// The terminal event.
    Done,
}

/// Watches a stream that is passed through verbatim. Sees each complete event once, in order.
pub trait StreamTap: Debug + Send {
    /// Looks at one event, blank line included.
    fn see(&mut self, event: &[u8]) -> Seen;

    /// The usage seen so far.
    fn usage(&self) -> Option<&Usage>;

    /// The model that the stream names, as far as it was seen; `None`: it names none.
    fn model(&self) -> Option<&str> {
        None
    }

    /// Whether a clean end was seen: closing before that is an error.
    fn is_done(&self) -> bool;
}

/// Takes note of the first name of a model.
pub(crate) fn named(known: &mut Option<Box<str>>, name: Option<&str>) {
    if known.is_none() {
        *known = name.filter(|name| !name.is_empty()).map(Box::from);
    }
}
