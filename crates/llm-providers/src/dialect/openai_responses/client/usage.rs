//! Usage, made disjoint.
//!
//! Cached and written tokens are inside `input_tokens`, thinking is inside `output_tokens`
//! (recordings/{openai,azure,xai,openrouter,deepseek}/responses-*). A part that claims more than its whole is
//! cut, so that the sum stays what the provider bills.

use llm_types::{ServiceTier, Usage, wire_struct};

use super::super::super::stated::stated;
use super::super::wire::{self, Count, InputDetails, OutputDetails, Word};

wire_struct! {
    /// What tools of the provider used (Azure, OpenAI).
    pub(super) struct ToolUsage<'a> {
        web_search: Searches<'a>,
    }
}

wire_struct! {
    /// How often it searched.
    pub(super) struct Searches<'a> {
        num_requests: Count,
    }
}

/// How often the provider searched, where it says so.
pub(super) fn queries(tool_usage: Option<&str>) -> u64 {
    let usage: Option<ToolUsage<'_>> = tool_usage.and_then(|json| serde_json::from_str(json).ok());
    usage.and_then(|usage| usage.web_search).map_or(0, |search| count(search.num_requests))
}

/// The disjoint classes.
pub(super) fn usage(wire: &wire::Usage<'_>, queries: u64, tier: Option<&Word<'_>>) -> Usage {
    let wire::Usage {
        input_tokens,
        input_tokens_details,
        output_tokens,
        output_tokens_details,
        total_tokens: _,
        extra,
    } = wire;
    let none = InputDetails::default();
    let InputDetails { cached_tokens, cache_write_tokens, audio_tokens, image_tokens, extra: _ } =
        input_tokens_details.as_ref().unwrap_or(&none);
    let mut input = count(*input_tokens);
    let cache_read = take(&mut input, *cached_tokens);
    let cache_write_5m = take(&mut input, *cache_write_tokens);
    let input_audio = take(&mut input, *audio_tokens);
    let input_image = take(&mut input, *image_tokens);
    let none = OutputDetails::default();
    let OutputDetails { reasoning_tokens, audio_tokens, image_tokens, extra: _ } =
        output_tokens_details.as_ref().unwrap_or(&none);
    let mut output = count(*output_tokens);
    Usage {
        cache_read,
        cache_write_5m,
        input_audio,
        input_image,
        input,
        reasoning: take(&mut output, *reasoning_tokens),
        output_audio: take(&mut output, *audio_tokens),
        output_image: take(&mut output, *image_tokens),
        output,
        queries,
        service: tier.map_or_else(ServiceTier::default, |tier| ServiceTier::of(&tier.0)),
        stated: stated(extra),
        ..Usage::default()
    }
}

fn count(count: Option<Count>) -> u64 {
    count.map_or(0, |count| count.0)
}

/// At most `wanted` of what is left.
fn take(left: &mut u64, wanted: Option<Count>) -> u64 {
    let taken = count(wanted).min(*left);
    *left -= taken;
    taken
}
