//! A request between its arrival and its answer.
//!
//! Who asks why an answer never came has often given up waiting for it: a request that ends on the way is kept
//! like one that failed, with what was being waited for.

use llm_router::Plan;
use llm_types::{ApiError, ErrorKind};

use super::{Dispatch, Journey};
use crate::backend::Backend;
use crate::stop::Stop;

/// A request on its way; dropped before [`Underway::end`], it was given up.
pub(super) struct Underway<'s>(Option<(Dispatch, Plan<'s, Backend>, Journey)>);

impl<'s> Underway<'s> {
    pub(super) fn new(dispatch: Dispatch, plan: Plan<'s, Backend>, journey: Journey) -> Self {
        Self(Some((dispatch, plan, journey)))
    }

    /// What it is made of, until it has ended.
    pub(super) fn parts(&mut self) -> Option<(&Dispatch, &mut Plan<'s, Backend>, &mut Journey)> {
        self.0.as_mut().map(|(dispatch, plan, journey)| (&*dispatch, plan, journey))
    }

    /// It has come to an end; what it was made of.
    pub(super) fn end(&mut self) -> Option<(Dispatch, Plan<'s, Backend>, Journey)> {
        self.0.take()
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let Some((dispatch, plan, journey)) = self.0.take() else { return };
        let gone =
            || ApiError::new(ErrorKind::ClientCancelled, "the client went away before the answer began");
        let error = if dispatch.gateway.stop().is_told() { Stop::error() } else { gone() };
        dispatch.remember(plan, &journey, &error);
    }
}

/// What cannot be: an ended request goes on.
pub(super) fn lost() -> ApiError {
    ApiError::new(ErrorKind::Internal, "the request had ended")
}
