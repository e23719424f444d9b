//! Everything that a configuration decides, at one moment.
//!
//! A request takes one snapshot and keeps it to its end; a reload puts another in its place.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use llm_providers::target::Target;
use llm_router::Router;
use llm_types::{ApiError, ErrorKind, Result, Secret};

use crate::guard::Guard;
use crate::respond::Labels;

/// What a configuration decides.
#[derive(Debug)]
pub struct Snapshot {
    /// Whom a model name leads to.
    pub(crate) router: Router<Backend>,
    /// The models on offer, in config order.
    pub(crate) models: Vec<ModelEntry>,
    /// The key that may call everything; `None`: no key is needed.
    pub(crate) master_key: Option<Secret>,
    /// The largest request body, in bytes.
    pub(crate) max_body: usize,
    /// All attempts of a request together.
    pub(crate) request_timeout: Duration,
    /// Requests at once; 0: no bound.
    pub(crate) max_in_flight: usize,
    /// Whether a request is refused when something of it would be lost.
    pub(crate) strict: bool,
    /// Origins that browsers may call from; `*`: any.
    pub(crate) cors: Vec<String>,
    /// What looks at content.
    pub(crate) guards: Vec<Arc<dyn Guard>>,
}

/// A model as `/v1/models` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelEntry {
    pub(crate) id: String,
    pub(crate) owned_by: String,
}

/// What a deployment calls.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Where calls go, or why they cannot.
    pub(crate) target: Result<Target, ApiError>,
    /// The provider's name.
    pub(crate) provider: Arc<str>,
    /// Its names in headers.
    pub(crate) labels: Labels,
    /// The pause between the chunks of an answer that is written here and not streamed by an upstream.
    pub(crate) pause: Duration,
}

impl Backend {
    /// Where a call goes; `star` is what the `*` of the model's name stands for.
    ///
    /// # Errors
    /// When no call can go out, e.g. because there is no key.
    pub(crate) fn target(&self, star: Option<&str>) -> Result<Cow<'_, Target>> {
        let target = self.target.as_ref().map_err(Clone::clone)?;
        let Some((head, tail)) = target.model().split_once('*') else {
            return Ok(Cow::Borrowed(target));
        };
        let Some(star) = star else {
            return Err(ApiError::new(ErrorKind::NotFound, "name a model in place of the `*`"));
        };
        Ok(Cow::Owned(target.with_model(&format!("{head}{star}{tail}"))))
    }
}
