//! Sessions of the realtime API: a connection on which a WebSocket is agreed. Its frames are the caller's to read and to
//! write, with whatever library it has for them.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method};
use llm_types::{ApiError, ErrorKind, Op, Result, Segments};

use super::client::{Client, named};
use crate::codec::{Memo, WireRequest};
use crate::realtime;
use crate::transport::{Duplex, RequestBody, Upgrade};

/// What a server shows that it has read the key with (RFC 6455, 1.3).
const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

impl Client {
    /// Opens a session of the realtime API, e.g. with `openai/gpt-realtime`: the client's end of a WebSocket, after its
    /// handshake (RFC 6455). Events are its messages of text.
    ///
    /// # Errors
    /// When the model is unknown, its provider has no such API, its key is missing, the provider cannot be reached or
    /// refuses.
    pub async fn session(&self, model: &str) -> Result<Box<dyn Duplex>> {
        let target = self.offering(model, Op::Realtime)?;
        let internal = |_| ApiError::new(ErrorKind::Internal, "the handshake cannot be written");
        let key = STANDARD.encode(uuid::Uuid::new_v4().as_bytes());
        let headers = HeaderMap::from_iter([
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            (SEC_WEBSOCKET_KEY, HeaderValue::try_from(&key).map_err(internal)?),
        ]);
        let wire = WireRequest {
            method: Method::GET,
            path: realtime::path(target.model(), ""),
            headers,
            body: Segments::default(),
            memo: Memo::default(),
        };
        let request = target.request(wire)?.map(RequestBody::from);
        match self.transport().upgrade(request).await.map_err(|error| named(error, &target))? {
            Upgrade::Agreed(headers, connection) if agrees(&headers, &key) => Ok(connection),
            Upgrade::Agreed(..) => {
                let message = "the provider agreed on another protocol than a WebSocket";
                Err(named(ApiError::upstream(ErrorKind::UpstreamFormat, message), &target))
            }
            Upgrade::Refused(answer) => Err(self.refusal(&target, answer).await),
        }
    }
}

fn agrees(headers: &HeaderMap, key: &str) -> bool {
    let shown = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{SUFFIX}").as_bytes());
    let expect = STANDARD.encode(shown.as_ref());
    headers.get(SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept.as_bytes() == expect.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_must_come_back_as_the_protocol_says() {
        // The example of RFC 6455, 1.3.
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let said = |accept| HeaderMap::from_iter([(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static(accept))]);
        assert!(agrees(&said("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), key));
        assert!(!agrees(&said("s3pPLMBiTxaQ9kYGzzhZRbK+xOp="), key) && !agrees(&HeaderMap::new(), key));
    }
}
