//! Calls whose answer comes later: where the first answer is not the last, the transport goes where it points.
//!
//! What an answer says is for the codec to know ([`Follow`]); here are the pauses, the bounds and the calls. Whoever
//! asked waits as for any other answer, and may give up at any time, which cancels what is under way. Where an answer
//! points to is the provider's word: credentials go to the host of the first call only, and nothing to a host outside
//! of its domain.

mod watched;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response, Uri, response};
use llm_types::{ApiError, ErrorKind, Result, Segments};

use self::watched::Watched;
use super::{ByteStream, Progress, RequestBody, Transport, collect};
use crate::codec::{Follow, Next};

/// The largest answer on the way, in bytes.
const BODY_LIMIT: usize = 64 * 1024 * 1024;
/// How often in a row asking again may fail.
const FAILURES: u32 = 3;
/// How long an answer that nobody waits for any more may take to say what is to be canceled.
const LAST_WORD: Duration = Duration::from_secs(30);
/// How long a cancellation may take, and what is asked when a stream is over.
const CANCEL_TIME: Duration = Duration::from_secs(5);

/// A call that is being sent.
pub(super) struct Sending<'p> {
    /// Gives its answer.
    pub(super) call: BoxFuture<'static, Result<Response<ByteStream>>>,
    /// Whether something of it went out; `None`: it may have.
    pub(super) sent: Option<Arc<Progress>>,
    /// Who is told that.
    pub(super) told: Option<&'p Progress>,
}

/// What of a call is needed to go on.
pub(super) struct Course {
    follow: &'static dyn Follow,
    origin: Uri,
    headers: HeaderMap,
}

impl Course {
    /// That of a request whose answer may come later.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Box<Self>> {
        let follow = *request.extensions().get::<&'static dyn Follow>()?;
        let mut headers = request.headers().clone();
        for name in [CONTENT_TYPE, CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        headers.remove("prefer");
        Some(Box::new(Self { follow, origin: request.uri().clone(), headers }))
    }

    /// Sends a call, and goes on from its first answer until there is a last one.
    ///
    /// # Errors
    /// As the transport; when an answer points where it may not.
    pub(super) async fn take(
        self: Box<Self>,
        sending: Sending<'_>,
        transport: Arc<dyn Transport>,
    ) -> Result<Response<ByteStream>> {
        let course: Arc<Self> = Arc::from(self);
        let Sending { call, sent, told } = sending;
        let first = Box::pin(async move {
            let (head, body) = call.await?.into_parts();
            if !head.status.is_success() {
                return Ok(First::Refused(Response::from_parts(head, body)));
            }
            Ok(First::Begun(head, collect(body, BODY_LIMIT).await?))
        });
        let begun = Begun {
            first: Some(first),
            course: Arc::clone(&course),
            transport: Arc::clone(&transport),
            sent,
            told,
        };
        let (mut head, mut body) = match begun.await? {
            First::Refused(answer) => return Ok(answer),
            First::Begun(head, body) => (head, body),
        };
        let mut under_way = UnderWay { course: Arc::clone(&course), transport, cancel: None };
        let (mut asked, mut failures) = (0_u32, 0);
        let mut follow = course.follow;
        loop {
            under_way.cancel = follow.cancel(&body);
            let (url, after) = match follow.next(&body, asked) {
                Next::Done => {
                    under_way.cancel = None;
                    head.headers.remove(CONTENT_LENGTH);
                    let body: ByteStream = Box::pin(stream::once(std::future::ready(Ok(body))));
                    return Ok(Response::from_parts(head, body));
                }
                Next::Stream { url, get } => {
                    let request = course.request(Method::GET, &url, "text/event-stream")?;
                    let answer = under_way.transport.send(request).await;
                    match (answer, follow.whole()) {
                        (Ok(answer), _) if answer.status().is_success() => {
                            let (head, body) = answer.into_parts();
                            let events = Watched::new(body, get, under_way).events();
                            return Ok(Response::from_parts(head, events));
                        }
                        // Nothing came of it yet: it can be waited for instead.
                        (_, Some(whole)) if get.is_some() => {
                            follow = whole;
                            continue;
                        }
                        (answer, _) => return answer,
                    }
                }
                Next::Again { url, after } => (url, after),
            };
            tokio::time::sleep(after).await;
            asked = asked.saturating_add(1);
            let request = course.request(Method::GET, &url, "application/json")?;
            let answer = under_way.transport.send(request).await;
            let busy = match &answer {
                Ok(answer) => answer.status().is_server_error() || answer.status().as_u16() == 429,
                Err(error) => error.kind == ErrorKind::Connection,
            };
            failures = if busy { failures + 1 } else { 0 };
            if busy && failures < FAILURES {
                continue;
            }
            let (next, bytes) = answer?.into_parts();
            if !next.status.is_success() {
                return Ok(Response::from_parts(next, bytes));
            }
            body = collect(bytes, BODY_LIMIT).await?;
            head = next;
        }
    }

