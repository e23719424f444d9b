//! A request between its arrival and its answer.
//!
//! Who asks why an answer never came has often given up waiting for it: a request that ends on the way is kept
//! like one that failed, with what was being waited for.

use std::time::{Duration, Instant};

use llm_router::Plan;
use llm_types::{ApiError, ErrorKind, Result};

use super::{Answer, Answered, Dispatch, Journey};
use crate::backend::Backend;
use crate::respond::Failed;
use crate::snapshot::Snapshot;
use crate::stop::Stop;
use crate::ticket::Ticket;

/// A request on its way; dropped before it has ended, it was given up. Boxed: what is moved about is a pointer.
pub(super) struct Underway<'s>(Option<Box<Parts<'s>>>);

/// What a request on its way is made of.
pub(super) struct Parts<'s> {
    pub(super) dispatch: Box<Dispatch>,
    pub(super) plan: Plan<'s, Backend>,
    pub(super) journey: Journey,
}

impl<'s> Underway<'s> {
    /// Begins a request.
    ///
    /// # Errors
    /// When what it asks for cannot be understood.
    pub(super) fn begin(mut dispatch: Box<Dispatch>, snapshot: &'s Snapshot, ticket: Ticket) -> Result<Self> {
        let asking = std::mem::take(&mut dispatch.asking);
        let journey =
            Journey { asking, fetched: None, ticket, upstream: Duration::ZERO, calls: 0, last: None };
        let now = Instant::now();
        let mut parts = Box::new(Parts { plan: dispatch.plan(snapshot, now), dispatch, journey });
        let Parts { dispatch, plan, journey } = &mut *parts;
        dispatch.prepare(plan, &mut journey.asking, now)?;
        Ok(Self(Some(parts)))
    }

    /// What it is made of.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn parts(&mut self) -> Result<&mut Parts<'s>> {
        self.0.as_deref_mut().ok_or_else(lost)
    }

    /// Somebody answered.
    pub(super) fn answered(mut self, answered: Answered) -> Result<Answer, Failed> {
        // Taken apart where it lies.
        let mut parts = self.0.take().ok_or_else(lost)?;
        let (dispatch, journey) = (parts.dispatch, parts.journey);
        Ok(dispatch.answer(answered, &mut parts.plan, journey))
    }

    /// Nobody answered.
    pub(super) fn gave_up(mut self) -> Failed {
        match self.0.take() {
            Some(mut parts) => parts.dispatch.give_up(&mut parts.plan, &mut parts.journey),
            None => lost().into(),
        }
    }

    /// It may not go on.
    pub(super) fn refused(mut self, error: ApiError) -> Failed {
        if let Some(mut parts) = self.0.take() {
            parts.dispatch.remember(&mut parts.plan, &parts.journey, &error);
        }
        error.into()
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let Some(mut parts) = self.0.take() else { return };
        let Parts { dispatch, plan, journey } = &mut *parts;
        let gone =
            || ApiError::new(ErrorKind::ClientCancelled, "the client went away before the answer began");
        let error = if dispatch.gateway.stop().is_told() { Stop::error() } else { gone() };
        dispatch.remember(plan, journey, &error);
    }
}

/// What cannot be: an ended request goes on.
fn lost() -> ApiError {
    ApiError::new(ErrorKind::Internal, "the request had ended")
}
