//! Asking one deployment, and a second one beside it when the first is slow to begin.

use std::pin::Pin;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::select_all;
use llm_router::{Limits, Plan, Step};
use llm_types::{ApiError, ErrorKind, Op, Result};
use tokio::time::sleep_until;

use super::ready::{Asking, Paid, elsewhere};
use super::{Answered, Dispatch, Journey};
use crate::answer::Reply;
use crate::attempt::Attempt;
use crate::backend::Backend;

/// What became of a second deployment that was not paid for in time.
const UNSENT: &str = "not asked: the first one answered before that";

/// A call under way, and the position of whom it asks.
type Call<'d> = Pin<Box<dyn Future<Output = (usize, Result<Reply>)> + Send + 'd>>;

impl Dispatch {
    /// Asks a deployment of the plan's group: its answer, or what to do next.
    pub(super) async fn ask(
        &self,
        index: usize,
        plan: &mut Plan<'_, Backend>,
        journey: &mut Journey,
    ) -> Result<Answered, Step> {
        let started = Instant::now();
        // What pictures cost is told as well where nobody pays.
        let pictures = matches!(self.asked.op, Op::Image | Op::ImageEdit);
        let free = journey.ticket.is_free() && !pictures;
        let mut begun = self.paid(index, plan, journey, free).await;
        if let Err(error) = &begun
            && error.is_about_bytes()
            && journey.fetched.is_none()
        {
            begun = match Box::pin(self.fetch(&journey.asking)).await {
                Ok(None) => begun,
                Ok(fetched) => {
                    journey.fetched = fetched;
                    self.paid(index, plan, journey, free).await
                }
                Err(error) => Err(error),
            };
        }
        let result = match begun {
            Err(error) => Err(error),
            Ok((paid, limits)) => match plan.attempts().hedge_at() {
                None => self.send(paid, limits).await,
                Some(at) => return Box::pin(self.hedged((index, paid, limits), plan, journey, at)).await,
            },
        };
        self.settle((index, started), result, plan, journey)
    }

    /// Pays for a call, unless nobody has to, and writes it.
    async fn paid(
        &self,
        index: usize,
        plan: &mut Plan<'_, Backend>,
        journey: &mut Journey,
        free: bool,
    ) -> Result<(Paid, Limits)> {
        let attempt = match free {
            true => Attempt::free(),
            // Boxed, like everything that not every request needs.
            false => {
                let Journey { ticket, asking, .. } = &mut *journey;
                Box::pin(self.pay(index, plan, (ticket, asking))).await?
            }
        };
        self.begin(index, plan, journey, attempt)
    }

    /// The request with the bytes of what it names by address; `None`: nothing is fetched here.
    async fn fetch(&self, asking: &Asking) -> Result<Option<Box<Asking>>> {
        let (Some(fetch), Some(call)) = (&self.snapshot.fetch, &asking.call) else { return Ok(None) };
        let mut call = call.clone();
        fetch.inline(&mut call).await.map_err(elsewhere)?;
        Ok(Some(Box::new(asking.rewritten(call))))
    }

    /// Asks a deployment, and a second one as well when it has not begun by then.
    async fn hedged(
        &self,
        (index, paid, limits): (usize, Paid, Limits),
        plan: &mut Plan<'_, Backend>,
        journey: &mut Journey,
        at: Instant,
    ) -> Result<Answered, Step> {
        let started = Instant::now();
        let mut first = Box::pin(self.send(paid, limits));
        let result = tokio::select! {
            biased;
            result = &mut first => result,
            () = sleep_until(at.into()) => {
                return self.race((index, first), plan, journey, started).await;
            }
        };
        self.settle((index, started), result, plan, journey)
    }

    /// What came of asking one deployment.
    fn settle(
        &self,
        (index, started): (usize, Instant),
        result: Result<Reply>,
        plan: &mut Plan<'_, Backend>,
        journey: &mut Journey,
    ) -> Result<Answered, Step> {
        let now = Instant::now();
        journey.upstream += now.saturating_duration_since(started);
        match result {
            Ok(reply) => self.answered(index, reply, plan, now),
            Err(mut error) => {
                journey.last = self.note_failure(plan, index, &mut error);
                Err(plan.next(now, Some(&error)))
            }
        }
    }

