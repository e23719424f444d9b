//! Asking one deployment, and a second one beside it when the first is slow to begin.

use std::pin::Pin;
use std::time::Instant;

use futures_util::FutureExt as _;
use futures_util::future::select_all;
use llm_router::{Limits, Plan, Step};
use llm_types::{ApiError, ErrorKind, Result};
use tokio::time::sleep_until;

use super::ready::{Asking, Paid};
use super::{Answered, Dispatch, Journey};
use crate::answer::Reply;
use crate::attempt::Attempt;
use crate::backend::Backend;

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
        let pictures = self.asked.op.is_picture();
        let free = journey.ticket.is_free() && !pictures;
        let mut begun = self.paid(index, plan, journey, free).await;
        if begun.as_ref().is_err_and(ApiError::is_about_bytes) && journey.fetched.is_none() {
            journey.fetched = Box::pin(self.fetch(&journey.asking)).await;
            // The time that took says nothing about the deployment.
            plan.attempts().restart(index, Instant::now());
            begun = match &journey.fetched {
                None => begun,
                Some(_) => self.paid(index, plan, journey, free).await,
            };
        }
        let result = match begun {
            Err(error) => Err(error),
            Ok((paid, limits)) => {
                journey.calls += 1;
                match plan.attempts().hedge_at() {
                    None => self.send(paid, limits).await,
                    Some(at) => {
                        return Box::pin(self.hedged((index, paid, limits), plan, journey, at)).await;
                    }
                }
            }
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
            false => {
                let Journey { ticket, asking, .. } = &mut *journey;
                match self.pay_here(index, plan, (ticket, asking))? {
                    Some(attempt) => attempt,
                    // Boxed, like everything that not every request needs.
                    None => Box::pin(self.pay(index, plan, (ticket, asking))).await?,
                }
            }
        };
        self.begin(index, plan, journey, attempt)
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
        let free = journey.ticket.is_free();
        let mut paying = Box::pin(self.paid(second, plan, journey, free));
        let early = tokio::select! {
            biased;
            early = &mut first => early,
            begun = &mut paying => {
                drop(paying);
                running.push(first);
                match begun {
                    Ok((paid, limits)) => {
                        journey.calls += 1;
                        running.push(Box::pin(self.send(paid, limits).map(move |result| (second, result))));
                    }
                    Err(error) => {
                        tracing::debug!(request_id = &*self.request_id, %error, "no second deployment is asked");
                        plan.attempts().withdraw(second, Instant::now());
                    }
                }
                return None;
            }
        };
        // The first one has ended before the second was asked.
        drop(paying);
        let now = Instant::now();
        plan.attempts().withdraw(second, now);
        match early {
            (index, Ok(reply)) => Some(self.answered(index, reply, plan, now)),
            (index, Err(mut error)) => {
                journey.last = self.note_failure(plan, index, &mut error);
                plan.failed(index, now, &error).map(Err)
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
            (Err(error), Some(fetched)) if error.is_about_bytes() => {
                written(&mut fetched.as_mut().map_err(|error| error.clone())?.asking)?
            }
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
