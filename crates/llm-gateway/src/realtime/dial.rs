//! The way to a provider's realtime API: an open connection on which it has agreed to speak WebSocket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use llm_providers::codec::{Memo, WireRequest};
use llm_providers::target::Target;
use llm_providers::transport::{Duplex, RequestBody};
use llm_providers::{dialect, realtime};
use llm_router::{Deployment, Found, Standing};
use llm_types::{ApiError, Dialect, ErrorKind, Result, Segments};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::backend::Backend;
use crate::gateway::Gateway;
use crate::respond::Failed;

/// How long a provider may take to agree.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// The largest message, in bytes: an event with 15 MiB of sound is OpenAI's own bound.
pub(super) const MESSAGE: usize = 16 << 20;

/// The provider's end of a session.
pub(super) type Far = WebSocketStream<Box<dyn Duplex>>;

/// Who may be asked.
pub(super) type Candidate = (Arc<Deployment<Backend>>, Arc<Target>);

/// Who was reached.
pub(super) struct Dialled {
    pub(super) deployment: Arc<Deployment<Backend>>,
    pub(super) target: Arc<Target>,
    /// How long it took.
    pub(super) took: Duration,
}

/// How both ends are bounded.
pub(super) fn bounds() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MESSAGE))
        .max_frame_size(Some(MESSAGE))
        .max_write_buffer_size(2 * MESSAGE)
}

/// The deployments of a group that can be asked for a session, in config order.
///
/// # Errors
/// 400 where none speaks OpenAI's dialect.
pub(super) fn able(found: Found<'_, Backend>) -> Result<Vec<Candidate>> {
    let star = found.star;
    let mut able = Vec::new();
    let mut fault = None;
    for deployment in found.group.deployments.iter() {
        match deployment.target.target(star) {
            Ok(target) if target.dialect() == Dialect::OpenaiChat => {
                able.push((Arc::clone(deployment), target))
            }
            Ok(_) => {}
            Err(error) => fault = Some(error),
        }
    }
    if able.is_empty() {
        return Err(fault.unwrap_or_else(|| {
            let message = format!(
                "no deployment of `{}` has a realtime API: ask for a model at OpenAI or Azure OpenAI",
                found.group.name
            );
            ApiError::bad_request(message).with_param("model")
        }));
    }
    Ok(able)
}

/// The first of them that agrees.
///
/// # Errors
/// Why the last one did not.
pub(super) async fn first(
    gateway: &Gateway,
    mut deployments: Vec<Candidate>,
    headers: &HeaderMap,
) -> Result<(Far, Dialled), Failed> {
    let well = |one: &Deployment<Backend>| {
        matches!(one.stats.standing(Instant::now()), Standing::Ready | Standing::ProbeDue)
    };
    // Who was taken out of service is not asked, and who is not well last.
    deployments.retain(|(one, _)| one.stats.standing(Instant::now()) != Standing::Drained);
    if deployments.is_empty() {
        let message = "every deployment was taken out of service";
        return Err(ApiError::new(ErrorKind::Unavailable, message).into());
    }
    deployments.sort_by_key(|(deployment, _)| !well(deployment));
    let mut last = None;
    for (nth, (deployment, target)) in deployments.into_iter().enumerate() {
        let began = Instant::now();
        match dial(gateway, &target, headers).await {
            Ok(far) => return Ok((far, Dialled { deployment, target, took: began.elapsed() })),
            Err(mut error) => {
                target.conceal(&mut error);
                error.provider.get_or_insert_with(|| deployment.target.provider.to_string());
                tracing::warn!(deployment = &*deployment.id, kind = ?error.kind, %error, "no realtime session");
                let labels = deployment.target.labels.clone();
                last = Some(Failed::at(error, target.model(), labels, nth + 1));
            }
        }
    }
    Err(last.unwrap_or_else(|| ApiError::new(ErrorKind::Internal, "nobody to ask").into()))
}

async fn dial(gateway: &Gateway, target: &Target, headers: &HeaderMap) -> Result<Far> {
    let mut own = HeaderMap::new();
    if let Some(beta) = headers.get("openai-beta") {
        own.insert("openai-beta", beta.clone());
    }
    let wire = WireRequest {
        method: Method::GET,
        path: realtime::path(target.model()),
        headers: own,
        body: Segments::default(),
        memo: Memo::default(),
    };
    let mut request = target.request(wire)?.map(RequestBody::from);
    let agreed = async {
        let connection = gateway.transport().open(&mut request).await?;
        let request = handshake(request)?;
        client_async_with_config(request, connection, Some(bounds()))
            .await
            .map_err(|error| refused(error, target))
    };
    let late =
        |_| ApiError::upstream(ErrorKind::Timeout, "the upstream did not agree on a WebSocket in 15 s");
    timeout(HANDSHAKE, agreed).await.map_err(late)?.map(|(far, _)| far)
}

/// The request for another protocol (RFC 6455, 4.1).
fn handshake(request: Request<RequestBody>) -> Result<Request<()>> {
    let mut request = request.map(|_| ());
    let bad = |error: http::Error| {
        ApiError::bad_request("the address of the realtime API cannot be used").with_source(error)
    };
    let mut parts = request.uri().clone().into_parts();
    let secure = parts.scheme == Some(Scheme::HTTPS);
    let host = parts.authority.as_ref().map(ToString::to_string).unwrap_or_default();
    parts.scheme =
        Some(Scheme::try_from(if secure { "wss" } else { "ws" }).map_err(|error| bad(error.into()))?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| bad(error.into()))?;
    let headers = request.headers_mut();
    headers.remove(http::header::ACCEPT_ENCODING);
    headers.insert(HOST, HeaderValue::try_from(host).map_err(|error| bad(error.into()))?);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers
        .insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(generate_key()).map_err(|error| bad(error.into()))?);
    Ok(request)
}

/// Why a provider does not agree, as far as it says so.
fn refused(error: WsError, target: &Target) -> ApiError {
    match error {
        WsError::Http(response) => {
            let (head, body) = response.into_parts();
            let body = body.unwrap_or_default();
            match dialect::client(target.dialect()) {
                Some(codec) => codec.decode_error(head.status, &head.headers, &body),
                None => ApiError::upstream(ErrorKind::BadGateway, "the upstream refused a WebSocket"),
            }
        }
        other => ApiError::upstream(ErrorKind::Connection, "the upstream did not agree on a WebSocket")
            .with_source(other),
    }
}
