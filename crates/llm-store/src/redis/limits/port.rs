//! The port: a request asks, waits for one answer and no longer than it may, and gives back without waiting.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use llm_governance::Error;
use llm_governance::limit::{LimitAsk, LimitDecision, LimitStore, MOST};
use tokio::runtime::Handle;

use super::LimitsStatus;
use super::answer::{self, Failure};
use super::call::{By, Script};
use super::desk::{Desk, Link, Reply};
use super::worker::LimitsWorker;
use crate::redis::options::{RedisOptions, StoreError};

/// Limits shared over Redis: the half that requests ask.
///
/// The other half is the [`LimitsWorker`] that comes with it. While Redis is away or slow, asking fails at once.
#[derive(Debug)]
pub struct RedisLimits {
    desk: Arc<Desk>,
    timeout: Duration,
}

impl RedisLimits {
    /// The two halves. Nothing is connected before the worker runs.
    ///
    /// # Errors
    /// [`StoreError::Url`] when the address cannot be read.
    pub fn new(options: &RedisOptions) -> Result<(Arc<Self>, LimitsWorker), StoreError> {
        let desk = Arc::new(Desk::new(&options.prefix));
        let worker = LimitsWorker::new(options, Arc::clone(&desk))?;
        Ok((Arc::new(Self { desk, timeout: options.timeout }), worker))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> LimitsStatus {
        self.desk.status()
    }

    /// Ends the worker, once the requests that have places have ended and that is told, if that works at the first
    /// try.
    pub fn close(&self) {
        self.desk.close();
    }
}

impl Drop for RedisLimits {
    fn drop(&mut self) {
        self.desk.close();
    }
}

#[async_trait]
impl LimitStore for RedisLimits {
    async fn take(&self, request: u64, asks: &[LimitAsk], tokens: u64) -> Result<LimitDecision, Error> {
        let failed = |failure: Failure| Error::Store(Box::new(failure));
        let link = self.desk.link().ok_or_else(|| failed(Failure::Known))?;
        let tokens = tokens.min(MOST);
        let mut asking =
            Asking { desk: &self.desk, link: &link, asks, tokens, reply: None, forgotten: false };
        let decision = match tokio::time::timeout(self.timeout, asking.decision()).await {
            Ok(decision) => decision,
            Err(_) => {
                self.desk.rest(&link);
                return Err(failed(Failure::Late));
            }
        };
        match &decision {
            Ok(LimitDecision::Taken(_)) => self.desk.taken(request, &link.life, asks),
            Ok(LimitDecision::Refused { .. }) => {}
            Err(failure @ Failure::Away(_)) => self.desk.lose(&link, &failure.to_string()),
            Err(failure) => tracing::debug!(%failure, "limits are not shared for one request"),
        }
        if asking.forgotten {
            // Now that the next life goes on with this request.
            self.desk.renew(&link);
        }
        decision.map_err(failed)
    }

    fn end(&self, request: u64, asks: &[LimitAsk], reserved: u64, used: Option<u64>) {
        let life = self.desk.ended(request);
        let used = used.map(|used| used.min(MOST));
        give_back(&self.desk, life.as_deref(), asks, (reserved.min(MOST), used));
    }
}

/// Has told what a request gives back.
fn give_back(desk: &Desk, life: Option<&str>, asks: &[LimitAsk], tokens: (u64, Option<u64>)) {
    let (reserved, used) = tokens;
    let counts_tokens = asks.iter().any(|ask| ask.limits.tpm.is_some()) && used != Some(reserved);
    if life.is_none() && used.is_some() && !counts_tokens {
        // Nothing to correct: what was taken is what was used.
        return;
    }
    let life = life.unwrap_or_default();
    if let Some(calls) = desk.calls() {
        desk.post(calls.end(life, asks, reserved, used));
    }
}

/// A request that waits for its decision. Whoever does not wait for it to the end leaves it to a task, which gives
/// back what was taken.
struct Asking<'a> {
    desk: &'a Arc<Desk>,
    link: &'a Arc<Link>,
    asks: &'a [LimitAsk],
    tokens: u64,
    reply: Option<Reply>,
    /// The server had lost the script.
    forgotten: bool,
}

impl Asking<'_> {
    async fn decision(&mut self) -> Result<LimitDecision, Failure> {
        let calls = &self.link.calls;
        match self.ask(calls.by(Script::Take)).await {
            // The one case of a second way there and back.
            Err(Failure::NoScript) => {
                self.forgotten = true;
                self.ask(By::Text(Script::Take.text())).await
            }
            decision => decision,
        }
    }

    async fn ask(&mut self, by: By<'_>) -> Result<LimitDecision, Failure> {
        let Self { desk, link, asks, tokens, reply, forgotten: _ } = self;
        let call = link.calls.names.take(by, &link.life, asks, *tokens);
        let sent = reply.insert(desk.ask(link, call).ok_or(Failure::Known)?);
        let answered = sent.await;
        *reply = None;
        answer::decision(&answer::only(answered)?, asks, *tokens)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let Some(reply) = self.reply.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let (desk, link, asks, tokens) =
            (Arc::clone(self.desk), Arc::clone(self.link), self.asks.to_vec(), self.tokens);
        runtime.spawn(async move {
            let answered = answer::only(reply.await);
            let decision = answered.and_then(|value| answer::decision(&value, &asks, tokens));
            if let Ok(LimitDecision::Taken(_)) = decision {
                give_back(&desk, Some(&link.life), &asks, (tokens, None));
            }
        });
    }
}
