//! Typed structs of the forms that are not Cohere's: see `form` for where they are described.

use llm_types::{Raw, RawValue, Str, wire_struct};

use super::wire::Counts;
use crate::dialect::scalar::Count;

wire_struct! {
    /// A text within an object.
    pub(super) struct Passage<'a> {
        text: Raw<'a>,
    }
}

wire_struct! {
    /// watsonx.
    pub(super) struct Inputs<'a> {
        model_id: Str<'a>,
        query: Str<'a>,
        inputs: Vec<Passage<'a>>,
        parameters: Parameters<'a>,
    }
}

wire_struct! {
    /// What watsonx is told beside.
    pub(super) struct Parameters<'a> {
        truncate_input_tokens: u64,
        return_options: Options<'a>,
    }
}

wire_struct! {
    /// What its answer holds.
    pub(super) struct Options<'a> {
        top_n: u32,
    }
}

wire_struct! {
    /// NVIDIA.
    pub(super) struct Passages<'a> {
        model: Str<'a>,
        query: Passage<'a>,
        passages: Vec<Passage<'a>>,
        truncate: Str<'a>,
    }
}

wire_struct! {
    /// DeepInfra: a query for each document.
    pub(super) struct Queries<'a> {
        queries: Vec<Str<'a>>,
        documents: Vec<Raw<'a>>,
        instruction: Str<'a>,
    }
}

wire_struct! {
    /// Google's ranking API.
    pub(super) struct Records<'a> {
        model: Str<'a>,
        query: Str<'a>,
        records: Vec<Record<'a>>,
        top_n as "topN": u32,
        bare as "ignoreRecordDetailsInResponse": bool,
    }
}

wire_struct! {
    /// A document under a name of its own.
    pub(super) struct Record<'a> {
        id: Str<'a>,
        content: Raw<'a>,
    }
}

wire_struct! {
    /// Amazon Bedrock.
    pub(super) struct Sources<'a> {
        queries: Vec<Query<'a>>,
        sources: Vec<Source<'a>>,
        settings as "rerankingConfiguration": Reranking<'a>,
    }
}

wire_struct! {
    /// What is asked of the documents.
    pub(super) struct Query<'a> {
        kind as "type": Str<'a>,
        text as "textQuery": Passage<'a>,
    }
}

wire_struct! {
    /// A document.
    pub(super) struct Source<'a> {
        kind as "type": Str<'a>,
        document as "inlineDocumentSource": Inline<'a>,
    }
}

wire_struct! {
    /// A document that lies in the request.
    pub(super) struct Inline<'a> {
        kind as "type": Str<'a>,
        text as "textDocument": Passage<'a>,
        json as "jsonDocument": Raw<'a>,
    }
}

wire_struct! {
    /// Who orders.
    pub(super) struct Reranking<'a> {
        kind as "type": Str<'a>,
        settings as "bedrockRerankingConfiguration": Settings<'a>,
    }
}

wire_struct! {
    /// How many are wanted, and of which model.
    pub(super) struct Settings<'a> {
        count as "numberOfResults": usize,
        model as "modelConfiguration": Model<'a>,
    }
}

wire_struct! {
    /// A model.
    pub(super) struct Model<'a> {
        arn as "modelArn": Str<'a>,
        fields as "additionalModelRequestFields": Fields<'a>,
    }
}

wire_struct! {
    /// What the model takes beside.
    pub(super) struct Fields<'a> {
        max_tokens_per_doc: u64,
    }
}

wire_struct! {
    /// An answer of any of them.
    pub(super) struct Answer<'a> {
        id or "request_id": Str<'a>,
        model or "model_id": Str<'a>,
        results: Vec<Item<'a>>,
        rankings: Vec<Item<'a>>,
        records: Vec<Item<'a>>,
        scores: Vec<f64>,
        usage: Counts<'a>,
        tokens as "input_tokens" or "input_token_count": Count,
        status as "inference_status": Fields<'a>,
        detail: &'a RawValue,
    }
}

wire_struct! {
    /// A document in its place.
    pub(super) struct Item<'a> {
        index: usize,
        id: Str<'a>,
        score: f64,
        logit: f64,
        relevance as "relevanceScore": f64,
    }
}
