//! Asking one deployment, and a second one beside it when the first is slow to begin.

use std::pin::Pin;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::select_all;
use llm_router::{Limits, Plan, Step};
use llm_types::{ApiError, Op, Result};
use tokio::time::sleep_until;

use super::ready::Paid;
use super::{Answered, Dispatch, Journey};
use crate::answer::Reply;
use crate::attempt::Attempt;
use crate::backend::Backend;

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
        let attempt = match journey.ticket.is_free() && !pictures {
            true => Ok(Attempt::free()),
            // Boxed, like everything that not every request needs.
            false => {
                let Journey { ticket, asking, .. } = &mut *journey;
                Box::pin(self.pay(index, plan, (ticket, asking))).await
            }
        };
        let result = match attempt.and_then(|attempt| self.begin(index, plan, journey, attempt)) {
            Err(error) => Err(error),
            Ok((paid, limits)) => match plan.attempts().hedge_at() {
                None => self.send(paid, limits).await,
                Some(at) => return Box::pin(self.hedged((index, paid, limits), plan, journey, at)).await,
            },
        };
        self.settle((index, started), result, plan, journey)
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
        type Running<'f> = Pin<Box<dyn Future<Output = (usize, Result<Reply>)> + Send + 'f>>;
        let mut running: Vec<Running<'d>> = vec![Box::pin(first.map(move |result| (index, result)))];
        let second = plan.attempts().hedge(Instant::now());
        if let Some(second) = second {
            let Journey { ticket, asking, .. } = &mut *journey;
            let attempt = self.pay(second, plan, (ticket, asking)).await;
            match attempt.and_then(|attempt| self.begin(second, plan, journey, attempt)) {
                Ok((paid, limits)) => {
                    running.push(Box::pin(self.send(paid, limits).map(move |result| (second, result))));
                }
                Err(mut error) => {
                    self.note_failure(plan, second, &mut error);
                    let _ = plan.failed(second, Instant::now(), &error);
                }
            }
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

    /// Everything before the call goes out.
    fn begin(
        &self,
        index: usize,
        plan: &mut Plan<'_, Backend>,
        journey: &mut Journey,
        attempt: Attempt,
    ) -> Result<(Paid, Limits)> {
        let Some(deployment) = plan.group().get(index).cloned() else {
            return Err(ApiError::new(llm_types::ErrorKind::Internal, "no such deployment"));
        };
        let asking = &mut journey.asking;
        let ready = match attempt.output_limit() {
            None => self.ready(&deployment, plan.star(), asking)?,
            Some(limit) => self.ready_clamped(&deployment, plan.star(), asking, limit)?,
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
