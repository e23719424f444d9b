//! Configurations in one line.

use llm_testkit::Upstream;

use super::PROVIDER_KEY;

/// Retries without noticeable pauses, and a record of every request.
pub(crate) const FAST: &str =
    "[router]\nbackoff = { base = \"1ms\", max = \"5ms\" }\nrecords = { per_second = 1_000_000 }\n";

/// A model with its deployments, each an inline table.
pub(crate) fn model(name: &str, deployments: &[String]) -> String {
    model_with(name, "", deployments)
}

/// The same with more settings, a line each.
pub(crate) fn model_with(name: &str, settings: &str, deployments: &[String]) -> String {
    format!("[[models]]\nname = \"{name}\"\n{settings}\ndeployments = [{}]\n", deployments.join(", "))
}

/// A deployment with more settings.
pub(crate) fn with(deployment: &str, settings: &str) -> String {
    deployment.replace(" }", &format!(", {settings} }}"))
}

/// A deployment that calls `upstream` as OpenAI.
pub(crate) fn openai(upstream: &Upstream) -> String {
    deployment("openai/gpt-4o", &format!("{}/v1", upstream.url()))
}

/// A deployment that calls `upstream` as OpenAI, with a model that lives on the Responses API only.
pub(crate) fn responses_only(upstream: &Upstream) -> String {
    deployment("openai/gpt-5.3-codex", &format!("{}/v1", upstream.url()))
}

/// A deployment that calls `upstream` as Anthropic.
pub(crate) fn anthropic(upstream: &Upstream) -> String {
    deployment("anthropic/claude-sonnet-4-5", &upstream.url())
}

/// A deployment that calls `upstream` as Gemini.
pub(crate) fn gemini(upstream: &Upstream) -> String {
    deployment("gemini/gemini-2.5-flash", &upstream.url())
}

pub(crate) fn deployment(model: &str, base: &str) -> String {
    format!("{{ model = \"{model}\", api_base = \"{base}\", api_key = \"{PROVIDER_KEY}\" }}")
}
