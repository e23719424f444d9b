//! Vectors (<https://ai.google.dev/api/embeddings>).

use llm_types::{Str, wire_struct};

use super::{Content, List, UsageMetadata, Whole};

wire_struct! {
    /// The body of `embedContent`, or of `batchEmbedContents` with `requests` alone.
    pub(in super::super) struct EmbedBody<'a> {
        requests: List<EmbedOne<'a>>,
        model: Str<'a>,
        content: Content<'a>,
        task_type as "taskType" or "task_type": Str<'a>,
        title: Str<'a>,
        output_dimensionality as "outputDimensionality" or "output_dimensionality": Whole<u32>,
    }
}

wire_struct! {
    /// One request of a batch.
    pub(in super::super) struct EmbedOne<'a> {
        model: Str<'a>,
        content: Content<'a>,
        task_type as "taskType" or "task_type": Str<'a>,
        title: Str<'a>,
        output_dimensionality as "outputDimensionality" or "output_dimensionality": Whole<u32>,
    }
}

wire_struct! {
    /// The vectors: `embedding` of one request, `embeddings` of a batch.
    pub(in super::super) struct Vectors<'a> {
        embedding: Vector<'a>,
        embeddings: Vec<Vector<'a>>,
        usage_metadata as "usageMetadata": UsageMetadata<'a>,
        error: &'a llm_types::RawValue,
    }
}

wire_struct! {
    /// One vector.
    pub(in super::super) struct Vector<'a> {
        values: Vec<f32>,
    }
}

wire_struct! {
    /// The tokens of a prompt.
    pub(in super::super) struct Counts<'a> {
        total_tokens as "totalTokens": u64,
        cached_content_token_count as "cachedContentTokenCount": u64,
        error: &'a llm_types::RawValue,
    }
}

wire_struct! {
    /// What is read of vectors that are passed through.
    pub(in super::super) struct VectorFacts<'a> {
        usage_metadata as "usageMetadata": UsageMetadata<'a>,
        error: &'a llm_types::RawValue,
    }
}
