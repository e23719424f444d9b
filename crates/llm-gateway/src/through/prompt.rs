//! What the bytes of a call do not say of its prompt: pictures, sound, documents, what is stored elsewhere.
//!
//! The rule is that of our fronts (`dispatch/pay`): where nobody tells what such a call used, a hard budget pays for the prompt
//! what was reserved for it.

use llm_router::Facts;

use super::price;
use super::reading::Reading;
use super::way::Way;
use crate::attempt::Prompt;
use crate::snapshot::Snapshot;
use crate::worst;

/// The prompt of a call, where its bytes do not say how long it is.
pub(super) fn unseen(snapshot: &Snapshot, way: &Way, reading: &Reading) -> Option<Prompt> {
    let (head, (_, codec)) = (reading.head.as_ref()?, reading.front?);
    if codec.is_plain(head) {
        return None;
    }
    let call = reading.call()?;
    if worst::is_seen(call.conversation()?) {
        return None;
    }
    let bound = price::of_model(snapshot, way, reading, None)?;
    let (provider, model) = (&*way.deployment.target.provider, reading.model.as_deref()?);
    let own = way.target.model() == model;
    let facts = if own { way.deployment.facts.clone() } else { Facts::default() };
    let facts = worst::price::lengths(snapshot, (provider, model), &facts);
    let worst = worst::of_call(&call, codec.extent(head), head.body().len(), &facts)?;
    Some(Prompt { tokens: worst.input_tokens, bound })
}