    /// Asks a second deployment, and takes whoever begins first. The other call is dropped, which cancels it.
    async fn race<'d, F>(
        &'d self,
        (index, first): (usize, Pin<Box<F>>),
        plan: &mut Plan<'_, Backend>,
        journey: &mut Journey,
        started: Instant,
    ) -> Result<Answered, Step>
    where
        F: Future<Output = Result<Reply>> + Send + 'd,
    {
        let mut running: Vec<Call<'d>> = vec![Box::pin(first.map(move |result| (index, result)))];
        if let Some(second) = plan.attempts().hedge(Instant::now())
            && let Some(answered) = self.join(second, &mut running, plan, journey).await
        {
            journey.upstream += started.elapsed();
            return answered;
        }
        loop {
            let ((index, result), _, rest) = select_all(running).await;
            let now = Instant::now();
            match result {
                Ok(reply) => {
                    journey.upstream += now.saturating_duration_since(started);
                    return self.answered(index, reply, plan, now);
                }
                Err(mut error) => {
                    journey.last = self.note_failure(plan, index, &mut error);
                    if let Some(step) = plan.failed(index, now, &error) {
                        journey.upstream += now.saturating_duration_since(started);
                        return Err(step);
                    }
                    running = rest;
                }
            }
        }
    }

    /// Pays for the second deployment and asks it, while the first call goes on: what that comes to before the money is
    /// there is not held up by it.
    async fn join<'d>(
        &'d self,
        second: usize,
        running: &mut Vec<Call<'d>>,
        plan: &mut Plan<'_, Backend>,
        journey: &mut Journey,
    ) -> Option<Result<Answered, Step>> {
        let mut first = running.pop()?;
        let Journey { ticket, asking, .. } = &mut *journey;
        let mut paying = Box::pin(self.pay(second, plan, (ticket, asking)));
        let (attempt, early) = tokio::select! {
            biased;
            early = &mut first => match early {
                (index, Ok(reply)) => {
                    drop(paying);
                    let (now, unsent) = (Instant::now(), ApiError::new(ErrorKind::ClientCancelled, UNSENT));
                    let _ = plan.failed(second, now, &unsent);
                    return Some(self.answered(index, reply, plan, now));
                }
                (index, Err(error)) => (paying.await, Some((index, error))),
            },
            attempt = &mut paying => {
                drop(paying);
                running.push(first);
                (attempt, None)
            }
        };
        if let Some((index, mut error)) = early {
            journey.last = self.note_failure(plan, index, &mut error);
            let _ = plan.failed(index, Instant::now(), &error);
        }
        match attempt.and_then(|attempt| self.begin(second, plan, journey, attempt)) {
            Ok((paid, limits)) => {
                running.push(Box::pin(self.send(paid, limits).map(move |result| (second, result))));
                None
            }
            Err(mut error) => {
                self.note_failure(plan, second, &mut error);
                plan.failed(second, Instant::now(), &error).map(Err)
            }
        }
    }

    /// Everything before the call goes out.
    fn begin(
        &self,
        index: usize,
        plan: &mut Plan<'_, Backend>,
        journey: &mut Journey,
        attempt: Attempt,
    ) -> Result<(Paid, Limits)> {
        let Some(deployment) = plan.group().get(index).cloned() else {
            return Err(ApiError::new(ErrorKind::Internal, "no such deployment"));
        };
        let written = |asking: &mut Asking| match attempt.output_limit() {
            None => self.ready(&deployment, plan.star(), asking),
            Some(limit) => self.ready_clamped(&deployment, plan.star(), asking, limit),
        };
        let ready = match (written(&mut journey.asking), &mut journey.fetched) {
            (Err(error), Some(fetched)) if error.is_about_bytes() => written(fetched)?,
            (ready, _) => ready?,
        };
        Ok((Paid { ready, attempt }, plan.attempts().limits(&deployment, Instant::now())))
    }

    fn answered(
        &self,
        index: usize,
        reply: Reply,
        plan: &mut Plan<'_, Backend>,
        now: Instant,
    ) -> Result<Answered, Step> {
        let lease = plan.attempts().answered_by(index, now);
        if let (Some(lease), Some(limits)) = (&lease, &reply.rate_limits) {
            lease.note_rate_limits(limits, now);
        }
        let labels = plan.group().get(index).map(|deployment| deployment.target.labels.clone());
        labels.map(|labels| Answered { reply, lease, labels }).ok_or(Step::Fail)
    }
}
