//! From a model string to a provider and its own name for the model.
//!
//! The strings are LiteLLM's: `provider/model`, split at the first slash, or a bare name that is known
//! to belong to a provider. What else there is to know of a name (whole paths, families of models) stands
//! in the provider's row.

use std::sync::Arc;

use llm_types::{ApiError, ErrorKind, ProviderSpec, Result, glob_matches};

use crate::table::ProviderTable;

/// How many providers are named to someone who mistyped one.
const SUGGESTIONS: usize = 3;
/// How alike two names must be to be suggested (Jaro-Winkler, 0 to 1).
const LIKENESS: f64 = 0.8;

/// The provider of a model string, and the model as that provider names it.
///
/// The row is the table's own, or a copy of it where the name says which family's rules hold
/// (`azure/o_series/my-deployment`).
///
/// ```
/// use llm_providers::{name, table::ProviderTable};
/// let (spec, model) = name::resolve(ProviderTable::builtin(), "together_ai/meta-llama/Llama-3").unwrap();
/// assert_eq!((spec.name.as_str(), model.as_str()), ("together_ai", "meta-llama/Llama-3"));
/// ```
///
/// # Errors
/// [`ErrorKind::NotFound`] with the nearest provider names when none is meant.
pub fn resolve(table: &ProviderTable, model: &str) -> Result<(Arc<ProviderSpec>, String)> {
    resolve_at(table, model, None)
}

/// As [`resolve`], for a deployment with a base URL of its own: where the prefix stands for any
/// compatible server (`openai/`), a base URL that belongs to another row selects that row.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_at(
    table: &ProviderTable,
    model: &str,
    api_base: Option<&str>,
) -> Result<(Arc<ProviderSpec>, String)> {
    let (spec, rest) = provider(table, model)?;
    if rest.is_empty() {
        let message = format!("`{model}` names no model: write {}/model", spec.name);
        return Err(ApiError::new(ErrorKind::NotFound, message).with_param("model"));
    }
    let at_base = api_base.filter(|_| spec.generic).and_then(|base| table.by_base(base));
    let spec = at_base.filter(|other| other.dialect == spec.dialect).unwrap_or(spec);
    if let Some((prefix, family)) = spec.families.iter().find(|(prefix, _)| rest.starts_with(prefix.as_str()))
    {
        let rest = rest.strip_prefix(prefix.as_str()).unwrap_or(rest);
        return Ok((Arc::new(of_family(spec, family)), rest.to_owned()));
    }
    if let Some((varied, rest)) = spec.varied(rest) {
        let name = own_name(&varied, &rest);
        return Ok((Arc::new(varied), name));
    }
    Ok((Arc::clone(spec), own_name(spec, rest)))
}

/// The row, and what stands behind its prefix.
fn provider<'t, 'm>(table: &'t ProviderTable, model: &'m str) -> Result<(&'t Arc<ProviderSpec>, &'m str)> {
    if let Some(error) = table.error() {
        return Err(ApiError::new(ErrorKind::Internal, error));
    }
    if let Some((prefix, rest)) = model.split_once('/') {
        let Some(spec) = table.get(prefix) else {
            return Err(unknown(table, model, prefix));
        };
        if let Some((_, instead)) = spec.refused.iter().find(|(start, _)| rest.starts_with(start.as_str())) {
            let message = format!("`{model}` is not called by this name: {instead}");
            return Err(ApiError::new(ErrorKind::NotFound, message).with_param("model"));
        }
        let moved = spec
            .moved
            .iter()
            .find_map(|(start, row)| Some((table.get(row)?, rest.strip_prefix(start.as_str())?)));
        return Ok(moved.unwrap_or((spec, rest)));
    }
    let owns = |spec: &&Arc<ProviderSpec>| spec.bare_names.iter().any(|glob| glob_matches(glob, model));
    match table.iter().find(owns) {
        Some(spec) => Ok((spec, model)),
        None => Err(unknown(table, model, model)),
    }
}

/// A copy of the row in which the rules of `family` hold for every model.
fn of_family(spec: &ProviderSpec, family: &str) -> ProviderSpec {
    let mut spec = spec.clone();
    spec.rules.retain(|rule| rule.is_for(family));
    for rule in &mut spec.rules {
        rule.models = vec!["*".to_owned()];
        rule.except.clear();
    }
    spec
}

