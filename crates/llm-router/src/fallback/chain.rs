//! Lists of models to go to: a group's, and a request's own.

use std::sync::Arc;

use llm_types::ErrorKind;

/// Where to go from a group, by what went wrong. Names as clients would send them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fallbacks {
    /// For every failure that another model may not have.
    pub general: Vec<Arc<str>>,
    /// For a prompt that does not fit the model; if empty, the general ones.
    pub context_window: Vec<Arc<str>>,
    /// For what offends the provider's policy; if empty, the general ones.
    pub content_policy: Vec<Arc<str>>,
    /// Also for requests that the provider finds malformed.
    pub on_bad_request: bool,
}

impl Fallbacks {
    /// General ones.
    #[must_use]
    pub fn to<S: Into<Arc<str>>>(models: impl IntoIterator<Item = S>) -> Self {
        Self { general: models.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The chain for a failure.
    pub(super) fn chain(&self, kind: ErrorKind) -> &[Arc<str>] {
        let special: &[_] = match kind {
            ErrorKind::ContextWindow => &self.context_window,
            ErrorKind::ContentPolicy => &self.content_policy,
            _ => &[],
        };
        if special.is_empty() { &self.general } else { special }
    }

    /// All of them.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.general.iter().chain(&self.context_window).chain(&self.content_policy)
    }
}

/// One entry of a request's own list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// The model's name.
    pub model: Arc<str>,
    /// It changes the request, so it is a target of its own; the caller applies the change of
    /// [`super::Plan::entry`].
    pub overrides: bool,
}
