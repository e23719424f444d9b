//! Money for an attempt: the most that it can cost, reserved before it is sent.

use std::sync::Arc;

use llm_cost::{Asked, Bound, Picture, Worst};
use llm_governance::{PriceBound, Refusal};
use llm_providers::batch::Pictures;
use llm_providers::other_model::first;
use llm_providers::target::Target;
use llm_router::{Deployment, Facts, Plan};
use llm_types::{ApiError, Call, ErrorKind, Op, Result};
use smallvec::SmallVec;

use super::Dispatch;
use super::ready::{Asking, Ready, elsewhere};
use crate::attempt::{Attempt, Delivery, Prompt};
use crate::backend::Backend;
use crate::beside::Beside;
use crate::ticket::Ticket;
use crate::worst::{self, media, price};

/// The shortest answer that is worth asking for where the money does not reach for a longer one, in tokens.
const SHORTEST: u64 = 16;

/// The refusal as the router is to know it: another deployment may be cheaper.
fn refused(refusal: Refusal) -> ApiError {
    let mut error = refusal.error;
    error.should_retry = Some(true);
    error
}

/// What an attempt costs at most, and where it goes.
struct Due<'d> {
    deployment: Arc<Deployment<Backend>>,
    target: Arc<Target>,
    /// Other models that the request leads to.
    beside: Option<Beside<'d>>,
    bound: Option<PriceBound>,
    prompt: Option<Prompt>,
}

impl Dispatch {
    /// Pays for asking a deployment of the plan's group, where nothing has to be waited for; `None`: something has.
    ///
    /// # Errors
    /// 402 where it is not affordable: another deployment may be.
    pub(super) fn pay_here(
        &self,
        index: usize,
        plan: &mut Plan<'_, Backend>,
        (ticket, asking): (&mut Ticket, &mut Asking),
    ) -> Result<Option<Attempt>> {
        if self.asked.op.is_picture()
            && let Some(picture) = self.pictured(asking)
        {
            // Of every attempt the same.
            let _ = self.picture.set(picture);
        }
        // Nobody bills counting.
        if ticket.is_free() || self.asked.op == Op::CountTokens {
            return Ok(Some(Attempt::free()));
        }
        let mut due = self.chosen(index, plan, asking)?;
        if !ticket.is_turned_to(&self.turned(plan, &due)) {
            return Ok(None);
        }
        self.bounded(&mut due, (ticket, asking));
        let paid = ticket.attempt_here(&due.deployment, &due.target, due.bound);
        paid.map(|paid| self.paid_for(paid, &due, plan, asking)).transpose()
    }

    /// As [`pay_here`](Self::pay_here), waiting for shared limits and for money that has to be fetched.
    ///
    /// # Errors
    /// As that; 503 where a store does not answer.
    pub(super) async fn pay(
        &self,
        index: usize,
        plan: &mut Plan<'_, Backend>,
        (ticket, asking): (&mut Ticket, &mut Asking),
    ) -> Result<Attempt> {
        let mut due = self.chosen(index, plan, asking)?;
        ticket.turn_to(&self.turned(plan, &due)).await.map_err(|refusal| refused(*refusal))?;
        self.bounded(&mut due, (ticket, asking));
        let paid = ticket.attempt(&due.deployment, &due.target, due.bound).await;
        self.paid_for(paid, &due, plan, asking)
    }

