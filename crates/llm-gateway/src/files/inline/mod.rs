//! Batches at providers that keep no files: the lines lie in our folder, go out in the call that makes the batch, and
//! come back as lines of OpenAI's files (`llm_providers::bulk::inline`).
//!
//! To everybody else in here it looks as if the provider kept files: what is shown is shown in OpenAI's form, under ids
//! that are marked as all others are.

mod answers;
mod make;
mod show;
mod sweep;
mod upload;

use std::sync::Arc;

use llm_providers::bulk::inline::Inline;
use llm_providers::codec::Asked;
use llm_providers::target::Target;
use llm_types::{ApiError, ErrorKind, Result};

pub(super) use self::make::{Making, metadata};
pub(crate) use self::sweep::start;
use super::Visit;
use super::shelf::Shelf;
use crate::front;

/// What can be asked in such batches.
pub(super) const ENDPOINT: &str = "/v1/chat/completions";

/// What is said where there is no folder.
pub(super) const NO_FOLDER: &str = "the provider keeps no files of batches: set `[files] dir` in the gateway's configuration to a folder for them";

/// How batches at a provider are written, which clients send in this way.
pub(super) fn at(target: &Arc<Target>) -> Result<Inline> {
    let (front, _) = front::like(ENDPOINT)
        .ok_or_else(|| ApiError::new(ErrorKind::Internal, "no front serves what batches ask"))?;
    let asked = Asked { dialect: Some(front.dialect), ..Asked::of(front.op) };
    Inline::new(Arc::clone(target), front.codec()?, asked)
}

impl Visit {
    /// The folder.
    pub(super) fn shelf(&self) -> Result<&Arc<Shelf>> {
        self.snapshot
            .shelf
            .as_ref()
            .ok_or_else(|| ApiError::bad_request(NO_FOLDER).with_param("custom_llm_provider"))
    }
}
