//! From a model's name to its prices.

use std::path::Path;

use anyhow::Context as _;
use llm_cost::{Found, PriceBook, import};
use llm_providers::name;
use llm_providers::table::ProviderTable;

/// How many names are suggested.
const SUGGESTIONS: usize = 3;

/// A model whose prices are known.
#[derive(Debug)]
pub(crate) struct Priced<'b> {
    /// Its name as it was given.
    pub(crate) asked: String,
    /// The provider's name.
    pub(crate) provider: String,
    /// The model, as that provider names it.
    pub(crate) model: String,
    pub(crate) found: Found<'b>,
}

/// The built-in prices, with a map laid over them.
pub(crate) fn book(map: Option<&Path>) -> anyhow::Result<PriceBook> {
    let book = PriceBook::default();
    let Some(path) = map else { return Ok(book) };
    let map = import::believed(&super::file(path)?, book.catalogue());
    let map = map.with_context(|| format!("{} cannot be used", path.display()))?;
    Ok(book.with_map(map.catalogue))
}

/// Looks a model up.
pub(crate) fn priced<'b>(book: &'b PriceBook, asked: &str) -> anyhow::Result<Priced<'b>> {
    let (provider, model) = resolve(book, asked)?;
    match book.catalogue().find(&provider, &model) {
        Some(found) => Ok(Priced { asked: asked.to_owned(), provider, model, found }),
        None => anyhow::bail!("no prices are known of `{asked}`{}", hint(book, &provider, &model)),
    }
}

/// The provider and its own name for the model; also of providers that are priced here and not called yet.
fn resolve(book: &PriceBook, asked: &str) -> anyhow::Result<(String, String)> {
    let known = name::resolve(ProviderTable::builtin(), asked);
    let error = match known {
        Ok((spec, model)) => return Ok((spec.name.clone(), model)),
        Err(error) => error,
    };
    if let Some((word, model)) = asked.split_once('/') {
        let provider = import::provider(word);
        if !book.catalogue().of(provider).is_empty() {
            return Ok((provider.to_owned(), model.to_owned()));
        }
    }
    anyhow::bail!("{}", error.message)
}

/// The models of the provider whose names begin most like this one.
fn hint(book: &PriceBook, provider: &str, model: &str) -> String {
    let entries = book.catalogue().of(provider).iter();
    let alike = |name: &str| name.bytes().zip(model.bytes()).take_while(|(a, b)| a == b).count();
    let mut near: Vec<_> = entries.map(|entry| (alike(&entry.model), &*entry.model)).collect();
    near.retain(|(length, _)| *length >= 3);
    near.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let names: Vec<_> =
        near.iter().take(SUGGESTIONS).map(|(_, name)| format!("`{provider}/{name}`")).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("; did you mean {}?", names.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_by_every_name() {
        let check = |asked: &str, provider: &str, entry: &str| {
            let book = book(None).unwrap();
            let priced = priced(&book, asked).unwrap();
            assert_eq!((&*priced.provider, &*priced.found.entry.model), (provider, entry), "{asked}");
        };
        check("gpt-4o", "openai", "gpt-4o");
        check("openai/gpt-4o", "openai", "gpt-4o");
        check("gemini/gemini-2.5-flash", "gemini", "gemini-2.5-flash");
        check("claude-haiku-4-5", "anthropic", "claude-haiku-4-5");
        check("qwencloud/qwen-max", "dashscope", "qwen-max");
        check("bedrock/amazon.nova-lite-v1:0", "bedrock", "amazon.nova-lite-v1:0");
        check("cohere/command-a-03-2025", "cohere", "command-a-03-2025");
    }

    #[test]
    fn unknown_models_get_the_nearest() {
        let check = |asked: &str, expect: &str| {
            let error = priced(&PriceBook::default(), asked).unwrap_err().to_string();
            assert!(error.contains(expect), "{asked}: {error}");
        };
        check(
            "openai/gpt-4o-nini",
            "no prices are known of `openai/gpt-4o-nini`; did you mean `openai/gpt-4o-",
        );
        check("groq/zzz", "no prices are known of `groq/zzz`");
        check("opnai/gpt-4o", "did you mean `openai`");
        check("llama-3", "names no provider");
    }
}
