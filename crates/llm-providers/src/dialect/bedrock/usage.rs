//! The service's counts to disjoint classes.
//!
//! `inputTokens` leave cached tokens out. How long what was written to the cache lasts stands in `cacheDetails`;
//! the thinking in the answer is told only in the model's own fields, where they were asked for.

use llm_types::{RawValue, ServiceTier, Usage};

use super::wire::{self, ModelFields, Raw};

/// What was used; `fields` are the members of the model's own answer.
pub(super) fn usage(counts: &wire::Usage<'_>, fields: Option<&Raw<'_>>) -> Usage {
    let all = counts.cache_write.or(counts.cache_write_count).unwrap_or_default();
    let details = counts.cache_details.iter().flatten();
    let long = details.filter(|detail| detail.ttl.as_ref().is_some_and(|ttl| ttl.as_str() == "1h"));
    let long = long.fold(0_u64, |sum, detail| sum.saturating_add(detail.input.unwrap_or_default()));
    let output = counts.output.unwrap_or_default();
    let thinking = fields.and_then(thinking).unwrap_or_default().min(output);
    Usage {
        input: counts.input.unwrap_or_default(),
        cache_read: counts.cache_read.or(counts.cache_read_count).unwrap_or_default(),
        cache_write_5m: all.saturating_sub(long),
        cache_write_1h: long,
        output: output - thinking,
        reasoning: thinking,
        ..Usage::default()
    }
}

/// The tier of service that an answer names (`{"type": "flex"}`); the default one is not named.
pub(super) fn service(raw: Option<&RawValue>) -> ServiceTier {
    let tier: Option<wire::ServiceTier<'_>> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let kind = tier.and_then(|tier| tier.kind);
    kind.map_or_else(ServiceTier::default, |kind| ServiceTier::of(kind.as_str()))
}

fn thinking(fields: &Raw<'_>) -> Option<u64> {
    let fields: ModelFields<'_> = serde_json::from_str(fields.get()).ok()?;
    fields.usage?.output?.thinking
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(counts: &str, fields: Option<&str>) -> Usage {
        let counts: wire::Usage<'_> = serde_json::from_str(counts).unwrap();
        let fields: Option<Raw<'_>> = fields.map(|fields| serde_json::from_str(fields).unwrap());
        usage(&counts, fields.as_ref())
    }

    #[test]
    fn classes_are_disjoint() {
        let counts = r#"{"inputTokens":10,"cacheReadInputTokens":100,"cacheReadInputTokenCount":100,
            "cacheWriteInputTokens":5,"outputTokens":20,"totalTokens":135}"#;
        let usage = read(counts, None);
        assert_eq!((usage.prompt_tokens(), usage.completion_tokens(), usage.total_tokens()), (115, 20, 135));
        assert_eq!((usage.cache_read, usage.cache_write_5m), (100, 5));
    }

    #[test]
    fn details_split_what_was_written_and_thought() {
        let counts = r#"{"inputTokens":1,"outputTokens":9,"cacheWriteInputTokenCount":7,
            "cacheDetails":[{"ttl":"5m","inputTokens":3},{"ttl":"1h","inputTokens":4}]}"#;
        let usage = read(counts, Some(r#"{"usage":{"output_tokens_details":{"thinking_tokens":6}}}"#));
        assert_eq!((usage.cache_write_5m, usage.cache_write_1h), (3, 4));
        assert_eq!((usage.output, usage.reasoning), (3, 6));
    }
}
