//! Models of a provider that are asked in another way than its others.
//!
//! Some hosts serve models of several makers behind one account, each in its maker's own wire format. That is
//! one provider with one key, and so one row: what differs stands in a variant.

use serde::Deserialize;

use crate::{AuthStyle, Dialect, ModelRule, Op, ProviderSpec, Quirks, UrlForm, glob_matches};

/// What holds for certain models in place of what their provider's row says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Variant {
    /// Models it is for; `*` matches any text.
    pub models: Vec<String>,
    /// What of the model's name is for us and not sent: `openai/` of `openai/123`.
    pub strip: String,
    /// Their wire format; `None`: the row's.
    pub dialect: Option<Dialect>,
    /// Their base URL where it is another service of the provider; `None`: the row's. What a user has set in place of
    /// the row's does not hold for it.
    pub api_base: Option<String>,
    /// Environment variables that may hold that base URL, in order.
    pub base_env: Vec<String>,
    /// How the URL of a call is built; `None`: as the row says.
    pub url: Option<UrlForm>,
    /// How the key is sent, whatever it is and wherever it goes; `None`: as the row says.
    pub auth: Option<AuthStyle>,
    /// What is offered for them; empty: what the row says.
    pub operations: Vec<Op>,
    /// What every call has to respect, in place of what the row says.
    pub quirks: Quirks,
    /// Name of another row whose quirks and rules hold here too, before this one's own.
    pub like: Option<String>,
    /// The rules of that row: filled in when the table is read.
    #[serde(skip)]
    pub rules: Vec<ModelRule>,
}

impl Variant {
    /// Whether it is for this model.
    #[must_use]
    pub fn is_for(&self, model: &str) -> bool {
        self.models.iter().any(|glob| glob_matches(glob, model))
    }
}

impl ProviderSpec {
    /// The row as it holds for a model, and the model's name there; `None`: as it stands.
    #[must_use]
    pub fn varied(&self, model: &str) -> Option<(Self, String)> {
        let variant = self.variants.iter().find(|variant| variant.is_for(model))?;
        let Variant {
            models: _,
            strip,
            dialect,
            api_base,
            base_env,
            url,
            auth,
            operations,
            quirks,
            like: _,
            rules,
        } = variant;
        let mut spec = self.clone();
        spec.variants = Vec::new();
        spec.dialect = dialect.unwrap_or(spec.dialect);
        spec.url = url.unwrap_or(spec.url);
        if let Some(auth) = *auth {
            spec.auth = auth;
            spec.key_rules = Vec::new();
        }
        if api_base.is_some() {
            spec.api_base.clone_from(api_base);
            spec.base_env.clone_from(base_env);
        }
        if !operations.is_empty() {
            spec.operations.clone_from(operations);
        }
        spec.quirks = quirks.clone();
        spec.rules.splice(0..0, rules.iter().cloned());
        Some((spec, model.strip_prefix(strip.as_str()).unwrap_or(model).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variant_that_matches_counts() {
        let variant = |models: &str, strip: &str, dialect| Variant {
            models: vec![models.into()],
            strip: strip.into(),
            dialect,
            operations: vec![Op::Chat],
            ..Variant::default()
        };
        let row = ProviderSpec {
            dialect: Dialect::Gemini,
            operations: vec![Op::Chat, Op::Embed],
            variants: vec![
                variant("claude-*", "", Some(Dialect::Anthropic)),
                variant("own/*", "own/", None),
                variant("*/*", "", Some(Dialect::OpenaiChat)),
            ],
            ..ProviderSpec::default()
        };
        let check = |model: &str, expect: Option<(Dialect, &str)>| {
            let varied = row.varied(model);
            let got = varied.as_ref().map(|(spec, model)| (spec.dialect, model.as_str()));
            assert_eq!(got, expect, "{model}");
            assert!(varied.is_none_or(|(spec, _)| spec.operations == [Op::Chat] && spec.variants.is_empty()));
        };
        check("gemini-3", None);
        check("claude-5", Some((Dialect::Anthropic, "claude-5")));
        check("own/1", Some((Dialect::Gemini, "1")));
        check("meta/llama", Some((Dialect::OpenaiChat, "meta/llama")));
    }
}
