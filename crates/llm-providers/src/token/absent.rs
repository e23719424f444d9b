//! A build without tokens: they are known of, and cannot be got.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;
use llm_types::{ApiError, ErrorKind, Result};

use super::grant::Grant;

/// No tokens.
#[derive(Debug)]
pub(crate) struct Tokens(Infallible);

impl Tokens {
    /// There are none.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn of(_grant: Grant) -> Result<Arc<Self>> {
        let message = "tokens need a build with the feature `tokens`: build with it, or give an api_key";
        Err(ApiError::new(ErrorKind::Auth, message))
    }

    /// Tells one account from another.
    pub(crate) fn name(&self) -> &str {
        match self.0 {}
    }

    /// The token that is there.
    pub(crate) fn current(&self, _now: Instant) -> Option<Arc<Self>> {
        match self.0 {}
    }

    /// Shows the tokens that a provider may repeat.
    pub(crate) fn sent(&self, _see: &mut dyn FnMut(&str)) {
        match self.0 {}
    }

    /// `Bearer TOKEN`.
    pub(crate) fn header(&self) -> &HeaderValue {
        match self.0 {}
    }
}
