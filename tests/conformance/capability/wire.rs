//! What no neutral form carries: OpenAI's Responses API, files and batches, and sessions, each asked of the gateway on the
//! wire, before providers that are scripted after their references.

mod bulk;
mod realtime;
mod responses;

use llm_types::Op;

use super::Matrix;
use crate::lab::Lab;

/// The features: a name, and what is found out.
type Features = &'static [(&'static str, &'static str)];

/// The operations, each with its features and who is asked for it.
const ASKED: [(Op, Features, &[&str]); 3] = [
    (Op::Responses, responses::FEATURES, responses::MODELS),
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
    problems.extend(bulk::run(lab, matrix).await);
    problems.extend(realtime::run(lab, matrix).await);
    problems
}
