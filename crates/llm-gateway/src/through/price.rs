//! The most that a call of a provider's own API can cost.
//!
//! Where the dialect of its path is known it is what the same call through our front could cost. Reading and deleting
//! cost nothing. For everything else nothing bounds it, and what the configuration reserves counts
//! (`pass_through.reserve_usd`): no hard budget lets such a call in without it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use llm_cost::{Asked, Bound, Picture, Services, Worst};
use llm_governance::PriceBound;
use llm_providers::other_model::first;
use llm_providers::target::Target;
use llm_router::{Deployment, Facts};
use llm_types::{Call, Head, Op, PicoUsd, Result, ServiceTier};

use super::prompt;
use super::reading::Reading;
use super::way::Way;
use crate::attempt::{Attempt, Delivery};
use crate::backend::Backend;
use crate::beside::Beside;
use crate::snapshot::Snapshot;
use crate::worst;

/// The most that a call can cost; `None`: nothing bounds it. `pays`: whether a budget has to pay for it.
pub(super) fn bound(snapshot: &Snapshot, way: &Way, reading: &Reading, pays: bool) -> Option<PriceBound> {
    if !pays {
        return None;
    }
    if !reading.acts || reading.asked.op == Op::CountTokens {
        return Some(PriceBound::fixed(PicoUsd::ZERO));
    }
    // What it costs is told elsewhere: no sum would do.
    if reading.elsewhere().is_some() {
        return None;
    }
    of_model(snapshot, way, reading, None)
        .or_else(|| snapshot.pass_through.reserve_usd.map(PriceBound::fixed))
}

/// What is paid for a call whose answer does not say what it used.
pub(super) fn settled_by(mut attempt: Attempt, snapshot: &Snapshot, way: &Way, reading: &Reading) -> Attempt {
    let free = !reading.acts || reading.asked.op == Op::CountTokens;
    let flat = if free { Some(PicoUsd::ZERO) } else { snapshot.pass_through.reserve_usd };
    // What has a bound of its own is estimated by its tokens.
    if let Some(flat) = flat.filter(|_| free || of_model(snapshot, way, reading, None).is_none()) {
        attempt.pays_flat(flat);
    }
    // The target may be there for its account alone.
    if let Some(model) = reading.model.as_deref() {
        attempt.names(Some(model));
    }
    // Nobody else pays for it.
    let prompt = if attempt.is_hard() { prompt::unseen(snapshot, way, reading) } else { None };
    let mut attempt = attempt.of_prompt(prompt);
    if reading.is_media() && !free {
        attempt.is_no_text();
    }
    attempt.delivered(delivery(reading)).of_picture(picture(reading).as_ref())
}

/// How the answer comes: what is asked for whole is written to its end, whoever waits, and what is asked for in the
/// background is told elsewhere.
fn delivery(reading: &Reading) -> Delivery {
    let background = reading
        .front
        .zip(reading.head.as_ref())
        .is_some_and(|((_, codec), head)| codec.extent(head).background);
    match (background, reading.streams()) {
        (true, _) => Delivery::Later,
        (false, true) => Delivery::Stream,
        (false, false) => Delivery::Whole,
    }
}

/// Which pictures are asked for, if any.
fn picture(reading: &Reading) -> Option<Picture> {
    if !reading.asked.op.is_picture() {
        return None;
    }
    let Call::Image(request) = reading.call()? else { return None };
    Some(worst::media::picture(&request))
}

/// The most that a request of a batch can cost, which is asked at this path of its provider.
pub(crate) fn bound_of_line(
    snapshot: &Snapshot,
    (deployment, target): (&Arc<Deployment<Backend>>, &Arc<Target>),
    path: &str,
    body: &Bytes,
) -> Option<PicoUsd> {
    let reading = Reading::of(&Method::POST, (path, None), &HeaderMap::new(), Some(body));
    let (deployment, target) = (Arc::clone(deployment), Arc::clone(target));
    let stood = llm_router::Standing::Ready;
    let way = Way { deployment, target, name: String::new(), known: true, stood };
    of_model(snapshot, &way, &reading, Some(Services::one(ServiceTier::Batch))).map(|bound| bound.total())
}

/// The most that a call of a known form can cost; `services`: who answers, where that is not the call's own word.
pub(super) fn of_model(
    snapshot: &Snapshot,
    way: &Way,
    reading: &Reading,
    services: Option<Services>,
) -> Option<PriceBound> {
    let head = reading.head.as_ref()?;
    let model = first(way.target.spec(), reading.model.as_deref()?);
    let provider = &*way.deployment.target.provider;
    if worst::price::searches_unasked(provider, model) {
        return None;
    }
    let entry = snapshot.prices.entry(provider, model);
    let own = (Some(way.target.model()) == reading.model.as_deref()).then_some(&way.deployment.facts);
    let facts = Facts {
        context_window: own.and_then(|facts| facts.context_window).or_else(|| entry?.context_window),
        max_output: own.and_then(|facts| facts.max_output).or_else(|| entry?.max_output),
        ..Facts::default()
    };
    let worst_with = |facts: &Facts| worst_of(reading, head, facts, services);
    let worst = worst_with(&facts)?;
    let picture = picture(reading);
    let asked =
        Asked { deployment: &way.deployment.id, provider, model, served: None, picture: picture.as_ref() };
    let Bound { fixed, per_output_token, output_tokens } = worst::price::bound(snapshot, &asked, &worst)?;
    let bound = PriceBound { fixed, per_output_token, output_tokens, clamp_to: None };
    match beside(snapshot, way, reading).ok()? {
        Some(beside) => beside.bound(bound, worst_with),
        None => Some(bound),
    }
}

/// The most that a call of a known form can use at a model of such lengths.
fn worst_of(reading: &Reading, head: &Head, facts: &Facts, services: Option<Services>) -> Option<Worst> {
    let size = head.body().len();
    let worst = match reading.front {
        Some((_, codec)) if codec.is_plain(head) => worst::of_text(size, reading.limit(), facts).ok()?,
        front => {
            let extent = front.map(|(_, codec)| codec.extent(head)).unwrap_or_default();
            worst::of_call(&reading.call()?, extent, size, facts)?
        }
    };
    Some(Worst { services: services.unwrap_or(worst.services), ..worst })
}

/// The models that a call names beside its own.
///
/// # Errors
/// 400 for a body that does not say clearly which.
pub(super) fn beside<'a>(
    snapshot: &'a Snapshot,
    way: &'a Way,
    reading: &Reading,
) -> Result<Option<Beside<'a>>> {
    let Some(head) = &reading.head else { return Ok(None) };
    let model = reading.model.as_deref().unwrap_or_default();
    Beside::of(snapshot, &way.deployment, (&way.target, model), head)
}