    /// A call to where an answer points.
    fn request(&self, method: Method, url: &str, accept: &'static str) -> Result<Request<RequestBody>> {
        let elsewhere = |why: &str| {
            let message = format!("the upstream's answer points {why}: it is not followed");
            ApiError::upstream(ErrorKind::UpstreamFormat, message)
        };
        let uri: Uri = url.parse().map_err(|_| elsewhere("to what is no address"))?;
        let same = uri.scheme() == self.origin.scheme() && uri.authority() == self.origin.authority();
        if !same && !is_kin(&self.origin, &uri) {
            return Err(elsewhere("to another host"));
        }
        let mut request = Request::new(RequestBody::from(Segments::from(Bytes::new())));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        if same {
            *request.headers_mut() = self.headers.clone();
        }
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(request)
    }
}

/// Whether an address is another host of the same domain, over TLS: `stream.replicate.com` beside `api.replicate.com`.
fn is_kin(origin: &Uri, uri: &Uri) -> bool {
    let (Some(own), Some(host)) = (origin.host(), uri.host()) else { return false };
    let domain = own.split_once('.').map(|(_, domain)| domain).filter(|domain| domain.contains('.'));
    let named = own.parse::<std::net::IpAddr>().is_err();
    let within =
        |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    uri.scheme_str() == Some("https") && named && domain.is_some_and(within)
}

/// The first answer.
enum First {
    Refused(Response<ByteStream>),
    Begun(response::Parts, Bytes),
}

/// A call whose first answer is awaited. Only that says what is to be canceled: where nobody waits for it any more, it is
/// awaited beside, and then canceled.
struct Begun<'p> {
    /// `None` once it is there.
    first: Option<BoxFuture<'static, Result<First>>>,
    course: Arc<Course>,
    transport: Arc<dyn Transport>,
    sent: Option<Arc<Progress>>,
    told: Option<&'p Progress>,
}

impl Future for Begun<'_> {
    type Output = Result<First>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(first) = &mut this.first else { return Poll::Pending };
        let polled = first.as_mut().poll(cx);
        if let (Some(sent), Some(told)) = (&this.sent, this.told) {
            told.set(sent.is_sent());
        }
        if polled.is_ready() {
            this.first = None;
        }
        polled
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        // What never went out is not to be sent now.
        let may_have = self.sent.as_ref().is_none_or(|sent| sent.is_sent());
        let Some(first) = self.first.take().filter(|_| may_have) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (course, transport) = (Arc::clone(&self.course), Arc::clone(&self.transport));
        runtime.spawn(async move {
            if let Ok(Ok(First::Begun(_, body))) = tokio::time::timeout(LAST_WORD, first).await {
                let cancel = course.follow.cancel(&body);
                drop(UnderWay { course, transport, cancel });
            }
        });
    }
}

/// What is under way at the provider: canceled where nobody waits for it any more.
struct UnderWay {
    course: Arc<Course>,
    transport: Arc<dyn Transport>,
    cancel: Option<String>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let (Some(url), Ok(runtime)) = (self.cancel.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let Ok(request) = self.course.request(Method::POST, &url, "application/json") else { return };
        let transport = Arc::clone(&self.transport);
        // Whether it arrives changes nothing here.
        runtime
            .spawn(async move { tokio::time::timeout(CANCEL_TIME, transport.send(request)).await.is_ok() });
    }
}

#[cfg(test)]
mod tests {
    use super::is_kin;

    #[test]
    fn kin_are_hosts_of_one_domain_over_tls() {
        let check = |own: &str, other: &str, expect| {
            assert_eq!(is_kin(&own.parse().unwrap(), &other.parse().unwrap()), expect, "{own} {other}");
        };
        check("https://api.replicate.com/v1", "https://stream.replicate.com/v1/files/x", true);
        check("https://api.replicate.com/v1", "https://replicate.com/x", true);
        check("https://api.replicate.com/v1", "http://stream.replicate.com/x", false);
        check("https://api.replicate.com/v1", "https://evilreplicate.com/x", false);
        check("https://api.replicate.com/v1", "https://replicate.com.evil.example/x", false);
        check("https://proxy.corp/v1", "https://other.corp/x", false);
        check("http://127.0.0.1:80/", "https://9.0.0.1/x", false);
        check("http://localhost/", "https://other/x", false);
    }
}