fn own_name(spec: &ProviderSpec, model: &str) -> String {
    let form = spec.model_names.iter().find(|form| form.models.iter().any(|glob| glob_matches(glob, model)));
    match form {
        Some(form) => format!("{}{model}", form.prefix),
        None => model.to_owned(),
    }
}

fn unknown(table: &ProviderTable, model: &str, prefix: &str) -> ApiError {
    let mut near: Vec<(f64, &str)> = table
        .iter()
        .flat_map(|spec| std::iter::once(&spec.name).chain(&spec.aliases))
        .map(|name| (strsim::jaro_winkler(name, prefix), name.as_str()))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let names: Vec<String> = near.iter().take(SUGGESTIONS).map(|(_, name)| format!("`{name}`")).collect();
    let hint = match (names.is_empty(), model.contains('/')) {
        (false, _) => format!("did you mean {}?", names.join(" or ")),
        (true, true) => "add a [[providers]] row for it, or use openai/ with an api_base".to_owned(),
        (true, false) => format!("write provider/model, e.g. openai/{model}"),
    };
    let what = if model.contains('/') {
        format!("model `{model}`: no provider is called `{prefix}`; {hint}")
    } else {
        format!("model `{model}` names no provider; {hint}")
    };
    ApiError::new(ErrorKind::NotFound, what).with_param("model")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nothing_is_called_by_says_what_to_write() {
        let check = |model: &str, says: &str| {
            let error = resolve(ProviderTable::builtin(), model).unwrap_err();
            assert!(error.message.contains(says), "{}", error.message);
        };
        check("huggingface/http://127.0.0.1:8080", "`api_base`");
        check("huggingface/https://x.endpoints.huggingface.cloud", "`api_base`");
        check("bedrock/async_invoke/amazon.nova-2", "write bedrock/MODEL");
    }

    #[test]
    fn names_are_resolved() {
        let check = |model: &str, provider: &str, own: &str| {
            let (spec, rest) = resolve(ProviderTable::builtin(), model).unwrap();
            assert_eq!((spec.name.as_str(), rest.as_str()), (provider, own), "{model}");
        };
        check("openai/gpt-4o", "openai", "gpt-4o");
        check("custom_openai/x", "openai", "x");
        check("gpt-4o", "openai", "gpt-4o");
        check("bedrock/mantle/openai.gpt-oss-120b", "bedrock_mantle", "openai.gpt-oss-120b");
        check("bedrock/mantle/us-west-2/openai.gpt-5.5", "bedrock_mantle", "us-west-2/openai.gpt-5.5");
        check("bedrock/openai/arn:aws:bedrock:x", "bedrock", "arn:aws:bedrock:x");
        check(
            "jp.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "bedrock",
            "jp.anthropic.claude-sonnet-4-5-20250929-v1:0",
        );
        check("au.anthropic.claude-x", "bedrock", "au.anthropic.claude-x");
        check("us-gov.amazon.nova-lite-v1:0", "bedrock", "us-gov.amazon.nova-lite-v1:0");
        check("o3-mini", "openai", "o3-mini");
        check("ft:gpt-4o-mini:org::id", "openai", "ft:gpt-4o-mini:org::id");
        check("text-embedding-3-small", "openai", "text-embedding-3-small");
        check("dall-e-3", "openai", "dall-e-3");
        check("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5");
        check("gemini-2.5-pro", "gemini", "gemini-2.5-pro");
        check("together_ai/meta-llama/Llama-3", "together_ai", "meta-llama/Llama-3");
        check(
            "openrouter/anthropic/claude-sonnet-4.5:nitro",
            "openrouter",
            "anthropic/claude-sonnet-4.5:nitro",
        );
        check("openrouter/auto", "openrouter", "openrouter/auto");
        check("openrouter/openrouter/auto", "openrouter", "openrouter/auto");
        check(
            "huggingface/together/deepseek-ai/DeepSeek-R1",
            "huggingface",
            "together/deepseek-ai/DeepSeek-R1",
        );
        check("vllm/meta-llama/Llama-3", "hosted_vllm", "meta-llama/Llama-3");
        check("azure/my-deployment", "azure", "my-deployment");
        check("mock/echo", "mock", "echo");
        check("fireworks_ai/llama-v3", "fireworks_ai", "accounts/fireworks/models/llama-v3");
        check("fireworks_ai/accounts/me/models/x", "fireworks_ai", "accounts/me/models/x");
        check("fireworks_ai/FW-x", "fireworks_ai", "FW-x");
        check("fireworks_ai/x#accounts/me/deployments/1", "fireworks_ai", "x#accounts/me/deployments/1");
        check("fireworks_ai/models/x", "fireworks_ai", "accounts/fireworks/models/x");
        check("fireworks_ai/routers/x", "fireworks_ai", "accounts/fireworks/routers/x");
        check("fireworks_ai/glm-fast", "fireworks_ai", "accounts/fireworks/routers/glm-fast");
        check("fireworks_ai/auto", "fireworks_ai", "accounts/fireworks/routers/auto");
        check("fireworks_ai/firerouter/x", "fireworks_ai", "accounts/fireworks/routers/firerouter/x");
    }

    #[test]
    fn unknown_names_get_the_nearest() {
        let check = |model: &str, expect: &str| {
            let error = resolve(ProviderTable::builtin(), model).unwrap_err();
            assert_eq!(error.kind, ErrorKind::NotFound, "{model}");
            assert!(error.message.contains(expect), "{model}: {error}");
        };
        check("opnai/gpt-4o", "did you mean `openai`");
        check("antropic/claude", "did you mean `anthropic`");
        check("zzz/x", "no provider is called `zzz`; add a [[providers]] row");
        check("llama-3", "names no provider");
        check("qqq", "write provider/model, e.g. openai/qqq");
        check("openai/", "write openai/model");
        check("", "names no provider");
    }

    #[test]
    fn a_family_brings_its_rules_to_any_name() {
        let (spec, model) = resolve(ProviderTable::builtin(), "azure/o_series/my-o3").unwrap();
        assert_eq!(model, "my-o3");
        let renamed = |spec: &ProviderSpec, model: &str| {
            spec.quirks_for(model, None).any(|quirks| quirks.rename.contains_key("max_tokens"))
        };
        assert!(renamed(&spec, &model));
        let (plain, model) = resolve(ProviderTable::builtin(), "azure/my-o3").unwrap();
        assert!(!renamed(&plain, &model));
        let (spec, model) = resolve(ProviderTable::builtin(), "azure/gpt5_series/d").unwrap();
        let dropped =
            |effort| spec.quirks_for(&model, effort).any(|quirks| quirks.drop.contains(&"stop".to_owned()));
        assert!(dropped(None));
        assert_eq!(spec.quirks.drop, plain.quirks.drop);
    }

    #[test]
    fn a_known_base_selects_its_row_for_openai_models_only() {
        let check = |model: &str, base: &str, provider: &str, own: &str| {
            let (spec, rest) = resolve_at(ProviderTable::builtin(), model, Some(base)).unwrap();
            assert_eq!((spec.name.as_str(), rest.as_str()), (provider, own), "{model} {base}");
        };
        check("openai/llama", "https://api.groq.com/openai/v1", "groq", "llama");
        check("openai/llama", "https://api.groq.com/openai/v1/", "groq", "llama");
        check(
            "custom_openai/x",
            "https://api.fireworks.ai/inference/v1",
            "fireworks_ai",
            "accounts/fireworks/models/x",
        );
        check("openai/gpt-4o", "https://api.openai.com/v1", "openai", "gpt-4o");
        check("openai/x", "https://api.groq.com.evil.example/openai/v1", "openai", "x");
        check("openai/x", "https://api.groq.com/openai/v1evil", "openai", "x");
        check("openai/x", "https://evil.example/?u=https://api.groq.com/openai/v1", "openai", "x");
        check("openai/x", "http://127.0.0.1:8080/v1", "openai", "x");
        // The OpenAI surface of a provider whose row speaks another dialect.
        check("openai/claude", "https://api.anthropic.com/v1", "openai", "claude");
        check("mistral/m", "https://api.groq.com/openai/v1", "mistral", "m");
    }
}
