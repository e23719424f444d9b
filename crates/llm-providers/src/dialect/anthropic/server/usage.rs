//! Usage as Anthropic counts it: cached tokens beside the prompt, thinking inside the answer.

use llm_types::{Extra, RawValue, Usage};
use serde::Serialize;

/// Members of an answer that stand in its usage.
const IN_USAGE: [&str; 2] = ["inference_geo", "speed"];

/// `usage` of an answer.
#[derive(Debug, Serialize)]
pub(super) struct Counts<'a> {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: ByAge,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_tool_use: Option<Ran>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inference_geo: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<&'a RawValue>,
}

#[derive(Debug, Serialize)]
struct ByAge {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Serialize)]
struct Details {
    thinking_tokens: u64,
}

#[derive(Debug, Serialize)]
struct Ran {
    web_search_requests: u64,
}

/// What is said beside the counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    /// The tier, in neutral words.
    pub(super) tier: Option<&'a str>,
    /// Anthropic's own members of the answer.
    pub(super) members: Option<&'a Extra>,
}

/// The wire form of counts.
pub(super) fn counts<'a>(usage: &Usage, beside: Beside<'a>) -> Counts<'a> {
    let Usage {
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        input_audio,
        input_image,
        output: _,
        reasoning,
        output_audio: _,
        output_image: _,
        queries,
        accepted_prediction: _,
        rejected_prediction: _,
        units: _,
        estimated: _,
        // Told beside the counts.
        service: _,
        stated: _,
        billed: _,
    } = *usage;
    let Beside { tier, members } = beside;
    let [inference_geo, speed] = IN_USAGE.map(|name| members.and_then(|members| members.get(name)));
    Counts {
        input_tokens: input.saturating_add(input_audio).saturating_add(input_image),
        cache_creation_input_tokens: usage.cache_write(),
        cache_read_input_tokens: cache_read,
        cache_creation: ByAge {
            ephemeral_5m_input_tokens: cache_write_5m,
            ephemeral_1h_input_tokens: cache_write_1h,
        },
        output_tokens: usage.completion_tokens(),
        output_tokens_details: (reasoning > 0).then_some(Details { thinking_tokens: reasoning }),
        server_tool_use: (queries > 0).then_some(Ran { web_search_requests: queries }),
        service_tier: tier.map(|tier| if matches!(tier, "default" | "auto") { "standard" } else { tier }),
        inference_geo,
        speed,
    }
}

/// Members of an answer that are no part of its usage, each with its raw JSON.
pub(super) fn rest(members: &Extra) -> impl Iterator<Item = (&str, &RawValue)> {
    members.iter().filter(|(name, _)| !IN_USAGE.contains(name))
}
