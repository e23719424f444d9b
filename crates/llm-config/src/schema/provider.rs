//! `[[providers]]`: more connections, or changes to built-in ones.
//!
//! The same facts as a row of the built-in table ([`ProviderSpec`]), each optional, so that a row of the
//! same name can be changed in one member; and what only a user has: a key.

use std::collections::BTreeMap;

use llm_types::{
    AuthStyle, Dialect, ImageEditForm, ImageSize, MessageQuirk, ModelLists, ModelRule, Op, ProviderSpec,
    ReplyQuirk, RerankForm, RerankQuirk, RunnerForm, Secret, TokenSource, TranscriptFormat, UrlForm,
};
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
    /// The version of its API where a deployment names none (Azure).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Environment variables that may hold the key, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_env: Vec<String>,
    /// Environment variables that may hold the base URL, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub base_env: Vec<String>,
    /// Environment variables that may hold the version of the API, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub version_env: Vec<String>,
    /// How the key is sent. Default: `bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Word<AuthStyle>>,
    /// Where tokens come from that calls are made with in place of a key: `google`, `azure-ad`, `watsonx`,
    /// `databricks` or `snowflake`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Word<TokenSource>>,
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
    /// What calls of certain models have to respect on top; they apply after a built-in provider's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// Name of another provider whose rules hold here too, before these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_from: Option<String>,
    /// Keys that are sent in another way than `auth`; the first rule that applies wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_rules: Vec<KeyRule>,
    /// How the names of models differ from what stands behind the prefix; the first that matches wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_names: Vec<ModelName>,
    /// Prefixes of a model name that say whose rules hold for it: with `"o_series/" = "o3"` the model
    /// `o_series/x` is sent as `x` under the rules of `o3`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub families: BTreeMap<String, String>,
    /// Whether its prefix is also used for any compatible server: a base URL that belongs to another
    /// provider of the same dialect then selects that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generic: Option<bool>,
    /// What signatures of AWS are for, with `auth = "aws-sigv4"`. Default: `bedrock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_service: Option<String>,
    /// The vendor's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docs: Option<String>,
    /// What it takes off list prices by agreement: 0.15 is 15 percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub discount: Option<f64>,
    /// What is put on what it bills, for whoever uses it: 0.05 is 5 percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub margin: Option<f64>,
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
    /// Text values that have another word there: `tool_choice = { required = "any" }`. An empty word: it goes
    /// without saying there, and is left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, BTreeMap<String, String>>,
    /// What messages have to respect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Word<MessageQuirk>>,
    /// How its answers differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reply: Vec<Word<ReplyQuirk>>,
    /// The most inputs of one request for vectors: longer lists go out in several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embed_inputs: Option<usize>,
    /// Whether inputs of a request for vectors may be tokens (`[1, 2, 3]`) in place of texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_inputs: Option<bool>,
    /// The most pictures of one request: more are asked for in several. 0: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_images: Option<u32>,
    /// What requests to order documents have to respect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rerank: Vec<Word<RerankQuirk>>,
    /// The form of requests to order documents and of their answers; default: Cohere's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rerank_form: Option<Word<RerankForm>>,
    /// The forms in which it writes a transcript (`json`, `text`, `srt`, `verbose_json`, `vtt`); default: all. Others
    /// are written by the gateway, from the richest it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcripts: Option<Vec<String>>,
    /// How the size of a picture is said; default: as OpenAI does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<Word<ImageSize>>,
    /// How pictures to be changed are sent; default: as files of a form, as at OpenAI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_edit: Option<Word<ImageEditForm>>,
    /// Text put before the model name, unless it is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_prefix: Option<String>,
    /// How a model is named there whose name begins with who runs it (`RUNNER/ORG/NAME`): `behind` (`ORG/NAME:RUNNER`)
    /// or `unsaid` (`ORG/NAME`); default: as it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner: Option<Word<RunnerForm>>,
    /// The path of a call behind the base URL, where it is not the wire format's own. `{model}` stands for
    /// the model, `{chat|chat_stream}` for the first word where the answer is whole, else for the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Members that every body has there; `${NAME}` stands for an environment variable.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// The only operation by which a conversation can be had: `responses`, `completion` or `chat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Word<Op>>,
    /// Operations that are not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<Word<Op>>,
    /// Where bodies name further models that may answer instead: `models`, `providerOptions.gateway.models`. A key
    /// must be allowed each of them, and a hard budget covers the dearest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_models: Vec<String>,
    /// Where bodies name models that are asked, and paid, beside the one that answers: `safety_model`. A key must be
    /// allowed each of them, and a hard budget covers all together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added_models: Vec<String>,
    /// Top-level members by which bodies choose models without naming them (`preset`): for keys that may call all of the
    /// provider's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unnamed_models: Vec<String>,
    /// What a name of a model with commas means: `in_turn` (several, asked until one answers) or `refused`. Default: one
    /// model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_lists: Option<Word<ModelLists>>,
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
    /// It holds only if the request's reasoning effort is one of these (`default`: not given).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub efforts: Vec<String>,
    /// The wire format whose bodies it is about, where the provider speaks several; default: the
    /// provider's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Word<Dialect>>,
    /// What they have to respect.
    #[serde(flatten)]
    pub quirks: Quirks,
}

