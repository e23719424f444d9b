//! What an answer is made of, beside its content. A chunk of a stream has the same shape.

use llm_types::{RawValue, Str, wire_struct};

use super::{Content, WireText, Word};

wire_struct! {
    /// A whole answer, or one chunk of a streamed one.
    pub(in super::super) struct Response<'a> {
        candidates: Vec<Candidate<'a>>,
        prompt_feedback as "promptFeedback": &'a RawValue,
        usage_metadata as "usageMetadata": UsageMetadata<'a>,
        model_version as "modelVersion": Str<'a>,
        response_id as "responseId": Str<'a>,
        create_time as "createTime": Str<'a>,
        error: &'a RawValue,
    }
}

wire_struct! {
    /// One of the answers.
    pub(in super::super) struct Candidate<'a> {
        content: Content<'a>,
        finish_reason as "finishReason": Word<'a>,
        finish_message as "finishMessage": Str<'a>,
        index: u32,
        grounding_metadata as "groundingMetadata": &'a RawValue,
        citation_metadata as "citationMetadata": &'a RawValue,
        logprobs_result as "logprobsResult": Logprobs<'a>,
    }
}

wire_struct! {
    /// Why a prompt was not answered.
    pub(in super::super) struct Block<'a> {
        block_reason as "blockReason": Word<'a>,
    }
}

wire_struct! {
    /// What the answer used.
    pub(in super::super) struct UsageMetadata<'a> {
        prompt_token_count as "promptTokenCount": u64,
        cached_content_token_count as "cachedContentTokenCount": u64,
        candidates_token_count as "candidatesTokenCount": u64,
        tool_use_prompt_token_count as "toolUsePromptTokenCount": u64,
        thoughts_token_count as "thoughtsTokenCount": u64,
        total_token_count as "totalTokenCount": u64,
        prompt_tokens_details as "promptTokensDetails": Vec<ModalityCount<'a>>,
        cache_tokens_details as "cacheTokensDetails": Vec<ModalityCount<'a>>,
        candidates_tokens_details as "candidatesTokensDetails": Vec<ModalityCount<'a>>,
        service_tier as "serviceTier": Str<'a>,
        traffic_type as "trafficType": &'a RawValue,
    }
}

wire_struct! {
    /// Tokens of one kind of content.
    pub(in super::super) struct ModalityCount<'a> {
        modality: Word<'a>,
        token_count as "tokenCount": u64,
    }
}

wire_struct! {
    /// The sources of an answer.
    pub(in super::super) struct Grounding<'a> {
        grounding_chunks as "groundingChunks": Vec<Chunk<'a>>,
        grounding_supports as "groundingSupports": Vec<Support<'a>>,
        web_search_queries as "webSearchQueries": Vec<Str<'a>>,
        search_entry_point as "searchEntryPoint": &'a RawValue,
    }
}

wire_struct! {
    /// One source.
    pub(in super::super) struct Chunk<'a> {
        web: Source<'a>,
        maps: Source<'a>,
        retrieved_context as "retrievedContext": Source<'a>,
    }
}

wire_struct! {
    /// Where a source is.
    pub(in super::super) struct Source<'a> {
        uri: Str<'a>,
        title: Str<'a>,
    }
}

wire_struct! {
    /// A stretch of the answer and the sources that support it.
    pub(in super::super) struct Support<'a> {
        segment: Segment<'a>,
        grounding_chunk_indices as "groundingChunkIndices": Vec<usize>,
    }
}

wire_struct! {
    /// A stretch of the answer, in bytes.
    pub(in super::super) struct Segment<'a> {
        start_index as "startIndex": usize,
        end_index as "endIndex": usize,
    }
}

wire_struct! {
    /// Sources that the answer repeats: `citationSources` on the Gemini API, `citations` on Vertex AI.
    pub(in super::super) struct Span<'a> {
        citation_sources as "citationSources": Vec<Recited<'a>>,
        citations: Vec<Recited<'a>>,
    }
}

wire_struct! {
    /// A stretch of the answer that stands in a source as well, in bytes.
    pub(in super::super) struct Recited<'a> {
        start_index as "startIndex": usize,
        end_index as "endIndex": usize,
        uri: Str<'a>,
        title: Str<'a>,
    }
}

wire_struct! {
    /// Log probabilities.
    pub(in super::super) struct Logprobs<'a> {
        chosen_candidates as "chosenCandidates": Vec<Token<'a>>,
        top_candidates as "topCandidates": Vec<TopTokens<'a>>,
    }
}

wire_struct! {
    /// The likeliest tokens at one place.
    pub(in super::super) struct TopTokens<'a> {
        candidates: Vec<Token<'a>>,
    }
}

wire_struct! {
    /// One token.
    pub(in super::super) struct Token<'a> {
        token: WireText<'a>,
        log_probability as "logProbability": f64,
    }
}

wire_struct! {
    /// An answer that is an error.
    pub(in super::super) struct ErrorBody<'a> {
        error: &'a RawValue,
    }
}

wire_struct! {
    /// What went wrong (`google.rpc.Status`).
    pub(in super::super) struct Problem<'a> {
        code: Word<'a>,
        message: WireText<'a>,
        status: Str<'a>,
        details: &'a RawValue,
    }
}

wire_struct! {
    /// One of the details of an error; `@type` says which members it has.
    pub(in super::super) struct ProblemDetail<'a> {
        reason: Str<'a>,
        retry_delay as "retryDelay": Str<'a>,
        violations: Vec<Violation<'a>>,
    }
}

wire_struct! {
    /// A quota that is used up.
    pub(in super::super) struct Violation<'a> {
        quota_id as "quotaId": Str<'a>,
    }
}
