//! One connection, driven by whoever uses it.
//!
//! A connection with a task of its own costs two switches of task for each request, and more for each piece of an
//! answer. Nobody needs it while nobody asks, so it is polled together with the answer that it brings.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use llm_types::Result;
use tokio::net::TcpStream;

use super::super::RequestBody;
use super::failed;
use super::pool::{Origin, Pool};
use super::waker::Rounds;

/// What a connection runs over.
pub(super) type Io = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Why there is no answer, and the request if nothing of it was sent.
pub(super) struct Unanswered {
    pub(super) error: hyper::Error,
    pub(super) unsent: Option<Box<Request<RequestBody>>>,
}

/// An open connection.
pub(super) struct Link {
    sender: SendRequest<RequestBody>,
    /// `None`: it has ended.
    connection: Option<Pin<Box<Connection<Io, RequestBody>>>>,
    rounds: Rounds,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("open", &self.connection.is_some()).finish_non_exhaustive()
    }
}

impl Link {
    /// Begins to speak over what is open.
    pub(super) async fn new(io: Io) -> Result<Self, hyper::Error> {
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        Ok(Self { sender, connection: Some(Box::pin(connection)), rounds: Rounds::new() })
    }

    /// Lets the connection do what it can.
    fn drive(connection: &mut Option<Pin<Box<Connection<Io, RequestBody>>>>, cx: &mut Context<'_>) {
        if let Some(open) = connection
            && open.as_mut().poll(cx).is_ready()
        {
            // Whoever waits for something of it was told why.
            *connection = None;
        }
    }

    /// Whether another request can go over it. What the other side did meanwhile is noticed here.
    pub(super) fn is_ready(&mut self) -> bool {
        let Self { sender, connection, rounds } = self;
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _ = rounds.poll(&mut cx, |cx| {
            Self::drive(connection, cx);
            Poll::<()>::Pending
        });
        rounds.rest();
        connection.is_some() && sender.is_ready()
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn ask(
        &mut self,
        request: Box<Request<RequestBody>>,
    ) -> Result<Response<Incoming>, Box<Unanswered>> {
        let Self { sender, connection, rounds } = self;
        let mut answer = pin!(sender.try_send_request(*request));
        let answer = poll_fn(|cx| {
            rounds.poll(cx, |cx| {
                Self::drive(connection, cx);
                answer.as_mut().poll(cx)
            })
        });
        answer.await.map_err(|mut error| {
            let unsent = error.take_message().map(Box::new);
            Box::new(Unanswered { error: error.into_error(), unsent })
        })
    }
}

/// The body of an answer, and the connection that it comes over; back in the pool when it is over.
#[derive(Debug)]
pub(super) struct Answer {
    body: Incoming,
    /// `None`: it was given back, or is of no more use.
    link: Option<(Link, Origin)>,
    pool: Weak<Pool>,
}

impl Answer {
    pub(super) fn new(body: Incoming, link: Link, origin: Origin, pool: &Arc<Pool>) -> Self {
        let mut answer = Self { body, link: Some((link, origin)), pool: Arc::downgrade(pool) };
        if answer.body.is_end_stream() {
            answer.over();
        }
        answer
    }

    /// The answer is complete.
    fn over(&mut self) {
        if let Some((mut link, origin)) = self.link.take()
            && let Some(pool) = self.pool.upgrade()
            && link.is_ready()
        {
            pool.put(&origin, link);
        }
    }
}

impl Stream for Answer {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let this = self.get_mut();
        let Some((Link { connection, rounds, .. }, _)) = &mut this.link else { return Poll::Ready(None) };
        let body = &mut this.body;
        let next = rounds.poll(cx, |cx| {
            loop {
                match Pin::new(&mut *body).poll_frame(cx) {
                    // Trailers say nothing that anybody needs.
                    Poll::Ready(Some(Ok(frame))) if !frame.is_data() => {}
                    Poll::Pending => break,
                    next => return next,
                }
            }
            Link::drive(connection, cx);
            Pin::new(&mut *body).poll_frame(cx)
        });
        match std::task::ready!(next) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Poll::Ready(Some(Ok(data))),
                Err(_) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
            Some(Err(error)) => {
                this.link = None;
                Poll::Ready(Some(Err(failed("the upstream broke the connection in its answer", error))))
            }
            None => {
                this.over();
                Poll::Ready(None)
            }
        }
    }
}
