//! What is left out where a model takes a prompt, and neither tools nor thoughts nor a cache.

use llm_types::Changes;
use llm_types::chat::{CacheOptions, ChatRequest, Delivery, Identity, ReasoningOptions, Tooling};

/// Names what of a request has no place beside a prompt, and why. Messages, sampling, limits and output are the form's
/// own, and so is what nobody knows.
pub(super) fn leave_out(request: &ChatRequest, why: &'static str, changes: &mut Changes) {
    let ChatRequest {
        tooling,
        reasoning,
        delivery,
        cache,
        identity,
        web_search,
        model: _,
        messages: _,
        sampling: _,
        output: _,
        limits: _,
        origin: _,
        extra: _,
    } = request;
    let Tooling { tools, choice, parallel, legacy: _ } = tooling;
    let ReasoningOptions { effort, thinking, summary } = reasoning;
    let CacheOptions { key, retention, options, control } = cache;
    let Identity { user, safety_identifier, metadata } = identity;
    let Delivery { stream: _, include_usage: _, include_obfuscation, service_tier, store } = delivery;
    let usual = |tier: &String| matches!(tier.as_str(), "auto" | "default");
    let lost = [
        ("tools", !tools.is_empty()),
        ("tool_choice", choice.is_some()),
        ("parallel_tool_calls", parallel.is_some()),
        ("reasoning_effort", effort.is_some()),
        ("thinking", thinking.is_some()),
        ("reasoning.summary", summary.is_some()),
        ("prompt_cache_key", key.is_some()),
        ("prompt_cache_retention", retention.is_some()),
        ("prompt_cache_options", options.is_some()),
        ("cache_control", control.is_some()),
        ("user", user.is_some()),
        ("safety_identifier", safety_identifier.is_some()),
        ("metadata", metadata.is_some()),
        ("web_search_options", web_search.is_some()),
        ("stream_options.include_obfuscation", include_obfuscation.is_some()),
        ("service_tier", service_tier.as_ref().is_some_and(|tier| !usual(tier))),
        ("store", *store == Some(true)),
    ];
    for (name, _) in lost.into_iter().filter(|(_, set)| *set) {
        changes.dropped(name, why);
    }
}
