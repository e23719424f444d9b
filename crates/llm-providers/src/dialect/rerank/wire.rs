//! Typed structs of the format (<https://docs.cohere.com/reference/rerank>, <https://jina.ai/reranker>).

use llm_types::{Raw, RawValue, Str, wire_struct};

use crate::dialect::scalar::Count;

wire_struct! {
    /// The body of a request. Voyage says `top_k`.
    pub(super) struct Request<'a> {
        model: Str<'a>,
        query: Str<'a>,
        documents: Vec<Raw<'a>>,
        top_n or "top_k": u32,
        return_documents: bool,
        rank_fields: Vec<Str<'a>>,
        max_chunks_per_doc: u64,
        max_tokens_per_doc: u64,
        truncation: bool,
        instruction: Str<'a>,
    }
}

wire_struct! {
    /// An answer. Voyage and Fireworks say `data`.
    pub(super) struct Reply<'a> {
        id: Str<'a>,
        model: Str<'a>,
        object: Str<'a>,
        results or "data": Vec<Item<'a>>,
        meta: Meta<'a>,
        usage: Counts<'a>,
        error: &'a RawValue,
    }
}

wire_struct! {
    /// One document in its place. HuggingFace's servers say `score` and `text`.
    pub(super) struct Item<'a> {
        index: usize,
        score as "relevance_score" or "score": f64,
        document or "text": Raw<'a>,
    }
}

wire_struct! {
    /// A document that is a text, as answers show it.
    pub(super) struct Shown<'a> {
        text: Str<'a>,
    }
}

wire_struct! {
    /// What Cohere says beside the results.
    pub(super) struct Meta<'a> {
        billed_units: Units<'a>,
        tokens: Tokens<'a>,
    }
}

wire_struct! {
    /// What is paid.
    pub(super) struct Units<'a> {
        search_units: Count,
        total_tokens: Count,
    }
}

wire_struct! {
    /// Tokens read and made.
    pub(super) struct Tokens<'a> {
        input as "input_tokens": Count,
        output as "output_tokens": Count,
    }
}

wire_struct! {
    /// What was used, in OpenAI's words; some say the total only.
    pub(super) struct Counts<'a> {
        prompt_tokens: Count,
        total_tokens: Count,
        search_units: Count,
    }
}

wire_struct! {
    /// What is read of an answer for its books.
    pub(super) struct Facts<'a> {
        model: Str<'a>,
        meta: Meta<'a>,
        usage: Counts<'a>,
    }
}

wire_struct! {
    /// An object none of whose members are named.
    pub(super) struct Open<'a> {}
}
