//! What a provider says that an answer costs, beside the counts of it.
//!
//! - OpenRouter: `cost`, in credits of a US dollar (recordings/openrouter); with the caller's own key at the provider
//!   behind it (`is_byok`) that is its fee alone, and `cost_details.upstream_inference_cost` what comes on top
//!   (<https://openrouter.ai/docs/guides/guides/usage-accounting>);
//! - xAI: `cost_in_usd_ticks`, in 1e-10 USD (recordings/xai: agrees with its price list);
//! - Perplexity: `cost.total_cost`, in USD, fees of a search included (recordings/perplexity).
//!
//! A zero is no figure: Azure writes it where it says nothing (recordings/azure/chat-stream-cache-tool-call).

use llm_types::{Members, PicoUsd, RawValue, wire_struct};

wire_struct! {
    /// Perplexity's table of costs.
    struct Table<'a> {
        total_cost: &'a RawValue,
    }
}

wire_struct! {
    /// OpenRouter's, beside its `cost`.
    struct Details<'a> {
        upstream_inference_cost: &'a RawValue,
    }
}

/// The tenth of a nano-dollar that xAI counts in.
const TICK: i32 = -10;

/// What the members of a usage say that it costs.
pub(in crate::dialect) fn stated(members: &Members<'_>) -> Option<PicoUsd> {
    if let Some(ticks) = members.get("cost_in_usd_ticks") {
        return amount(ticks, TICK);
    }
    let cost = members.get("cost")?;
    if cost.get().starts_with('{') {
        return amount(serde_json::from_str::<Table<'_>>(cost.get()).ok()?.total_cost?, 0);
    }
    let own_key = members.get("is_byok").is_some_and(|raw| raw.get() == "true");
    if !own_key {
        return amount(cost, 0);
    }
    let details: Details<'_> = serde_json::from_str(members.get("cost_details")?.get()).ok()?;
    let behind = amount(details.upstream_inference_cost?, 0)?;
    Some(behind.saturating_add(amount(cost, 0).unwrap_or(PicoUsd::ZERO)))
}

/// A number that is more than nothing; finer than a pico-dollar is rounded.
fn amount(raw: &RawValue, power: i32) -> Option<PicoUsd> {
    PicoUsd::rounded(raw.get(), power).ok().filter(|usd| *usd > PicoUsd::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    wire_struct! {
        struct Usage<'a> {
            tokens: u64,
        }
    }

    #[test]
    fn costs_are_read_in_the_words_of_each() {
        let check = |json: &str, expect: Option<&str>| {
            let usage: Usage<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(stated(&usage.extra).map(|usd| usd.to_string()).as_deref(), expect, "{json}");
        };
        check(r#"{"tokens":1,"cost":3.6e-06,"is_byok":false}"#, Some("0.0000036"));
        check(r#"{"cost_in_usd_ticks":161508500}"#, Some("0.01615085"));
        check(r#"{"cost":{"request_cost":0.006,"total_cost":0.00609}}"#, Some("0.00609"));
        let own_key = r#"{"cost":0.00005,"is_byok":true,"cost_details":{"upstream_inference_cost":0.001}}"#;
        check(own_key, Some("0.00105"));
        check(r#"{"cost":0,"is_byok":true,"cost_details":{"upstream_inference_cost":0.001}}"#, Some("0.001"));
        for none in [
            r#"{"tokens":1}"#,
            r#"{"cost_in_usd_ticks":0}"#,
            r#"{"cost":0}"#,
            r#"{"cost":-1}"#,
            r#"{"cost":null}"#,
            r#"{"cost":"free"}"#,
            r#"{"cost":1e400}"#,
            r#"{"cost":{"usd":1}}"#,
            r#"{"cost":{"total_cost":{}}}"#,
            r#"{"cost":0.1,"is_byok":true}"#,
            r#"{"cost":0.1,"is_byok":true,"cost_details":{"upstream_inference_cost":null}}"#,
        ] {
            check(none, None);
        }
    }
}
