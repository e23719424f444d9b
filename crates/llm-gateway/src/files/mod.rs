//! `/v1/files` and `/v1/batches`: what providers keep for an account, behind the gateway's keys.
//!
//! Nothing is kept here. A file lies at the provider that it was sent to, and so does a batch: the id that a client gets
//! says where, and for whom (`llm_providers::bulk`), so that every replica knows, and no other key can read it. Files go
//! through as they come; in the lines of a batch the name of the model becomes the provider's own on the way. Only for
//! providers that keep no files there is a folder of ours (`shelf`, `inline`).
//!
//! What a batch may cost is reserved when it is made, and what it cost is booked when it is over (`jobs`).

mod account;
mod create;
mod form;
mod held;
pub(crate) mod inline;
mod jobs;
mod list;
#[cfg(feature = "sql")]
mod parked;
mod place;
mod shelf;
mod show;
mod sum;
mod upload;

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use llm_providers::codec::{Memo, WireRequest};
use llm_providers::dialect;
use llm_providers::transport::{ByteStream, Progress, RequestBody, collect};
use llm_types::{ApiError, Changes, ErrorKind, Result, Segments};
use tokio::time::timeout_at;

pub(crate) use self::jobs::Jobs;
use self::list::{Wanted, What};
#[cfg(feature = "sql")]
pub(crate) use self::parked::follow;
use self::place::{Desk, Place};
pub(crate) use self::shelf::Shelf;
use crate::body::ClientBody;
use crate::front::decoded;
use crate::gateway::Gateway;
use crate::respond::{self, Failed, Served};
use crate::snapshot::Snapshot;
use crate::stop::Stop;

/// The most that is read of an object or a list of them, in bytes.
const REPLY_LIMIT: usize = 64 * 1024 * 1024;
/// The most that is read of a refusal, in bytes.
const ERROR_LIMIT: usize = 1024 * 1024;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    Upload,
    Files,
    File(String),
    Delete(String),
    Content(String),
    Create,
    Batches,
    Batch(String),
    Cancel(String),
}

/// What a path (without `/v1`) asks; `Err`: the methods that it is served by.
pub(crate) fn ask(method: &Method, below: &str) -> Option<Result<Ask, &'static str>> {
    let mut segments = below.strip_prefix('/')?.trim_end_matches('/').split('/');
    let (kind, id, deed) = (segments.next()?, segments.next(), segments.next());
    if segments.next().is_some() || !matches!(kind, "files" | "batches") {
        return None;
    }
    let id = id.map(|id| decoded(id).into_owned());
    let is = |own: &Method| crate::front::serves(own, method);
    Some(match (kind, id, deed) {
        ("files", None, None) if is(&Method::POST) => Ok(Ask::Upload),
        ("files", None, None) if is(&Method::GET) => Ok(Ask::Files),
        ("files", Some(id), None) if is(&Method::GET) => Ok(Ask::File(id)),
        ("files", Some(id), None) if is(&Method::DELETE) => Ok(Ask::Delete(id)),
        ("files", Some(_), None) => Err("GET, DELETE"),
        ("files", Some(id), Some("content")) if is(&Method::GET) => Ok(Ask::Content(id)),
        ("files", Some(_), Some("content")) => Err("GET"),
        ("batches", None, None) if is(&Method::POST) => Ok(Ask::Create),
        ("batches", None, None) if is(&Method::GET) => Ok(Ask::Batches),
        ("batches", Some(id), None) if is(&Method::GET) => Ok(Ask::Batch(id)),
        ("batches", Some(_), None) => Err("GET"),
        ("batches", Some(id), Some("cancel")) if is(&Method::POST) => Ok(Ask::Cancel(id)),
        ("batches", Some(_), Some("cancel")) => Err("POST"),
        (_, None, None) => Err("GET, POST"),
        _ => return None,
    })
}

impl Ask {
    /// The route, as lists of allowed routes name it.
    fn route(&self) -> &'static str {
        match self {
            Self::Upload | Self::Files | Self::File(_) | Self::Delete(_) | Self::Content(_) => "/v1/files",
            Self::Create | Self::Batches | Self::Batch(_) | Self::Cancel(_) => "/v1/batches",
        }
    }
}

/// A call about files or batches.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) gateway: Arc<Gateway>,
    /// Where it comes from.
    pub(crate) address: Option<IpAddr>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) request_id: Arc<str>,
    pub(crate) started: Instant,
}

/// The body of a call.
enum Sending {
    Nothing,
    /// Headers alone.
    Bare(HeaderMap),
    Json(Bytes),
    Stream(HeaderMap, ByteStream),
}

