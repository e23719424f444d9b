//! Vectors (<https://docs.ollama.com/api/embed>).

use llm_types::{Str, wire_struct};

use super::Raw;
use crate::dialect::scalar::Count;

wire_struct! {
    /// A request for vectors.
    pub(crate) struct EmbedRequest<'a> {
        model: Str<'a>,
        input: Vec<Str<'a>>,
        truncate: bool,
        dimensions: u32,
        options: Raw<'a>,
    }
}

wire_struct! {
    /// Vectors, one per input.
    pub(crate) struct EmbedReply<'a> {
        model: Str<'a>,
        embeddings: Vec<Vec<f32>>,
        prompt_eval_count: Count,
    }
}
