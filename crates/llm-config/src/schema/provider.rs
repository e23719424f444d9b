//! `[[providers]]`: more connections, or changes to built-in ones.
//!
//! The same facts as a row of the built-in table ([`ProviderSpec`]), each optional, so that a row of the
//! same name can be changed in one member; and what only a user has: a key.

use std::collections::BTreeMap;

use llm_types::{AuthStyle, Dialect, MessageQuirk, ModelRule, Op, ProviderSpec, ReplyQuirk, Secret, UrlForm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::secret;
use crate::value::word::Word;

/// A connection of the user's own, or changes to a built-in provider of the same name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The prefix in `provider/model`.
    pub name: String,
    /// Other prefixes that mean the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Its wire format. Default: the built-in provider's, else `openai_chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Word<Dialect>>,
    /// Its base URL. OpenAI-compatible ones include the version: `http://vllm.internal:8000/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
    /// Its key. Default: the first of `key_env` that is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<secret::Text>")]
    pub api_key: Option<Secret>,
    /// The version of its API, where it has several (Azure).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Environment variables that may hold the key, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_env: Vec<String>,
    /// Environment variables that may hold the base URL, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub base_env: Vec<String>,
    /// How the key is sent. Default: `bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Word<AuthStyle>>,
    /// Whether calls may go out without a key. Default: if no `key_env` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_optional: Option<bool>,
    /// How the URL of a call is built. Default: `plain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Word<UrlForm>>,
    /// What it offers. Default: `chat`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Word<Op>>,
    /// Names without a prefix that belong to it (`gpt-*`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bare_names: Vec<String>,
    /// Models that it serves, for the list of models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Headers for every call; added to a built-in provider's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, secret::Text>")]
    pub headers: BTreeMap<String, Secret>,
    /// What every call has to respect; replaces a built-in provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quirks: Option<Quirks>,
    /// What calls of certain models have to respect on top; replaces a built-in provider's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// The vendor's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
}

/// Facts about how a provider differs from its dialect.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// Top-level members that have another name there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// Top-level members that it does not take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Numbers that must lie within bounds: `temperature = [0.0, 1.0]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clamp: BTreeMap<String, [f64; 2]>,
    /// Text values that have another word there: `tool_choice = { required = "any" }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, BTreeMap<String, String>>,
    /// What messages have to respect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Word<MessageQuirk>>,
    /// How its answers differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reply: Vec<Word<ReplyQuirk>>,
    /// Text put before the model name, unless it is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_prefix: Option<String>,
}

/// Quirks of certain models.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Rule {
    /// Models it is for; `*` matches any text.
    pub models: Vec<String>,
    /// Models it is not for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// It holds only if the request's `reasoning_effort` is one of these (`default`: not given).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub efforts: Vec<String>,
    /// What they have to respect.
    #[serde(flatten)]
    pub quirks: Quirks,
}

impl Provider {
    /// Whether `name` is this provider's prefix.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// The row that calls go by: what is set here, else what the built-in row of the same name has.
    /// `api_key` and `api_version` are not part of it.
    #[must_use]
    pub fn spec(&self, builtin: Option<&ProviderSpec>) -> ProviderSpec {
        let mut spec = builtin.cloned().unwrap_or_else(|| self.fresh());
        if builtin.is_some_and(|row| row.name != self.name) {
            // Named after an alias of the built-in row: the alias stays a way to it.
            spec.aliases.push(std::mem::replace(&mut spec.name, self.name.clone()));
            spec.aliases.retain(|alias| *alias != self.name);
        }
        spec.aliases
            .extend(self.aliases.iter().filter(|alias| !spec.is_named(alias)).cloned().collect::<Vec<_>>());
        set(&mut spec.dialect, self.dialect.as_ref().map(Word::get));
        set(&mut spec.auth, self.auth.as_ref().map(Word::get));
        set(&mut spec.url, self.url.as_ref().map(Word::get));
        set(&mut spec.key_optional, self.key_optional);
        set(&mut spec.quirks, self.quirks.as_ref().map(Quirks::spec));
        spec.api_base = self.api_base.clone().or(spec.api_base);
        spec.docs = self.docs.clone().or(spec.docs);
        replace(&mut spec.key_env, &self.key_env);
        replace(&mut spec.base_env, &self.base_env);
        replace(&mut spec.bare_names, &self.bare_names);
        replace(&mut spec.models, &self.models);
        if !self.operations.is_empty() {
            spec.operations = self.operations.iter().map(Word::get).collect();
        }
        if !self.rules.is_empty() {
            spec.rules = self.rules.iter().map(Rule::spec).collect();
        }
        spec.headers
            .extend(self.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())));
        spec
    }

    /// A row with nothing but the defaults. Every member is named, so that a new one is decided on here.
    fn fresh(&self) -> ProviderSpec {
        ProviderSpec {
            name: self.name.clone(),
            key_optional: self.key_env.is_empty(),
            operations: vec![Op::Chat],
            ..ProviderSpec::default()
        }
    }
}

impl Quirks {
    fn spec(&self) -> llm_types::Quirks {
        let Self { rename, drop, clamp, words, messages, reply, model_prefix } = self.clone();
        llm_types::Quirks {
            rename,
            drop,
            clamp,
            words,
            messages: messages.iter().map(Word::get).collect(),
            reply: reply.iter().map(Word::get).collect(),
            model_prefix,
        }
    }
}

impl Rule {
    fn spec(&self) -> ModelRule {
        let Self { models, except, efforts, quirks } = self.clone();
        ModelRule { models, except, efforts, quirks: quirks.spec() }
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

fn replace(target: &mut Vec<String>, values: &[String]) {
    if !values.is_empty() {
        values.clone_into(target);
    }
}
