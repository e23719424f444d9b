//! The whole answer: `chat.completion`.
//!
//! It is read with patience: a provider that puts an empty object where nothing is meant, or a list
//! where a string belongs, has still answered.

use std::fmt;

use llm_types::{Members, RawValue, Str, wire_struct};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use super::{Count, FunctionCall, Lossy, OrNull, ThinkingBlock, ToolCall, Word, Written};

wire_struct! {
    /// A whole answer.
    pub(in super::super) struct Completion<'a> {
        id: Word<'a>,
        object: Word<'a>,
        created: Count,
        model: Word<'a>,
        choices: Vec<Choice<'a>>,
        usage: Usage<'a>,
        service_tier: Word<'a>,
        system_fingerprint: Word<'a>,
        error: &'a RawValue,
        base_resp: &'a RawValue,
        citations: Written<'a>,
        search_results: Written<'a>,
        x_groq: Written<'a>,
    }
}

wire_struct! {
    /// One of the answers.
    pub(in super::super) struct Choice<'a> {
        index: Count,
        message: ReplyMessage<'a>,
        logprobs: OrNull<LogProbs<'a>>,
        finish_reason: Word<'a>,
        error: &'a RawValue,
    }
}

wire_struct! {
    /// What the model says.
    pub(in super::super) struct ReplyMessage<'a> {
        role: Word<'a>,
        content: OrNull<ReplyContent<'a>>,
        refusal: OrNull<Lossy<'a>>,
        reasoning_content: Lossy<'a>,
        reasoning: Lossy<'a>,
        thinking_blocks: Vec<ThinkingBlock<'a>>,
        reasoning_details: Written<'a>,
        tool_calls: Vec<ToolCall<'a>>,
        function_call: FunctionCall<'a>,
        audio: Audio<'a>,
        images: Vec<Written<'a>>,
        annotations: Vec<Written<'a>>,
        provider_specific_fields: Written<'a>,
    }
}

/// Content of an answer: a string, or (Mistral, Databricks) a list of parts.
#[derive(Debug)]
pub(in super::super) enum ReplyContent<'a> {
    /// A string.
    Text(Lossy<'a>),
    /// Parts.
    Parts(Vec<&'a RawValue>),
}

impl<'de: 'a, 'a> Deserialize<'de> for ReplyContent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('[') {
            return serde_json::from_str(raw).map(Self::Parts).map_err(D::Error::custom);
        }
        serde_json::from_str(raw).map(Self::Text).map_err(D::Error::custom)
    }
}

impl Serialize for ReplyContent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Parts(parts) => parts.serialize(serializer),
        }
    }
}

wire_struct! {
    /// Sound.
    pub(in super::super) struct Audio<'a> {
        id: Str<'a>,
        data: Str<'a>,
        transcript: Lossy<'a>,
        expires_at: Count,
    }
}

wire_struct! {
    /// A source of the text.
    pub(in super::super) struct Annotation<'a> {
        kind as "type": Str<'a>,
        url_citation: UrlCitation<'a>,
    }
}

wire_struct! {
    /// A source on the web.
    pub(in super::super) struct UrlCitation<'a> {
        start_index: Count,
        end_index: Count,
        url: Lossy<'a>,
        title: Lossy<'a>,
        content: Lossy<'a>,
    }
}

wire_struct! {
    /// Log probabilities of the tokens.
    pub(in super::super) struct LogProbs<'a> {
        content: OrNull<Vec<Token<'a>>>,
        refusal: OrNull<Vec<Token<'a>>>,
    }
}

wire_struct! {
    /// One token.
    pub(in super::super) struct Token<'a> {
        token: Lossy<'a>,
        logprob: f64,
        bytes: OrNull<Bytes>,
        top_logprobs: Vec<Token<'a>>,
    }
}

/// The bytes of a token.
#[derive(Debug, Clone)]
pub(in super::super) struct Bytes(pub Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;
        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of bytes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_seq(BytesVisitor)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

wire_struct! {
    /// What an answer used, in the words of every provider.
    pub(in super::super) struct Usage<'a> {
        prompt_tokens: Count,
        completion_tokens: Count,
        total_tokens: Count,
        prompt_tokens_details: PromptDetails<'a>,
        completion_tokens_details: CompletionDetails<'a>,
        prompt_cache_hit_tokens: Count,
        num_cached_tokens: Count,
        cached_tokens: Count,
        reasoning_tokens: Count,
        cache_creation_input_tokens: Count,
        cache_read_input_tokens: Count,
        cache_creation: CacheCreation<'a>,
        num_search_queries: Count,
        search_queries: Count,
    }
}

wire_struct! {
    /// Of the prompt.
    pub(in super::super) struct PromptDetails<'a> {
        cached_tokens: Count,
        audio_tokens: Count,
        image_tokens: Count,
        cache_write_tokens: Count,
        cache_creation_tokens: Count,
        cache_creation_token_details: CacheCreation<'a>,
        web_search_requests: Count,
    }
}

wire_struct! {
    /// Tokens written to the cache, by how long they stay.
    pub(in super::super) struct CacheCreation<'a> {
        ephemeral_5m_input_tokens: Count,
        ephemeral_1h_input_tokens: Count,
    }
}

wire_struct! {
    /// Of the answer.
    pub(in super::super) struct CompletionDetails<'a> {
        reasoning_tokens: Count,
        audio_tokens: Count,
        image_tokens: Count,
        accepted_prediction_tokens: Count,
        rejected_prediction_tokens: Count,
    }
}

/// Takes what is of no interest out of the members of an answer: padding against traffic analysis, and
/// `null`, which means nothing.
pub(in super::super) fn without_padding(members: &mut Members<'_>) {
    for name in ["obfuscation", "p"] {
        members.remove(name);
    }
    let nulls: Vec<String> =
        members.iter().filter(|(_, value)| value.get() == "null").map(|(name, _)| name.to_owned()).collect();
    for name in nulls {
        members.remove(&name);
    }
}
