//! What an answer used, in disjoint classes.
//!
//! The provider's counts overlap: cached tokens are inside the prompt's, those of a kind of content
//! inside both, while thoughts stand beside the candidates' in all recordings; a total that leaves no
//! room for them says otherwise (`providers/gemini.md` 7).

use llm_types::{ServiceTier, Usage};

use super::super::model::Model;
use super::super::wire::{ModalityCount, UsageMetadata};

/// Names of `Modality` by number.
const MODALITIES: &[&str] = &["MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"];

/// What the provider looked up for an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lookups {
    /// Whether a search or a map was used: what it read is billed by the query.
    pub(super) grounded: bool,
    /// How many queries it made.
    pub(super) queries: usize,
}

impl Lookups {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            grounded: self.grounded || other.grounded,
            queries: self.queries.saturating_add(other.queries),
        }
    }
}

/// The counts, or `None` where there are none (a prompt that was blocked before it was counted).
pub(super) fn usage(counts: &UsageMetadata<'_>, model: &str, lookups: Lookups) -> Option<Usage> {
    counts.prompt_token_count.or(counts.candidates_token_count).or(counts.total_token_count)?;
    let prompt = counts.prompt_token_count.unwrap_or_default();
    let candidates = counts.candidates_token_count.unwrap_or_default();
    let thoughts = counts.thoughts_token_count.unwrap_or_default();
    let tools = counts.tool_use_prompt_token_count.unwrap_or_default();

    let cache_read = counts.cached_content_token_count.unwrap_or_default().min(prompt);
    let mut input = prompt - cache_read;
    let fresh = |kind: &str| {
        of_kind(counts.prompt_tokens_details.as_deref(), kind)
            .saturating_sub(of_kind(counts.cache_tokens_details.as_deref(), kind))
    };
    let input_audio = take(&mut input, fresh("AUDIO"));
    let input_image = take(&mut input, fresh("IMAGE"));
    if !lookups.grounded {
        input = input.saturating_add(tools);
    }

    let without = prompt.saturating_add(candidates).saturating_add(tools);
    let inside = counts.total_token_count == Some(without);
    let mut output = candidates;
    if inside {
        take(&mut output, thoughts);
    }
    let made = |kind: &str| of_kind(counts.candidates_tokens_details.as_deref(), kind);
    let output_audio = take(&mut output, made("AUDIO"));
    let output_image = take(&mut output, made("IMAGE"));
    Some(Usage {
        input,
        cache_read,
        input_audio,
        input_image,
        output,
        reasoning: if inside { thoughts.min(candidates) } else { thoughts },
        output_audio,
        output_image,
        queries: queries(model, lookups),
        service: service(counts),
        ..Usage::default()
    })
}

/// The tier of service: `serviceTier` of the Gemini API, the end of `trafficType` at Vertex (`ON_DEMAND_FLEX`;
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse>).
fn service(counts: &UsageMetadata<'_>) -> ServiceTier {
    let traffic = counts.traffic_type.map(|raw| raw.get().trim_matches('"'));
    match (&counts.service_tier, traffic) {
        (Some(tier), _) => ServiceTier::of(tier.as_str()),
        (None, Some("ON_DEMAND_FLEX")) => ServiceTier::Flex,
        (None, Some("ON_DEMAND_PRIORITY")) => ServiceTier::Priority,
        (None, _) => ServiceTier::Standard,
    }
}

/// From Gemini 3 each query is billed, before it each grounded prompt
/// (<https://ai.google.dev/gemini-api/docs/pricing>).
fn queries(model: &str, lookups: Lookups) -> u64 {
    if !lookups.grounded {
        return 0;
    }
    let made = u64::try_from(lookups.queries).unwrap_or(u64::MAX).max(1);
    if Model::of(model).signs_calls() { made } else { 1 }
}

fn of_kind(counts: Option<&[ModalityCount<'_>]>, kind: &str) -> u64 {
    let counts = counts.unwrap_or_default().iter();
    counts
        .filter(|count| count.modality.as_ref().is_some_and(|word| word.name(MODALITIES) == kind))
        .filter_map(|count| count.token_count)
        .fold(0, u64::saturating_add)
}

/// Moves up to `count` out of a class that holds it.
fn take(from: &mut u64, count: u64) -> u64 {
    let taken = count.min(*from);
    *from -= taken;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, lookups: Lookups) -> Option<Usage> {
        usage(&serde_json::from_str(json).unwrap(), "gemini-2.5-flash", lookups)
    }

    #[test]
    fn counts_become_disjoint() {
        let check = |json: &str, expect: Usage| {
            assert_eq!(read(json, Lookups::default()), Some(expect), "{json}");
        };
        check(
            r#"{"promptTokenCount":29,"candidatesTokenCount":15,"thoughtsTokenCount":804,"totalTokenCount":848}"#,
            Usage { input: 29, output: 15, reasoning: 804, ..Usage::default() },
        );
        check(
            r#"{"promptTokenCount":29,"candidatesTokenCount":815,"thoughtsTokenCount":804,"totalTokenCount":844}"#,
            Usage { input: 29, output: 11, reasoning: 804, ..Usage::default() },
        );
        check(
            r#"{"promptTokenCount":12,"thoughtsTokenCount":84,"totalTokenCount":96}"#,
            Usage { input: 12, reasoning: 84, ..Usage::default() },
        );
        check(
            r#"{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":20,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":50},{"modality":"AUDIO","tokenCount":30},
                {"modality":2,"tokenCount":20}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":20}],
                "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":15}]}"#,
            Usage {
                input: 10,
                cache_read: 60,
                input_audio: 10,
                input_image: 20,
                output: 5,
                output_image: 15,
                ..Usage::default()
            },
        );
        check(
            r#"{"promptTokenCount":5,"cachedContentTokenCount":9,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":7}]}"#,
            Usage { cache_read: 5, ..Usage::default() },
        );
        check(
            r#"{"promptTokenCount":10,"toolUsePromptTokenCount":100,"candidatesTokenCount":1,"totalTokenCount":111}"#,
            Usage { input: 110, output: 1, ..Usage::default() },
        );
    }

    #[test]
    fn lookups_are_counted_as_queries() {
        let json = r#"{"promptTokenCount":10,"toolUsePromptTokenCount":100,"totalTokenCount":110}"#;
        let counts = serde_json::from_str(json).unwrap();
        let check = |model: &str, queries: usize, expect: u64| {
            let usage = usage(&counts, model, Lookups { grounded: true, queries }).unwrap();
            assert_eq!((usage.input, usage.queries), (10, expect), "{model}");
        };
        check("gemini-2.5-flash", 3, 1);
        check("gemini-3-flash-preview", 3, 3);
        check("gemini-3-flash-preview", 0, 1);
    }

    #[test]
    fn no_counts_are_no_usage() {
        assert_eq!(read(r#"{"trafficType":"ON_DEMAND"}"#, Lookups::default()), None);
    }
}
