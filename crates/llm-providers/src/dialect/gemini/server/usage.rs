//! Usage as this dialect counts it: cached tokens inside the prompt, thoughts beside the answer.

use llm_types::{Str, Usage};

use super::super::wire::{ModalityCount, UsageMetadata, Word};

/// The wire form. Kinds of content are told apart where there is more than text.
pub(super) fn usage<'a>(usage: &Usage) -> UsageMetadata<'a> {
    let Usage {
        input: _,
        cache_read,
        cache_write_5m: _,
        cache_write_1h: _,
        input_audio,
        input_image,
        output,
        reasoning,
        output_audio,
        output_image,
        // Parts of counts that are written, or counted nowhere here.
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
    let prompt = usage.prompt_tokens();
    let answer = output.saturating_add(output_audio).saturating_add(output_image);
    let text = prompt.saturating_sub(input_audio).saturating_sub(input_image);
    UsageMetadata {
        prompt_token_count: Some(prompt),
        cached_content_token_count: non_zero(cache_read),
        candidates_token_count: Some(answer),
        thoughts_token_count: non_zero(reasoning),
        total_token_count: Some(usage.total_tokens()),
        prompt_tokens_details: details(text, input_image, input_audio),
        candidates_tokens_details: details(output, output_image, output_audio),
        ..UsageMetadata::default()
    }
}

fn non_zero(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}

fn details<'a>(text: u64, image: u64, audio: u64) -> Option<Vec<ModalityCount<'a>>> {
    if image == 0 && audio == 0 {
        return None;
    }
    let count = |(name, count): (&'static str, u64)| ModalityCount {
        modality: Some(Word::Name(Str::from(name))),
        token_count: Some(count),
        ..ModalityCount::default()
    };
    let all = [("TEXT", text), ("IMAGE", image), ("AUDIO", audio)];
    Some(all.into_iter().filter(|(_, count)| *count > 0).map(count).collect())
}
