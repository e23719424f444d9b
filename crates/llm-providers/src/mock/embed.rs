//! Vectors without a model: a text's hash, so that equal texts are equal and others are not.

use llm_types::{EmbedContent, EmbedInput, EmbedRequest, Embeddings, Result, Usage};
use sha2::{Digest, Sha256};

use crate::estimate;

/// The length of a vector where the caller does not choose one.
const DIMENSIONS: u32 = 8;
/// The longest vector that is made.
const DIMENSIONS_LIMIT: u32 = 4096;

/// A vector of length one for each input.
///
/// # Errors
/// [`llm_types::ErrorKind::NotFound`] for a model that there is not.
pub(super) fn embed(request: &EmbedRequest) -> Result<Embeddings> {
    super::model(&request.model)?;
    let length = request.dimensions.unwrap_or(DIMENSIONS).clamp(1, DIMENSIONS_LIMIT);
    let input = request.inputs.iter().map(tokens).fold(0, u64::saturating_add);
    Ok(Embeddings {
        model: request.model.clone(),
        vectors: request.inputs.iter().map(|input| vector(input, length)).collect(),
        usage: Some(Usage { input, estimated: true, ..Usage::default() }),
        ..Embeddings::default()
    })
}

fn tokens(input: &EmbedInput) -> u64 {
    match &input.content {
        EmbedContent::Text(text) => estimate::tokens(text),
        EmbedContent::Tokens(tokens) => u64::try_from(tokens.len()).unwrap_or(u64::MAX),
        EmbedContent::Opaque(_, json) => estimate::tokens(json.get()),
    }
}

fn vector(input: &EmbedInput, length: u32) -> Vec<f32> {
    let mut seed = Sha256::new();
    match &input.content {
        EmbedContent::Text(text) => seed.update(text),
        EmbedContent::Tokens(tokens) => tokens.iter().for_each(|token| seed.update(token.to_le_bytes())),
        EmbedContent::Opaque(_, json) => seed.update(json.get()),
    }
    let numbers: Vec<f32> = (0..length).map(|at| number(&seed, at)).collect();
    let norm = numbers.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    numbers.iter().map(|number| number / norm).collect()
}

/// A number from -1 to 1.
fn number(seed: &Sha256, at: u32) -> f32 {
    let digest = seed.clone().chain_update(at.to_le_bytes()).finalize();
    let first = digest.first_chunk::<2>().copied().unwrap_or_default();
    f32::from(i16::from_le_bytes(first)) / 32_768.0
}
