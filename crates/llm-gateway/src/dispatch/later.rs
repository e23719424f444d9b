//! An answer that is made in the background: its money stays reserved until its provider says what it used.
//!
//! Whoever asked for it may ask for it again, at any gateway, often or never. So the gateway that sent the request asks by
//! itself until the answer is complete, which costs nothing, and settles the attempt once. While it does, the most that
//! the answer can cost is reserved; should it end before, that is what is booked, or what is unknown of its lease.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};
use llm_providers::codec::{ClientCodec, Memo, WireRequest};
use llm_providers::target::Target;
use llm_providers::transport::{RequestBody, collect};
use llm_types::{ApiError, Op, Result, Segments};
use tokio::time::{Instant, sleep, timeout};

use crate::attempt::Attempt;
use crate::belief::Belief;
use crate::gateway::Gateway;

/// After how long it is asked for the first time, and how long each pause is at most: some providers forget an answer ten
/// minutes after it was complete.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// How long a question may take.
const BOUND: Duration = Duration::from_secs(30);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// The most that is read of an answer, in bytes.
const REPLY_LIMIT: usize = 256 * 1024 * 1024;
/// How many answers are waited for at once; of more, what was reserved is booked at once.
pub(crate) const MOST: usize = 10_000;

/// An answer that is not complete.
#[derive(Debug)]
pub(crate) struct Later {
    pub(super) codec: &'static dyn ClientCodec,
    /// Where it is asked for.
    pub(super) path: String,
}

impl Later {
    /// Waits for the answer, and settles the attempt; gives it back where nobody can wait.
    pub(super) fn settle(
        self,
        gateway: &Arc<Gateway>,
        target: Arc<Target>,
        attempt: Attempt,
    ) -> Option<Attempt> {
        let Ok(place) = Arc::clone(gateway.later()).try_acquire_owned() else { return Some(attempt) };
        let own = Arc::clone(gateway);
        gateway.background(async move {
            self.wait(&own, &target, attempt).await;
            drop(place);
        });
        None
    }

    async fn wait(self, gateway: &Gateway, target: &Target, mut attempt: Attempt) {
        let until = Instant::now() + PATIENCE;
        let mut pause = FIRST;
        while Instant::now() < until {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
            let body = match timeout(BOUND, self.ask(gateway, target)).await {
                Ok(Ok(body)) => body,
                // It was deleted: what it cost nobody says any more.
                Ok(Err(error)) if error.upstream_status.is_some_and(|status| status.as_u16() == 404) => {
                    return;
                }
                Ok(Err(_)) | Err(_) => continue,
            };
            if self.codec.unfinished(&body).is_some() {
                continue;
            }
            let Ok(tapped) = self.codec.tap(Op::Chat, &body) else { return };
            attempt.names(tapped.model.as_deref());
            // Nobody waits for its row.
            let belief = Belief::within(target.model_name(), None);
            let _ = attempt.settle(tapped.usage.as_ref().filter(|usage| belief.holds(usage)), 0);
            return;
        }
    }

    async fn ask(&self, gateway: &Gateway, target: &Target) -> Result<bytes::Bytes, ApiError> {
        let wire = WireRequest {
            method: Method::GET,
            path: self.path.clone(),
            headers: HeaderMap::new(),
            body: Segments::default(),
            memo: Memo::default(),
        };
        let request = target.request(wire)?.map(RequestBody::from);
        let (head, body) = gateway.transport().send(request).await?.into_parts();
        let body = collect(body, REPLY_LIMIT).await?;
        if !head.status.is_success() {
            return Err(self.codec.decode_error(head.status, &head.headers, &body));
        }
        Ok(body)
    }
}
