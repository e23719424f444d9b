//! A stream that an answer points to, watched for its end.
//!
//! What it is about goes on at the provider until it is over: a stream that is dropped, breaks off or ends too early
//! cancels it. What streams do not tell, as the tokens, the last answer does: it is asked for before the end is given out.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::Method;
use llm_types::Result;

use super::{BODY_LIMIT, CANCEL_TIME, UnderWay};
use crate::codec::Over;
use crate::transport::{ByteStream, collect};

/// The largest event that is waited for.
const EVENT_LIMIT: usize = 1024 * 1024;

pub(super) struct Watched {
    body: ByteStream,
    /// Where the last answer is.
    get: Option<String>,
    /// The beginning of an event.
    part: BytesMut,
    under_way: UnderWay,
}

impl Watched {
    pub(super) fn new(body: ByteStream, get: Option<String>, under_way: UnderWay) -> Self {
        Self { body, get, part: BytesMut::new(), under_way }
    }

    /// What it gives out, by whole events.
    pub(super) fn events(self) -> ByteStream {
        Box::pin(stream::unfold(self, |mut watched| async move {
            let next = watched.next().await?;
            Some((next, watched))
        }))
    }

    async fn next(&mut self) -> Option<Result<Bytes>> {
        loop {
            let chunk = match self.body.next().await {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return Some(Err(error)),
                // An event without an end is none.
                None => return None,
            };
            self.part.extend_from_slice(&chunk);
            let end = match ended(&self.part) {
                0 if self.part.len() < EVENT_LIMIT => continue,
                0 => self.part.len(),
                end => end,
            };
            let events = self.part.split_to(end).freeze();
            return Some(Ok(match self.under_way.course.follow.over(&events) {
                None => events,
                Some(over) => {
                    self.under_way.cancel = None;
                    let told = if over == Over::Done { self.last_word().await } else { None };
                    told.map_or_else(|| events.clone(), |told| [told, events.clone()].concat().into())
                }
            }));
        }
    }

    /// What the last answer tells beside the stream.
    async fn last_word(&mut self) -> Option<Bytes> {
        let (url, under_way) = (self.get.take()?, &self.under_way);
        let request = under_way.course.request(Method::GET, &url, "application/json").ok()?;
        let asked = async {
            let answer = under_way.transport.send(request).await.ok()?;
            if !answer.status().is_success() {
                return None;
            }
            let body = collect(answer.into_body(), BODY_LIMIT).await.ok()?;
            under_way.course.follow.told(&body)
        };
        tokio::time::timeout(CANCEL_TIME, asked).await.ok().flatten()
    }
}

/// Where the last whole event ends.
fn ended(bytes: &[u8]) -> usize {
    let after = |mark: &[u8]| memchr::memmem::rfind(bytes, mark).map_or(0, |at| at + mark.len());
    after(b"\n\n").max(after(b"\r\n\r\n"))
}
