//! A streamed answer, as typed events.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt, stream};
use llm_types::{ApiError, Changes, Dialect, Event, EventSink, Flow, Reply, ReplyBuilder, Result};

use super::client::named;
use crate::codec::StreamDecoder;
use crate::replay::replay;
use crate::target::Target;
use crate::transport::ByteStream;

/// The events of an answer as they come. Dropping it cancels the call.
pub struct ChatStream {
    body: ByteStream,
    /// `None` once the stream is over.
    decoder: Option<Box<dyn StreamDecoder>>,
    events: VecDeque<Event<'static>>,
    changes: Changes,
    /// Whether the provider answered whole.
    whole: bool,
    /// Whose signatures it holds.
    dialect: Dialect,
    /// Whose failures may repeat its key; `None`: nobody's.
    target: Option<Box<Target>>,
}

impl std::fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatStream").field("decoder", &self.decoder).finish_non_exhaustive()
    }
}

impl ChatStream {
    pub(crate) fn new(
        body: ByteStream,
        decoder: Box<dyn StreamDecoder>,
        dialect: Dialect,
        target: Target,
    ) -> Self {
        let (decoder, target) = (Some(decoder), Some(Box::new(target)));
        let (events, changes) = (VecDeque::new(), Changes::default());
        Self { body, decoder, events, changes, whole: false, dialect, target }
    }

    /// The events of an answer that is whole already.
    pub(crate) fn replayed(reply: &Reply, dialect: Dialect) -> Self {
        let mut events = VecDeque::new();
        let _ = replay(reply, &mut |event: Event<'_>| {
            events.push_back(event.into_owned());
            Flow::Continue(())
        });
        let (body, changes) = (Box::pin(stream::empty()), Changes::default());
        Self { body, decoder: None, events, changes, whole: false, dialect, target: None }
    }

    /// The events of an answer of a provider that does not stream although it was asked to.
    pub(crate) fn whole(reply: &Reply, dialect: Dialect) -> Self {
        Self { whole: true, ..Self::replayed(reply, dialect) }
    }

    pub(crate) fn with_changes(mut self, changes: Changes) -> Self {
        self.changes = changes;
        self
    }

    /// What of the request did not reach the provider as it was asked.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Whether the provider answered whole, not with a stream: its events were made of that.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The next event; `None`: the answer is complete.
    pub async fn next(&mut self) -> Option<Result<Event<'static>>> {
        StreamExt::next(self).await
    }

    /// Reads to the end and gives the whole answer.
    ///
    /// # Errors
    /// What the stream failed with.
    pub async fn collect(mut self) -> Result<Reply> {
        let mut builder = ReplyBuilder::default();
        while let Some(event) = self.next().await {
            let _ = builder.event(event?);
        }
        let mut reply = builder.finish()?;
        reply.sealed_by(self.dialect);
        Ok(reply)
    }
}

impl Stream for ChatStream {
    type Item = Result<Event<'static>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.events.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            let Some(decoder) = &mut this.decoder else {
                return Poll::Ready(None);
            };
            let (events, target) = (&mut this.events, this.target.as_deref());
            let told = |error: ApiError| match target {
                Some(target) => named(error, target),
                None => error,
            };
            let mut sink = |event: Event<'_>| {
                events.push_back(match event.into_owned() {
                    Event::Error(error) => Event::Error(told(error)),
                    event => event,
                });
                Flow::Continue(())
            };
            let result = match this.body.poll_next_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(chunk))) => match decoder.feed(&chunk, &mut sink) {
                    Ok(_) if decoder.is_done() => decoder.finish(&mut sink).map(|()| true),
                    fed => fed.map(|_| false),
                },
                Poll::Ready(Some(Err(error))) => Err(error),
                Poll::Ready(None) => decoder.finish(&mut sink).map(|()| true),
            };
            match result {
                Ok(false) => {}
                Ok(true) => this.decoder = None,
                Err(error) => {
                    let error = told(error);
                    this.decoder = None;
                    // What was complete before the failure still comes first.
                    if this.events.is_empty() {
                        return Poll::Ready(Some(Err(error)));
                    }
                    this.events.push_back(Event::Error(error));
                }
            }
        }
    }
}
