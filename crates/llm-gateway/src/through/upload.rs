//! A client's body on its way to the provider: whole where it has to be read or signed, else as it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Request};
use http_body::Body;
use http_body_util::BodyExt;
use llm_providers::codec::WireRequest;
use llm_providers::own_api::{self, FormModel};
use llm_providers::transport::ByteStream;
use llm_types::{ApiError, ErrorKind, Result, Segments};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::intake::{self, BodyMemory, BodyShare};

/// How long a client may pause in the middle of its body.
const PAUSE: Duration = Duration::from_secs(30);

/// How much is taken, and until when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Of what is read whole, in bytes.
    pub(crate) whole: usize,
    /// Of what goes on as it comes, in bytes.
    pub(crate) stream: usize,
    /// When the whole body must be there.
    pub(crate) deadline: Instant,
}

/// What ended a client's body before its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault(Arc<Mutex<Option<ApiError>>>);

impl Fault {
    pub(crate) fn take(&self) -> Option<ApiError> {
        self.0.lock().take()
    }

    pub(crate) fn note(&self, error: &ApiError) {
        *self.0.lock() = Some(error.clone());
    }
}

/// What a form says of its call, as far as it has gone on.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    form: Arc<Mutex<FormModel>>,
    /// Its answer has to come here.
    here: Arc<AtomicBool>,
}

impl Named {
    pub(super) fn model(&self) -> Option<String> {
        self.form.lock().model().map(str::to_owned)
    }

    /// The form goes no further once it says that its answer is to go elsewhere.
    pub(super) fn demand_here(&self) {
        self.here.store(true, Ordering::Relaxed);
    }

    fn see(&self, data: &[u8]) -> Result<()> {
        let mut form = self.form.lock();
        form.see(data);
        let elsewhere = form.elsewhere().filter(|_| self.here.load(Ordering::Relaxed));
        elsewhere.map_or(Ok(()), |name| Err(own_api::elsewhere_refused(name)))
    }
}

/// A client's body.
pub(crate) enum Upload {
    /// All of it.
    Whole(Bytes, BodyShare),
    /// As it comes.
    Stream(ByteStream, Fault, Option<Named>),
}

impl Upload {
    /// The body, where it is whole.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(body, _) => Some(body),
            Self::Stream(..) => None,
        }
    }

    /// What its form says of the model while it goes on.
    pub(super) fn named(&self) -> Option<Named> {
        match self {
            Self::Whole(..) => None,
            Self::Stream(.., named) => named.clone(),
        }
    }

    /// The call with what is whole in it, and what comes behind it.
    pub(crate) fn into_parts(self, wire: WireRequest) -> (WireRequest, Option<ByteStream>, Fault) {
        match self {
            Self::Whole(body, _share) => {
                (WireRequest { body: Segments::from(body), ..wire }, None, Fault::default())
            }
            Self::Stream(stream, fault, _) => (wire, Some(stream), fault),
        }
    }
}

/// Takes the body of a request.
///
/// # Errors
/// 413 for one that is announced too large; of a whole one whatever ends it.
pub(crate) async fn take<B>(
    request: Request<B>,
    whole: bool,
    bounds: Bounds,
    memory: &BodyMemory,
) -> Result<(HeaderMap, Upload)>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let compressed = request.headers().contains_key(CONTENT_ENCODING);
    if (whole && !compressed) || request.body().is_end_stream() {
        let bounds = intake::Bounds { size: bounds.whole, deadline: bounds.deadline };
        let (headers, body, share) = intake::read(Box::new(request), bounds, memory).await?;
        return Ok((headers, Upload::Whole(body, share)));
    }
    let (head, body) = request.into_parts();
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|announced: usize| announced > bounds.stream) {
        return Err(too_large(bounds.stream));
    }
    let fault = Fault::default();
    let named = FormModel::of(&head.headers);
    let named = named.map(|form| Named { form: Arc::new(Mutex::new(form)), here: Arc::default() });
    let state = Some(Coming { body, size: 0, bounds, fault: fault.clone(), named: named.clone() });
    let stream: Pin<Box<dyn futures_util::Stream<Item = Result<Bytes>> + Send>> =
        Box::pin(stream::unfold(state, |state| async move {
            let mut coming = state?;
            match coming.next().await? {
                Ok(data) => Some((Ok(data), Some(coming))),
                Err(error) => {
                    coming.fault.note(&error);
                    Some((Err(error), None))
                }
            }
        }));
    Ok((head.headers, Upload::Stream(stream, fault, named)))
}

/// A body that goes on as it comes.
struct Coming<B> {
    body: B,
    size: usize,
    bounds: Bounds,
    fault: Fault,
    named: Option<Named>,
}

impl<B> Coming<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    async fn next(&mut self) -> Option<Result<Bytes>> {
        loop {
            let pause = PAUSE.min(self.bounds.deadline.saturating_duration_since(Instant::now()));
            let frame = match timeout(pause, self.body.frame()).await {
                Ok(frame) => frame?,
                Err(_) => {
                    let message = "the request's body did not arrive: send it without pauses";
                    return Some(Err(ApiError::new(ErrorKind::Timeout, message)));
                }
            };
            let data = match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) => data,
                Ok(Err(_)) => continue,
                Err(error) => {
                    let broken = ApiError::bad_request("the request's body broke off");
                    return Some(Err(broken.with_source(error)));
                }
            };
            self.size = self.size.saturating_add(data.len());
            if self.size > self.bounds.stream {
                return Some(Err(too_large(self.bounds.stream)));
            }
            if !data.is_empty() {
                let seen = self.named.as_ref().map_or(Ok(()), |named| named.see(&data));
                return Some(seen.map(|()| data));
            }
        }
    }
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the request's body is larger than {limit} bytes (pass_through.max_body)");
    ApiError::new(ErrorKind::TooLarge, message)
}
