//! A request with the bytes of what it names by address, for providers that fetch nothing.

use llm_types::{ApiError, ErrorKind, Result};
use tokio::time::timeout_at;

use super::Dispatch;
use super::ready::{Asking, elsewhere};
use crate::intake::BodyShare;

/// A request with bytes in place of addresses.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(super) asking: Asking,
    /// What the bytes take of the memory for bodies.
    _share: BodyShare,
}

impl Dispatch {
    /// The request so, or why it cannot be had: it is asked for once; `None`: nothing is fetched here.
    pub(super) async fn fetch(&self, asking: &Asking) -> Option<Result<Box<Fetched>, ApiError>> {
        let (fetch, call) = (self.snapshot.fetch.as_ref()?, asking.call.as_ref()?);
        let mut call = call.clone();
        let fetched = timeout_at(self.deadline.into(), fetch.inline(&mut call, self.gateway.memory())).await;
        let message = "the request took longer than request_timeout";
        let fetched = fetched.unwrap_or_else(|_| Err(ApiError::new(ErrorKind::Timeout, message)));
        let whole = |share| Box::new(Fetched { asking: asking.rewritten(call), _share: share });
        Some(fetched.map(whole).map_err(elsewhere))
    }
}
