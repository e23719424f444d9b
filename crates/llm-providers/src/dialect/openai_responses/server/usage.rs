//! Usage as OpenAI counts it: cached tokens inside the input, thinking inside the output.

use llm_types::Usage;

use super::super::wire::{self, Count, InputDetails, OutputDetails};

fn count(n: u64) -> Option<Count> {
    Some(Count(n))
}

fn non_zero(n: u64) -> Option<Count> {
    (n > 0).then_some(Count(n))
}

/// The wire form. Those that its SDKs require are always there, others only where there are any.
pub(super) fn usage<'a>(usage: &Usage) -> wire::Usage<'a> {
    let Usage {
        input: _,
        cache_read,
        cache_write_5m: _,
        cache_write_1h: _,
        input_audio,
        input_image,
        output: _,
        reasoning,
        output_audio,
        output_image,
        queries: _,
        accepted_prediction: _,
        rejected_prediction: _,
        units: _,
        estimated: _,
        // Told beside the counts.
        service: _,
        stated: _,
        billed: _,
    } = *usage;
    wire::Usage {
        input_tokens: count(usage.prompt_tokens()),
        input_tokens_details: Some(InputDetails {
            cached_tokens: count(cache_read),
            cache_write_tokens: count(usage.cache_write()),
            audio_tokens: non_zero(input_audio),
            image_tokens: non_zero(input_image),
            ..InputDetails::default()
        }),
        output_tokens: count(usage.completion_tokens()),
        output_tokens_details: Some(OutputDetails {
            reasoning_tokens: count(reasoning),
            audio_tokens: non_zero(output_audio),
            image_tokens: non_zero(output_image),
            ..OutputDetails::default()
        }),
        total_tokens: count(usage.total_tokens()),
        ..wire::Usage::default()
    }
}
