//! Vectors (<https://docs.cohere.com/reference/embed>).

use llm_types::{Str, wire_struct};

use super::Raw;
use crate::dialect::scalar::Count;

wire_struct! {
    /// A request for vectors.
    pub(crate) struct EmbedRequest<'a> {
        model: Str<'a>,
        texts: Vec<Str<'a>>,
        inputs: Vec<Raw<'a>>,
        images: Raw<'a>,
        input_type: Str<'a>,
        embedding_types: Raw<'a>,
        output_dimension: u32,
        truncate: Str<'a>,
        max_tokens: u64,
    }
}

wire_struct! {
    /// Vectors. Those of the first version come as a list without a type.
    pub(crate) struct EmbedReply<'a> {
        id: Str<'a>,
        embeddings: Raw<'a>,
        texts: Raw<'a>,
        images: Raw<'a>,
        meta: Counted<'a>,
        response_type: Str<'a>,
    }
}

wire_struct! {
    /// Vectors by their type.
    pub(crate) struct Vectors<'a> {
        float: Vec<Vec<f32>>,
        base64: Vec<Str<'a>>,
        int8: Vec<Vec<f32>>,
        uint8: Vec<Vec<f32>>,
        binary: Vec<Vec<f32>>,
        ubinary: Vec<Vec<f32>>,
    }
}

wire_struct! {
    /// What stands beside them.
    pub(crate) struct Counted<'a> {
        billed as "billed_units": Billed<'a>,
    }
}

wire_struct! {
    /// What is paid.
    pub(crate) struct Billed<'a> {
        input as "input_tokens": Count,
        image_tokens: Count,
        images: Count,
    }
}
