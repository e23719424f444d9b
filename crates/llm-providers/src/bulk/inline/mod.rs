//! Batches whose requests are in the call that makes one, behind OpenAI's form.
//!
//! Such a provider keeps no file of requests and none of answers. So each line of a client's file becomes a request of
//! the provider's dialect, one after the other, and each line of its answers becomes one of OpenAI's. Nothing is held
//! but the line at hand and what a reader of its answer has to know of a request ([`Recalls`]).

mod answer;
mod recall;
mod request;
mod show;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use llm_types::{ApiError, Result};

pub use self::answer::{Answers, Which};
pub use self::recall::Recalls;
pub use self::request::Requests;
pub use self::show::{Record, output_of};
use crate::codec::batch::{BatchAnswer, BatchCodec, BatchPath, BatchStanding};
use crate::codec::{Asked, ClientCodec, ServerCodec, Tapped};
use crate::dialect;
use crate::target::Target;

/// How a client's requests are written for such a provider, and its answers for the client.
#[derive(Debug, Clone)]
pub struct Inline {
    target: Arc<Target>,
    codec: &'static dyn ClientCodec,
    batches: &'static dyn BatchCodec,
    /// What the client speaks.
    front: &'static dyn ServerCodec,
    asked: Asked,
}

impl Inline {
    /// Between a client that speaks this and a provider.
    ///
    /// # Errors
    /// When the provider's dialect has no such batches.
    pub fn new(target: Arc<Target>, front: &'static dyn ServerCodec, asked: Asked) -> Result<Self> {
        let codec = dialect::client(target.dialect());
        let both = codec.and_then(|codec| Some((codec, codec.batches()?)));
        let (codec, batches) = both.ok_or_else(|| {
            ApiError::bad_request(format!("{} keeps no batches that are spoken here", target.provider()))
        })?;
        Ok(Self { target, codec, batches, front, asked })
    }

    /// The same for another model of the account.
    #[must_use]
    pub fn of(&self, target: &Arc<Target>) -> Self {
        Self { target: Arc::clone(target), ..self.clone() }
    }

    /// Where something is asked: path and query behind the base URL.
    #[must_use]
    pub fn path(&self, what: BatchPath<'_>) -> String {
        self.batches.path(what)
    }

    /// What every call about batches carries.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        self.batches.headers()
    }

    /// A batch as its provider shows it, in OpenAI's form, with what is remembered of it.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::UpstreamFormat`] when it is no batch.
    pub fn shown(&self, body: &[u8], record: Option<&Record>) -> Result<Bytes> {
        show::shown(self.batches.standing(body)?, record)
    }

    /// How a batch stands.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::UpstreamFormat`] when it is no batch.
    pub fn standing(&self, body: &[u8]) -> Result<BatchStanding> {
        self.batches.standing(body)
    }

    /// What a line of the provider's answers says of its usage; `None`: nothing was answered, which costs nothing.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::UpstreamFormat`] when it is no such line, or its answer is none.
    pub fn used(&self, line: &Bytes) -> Result<Option<Tapped<'static>>> {
        match self.batches.answer(line)?.1 {
            BatchAnswer::Answered(body) => {
                let Tapped { usage, model } = self.codec.tap(self.asked.op, &body)?;
                Ok(Some(Tapped { usage, model: model.map(|model| model.into_owned().into()) }))
            }
            BatchAnswer::Failed(_) | BatchAnswer::Cancelled | BatchAnswer::Expired => Ok(None),
        }
    }
}
