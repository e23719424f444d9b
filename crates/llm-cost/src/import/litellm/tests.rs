//! Members of the map as they are written there.

use super::*;
use crate::import::check;

fn read(json: &str) -> PriceMap {
    from_litellm(json.as_bytes()).unwrap()
}

/// The prices of one model whose other members are these.
fn prices(members: &str) -> Vec<(ServiceTier, u64, Class, u64)> {
    let map = read(&format!(r#"{{"m": {{"litellm_provider": "p", {members}}}}}"#));
    assert_eq!(map.skipped, []);
    let entry = &map.catalogue.of("p")[0];
    let base = entry.prices.base().iter().map(|(class, pico)| (ServiceTier::Standard, 0, class, pico));
    let more = entry.prices.overlays().flat_map(|(service, above, rates)| {
        rates.iter().map(move |(class, pico)| (service, above, class, pico))
    });
    base.chain(more).collect()
}

#[test]
fn every_kind_of_price_is_read() {
    use Class::{CacheRead, CacheWrite1h, Input, Output, Query, Second};
    use ServiceTier::{Batch, Flex, Priority, Standard};
    let check = |members: &str, expect: &[(ServiceTier, u64, Class, u64)]| {
        assert_eq!(prices(members), expect, "{members}");
    };
    check(r#""input_cost_per_token": 1.5000000000000002e-07"#, &[(Standard, 0, Input, 150_000)]);
    check(r#""input_cost_per_token": 1e-05"#, &[(Standard, 0, Input, 10_000_000)]);
    check(r#""output_cost_per_token": "0.000003""#, &[(Standard, 0, Output, 3_000_000)]);
    check(r#""output_cost_per_token": 0.0, "input_cost_per_token": null"#, &[(Standard, 0, Output, 0)]);
    check(
        r#""input_cost_per_token": 1e-6, "input_cost_per_token_above_200k_tokens": 2e-6,
            "input_cost_per_token_flex": 5e-7, "input_cost_per_token_above_200k_tokens_priority": 4e-6,
            "output_cost_per_token_batches": 3e-6"#,
        &[
            (Standard, 0, Input, 1_000_000),
            (Standard, 200_000, Input, 2_000_000),
            (Flex, 0, Input, 500_000),
            (Priority, 200_000, Input, 4_000_000),
            (Batch, 0, Output, 3_000_000),
        ],
    );
    check(
        r#""cache_creation_input_token_cost_above_1hr": 6e-06,
            "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05"#,
        &[(Standard, 0, CacheWrite1h, 6_000_000), (Standard, 200_000, CacheWrite1h, 12_000_000)],
    );
    check(r#""input_cost_per_token_cache_hit": 1e-7"#, &[(Standard, 0, CacheRead, 100_000)]);
    check(
        r#""mode": "audio_transcription", "output_cost_per_second": 0.0001"#,
        &[(Standard, 0, Second, 100_000_000)],
    );
    check(
        r#""tiered_pricing": [{"range": [0, 32000.0], "input_cost_per_token": 1e-6},
            {"range": [32000, 128000], "input_cost_per_token": 2e-6}]"#,
        &[(Standard, 0, Input, 1_000_000), (Standard, 32_000, Input, 2_000_000)],
    );
    let search = r#""search_context_cost_per_query": {"search_context_size_high": 0.05,
        "search_context_size_medium": 0.035}"#;
    check(search, &[(Standard, 0, Query, 35_000_000_000)]);
    check(r#""input_cost_per_video_per_second": 1, "new_member": {"a": []}"#, &[]);
}

#[test]
fn facts_and_names_are_ours() {
    let map = read(
        r#"{"sample_spec": {"litellm_provider": "one of …"}, "fallback_generalizations": {"rules": []},
        "gemini/g": {"litellm_provider": "gemini", "mode": "chat", "max_input_tokens": 1000, "max_tokens": 100,
            "supports_vision": true, "supports_function_calling": false, "deprecation_date": "2026-12-01",
            "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6, "aliases": ["gemini/g-001"]},
        "eu.x": {"litellm_provider": "bedrock_converse", "max_tokens": 500.0}}"#,
    );
    assert_eq!(map.skipped, []);
    assert_eq!(map.catalogue.providers().collect::<Vec<_>>(), ["bedrock", "gemini"]);
    let entry = map.catalogue.find("gemini", "g").unwrap().entry;
    assert_eq!((entry.context_window, entry.max_output), (Some(1000), Some(100)));
    assert_eq!(entry.capabilities, Some(Capabilities::VISION));
    assert_eq!(entry.deprecated_on.unwrap().to_string(), "2026-12-01");
    let alias = map.catalogue.find("gemini", "g-001").unwrap().entry;
    assert_eq!(alias.prices, entry.prices);
    let bare = map.catalogue.find("bedrock", "eu.x").unwrap().entry;
    assert_eq!((bare.context_window, bare.max_output, bare.capabilities), (Some(500), None, None));
}

#[test]
fn models_that_cannot_be_read_are_named() {
    let map = read(
        r#"{"a": [], "b": {"mode": "chat"}, "c": {"litellm_provider": "p", "input_cost_per_token": -1e-6},
        "d": {"litellm_provider": "p", "input_cost_per_token": "cheap"},
        "e": {"litellm_provider": "p", "input_cost_per_token": {}},
        "f": {"litellm_provider": "p", "tiered_pricing": [{"range": 1}]}, "good": {"litellm_provider": "p"}}"#,
    );
    let skipped: Vec<_> = map.skipped.iter().map(|(name, reason)| format!("{name} {reason}")).collect();
    assert_eq!(
        skipped,
        [
            "a is no object",
            "b names no litellm_provider",
            "c input_cost_per_token is no price",
            "d input_cost_per_token is no price",
            "e input_cost_per_token is no price",
            "f a range of tiered_pricing is not of two numbers",
        ]
    );
    assert_eq!(map.catalogue.len(), 1);
    for text in ["", "[]", "{", "null", "<html>"] {
        assert!(matches!(from_litellm(text.as_bytes()), Err(Error::Map(_))), "{text}");
    }
}

#[test]
fn a_map_of_what_is_built_in_is_believed_and_half_of_it_is_not() {
    let known = Catalogue::builtin();
    let line = |(provider, entry): (&str, &crate::Entry)| {
        let usd = |class| {
            let pico = entry.prices.base().get(class)?;
            Some(PicoUsd::from_pico(i128::from(pico)).to_string())
        };
        let member =
            |name: &str, class| usd(class).map(|usd| format!(r#","{name}":{usd}"#)).unwrap_or_default();
        let (input, output) =
            (member("input_cost_per_token", Class::Input), member("output_cost_per_token", Class::Output));
        let name = serde_json::to_string(&format!("{provider}/{}", entry.model)).unwrap();
        format!(r#"{name}:{{"litellm_provider":"{provider}"{input}{output}}}"#)
    };
    let tokens: Vec<_> = known.iter().filter(|(_, entry)| entry.per_token().is_some()).collect();
    let some = Catalogue::new(tokens.iter().map(|(p, entry)| (p.to_string().into(), (*entry).clone())));
    let map = |count: usize| {
        let lines: Vec<_> = tokens.iter().take(count).map(|one| line(*one)).collect();
        read(&format!("{{{}}}", lines.join(","))).catalogue
    };
    check(&map(tokens.len()), &some).unwrap();
    assert!(check(&map(tokens.len() / 2), &some).is_err());
}

proptest::proptest! {
    #[test]
    fn no_map_makes_it_fail(text in r#"[\{\}\[\]":,0-9a-e\.\-nul_ ]{0,60}"#) {
        let _ = from_litellm(text.as_bytes());
        let _ = from_litellm(format!(r#"{{"m": {text}}}"#).as_bytes());
        let _ = from_litellm(format!(r#"{{"m": {{"litellm_provider": "p", "input_cost_per_token": {text}}}}}"#).as_bytes());
    }
}

#[test]
fn a_search_that_each_request_has_is_a_fee() {
    let check = |sizes: &str, expect: &[(Class, u64)]| {
        let json = format!(
            r#"{{"perplexity/m": {{"litellm_provider": "perplexity", "mode": "chat", "input_cost_per_token": 1e-6,
                "search_context_cost_per_query": {{{sizes}}}}}}}"#
        );
        let map = read(&json);
        let found = map.catalogue.find("perplexity", "m").unwrap().entry.prices.base();
        let fees: Vec<_> = found.iter().filter(|(class, _)| *class != Class::Input).collect();
        assert_eq!(fees, expect, "{sizes}");
    };
    let sizes = r#""search_context_size_high": 0.014, "search_context_size_low": 0.006,
        "search_context_size_medium": 0.01"#;
    check(sizes, &[(Class::Query, 0), (Class::Request, 6_000_000_000)]);
    // Where all cost the same, each is paid.
    let sizes = r#""search_context_size_high": 0.005, "search_context_size_low": 0.005"#;
    check(sizes, &[(Class::Query, 5_000_000_000)]);
}
