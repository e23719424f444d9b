//! What no neutral form carries, or a client of one wire API alone has: the Responses API, Anthropic's Messages API and its
//! count of tokens, files and batches, sessions, pictures like another; each asked of the gateway on the wire, before providers that are scripted after their references.

mod bulk;
mod count;
mod messages;
mod realtime;
mod responses;
mod variation;

use llm_types::Op;

use super::Matrix;
use crate::lab::Lab;

/// The features: a name, and what is found out.
type Features = &'static [(&'static str, &'static str)];

/// The operations, each with its features and who is asked for it.
const ASKED: [(Op, Features, &[&str]); 6] = [
    (Op::Responses, responses::FEATURES, responses::MODELS),
    (Op::Messages, messages::FEATURES, messages::MODELS),
    (Op::CountTokens, count::FEATURES, count::MODELS),
    (Op::ImageVariation, variation::FEATURES, variation::MODELS),
    (Op::Batch, bulk::FEATURES, bulk::MODELS),
    (Op::Realtime, realtime::FEATURES, realtime::MODELS),
];

/// The features of an operation that only the wire has.
pub(super) fn features(op: Op) -> Features {
    ASKED.iter().find(|(asked, ..)| *asked == op).map_or(&[], |(_, features, _)| features)
}

/// Whether a provider is asked for an operation.
pub(super) fn asks(provider: &str, op: Op) -> bool {
    let of = |model: &&str| model.split_once('/').is_some_and(|(named, _)| named == provider);
    ASKED.iter().any(|(asked, _, models)| *asked == op && models.iter().any(&of))
}

/// Asks everybody. What is wrong with what came.
pub(super) async fn run(lab: &Lab, matrix: &mut Matrix) -> Vec<String> {
    let mut problems = responses::run(lab, matrix).await;
    problems.extend(messages::run(lab, matrix).await);
    problems.extend(count::run(lab, matrix).await);
    problems.extend(variation::run(lab, matrix).await);
    problems.extend(bulk::run(lab, matrix).await);
    problems.extend(realtime::run(lab, matrix).await);
    problems
}
