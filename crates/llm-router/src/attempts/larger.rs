//! A prompt that did not fit: what was known of its size was an estimate, and whoever has a larger window may take it.

use llm_types::{ApiError, ErrorKind};

use super::Attempts;

/// What stands against the others.
const NO_LARGER: &str = "its window is no larger than one that the prompt did not fit in, as far as is known";

impl<T> Attempts<T> {
    /// Takes out whoever's window is no larger than those that the prompt did not fit in; whether anybody is left. Of two
    /// whose windows nobody knows neither is taken to be the larger one.
    pub(super) fn leave_smaller(&mut self) -> bool {
        let too_long = |kind: ErrorKind| kind == ErrorKind::ContextWindow;
        let (mut widest, mut unknown) = (0, false);
        for attempt in &self.record.attempts {
            if attempt.error.as_ref().is_some_and(|error| too_long(error.kind)) {
                match self.window(attempt.index) {
                    Some(window) => widest = widest.max(window),
                    None => unknown = true,
                }
            }
        }
        let mut untried = self.able.clone();
        untried.remove(&self.tried);
        let mut anybody = false;
        for index in untried.iter() {
            if self.window(index).map_or(!unknown, |window| window > widest) {
                anybody = true;
            } else {
                self.able.clear(index);
                self.refused.push((index, NO_LARGER));
            }
        }
        anybody
    }

    /// The kind of failure that other models are chosen by: that the prompt was too long is so still where those with
    /// larger windows were only unavailable.
    pub(crate) fn chain_kind(&self) -> ErrorKind {
        let last = self.failure_kind();
        if last.retry_other() && self.was_too_long() { ErrorKind::ContextWindow } else { last }
    }

    /// Whether the prompt did not fit somebody here.
    pub(crate) fn was_too_long(&self) -> bool {
        let too_long = |error: &ApiError| error.kind == ErrorKind::ContextWindow;
        self.record.attempts.iter().any(|attempt| attempt.error.as_ref().is_some_and(too_long))
    }

    /// The window of a deployment, as far as it is known.
    fn window(&self, index: usize) -> Option<u64> {
        let deployment = self.group.get(index)?;
        let named = || {
            let windows = &self.needs.as_deref()?.windows;
            windows.iter().find(|(id, _)| *id == deployment.id).map(|(_, window)| *window)
        };
        deployment.facts.context_window.or_else(named)
    }
}
