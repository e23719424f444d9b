//! What needs a provider that remembers, or speaks another protocol than HTTP: files and batches, sessions.

mod bulk;
mod realtime;

use llm_types::Op;

use super::Matrix;
use crate::lab::Lab;

/// Whether a provider is asked for an operation.
pub(super) fn asks(provider: &str, op: Op) -> bool {
    let models = match op {
        Op::Batch => bulk::MODELS,
        Op::Realtime => realtime::MODELS,
        _ => return false,
    };
    models.iter().any(|model| model.split_once('/').is_some_and(|(named, _)| named == provider))
}

/// Asks everybody. What is wrong with what came.
pub(super) async fn run(lab: &Lab, matrix: &mut Matrix) -> Vec<String> {
    // A gateway asks for its batches again after a while: not among what others are asked, however slow the machine is.
    let mut problems = bulk::run(&Lab::start().await, matrix).await;
    problems.extend(realtime::run(lab, matrix).await);
    problems
}