impl Visit {
    /// Does what is asked.
    ///
    /// # Errors
    /// 404 for what this caller has not; whatever the provider says.
    pub(crate) async fn run<B>(self, ask: Ask, request: Request<B>) -> Result<Response<ClientBody>, Failed>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let auth = self.gateway.auth(&self.snapshot, self.address);
        let principal = auth.check(request.headers(), request.uri().query()).await?;
        principal.who.check_route(ask.route())?;
        let running = self.gateway.enter(self.snapshot.max_in_flight)?;
        let desk = Desk { snapshot: Arc::clone(&self.snapshot), principal };
        let stop = self.gateway.stop().clone();
        let wanted = Wanted::of(request.headers(), request.uri().query());
        let work = async {
            match ask {
                Ask::Upload => self.upload(&desk, request).await,
                Ask::Files => self.list(&desk, What::Files, &wanted?).await,
                Ask::File(id) => self.file(&desk, Method::GET, &id).await,
                Ask::Delete(id) => self.file(&desk, Method::DELETE, &id).await,
                Ask::Content(id) => self.content(&desk, &id, running).await,
                Ask::Create => self.create(&desk, request).await,
                Ask::Batches => self.list(&desk, What::Batches, &wanted?).await,
                Ask::Batch(id) => self.batch(&desk, Method::GET, &id).await,
                Ask::Cancel(id) => self.batch(&desk, Method::POST, &id).await,
            }
        };
        stop.unless_told(pin!(work)).await.unwrap_or_else(|| Err(Failed::from(Stop::error())))
    }

    fn deadline(&self) -> Instant {
        self.started + self.snapshot.request_timeout
    }

    /// Calls a provider, up to the head of an answer that is none of its refusals.
    async fn call(
        &self,
        place: &Place,
        (method, path): (Method, &str),
        sending: Sending,
        progress: Option<&Progress>,
    ) -> Result<(HeaderMap, ByteStream)> {
        let (headers, body, stream) = match sending {
            Sending::Nothing => (HeaderMap::new(), Segments::default(), None),
            Sending::Bare(headers) => (headers, Segments::default(), None),
            Sending::Json(json) => {
                let kind = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
                (HeaderMap::from_iter([kind]), Segments::from(json), None)
            }
            Sending::Stream(headers, stream) => (headers, Segments::default(), Some(stream)),
        };
        let wire = WireRequest { method, path: path.to_owned(), headers, body, memo: Memo::default() };
        let request = place.target.request(wire)?;
        let request = match stream {
            Some(stream) => request.map(|_| RequestBody::Stream(stream)),
            None => request.map(RequestBody::from),
        };
        let deadline = self.deadline().into();
        let sent = timeout_at(deadline, self.gateway.transport().send_watched(request, progress)).await;
        let (head, upstream) = sent.map_err(|_| late())??.into_parts();
        if head.status.is_success() {
            return Ok((head.headers, upstream));
        }
        let body = timeout_at(deadline, collect(upstream, ERROR_LIMIT)).await.map_err(|_| late())??;
        Err(match dialect::client(place.target.dialect()) {
            Some(codec) => codec.decode_error(head.status, &head.headers, &body),
            None => ApiError::upstream(
                ErrorKind::UpstreamFormat,
                format!("the upstream answered {}", head.status),
            ),
        })
    }

    /// The same, with the answer's body.
    async fn object(
        &self,
        place: &Place,
        (method, path): (Method, &str),
        sending: Sending,
        progress: Option<&Progress>,
    ) -> Result<Bytes> {
        let (_, upstream) = self.call(place, (method, path), sending, progress).await?;
        timeout_at(self.deadline().into(), collect(upstream, REPLY_LIMIT)).await.map_err(|_| late())?
    }

    /// An answer, and who gave it.
    fn answer(&self, place: &Place, body: Bytes) -> Response<ClientBody> {
        self.changed(place, body, &Changes::default())
    }

    /// The same, with what was lost or altered on the way.
    fn changed(&self, place: &Place, body: Bytes, changes: &Changes) -> Response<ClientBody> {
        let mut response = respond::json(StatusCode::OK, body);
        self.served(place, changes, response.headers_mut());
        response
    }

    fn served(&self, place: &Place, changes: &Changes, headers: &mut HeaderMap) {
        let served = Served {
            model: &place.name(),
            labels: place.labels(),
            fallback: None,
            attempts: 1,
            changes,
            overhead: self.started.elapsed(),
        };
        served.write(headers);
    }
}

fn late() -> ApiError {
    ApiError::upstream(ErrorKind::Timeout, "the upstream did not answer within server.request_timeout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_say_what_is_asked() {
        let check = |method: Method, path: &str, expect: Option<Result<Ask, &str>>| {
            assert_eq!(ask(&method, path), expect, "{method} {path}");
        };
        let id = || "file-1".to_owned();
        check(Method::POST, "/files", Some(Ok(Ask::Upload)));
        check(Method::GET, "/files/", Some(Ok(Ask::Files)));
        check(Method::GET, "/files/file-1", Some(Ok(Ask::File(id()))));
        check(Method::DELETE, "/files/file%2D1", Some(Ok(Ask::Delete(id()))));
        check(Method::GET, "/files/file-1/content", Some(Ok(Ask::Content(id()))));
        check(Method::POST, "/batches", Some(Ok(Ask::Create)));
        check(Method::GET, "/batches", Some(Ok(Ask::Batches)));
        check(Method::GET, "/batches/file-1", Some(Ok(Ask::Batch(id()))));
        check(Method::POST, "/batches/file-1/cancel", Some(Ok(Ask::Cancel(id()))));
        check(Method::PUT, "/files", Some(Err("GET, POST")));
        check(Method::POST, "/files/file-1", Some(Err("GET, DELETE")));
        check(Method::DELETE, "/batches/file-1", Some(Err("GET")));
        check(Method::GET, "/files/file-1/nothing", None);
        check(Method::GET, "/files/file-1/content/x", None);
        check(Method::GET, "/models", None);
    }
}
