//! Usage as compatible providers report it, made disjoint.
//!
//! OpenAI counts cached tokens inside the prompt and thinking inside the completion; most follow, each
//! with other names. A part that claims more than its whole is cut, so that the sum stays what the
//! provider bills.

use llm_types::{ServiceTier, Units, Usage, wire_struct};

use super::super::super::stated::stated;
use super::super::wire::{self, Count, Word};

/// The disjoint classes. `outside`: the row says that the completion leaves thinking out.
pub(super) fn usage(wire: &wire::Usage<'_>, reasoning: Reasoning) -> Usage {
    let get = |count: &Option<Count>| count.map(|count| count.0);
    let prompt = get(&wire.prompt_tokens).unwrap_or(0);
    let completion = get(&wire.completion_tokens).unwrap_or(0);
    let details = wire.prompt_tokens_details.as_ref();
    let prompt_detail =
        |pick: fn(&wire::PromptDetails<'_>) -> Option<Count>| details.and_then(pick).map(|c| c.0);
    let answer = wire.completion_tokens_details.as_ref();
    let answer_detail =
        |pick: fn(&wire::CompletionDetails<'_>) -> Option<Count>| answer.and_then(pick).map_or(0, |c| c.0);

    let cached = first(&[
        prompt_detail(|d| d.cached_tokens),
        get(&wire.prompt_cache_hit_tokens),
        get(&wire.cached_tokens),
        get(&wire.num_cached_tokens),
        get(&wire.cache_read_input_tokens),
    ]);
    let (write_5m, write_1h) = writes(wire);
    let total = get(&wire.total_tokens).unwrap_or(0);
    let beside = total.saturating_sub(prompt).saturating_sub(completion);
    let mut left = prompt;
    let cache_read = take(&mut left, cached);
    let cache_write_1h = take(&mut left, write_1h);
    let cache_write_5m = take(&mut left, write_5m);
    let heard = prompt_detail(|d| d.audio_tokens).unwrap_or(0);
    // Mistral counts sound beside the prompt; its total has it (recordings/mistral/chat-audio-in).
    let heard_beside = reasoning == Reasoning::Inside && heard > 0 && heard == beside;
    let input_audio = if heard_beside { heard } else { take(&mut left, heard) };
    let input_image = take(&mut left, prompt_detail(|d| d.image_tokens).unwrap_or(0));

    let thought = first(&[Some(answer_detail(|d| d.reasoning_tokens)), get(&wire.reasoning_tokens)]);
    let mut answered = completion;
    let thoughts = match reasoning {
        // Gemini's surface does not even name them: they are what the total has more.
        Reasoning::Outside if beside > 0 && (thought == beside || thought == 0) => beside,
        Reasoning::Outside | Reasoning::Inside => take(&mut answered, thought),
    };
    let output_audio = take(&mut answered, answer_detail(|d| d.audio_tokens));
    let output_image = take(&mut answered, answer_detail(|d| d.image_tokens));
    Usage {
        input: left,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        input_audio,
        input_image,
        output: answered,
        reasoning: thoughts,
        output_audio,
        output_image,
        queries: first(&[
            get(&wire.num_search_queries),
            get(&wire.search_queries),
            prompt_detail(|d| d.web_search_requests),
            searches(wire),
        ]),
        accepted_prediction: answer_detail(|d| d.accepted_prediction_tokens),
        rejected_prediction: answer_detail(|d| d.rejected_prediction_tokens),
        units: Units::default(),
        estimated: false,
        service: ServiceTier::default(),
        stated: stated(&wire.extra),
        billed: None,
    }
}

/// The tier of service that an answer or a chunk names.
pub(super) fn service(word: Option<&Word<'_>>) -> ServiceTier {
    word.map_or_else(ServiceTier::default, |word| ServiceTier::of(&word.0))
}

wire_struct! {
    /// What OpenRouter's own tools did (recordings/openrouter/chat-citations-hosted-tools).
    struct Tools<'a> {
        web_search_requests: Count,
    }
}

fn searches(wire: &wire::Usage<'_>) -> Option<u64> {
    let raw = ["server_tool_use_details", "server_tool_use"].iter().find_map(|name| wire.extra.get(name))?;
    let tools: Tools<'_> = serde_json::from_str(raw.get()).ok()?;
    tools.web_search_requests.map(|count| count.0)
}

/// Where a provider counts thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Reasoning {
    /// Inside `completion_tokens`.
    #[default]
    Inside,
    /// Beside it, where the total says so.
    Outside,
}

/// Tokens written to the cache, for five minutes and for an hour.
fn writes(wire: &wire::Usage<'_>) -> (u64, u64) {
    let details = wire.prompt_tokens_details.as_ref();
    let by_age = details
        .and_then(|details| details.cache_creation_token_details.as_ref())
        .or(wire.cache_creation.as_ref());
    let hour = by_age.and_then(|age| age.ephemeral_1h_input_tokens).map_or(0, |c| c.0);
    let all = first(&[
        details.and_then(|d| d.cache_write_tokens).map(|c| c.0),
        details.and_then(|d| d.cache_creation_tokens).map(|c| c.0),
        wire.cache_creation_input_tokens.map(|c| c.0),
        by_age.and_then(|age| age.ephemeral_5m_input_tokens).map(|c| c.0.saturating_add(hour)),
    ]);
    (all.saturating_sub(hour), hour)
}

/// The first count that is not zero: providers write 0 where they report elsewhere.
fn first(counts: &[Option<u64>]) -> u64 {
    counts.iter().flatten().copied().find(|count| *count > 0).unwrap_or(0)
}

/// At most `wanted` of what is left.
fn take(left: &mut u64, wanted: u64) -> u64 {
    let taken = wanted.min(*left);
    *left -= taken;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_stands_within_the_prompt_or_beside_it() {
        let check = |json: &str, prompt: u64, total: u64| {
            let used = usage(&serde_json::from_str(json).unwrap(), Reasoning::Inside);
            assert_eq!((used.input_audio, used.prompt_tokens(), used.total_tokens()), (375, prompt, total));
        };
        // OpenAI counts it within, Mistral (recordings/mistral/chat-audio-in) beside.
        let details = r#""prompt_tokens_details":{"audio_tokens":375}"#;
        check(
            &format!(r#"{{"prompt_tokens":384,"completion_tokens":201,"total_tokens":585,{details}}}"#),
            384,
            585,
        );
        check(
            &format!(r#"{{"prompt_tokens":9,"completion_tokens":201,"total_tokens":585,{details}}}"#),
            384,
            585,
        );
    }
}