/// Keys that are sent in another way. It applies when any of its conditions is met.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeyRule {
    /// The key came from one of these environment variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The key begins with one of these texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<String>,
    /// The key goes to one of these hosts; `*` matches any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// How it is sent. Default: `bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Word<AuthStyle>>,
    /// Headers that go with it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, secret::Text>")]
    pub headers: BTreeMap<String, Secret>,
    /// Whether what it begins with (`prefixes`) is not sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub strip: bool,
}

/// How certain models are named at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelName {
    /// Models it is for; `*` matches any text.
    pub models: Vec<String>,
    /// Text put before the name.
    pub prefix: String,
}

impl Provider {
    /// Whether `name` is this provider's prefix.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }

    /// The facts as a row of the provider table, to be laid over the built-in row of the same name, if
    /// there is one: what is not set here is left empty then. The key is not part of a row.
    #[must_use]
    pub fn spec(&self, builtin: Option<&ProviderSpec>) -> ProviderSpec {
        let row = self.clone();
        // A row that only shares an alias with a built-in one stands alone.
        let builtin = builtin.filter(|builtin| builtin.name == self.name);
        let operations = match builtin {
            None if row.operations.is_empty() => vec![Op::Chat],
            _ => row.operations.iter().map(Word::get).collect(),
        };
        let dialect = row.dialect.map(|dialect| dialect.get()).or(builtin.map(|builtin| builtin.dialect));
        ProviderSpec {
            dialect: dialect.unwrap_or(Dialect::OpenaiChat),
            auth: row.auth.map(|auth| auth.get()).unwrap_or_default(),
            url: row.url.map(|url| url.get()).unwrap_or_default(),
            key_optional: row
                .key_optional
                .unwrap_or(builtin.is_none() && row.key_env.is_empty() && row.tokens.is_none()),
            tokens: row.tokens.map(|tokens| tokens.get()),
            variants: Vec::new(),
            operations,
            headers: exposed(row.headers),
            quirks: row.quirks.unwrap_or_default().spec(),
            rules: row.rules.into_iter().map(Rule::spec).collect(),
            key_rules: row.key_rules.into_iter().map(KeyRule::spec).collect(),
            model_names: row.model_names.into_iter().map(ModelName::spec).collect(),
            generic: row.generic.unwrap_or_default(),
            name: row.name,
            aliases: row.aliases,
            api_base: row.api_base,
            api_version: row.api_version,
            key_env: row.key_env,
            base_env: row.base_env,
            version_env: row.version_env,
            bare_names: row.bare_names,
            models: row.models,
            rules_from: row.rules_from,
            rules_under: String::new(),
            moved: BTreeMap::new(),
            refused: BTreeMap::new(),
            families: row.families,
            aws_service: row.aws_service,
            batches: None,
            docs: row.docs,
        }
    }
}

fn exposed(headers: BTreeMap<String, Secret>) -> BTreeMap<String, String> {
    headers.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect()
}

impl KeyRule {
    fn spec(self) -> llm_types::KeyRule {
        let Self { env, prefixes, hosts, auth, headers, strip } = self;
        let auth = auth.map(|auth| auth.get()).unwrap_or_default();
        llm_types::KeyRule { env, prefixes, hosts, auth, headers: exposed(headers), strip }
    }
}

impl ModelName {
    fn spec(self) -> llm_types::ModelName {
        let Self { models, prefix } = self;
        llm_types::ModelName { models, prefix }
    }
}

impl Quirks {
    fn spec(self) -> llm_types::Quirks {
        let Self {
            rename,
            drop,
            clamp,
            words,
            messages,
            reply,
            embed_inputs,
            token_inputs,
            max_images,
            rerank,
            rerank_form,
            transcripts,
            image_size,
            image_edit,
            model_prefix,
            runner,
            path,
            set,
            only,
            without,
            other_models,
            added_models,
            unnamed_models,
            model_lists,
        } = self;
        llm_types::Quirks {
            rename,
            drop,
            clamp,
            words,
            messages: messages.iter().map(Word::get).collect(),
            reply: reply.iter().map(Word::get).collect(),
            embed_inputs,
            token_inputs,
            max_images,
            rerank: rerank.iter().map(Word::get).collect(),
            rerank_form: rerank_form.as_ref().map(Word::get),
            transcripts: transcripts.map(|forms| forms.into_iter().map(TranscriptFormat::from).collect()),
            image_size: image_size.as_ref().map(Word::get),
            image_edit: image_edit.as_ref().map(Word::get),
            model_prefix,
            runner: runner.as_ref().map(Word::get),
            path,
            set,
            only: only.as_ref().map(Word::get),
            without: without.iter().map(Word::get).collect(),
            other_models,
            added_models,
            unnamed_models,
            model_lists: model_lists.as_ref().map(Word::get),
        }
    }
}

impl Rule {
    fn spec(self) -> ModelRule {
        let Self { models, except, efforts, dialect, quirks } = self;
        let dialect = dialect.as_ref().map(Word::get);
        ModelRule { models, except, efforts, dialect, quirks: quirks.spec(), ..ModelRule::default() }
    }
}
