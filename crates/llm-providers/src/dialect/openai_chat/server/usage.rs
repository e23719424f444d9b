//! Usage as OpenAI counts it: cached tokens inside the prompt, thinking inside the completion.

use llm_types::Usage;

use super::super::wire::{self, CacheCreation, CompletionDetails, Count, PromptDetails};

fn count(n: u64) -> Option<Count> {
    Some(Count(n))
}

fn non_zero(n: u64) -> Option<Count> {
    (n > 0).then_some(Count(n))
}

/// The wire form. Counts that OpenAI does not have are written only where there are any.
pub(super) fn usage<'a>(usage: &Usage) -> wire::Usage<'a> {
    let Usage {
        input: _,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        input_audio,
        input_image,
        output: _,
        reasoning,
        output_audio,
        output_image,
        queries,
        accepted_prediction,
        rejected_prediction,
        units: _,
        estimated: _,
        // Told beside the counts.
        service: _,
        stated: _,
        billed: _,
    } = *usage;
    let writes = usage.cache_write();
    let by_age = (cache_write_1h > 0).then(|| CacheCreation {
        ephemeral_5m_input_tokens: count(cache_write_5m),
        ephemeral_1h_input_tokens: count(cache_write_1h),
        ..CacheCreation::default()
    });
    wire::Usage {
        prompt_tokens: count(usage.prompt_tokens()),
        completion_tokens: count(usage.completion_tokens()),
        total_tokens: count(usage.total_tokens()),
        prompt_tokens_details: Some(PromptDetails {
            cached_tokens: count(cache_read),
            audio_tokens: count(input_audio),
            image_tokens: non_zero(input_image),
            cache_creation_tokens: non_zero(writes),
            cache_creation_token_details: by_age,
            web_search_requests: non_zero(queries),
            ..PromptDetails::default()
        }),
        completion_tokens_details: Some(CompletionDetails {
            reasoning_tokens: count(reasoning),
            audio_tokens: count(output_audio),
            image_tokens: non_zero(output_image),
            accepted_prediction_tokens: count(accepted_prediction),
            rejected_prediction_tokens: count(rejected_prediction),
            ..CompletionDetails::default()
        }),
        cache_creation_input_tokens: non_zero(writes),
        cache_read_input_tokens: non_zero(cache_read),
        ..wire::Usage::default()
    }
}
