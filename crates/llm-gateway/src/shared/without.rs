//! Nothing is shared: this build cannot.

use std::sync::Arc;

use llm_config::Redis;
use llm_governance::{LimitStore, OnFailure};
use llm_router::CooldownStore;
use llm_store::Status;
use llm_types::{ApiError, Result};

use crate::gateway::Gateway;

/// Never there.
#[derive(Debug)]
pub(crate) enum Shared {}

impl Shared {
    /// Nothing.
    ///
    /// # Errors
    /// When something is asked for.
    pub(crate) fn of(settings: Option<&Redis>, _: Option<&Arc<Self>>) -> Result<Option<Arc<Self>>> {
        match settings {
            None => Ok(None),
            Some(_) => Err(ApiError::bad_request(
                "this gateway was built without the feature `redis`: remove [redis]",
            )),
        }
    }

    pub(crate) fn cooldowns(&self) -> Arc<dyn CooldownStore> {
        match *self {}
    }

    pub(crate) fn limits(&self) -> Option<(Arc<dyn LimitStore>, OnFailure)> {
        match *self {}
    }

    pub(crate) fn begin(&self, _: &Arc<Gateway>) {
        match *self {}
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        match *self {}
    }

    pub(crate) fn status(&self) -> Status {
        match *self {}
    }

    pub(crate) fn close(&self) {
        match *self {}
    }
}
