//! Every rule, on names that providers and clients really use.

use super::*;

#[test]
fn names_lead_to_their_entries() {
    use Rule::{Base, Exact, Path, Region, Release};
    let check = |provider: &str, model: &str, rule: Rule, expect: &str| {
        let found = Catalogue::builtin().find(provider, model);
        let found = found.map(|found| (found.rule, &*found.entry.model));
        assert_eq!(found, Some((rule, expect)), "{provider}/{model}");
    };
    check("openai", "gpt-4o", Exact, "gpt-4o");
    check("openai", "gpt-4o-2024-05-13", Exact, "gpt-4o-2024-05-13");
    check("openai", "gpt-5-chat-latest", Exact, "gpt-5-chat-latest");
    check("mistral", "mistral-large-latest", Exact, "mistral-large-latest");
    check("anthropic", "claude-haiku-4-5-20251001", Exact, "claude-haiku-4-5-20251001");
    check(
        "bedrock",
        "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        Exact,
        "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
    );
    check("vertex_ai", "claude-opus-4-5@20251101", Exact, "claude-opus-4-5@20251101");
    check(
        "together_ai",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        Exact,
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    );

    check("gemini", "models/gemini-2.5-pro", Path, "gemini-2.5-pro");
    check("gemini", "gemini/gemini-2.5-pro", Path, "gemini-2.5-pro");
    check("openai", "openai/gpt-4o", Path, "gpt-4o");
    check("vertex_ai", "publishers/google/models/gemini-2.5-flash", Path, "gemini-2.5-flash");
    let profile = "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0";
    check("bedrock", profile, Path, "us.anthropic.claude-haiku-4-5-20251001-v1:0");
    check("bedrock", "converse/anthropic.claude-sonnet-4-6", Path, "anthropic.claude-sonnet-4-6");

    check("bedrock", "us.amazon.titan-text-lite-v1", Region, "amazon.titan-text-lite-v1");
    check("bedrock", "us-east-1/amazon.nova-lite-v1:0", Region, "amazon.nova-lite-v1:0");
    check("azure", "eu/gpt-4-turbo", Region, "gpt-4-turbo");

    check("openai", "gpt-4o-2031-01-01", Release, "gpt-4o");
    check("openai", "gpt-4o-latest", Release, "gpt-4o");
    check("anthropic", "claude-haiku-4-5-latest", Release, "claude-haiku-4-5");
    check("anthropic", "claude-haiku-4-5@default", Release, "claude-haiku-4-5");
    check("openai", "gpt-4o-audio-preview", Release, "gpt-4o-audio-preview-2025-06-03");
    check("bedrock", "eu.anthropic.claude-3-opus", Release, "eu.anthropic.claude-3-opus-20240229-v1:0");
    check("bedrock", "jp.anthropic.claude-3-opus", Release, "anthropic.claude-3-opus-20240229-v1:0");
    check("bedrock", "anthropic.claude-3-opus", Release, "anthropic.claude-3-opus-20240229-v1:0");

    check("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", Base, "ft:gpt-4o-mini-2024-07-18");
    check("openai", "ft:gpt-4o:acme:name:abc", Base, "ft:gpt-4o-2024-11-20");
}

#[test]
fn what_no_rule_finds_is_unknown() {
    let check = |provider: &str, model: &str| {
        let found = Catalogue::builtin().find(provider, model);
        assert!(found.is_none(), "{provider}/{model}: {found:?}");
    };
    check("openai", "");
    check("openai", "gpt");
    check("openai", "gpt-4-0");
    check("openai", "gpt-4o-m");
    check("nobody", "gpt-4o");
    check("anthropic", "gpt-4o");
    check("anthropic", "claude");
    check("openai", "/");
    check("openai", "eu.");
    check("openai", "ft:");
    check("openai", "-2024-01-01");
    check("openai", "@:-latest");
}

#[test]
fn names_are_read_for_their_release() {
    let check = |name: &str, expect: &str| assert_eq!(line(name), expect, "{name}");
    check("gpt-4o", "gpt-4o");
    check("gpt-4o-2024-11-20", "gpt-4o");
    check("claude-opus-4-20250514", "claude-opus-4");
    check("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash-preview");
    check("anthropic.claude-opus-4-20250514-v1:0", "anthropic.claude-opus-4");
    check("claude-opus-4-5@20251101", "claude-opus-4-5");
    check("mistral-large-latest", "mistral-large");
    // Numbers that are no days: another model, maybe at another price.
    check("mistral-small-2506", "mistral-small-2506");
    check("gpt-3.5-turbo-0125", "gpt-3.5-turbo-0125");
    check("claude-opus-4-5", "claude-opus-4-5");
    check("qwen3-30b-12345678", "qwen3-30b-12345678");
}

#[test]
fn pictures_are_found_by_quality_and_size() {
    let check = |model: &str, quality: &str, size: &str, expect: &str| {
        let found = Catalogue::builtin().find_image("openai", model, quality, size).unwrap();
        assert_eq!(found.entry.model, expect);
    };
    check("gpt-image-1", "high", "1024-x-1536", "high/1024-x-1536/gpt-image-1");
    check("gpt-image-1.5", "", "1024-x-1024", "1024-x-1024/gpt-image-1.5");
    check("gpt-image-1", "", "", "gpt-image-1");
    check("gpt-image-1", "odd", "7-x-7", "gpt-image-1");
}

#[test]
fn facts_of_well_known_models_are_there() {
    let entry = |provider, model| Catalogue::builtin().find(provider, model).unwrap().entry;
    let gpt = entry("openai", "gpt-4o");
    assert_eq!((gpt.context_window, gpt.max_output), (Some(128_000), Some(16_384)));
    assert_eq!(gpt.per_token(), Some((2_500_000, 10_000_000)));
    let abilities = gpt.capabilities.unwrap();
    assert!(abilities.has(crate::Capabilities::TOOLS.and(crate::Capabilities::VISION)));
    let vector = entry("openai", "text-embedding-3-small");
    assert_eq!((vector.mode, vector.per_token()), (crate::Mode::Embedding, Some((20_000, 0))));
    assert_eq!(entry("openai", "whisper-1").per_token(), None);
}

proptest::proptest! {
    #[test]
    fn no_name_makes_it_fail(provider in "openai|bedrock|azure|[a-z]{0,4}", model in "\\PC{0,40}") {
        let _ = Catalogue::builtin().find(&provider, &model);
    }

    #[test]
    fn names_of_odd_pieces_do_not_either(pieces in proptest::collection::vec(
        proptest::sample::select(vec!["gpt-4o", "-", "@", ":", "/", ".", "ft:", "eu.", "us-", "east-1", "-2024", "-11",
            "-20", "-latest", "-v1", "é"]), 0..8)) {
        let _ = Catalogue::builtin().find("openai", &pieces.concat());
    }
}
