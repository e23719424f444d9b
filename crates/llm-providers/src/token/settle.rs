//! Where a call gets its token: in front of the transport, which is the first to wait anyway.

use std::sync::Arc;
use std::time::Instant;

use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use llm_types::Result;

use super::keep::{Held, Tokens, Way};

/// The token that a call is made with, and whose it is; `None`: it is made without one.
pub(crate) type MadeWith = Option<(Arc<Tokens>, Arc<Held>)>;

/// Puts the token of a request in its place, where it is made with one; waits for it where there is none yet.
///
/// # Errors
/// Why there is no token.
pub(crate) async fn settle<B>(request: &mut Request<B>, transport: Way<'_>) -> Result<MadeWith> {
    let Some(tokens) = request.extensions().get::<Arc<Tokens>>().cloned() else {
        return Ok(None);
    };
    let held = match tokens.current(Instant::now()) {
        Some(held) => {
            tokens.renew(&held, transport);
            held
        }
        None => tokens.wait(transport).await?,
    };
    request.headers_mut().insert(AUTHORIZATION, held.header().clone());
    Ok(Some((tokens, held)))
}

/// What an answer says of the token that its call was made with.
pub(crate) fn judge(settled: MadeWith, status: StatusCode) {
    if let (Some((tokens, held)), StatusCode::UNAUTHORIZED) = (settled, status) {
        tokens.doubt(&held, Instant::now());
    }
}
