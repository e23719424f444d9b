//! The request: `POST /chat/completions`.
//!
//! The members are those of OpenAI's OpenAPI 2.3.0 and the extensions that clients of a gateway send.

use std::fmt;

use llm_types::{RawValue, Str, wire_struct};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use super::{CacheControlJson, Message, Written};

wire_struct! {
    /// A chat request.
    pub(in super::super) struct Request<'a> {
        model: Str<'a>,
        messages: Vec<Message<'a>>,
        tools: Vec<Written<'a>>,
        tool_choice: Written<'a>,
        parallel_tool_calls: bool,
        functions: Vec<Written<'a>>,
        function_call: &'a RawValue,
        temperature: f64,
        top_p: f64,
        top_k: u64,
        frequency_penalty: f64,
        presence_penalty: f64,
        seed: i64,
        logit_bias: &'a RawValue,
        n: u32,
        response_format: Written<'a>,
        modalities: Vec<Str<'a>>,
        audio: Written<'a>,
        logprobs: bool,
        top_logprobs: u32,
        prediction: &'a RawValue,
        verbosity: Str<'a>,
        reasoning_effort: Written<'a>,
        thinking: Written<'a>,
        max_tokens: u64,
        max_completion_tokens: u64,
        stop: Stop<'a>,
        stream: bool,
        stream_options: StreamOptions<'a>,
        service_tier: Str<'a>,
        store: bool,
        prompt_cache_key: Str<'a>,
        prompt_cache_retention: Str<'a>,
        prompt_cache_options: &'a RawValue,
        cache_control: CacheControlJson<'a>,
        user: Str<'a>,
        safety_identifier: Str<'a>,
        metadata: &'a RawValue,
        web_search_options: Written<'a>,
    }
}

wire_struct! {
    /// How a stream is delivered.
    pub(in super::super) struct StreamOptions<'a> {
        include_usage: bool,
        include_obfuscation: bool,
    }
}

wire_struct! {
    /// The form of the answer.
    pub(in super::super) struct Format<'a> {
        kind as "type": Str<'a>,
        json_schema: JsonSchema<'a>,
    }
}

wire_struct! {
    /// The schema of a structured answer.
    pub(in super::super) struct JsonSchema<'a> {
        name: Str<'a>,
        description: Str<'a>,
        schema: &'a RawValue,
        strict: bool,
    }
}

wire_struct! {
    /// The voice of a spoken answer.
    pub(in super::super) struct AudioOut<'a> {
        voice: &'a RawValue,
        format: Str<'a>,
        language: Str<'a>,
    }
}

wire_struct! {
    /// `reasoning_effort` in the object form that the Responses API has.
    pub(in super::super) struct Effort<'a> {
        effort: Str<'a>,
        summary: Str<'a>,
    }
}

wire_struct! {
    /// Anthropic's switch for thinking.
    pub(in super::super) struct Thinking<'a> {
        kind as "type": Str<'a>,
        budget_tokens: u64,
        display: Str<'a>,
    }
}

wire_struct! {
    /// The provider's own web search.
    pub(in super::super) struct WebSearchOptions<'a> {
        search_context_size: Str<'a>,
        user_location: UserLocation<'a>,
    }
}

wire_struct! {
    /// Where the asker is.
    pub(in super::super) struct UserLocation<'a> {
        kind as "type": Str<'a>,
        approximate: Approximate<'a>,
    }
}

wire_struct! {
    /// About where.
    pub(in super::super) struct Approximate<'a> {
        country: Str<'a>,
        region: Str<'a>,
        city: Str<'a>,
        timezone: Str<'a>,
    }
}

/// Texts that end the answer: one string, or a list of them.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Stop<'a>(pub Vec<Str<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Stop<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StopVisitor;
        impl<'de> Visitor<'de> for StopVisitor {
            type Value = Stop<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Stop(vec![Str::from(text)]))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Stop(vec![Str::from(text.to_owned())]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Stop(texts))
            }
        }
        deserializer.deserialize_any(StopVisitor)
    }
}

impl Serialize for Stop<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
