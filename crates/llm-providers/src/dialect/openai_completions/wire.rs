//! The JSON of text completions, as typed structs.
//!
//! The members of the request are those of OpenAI's OpenAPI 2.3.0; an answer and a piece of a streamed one
//! have the same form (recordings/openai/completions-*). What a struct does not name is kept.

use std::fmt;

use llm_types::{Members, RawValue, Str, WireText, wire_struct};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use super::super::scalar::{Count, OrNull, Word};

wire_struct! {
    /// A request, as we write it. `prompt` is text here; other forms of it are kept raw.
    pub(super) struct Request<'a> {
        model: Str<'a>,
        prompt: Str<'a>,
        max_tokens: u64,
        temperature: f64,
        top_p: f64,
        top_k: u64,
        n: u32,
        stream: bool,
        stream_options: StreamOptions<'a>,
        logprobs: u32,
        stop: Vec<&'a str>,
        presence_penalty: f64,
        frequency_penalty: f64,
        logit_bias: &'a RawValue,
        seed: i64,
        user: Str<'a>,
    }
}

wire_struct! {
    /// How a stream is delivered.
    pub(super) struct StreamOptions<'a> {
        include_usage: bool,
        include_obfuscation: bool,
    }
}

wire_struct! {
    /// An answer, or a piece of a streamed one.
    pub(super) struct Completion<'a> {
        id: Word<'a>,
        object: Word<'a>,
        created: Count,
        model: Word<'a>,
        choices: Vec<Choice<'a>>,
        usage: OrNull<&'a RawValue>,
        service_tier: Word<'a>,
        system_fingerprint: Word<'a>,
        error: &'a RawValue,
    }
}

wire_struct! {
    /// One of the answers, or a piece of it.
    pub(super) struct Choice<'a> {
        text: WireText<'a>,
        index: Count,
        logprobs: OrNull<LogProbs<'a>>,
        finish_reason: OrNull<Word<'a>>,
    }
}

wire_struct! {
    /// Log probabilities: parallel lists, one entry for each token.
    pub(super) struct LogProbs<'a> {
        tokens: Vec<Str<'a>>,
        token_logprobs: Vec<Option<f64>>,
        top_logprobs: OrNull<Vec<Option<Top<'a>>>>,
        text_offset: Vec<Count>,
    }
}

/// The likeliest tokens at one place: an object of token to log probability, in its order.
#[derive(Debug, Default)]
pub(super) struct Top<'a>(pub(super) Vec<(Str<'a>, f64)>);

impl<'de: 'a, 'a> Deserialize<'de> for Top<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TopVisitor;
        impl<'de> Visitor<'de> for TopVisitor {
            type Value = Top<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tokens")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut top = Vec::new();
                while let Some((token, logprob)) = map.next_entry::<Str<'de>, Option<f64>>()? {
                    top.push((token, logprob.unwrap_or(f64::NAN)));
                }
                Ok(Top(top))
            }
        }
        deserializer.deserialize_map(TopVisitor)
    }
}

impl Serialize for Top<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(token, logprob)| (token, logprob)))
    }
}

/// Takes padding against traffic analysis, and `null`, which means nothing, out of the members of an answer.
pub(super) fn without_padding(members: &mut Members<'_>) {
    members.remove("obfuscation");
    let nulls: Vec<String> =
        members.iter().filter(|(_, value)| value.get() == "null").map(|(name, _)| name.to_owned()).collect();
    for name in nulls {
        members.remove(&name);
    }
}
