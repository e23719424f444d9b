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
        predictions: Vec<Prediction<'a>>,
        error: &'a llm_types::RawValue,
    }
}

wire_struct! {
    /// The body of Vertex AI's `predict`
    /// (<https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>).
    pub(in super::super) struct PredictBody<'a> {
        instances: Vec<Instance<'a>>,
        parameters: Parameters<'a>,
    }
}

wire_struct! {
    /// One input.
    pub(in super::super) struct Instance<'a> {
        content: Str<'a>,
        task_type: Str<'a>,
        title: Str<'a>,
        text: Str<'a>,
        image: Image<'a>,
    }
}

wire_struct! {
    /// A picture for a model that makes vectors of pictures
    /// (<https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/multimodal-embeddings-api>).
    pub(in super::super) struct Image<'a> {
        bytes as "bytesBase64Encoded": Str<'a>,
        uri as "gcsUri": Str<'a>,
        mime_type as "mimeType": Str<'a>,
    }
}

wire_struct! {
    /// What holds for all inputs.
    pub(in super::super) struct Parameters<'a> {
        output_dimensionality as "outputDimensionality": Whole<u32>,
        auto_truncate as "autoTruncate": bool,
        dimension: Whole<u32>,
    }
}

wire_struct! {
    /// The vector of one input.
    pub(in super::super) struct Prediction<'a> {
        embeddings: Predicted<'a>,
        of_text as "textEmbedding": Vec<f32>,
        of_image as "imageEmbedding": Vec<f32>,
    }
}

wire_struct! {
    /// A vector, and what it was made of.
    pub(in super::super) struct Predicted<'a> {
        values: Vec<f32>,
        statistics: Statistics<'a>,
    }
}

wire_struct! {
    /// How long an input was.
    pub(in super::super) struct Statistics<'a> {
        token_count: f64,
        truncated: bool,
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