    /// Whom an attempt asks, where the caller may.
    fn chosen(&self, index: usize, plan: &Plan<'_, Backend>, asking: &Asking) -> Result<Due<'_>> {
        let Some(deployment) = plan.group().get(index).cloned() else {
            return Err(ApiError::new(ErrorKind::Internal, "no such deployment"));
        };
        let target = deployment.target.target(plan.star())?;
        let beside = match target.may_name_others(&asking.head) {
            true => Beside::of(&self.snapshot, &deployment, (&target, target.model()), &asking.head)?,
            false => None,
        };
        if let Some(beside) = &beside {
            beside.check(&self.principal.who).map_err(elsewhere)?;
        }
        Ok(Due { deployment, target, beside, bound: None, prompt: None })
    }

    /// What that costs at most, where somebody has to pay for it.
    fn bounded(&self, due: &mut Due<'_>, (ticket, asking): (&Ticket, &mut Asking)) {
        if !ticket.pays(&due.deployment.target.provider) {
            return;
        }
        let bound = self.bound(&due.deployment, &due.target, asking);
        due.prompt = bound.and_then(|(_, prompt)| prompt);
        let bound = bound.map(|(bound, _)| bound);
        due.bound = match &due.beside {
            Some(beside) => {
                let plain = self.is_text(asking);
                let worst = |facts: &Facts| Some(self.worst(facts, asking, plain)?.0);
                bound.and_then(|bound| beside.bound(bound, worst))
            }
            None => bound,
        };
    }

    /// What came of paying.
    fn paid_for(
        &self,
        paid: Result<Attempt, Box<Refusal>>,
        due: &Due<'_>,
        plan: &mut Plan<'_, Backend>,
        asking: &Asking,
    ) -> Result<Attempt> {
        let attempt = paid.map_err(|mut refusal| {
            plan.instead(&refusal.instead);
            if let Some(beside) = &due.beside {
                refusal.error = beside.explain(refusal.error);
            }
            refused(*refusal)
        })?;
        let background = self.codec.extent(&asking.head).background;
        let by = match (background, self.peek.stream) {
            (true, _) => Delivery::Later,
            (false, true) => Delivery::Stream,
            (false, false) => Delivery::Whole,
        };
        Ok(attempt.delivered(by).of_prompt(due.prompt).of_picture(self.picture.get()))
    }

    /// Which pictures are asked for.
    fn pictured(&self, asking: &mut Asking) -> Option<Picture> {
        let Call::Image(request) = asking.call(self.codec, &self.asked).ok()? else { return None };
        Some(media::picture(request))
    }

    /// The names of the model that the plan leads to, where it is not the one that was asked for, and of those that the
    /// body names: their budgets and limits hold as well. Nobody leaves them by calling a model by another name, or by
    /// way of one that fails.
    fn turned(&self, plan: &Plan<'_, Backend>, due: &Due<'_>) -> SmallVec<[Arc<str>; 2]> {
        let own = plan.entry().and_then(|entry| self.fallback_names()?.nth(entry)).map(Arc::from);
        let beside = due.beside.iter().flat_map(|beside| beside.known(&self.principal.who));
        let names = self.fallback(plan).into_iter().chain(own).chain(beside);
        let mut turned = SmallVec::new();
        for name in names.filter(|name| **name != *self.model && **name != *self.peek.model) {
            if !turned.contains(&name) {
                turned.push(name);
            }
        }
        turned
    }

    /// The most that a call can cost, and its prompt where that is more than its bytes; `None`: nothing bounds it.
    fn bound(
        &self,
        deployment: &Deployment<Backend>,
        target: &Target,
        asking: &mut Asking,
    ) -> Option<(PriceBound, Option<Prompt>)> {
        if deployment.target.searches_unasked(target) {
            return None;
        }
        let (provider, model) = (&*deployment.target.provider, first(target.spec(), target.model()));
        let facts = price::lengths(&self.snapshot, (provider, model), &deployment.facts);
        let plain = self.is_text(asking);
        let (worst, limited) = self.worst(&facts, asking, plain)?;
        let unseen = (!plain && !self.is_seen(asking)).then_some(worst.input_tokens);
        let worst = if self.asked.op.is_picture()
            && let Ok(Call::Image(request)) = asking.call(self.codec, &self.asked)
        {
            media::in_requests(&worst, Pictures::requests(request, target.spec(), model))
        } else {
            worst
        };
        let picture = self.picture.get();
        let asked = Asked { deployment: &deployment.id, provider, model, served: None, picture };
        let Bound { fixed, per_output_token, output_tokens } = price::bound(&self.snapshot, &asked, &worst)?;
        // The caller's own limit stays what it is.
        let clamp_to = (!limited && self.snapshot.clamp_output).then_some(SHORTEST);
        let bound = PriceBound { fixed, per_output_token, output_tokens, clamp_to };
        Some((bound, unseen.map(|tokens| Prompt { tokens, bound })))
    }

    /// Whether it is text, and nothing of it dearer than that.
    fn is_text(&self, asking: &Asking) -> bool {
        !asking.rewritten && self.codec.is_plain(&asking.head)
    }

    /// Whether the bytes of a conversation that is more than plain say how long its prompt is.
    fn is_seen(&self, asking: &mut Asking) -> bool {
        let call = asking.call(self.codec, &self.asked).ok();
        call.and_then(|call| call.conversation()).is_none_or(worst::is_seen)
    }

    /// The most that a call can use, and whether the caller bounds the answer.
    fn worst(&self, facts: &Facts, asking: &mut Asking, plain: bool) -> Option<(Worst, bool)> {
        let size = asking.head.body().len();
        if plain {
            let limit = asking.limit(self.codec, &self.asked);
            return Some((worst::of_text(size, limit, facts).ok()?, limit.is_some()));
        }
        let extent = self.codec.extent(&asking.head);
        let call = asking.call(self.codec, &self.asked).ok()?;
        let limited = call.conversation().is_none_or(|request| request.limits.output_tokens().is_some());
        Some((worst::of_call(call, extent, size, facts)?, limited))
    }

    /// Writes a call whose answer is bounded to what is affordable.
    pub(super) fn ready_clamped(
        &self,
        deployment: &Arc<Deployment<Backend>>,
        star: Option<&str>,
        asking: &mut Asking,
        limit: u64,
    ) -> Result<Ready> {
        let target = deployment.target.target(star)?;
        // What the request leaves out is not more than its dialect says, where that is what is spoken.
        let own = Some(target.dialect_for(self.asked.op, self.asked.dialect)) == self.asked.dialect;
        let unset = self.codec.extent(&asking.head).unset_output.filter(|_| own);
        let limit = unset.map_or(limit, |unset| unset.min(limit));
        let Call::Chat(request) = asking.call(self.codec, &self.asked)? else {
            return Err(ApiError::new(ErrorKind::Budget, "the budget does not reach for this request"));
        };
        let mut request = request.clone();
        request.limits.max_tokens = Some(limit);
        request.limits.max_completion_tokens = None;
        let mut clamped = asking.rewritten(Call::Chat(request));
        let mut ready = self.ready(deployment, star, &mut clamped)?;
        let why = format!("bounded to {limit} tokens: the budget does not reach for more");
        ready.changes.altered("max_tokens", why);
        Ok(ready)
    }
}
