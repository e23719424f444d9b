//! Where content is looked at on its way in and out.
//!
//! None is installed by default. While there is one, requests and answers take the way through the neutral
//! form, which a guard can read and change; the fast path is for bytes that nobody needs to read.

use std::fmt::Debug;

use async_trait::async_trait;
use llm_types::{Call, Reply, Result};

use crate::principal::Principal;

/// Looks at content, and may change or refuse it.
#[async_trait]
pub trait Guard: Debug + Send + Sync {
    /// Looks at a request before anything is sent.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::Guardrail`] to refuse it.
    async fn request(&self, call: &mut Call, principal: &Principal) -> Result<()>;

    /// Looks at a whole answer before the client gets it.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::Guardrail`] to withhold it.
    async fn reply(&self, reply: &mut Reply, principal: &Principal) -> Result<()>;
}
