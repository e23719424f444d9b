//! What a provider is: one row of data.
//!
//! Sixty providers differ in a base URL, the name of a key variable and a few fields. Those facts are
//! data, in the built-in table and in the user's configuration alike; code is only for a dialect.

mod batch;
mod quirk;
mod rule;
mod vector;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use batch::BatchForm;
pub use quirk::{
    ImageEditForm, ImageSize, MessageQuirk, ModelLists, ReplyQuirk, RerankForm, RerankQuirk, RunnerForm,
};
pub use rule::ModelRule;

use crate::{Dialect, Op, TokenSource, TranscriptFormat, Variant};

/// One provider, or one connection of the user's own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// The prefix in `provider/model`.
    pub name: String,
    /// Other prefixes that mean the same.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Its wire format.
    pub dialect: Dialect,
    /// Base URL; `None`: it has to be configured. `{NAME}` stands for an environment variable,
    /// `{A|B}` for the first of several that is set.
    #[serde(default)]
    pub api_base: Option<String>,
    /// Environment variables that may hold the key, in order.
    #[serde(default)]
    pub key_env: Vec<String>,
    /// Environment variables that may hold the base URL, in order.
    #[serde(default)]
    pub base_env: Vec<String>,
    /// How the key is sent.
    #[serde(default)]
    pub auth: AuthStyle,
    /// Whether calls may go out without a key (local servers).
    #[serde(default)]
    pub key_optional: bool,
    /// How the URL of a call is built.
    #[serde(default)]
    pub url: UrlForm,
    /// What it offers.
    #[serde(default)]
    pub operations: Vec<Op>,
    /// Names without a prefix that belong to it (`gpt-*`, `claude-*`); `*` matches any text.
    #[serde(default)]
    pub bare_names: Vec<String>,
    /// A model that exists there, for examples and the list of served models.
    #[serde(default)]
    pub models: Vec<String>,
    /// Headers for every call. `${NAME}` stands for an environment variable, `${A|B}` for the first of
    /// several that is set; the lower-case names `organization` and `project` stand for the
    /// deployment's own settings. A header whose variable is unset is left out.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What every call has to respect.
    #[serde(default)]
    pub quirks: Quirks,
    /// What calls of certain models have to respect on top; every rule that matches applies.
    #[serde(default)]
    pub rules: Vec<ModelRule>,
    /// Name of another row whose rules hold here too, before this row's own.
    #[serde(default)]
    pub rules_from: Option<String>,
    /// What stands here before the names that those rules are about: `openai/` where `gpt-5` is `openai/gpt-5`.
    #[serde(default)]
    pub rules_under: String,
    /// Prefixes of a model name that make it another row's: with `"mantle/" = "bedrock_mantle"` the model `mantle/x` is
    /// that row's `x`.
    #[serde(default)]
    pub moved: BTreeMap<String, String>,
    /// Prefixes of a model name that nothing is called by, and what to write instead.
    #[serde(default)]
    pub refused: BTreeMap<String, String>,
    /// Keys that are sent in another way than `auth`; the first rule that applies wins.
    #[serde(default)]
    pub key_rules: Vec<KeyRule>,
    /// How the names of models differ from what stands behind the prefix; the first that matches wins.
    #[serde(default)]
    pub model_names: Vec<ModelName>,
    /// Prefixes of a model name that say whose rules hold for it: with `"o_series/" = "o3"` the model
    /// `o_series/x` is sent as `x` under the rules of `o3`.
    #[serde(default)]
    pub families: BTreeMap<String, String>,
    /// Environment variables that may hold the API version, in order.
    #[serde(default)]
    pub version_env: Vec<String>,
    /// The API version where none is configured.
    #[serde(default)]
    pub api_version: Option<String>,
    /// Whether its prefix is also used for any compatible server: a configured base URL that belongs to
    /// another row of the same dialect then selects that row.
    #[serde(default)]
    pub generic: bool,
    /// Where tokens come from that calls are made with in place of a key; `None`: there are only keys.
    #[serde(default)]
    pub tokens: Option<TokenSource>,
    /// Models that are asked in another way than the row says; the first that matches counts.
    #[serde(default)]
    pub variants: Vec<Variant>,
    /// What signatures of AWS are for (`sagemaker`), which is not always the name of the host. Default: `bedrock`.
    #[serde(default)]
    pub aws_service: Option<String>,
    /// The form of its files and batches, where it is not what its dialect's usually is.
    #[serde(default)]
    pub batches: Option<BatchForm>,
    /// The vendor's page.
    #[serde(default)]
    pub docs: Option<String>,
}

/// Keys that are sent in another way. It applies when any of its conditions is met.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyRule {
    /// The key came from one of these environment variables.
    pub env: Vec<String>,
    /// The key begins with one of these texts.
    pub prefixes: Vec<String>,
    /// The key goes to one of these hosts; `*` matches any text.
    pub hosts: Vec<String>,
    /// How it is sent.
    pub auth: AuthStyle,
    /// Headers that go with it.
    pub headers: BTreeMap<String, String>,
    /// Whether what it begins with (`prefixes`) is a word for us and not sent.
    pub strip: bool,
}

/// How certain models are named at the provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelName {
    /// Models it is for; `*` matches any text.
    pub models: Vec<String>,
    /// Text put before the name.
    pub prefix: String,
}

/// How the key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthStyle {
    /// `Authorization: Bearer KEY`.
    #[default]
    Bearer,
    /// `x-api-key: KEY`.
    XApiKey,
    /// `api-key: KEY`.
    ApiKey,
    /// `x-goog-api-key: KEY`.
    XGoogApiKey,
    /// `api-subscription-key: KEY`.
    ApiSubscriptionKey,
    /// `Authorization: Token KEY`.
    Token,
    /// `Authorization: ZenApiKey KEY`.
    ZenApiKey,
    /// AWS Signature Version 4 over the whole request; a key is a bearer key and is sent as one.
    AwsSigv4,
    /// `xi-api-key: KEY`.
    XiApiKey,
    /// No key.
    None,
}

/// How the URL of a call is built from the base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UrlForm {
    /// The dialect's path behind the base URL.
    #[default]
    Plain,
    /// Azure OpenAI: `/openai/deployments/{model}{path}?api-version=…`, or `/openai/v1{path}` when the
    /// configured version is `v1`, `preview` or `latest`.
    AzureDeployment,
    /// Azure AI Foundry: `/models{path}?api-version=…` behind the bare address of a resource, `/v1{path}`
    /// behind that of a serverless endpoint, the path alone behind a base that ends in `/v1`.
    AzureFoundry,
    /// Anthropic's models at Azure AI Foundry: `/anthropic{path}` behind the address of a resource, whichever of its
    /// other APIs the configured base names.
    AzureAnthropic,
    /// `/v1` goes before the path unless the base ends in `/v1` or `/openai`.
    AddV1,
    /// The path behind the base URL, without a `/v1` at the base's end.
    WithoutV1,
    /// Vertex AI: `/v1/projects/{project}/locations/{location}` goes before the path, which is that of a
    /// publisher's model there.
    Vertex,
    /// The same at the location `global`, wherever the deployment's models are: Google's services beside Vertex AI.
    VertexGlobal,
    /// `?version=…` goes behind the path.
    Versioned,
}

/// Facts about how a provider differs from its dialect.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// Top-level members that have another name there.
    pub rename: BTreeMap<String, String>,
    /// Top-level members that it does not take.
    pub drop: Vec<String>,
    /// Numbers that must lie within bounds: `temperature = [0.0, 1.0]`.
    pub clamp: BTreeMap<String, [f64; 2]>,
    /// Text values that have another word there: `tool_choice = { required = "any" }`. An empty word: it goes
    /// without saying there, and is left out.
    pub words: BTreeMap<String, BTreeMap<String, String>>,
    /// What messages have to respect.
    pub messages: Vec<MessageQuirk>,
    /// How its answers differ; such answers are normalised instead of passed through.
    pub reply: Vec<ReplyQuirk>,
    /// The most inputs of one request for vectors: longer lists go out in several.
    pub embed_inputs: Option<usize>,
    /// Whether inputs may be tokens (`[1, 2, 3]`) in place of texts.
    pub token_inputs: Option<bool>,
    /// The most pictures of one request: more are asked for in several. 0: any number.
    pub max_images: Option<u32>,
    /// What requests to order documents have to respect.
    pub rerank: Vec<RerankQuirk>,
    /// The form of requests to order documents and of their answers; `None`: Cohere's.
    pub rerank_form: Option<RerankForm>,
    /// The forms in which it writes a transcript; `None`: all. Others are written here, from the richest it has.
    pub transcripts: Option<Vec<TranscriptFormat>>,
    /// How the size of a picture is said; `None`: as OpenAI does.
    pub image_size: Option<ImageSize>,
    /// How pictures to be changed are sent; `None`: as files of a form, as at OpenAI.
    pub image_edit: Option<ImageEditForm>,
    /// Text put before the model name, unless it is there already. `{NAME}` stands for a variable, as in a base URL.
    pub model_prefix: Option<String>,
    /// How a model is named there whose name begins with who runs it; `None`: as it stands.
    pub runner: Option<RunnerForm>,
    /// The path of a call behind the base URL, where it is not the dialect's own. `{model}` stands for the
    /// model as one segment, `{model_path}` for it with its slashes, `{chat|chat_stream}` for the first word where the answer is whole, for the second where it is
    /// a stream.
    pub path: Option<String>,
    /// Members that every body has there: `project_id = "${project|WATSONX_PROJECT_ID}"`, with names in
    /// braces as in headers. One whose variable is unset is left out.
    pub set: BTreeMap<String, String>,
    /// The only one of the row's operations by which a conversation can be had: `responses` for models that
    /// live only there, `completion` for text models, `chat` to keep to it. The last rule counts.
    pub only: Option<Op>,
    /// Operations of the row that are not there.
    pub without: Vec<Op>,
    /// Where bodies name further models that may answer instead: `models`, `providerOptions.gateway.models`. On the
    /// way lists are gone through; at the end stand names, or objects with a `model`. They hold in every dialect.
    pub other_models: Vec<String>,
    /// Where bodies name models that are asked, and paid, beside the one that answers: `safety_model`. As those.
    pub added_models: Vec<String>,
    /// Top-level members by which bodies choose models without naming them: `preset`.
    pub unnamed_models: Vec<String>,
    /// What a name of a model with commas means; `None`: one model.
    pub model_lists: Option<ModelLists>,
}

impl ProviderSpec {
    /// The quirks that hold for a call in the row's own dialect: the provider's own, then those of every
    /// rule that applies.
    pub fn quirks_for<'a>(
        &'a self,
        model: &'a str,
        effort: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Quirks> + Clone {
        self.quirks_in(self.dialect, model, effort)
    }

    /// The quirks that hold for a call in one of the row's dialects. The provider's own quirks and rules
    /// that name no dialect are about the row's own: what they say of its members is not true of another's.
    pub fn quirks_in<'a>(
        &'a self,
        dialect: Dialect,
        model: &'a str,
        effort: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Quirks> + Clone {
        let own = (dialect == self.dialect).then_some(&self.quirks);
        let is_about = move |rule: &&ModelRule| rule.dialect.unwrap_or(self.dialect) == dialect;
        let rules = self.rules.iter().filter(is_about).filter(move |rule| rule.applies(model, effort));
        own.into_iter().chain(rules.map(|rule| &rule.quirks))
    }

    /// Whether the provider or the model has this message quirk.
    #[must_use]
    pub fn has_message_quirk(&self, model: &str, quirk: MessageQuirk) -> bool {
        self.quirks_for(model, None).any(|quirks| quirks.messages.contains(&quirk))
    }

    /// Whether the provider or the model has this reply quirk.
    #[must_use]
    pub fn has_reply_quirk(&self, model: &str, quirk: ReplyQuirk) -> bool {
        self.quirks_for(model, None).any(|quirks| quirks.reply.contains(&quirk))
    }

    /// The most pictures of one request in one of the row's dialects; `None`: any number.
    #[must_use]
    pub fn max_images(&self, dialect: Dialect, model: &str) -> Option<u32> {
        self.quirks_in(dialect, model, None)
            .filter_map(|quirks| quirks.max_images)
            .last()
            .filter(|most| *most > 0)
    }

    /// Whether the provider offers an operation for this model.
    #[must_use]
    pub fn offers(&self, op: Op, model: &str) -> bool {
        self.operations.contains(&op)
            && !self.quirks_for(model, None).any(|quirks| quirks.without.contains(&op))
    }

    /// The dialect in which a call goes out. Behind one prefix OpenAI's kind speak several: a client gets
    /// its own where the provider has it, and a model that lives only in one is asked in that one.
    #[must_use]
    pub fn dialect_for(&self, op: Op, client: Option<Dialect>, model: &str) -> Dialect {
        if op == Op::Rerank && matches!(self.dialect, Dialect::OpenaiChat | Dialect::Cohere) {
            return Dialect::Rerank;
        }
        if self.dialect == Dialect::Cohere {
            return shared(op).unwrap_or(self.dialect);
        }
        if !matches!((self.dialect, op), (Dialect::OpenaiChat, _) | (Dialect::Tgi, Op::Embed)) {
            return self.dialect;
        }
        match op {
            Op::Chat => match self.quirks_for(model, None).filter_map(|quirks| quirks.only).last() {
                Some(Op::Chat) => Dialect::OpenaiChat,
                Some(Op::Responses) if self.operations.contains(&Op::Responses) => Dialect::OpenaiResponses,
                Some(Op::Completion) if self.operations.contains(&Op::Completion) => {
                    Dialect::OpenaiCompletions
                }
                _ => match client {
                    Some(Dialect::OpenaiResponses) if self.offers(Op::Responses, model) => {
                        Dialect::OpenaiResponses
                    }
                    Some(Dialect::OpenaiCompletions) if self.offers(Op::Completion, model) => {
                        Dialect::OpenaiCompletions
                    }
                    Some(Dialect::Anthropic) if self.offers(Op::Messages, model) => Dialect::Anthropic,
                    _ => Dialect::OpenaiChat,
                },
            },
            Op::Embed => {
                let extracts =
                    |rule: &ModelRule| rule.dialect == Some(Dialect::FeatureExtraction) && rule.is_for(model);
                let extracts = self.rules.iter().any(extracts);
                if extracts { Dialect::FeatureExtraction } else { Dialect::OpenaiMedia }
            }
            // OpenAI's kind has no words for it: a server that offers it has Anthropic's.
            Op::CountTokens if self.offers(op, model) => Dialect::Anthropic,
            _ => shared(op).unwrap_or(Dialect::OpenaiChat),
        }
    }

    /// Whether `name` is this provider's prefix.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// The dialect of an operation beside conversations that OpenAI's kind have in one form.
fn shared(op: Op) -> Option<Dialect> {
    match op {
        Op::Transcribe | Op::Translate => Some(Dialect::OpenaiTranscriptions),
        Op::Speech => Some(Dialect::OpenaiSpeech),
        Op::Image | Op::ImageEdit | Op::ImageVariation => Some(Dialect::OpenaiImages),
        Op::Moderate => Some(Dialect::OpenaiModerations),
        Op::Chat
        | Op::CountTokens
        | Op::Completion
        | Op::Embed
        | Op::Rerank
        | Op::Responses
        | Op::Batch
        | Op::Messages
        | Op::Realtime => None,
    }
}

/// Whether `text` matches `glob`, in which `*` stands for any text.
#[must_use]
pub fn glob_matches(glob: &str, text: &str) -> bool {
    if glob == "*" {
        return true;
    }
    let Some((head, mut rest)) = glob.split_once('*') else {
        return glob == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    while let Some((middle, tail)) = rest.split_once('*') {
        let Some((_, after)) = text.split_once(middle) else {
            return false;
        };
        text = after;
        rest = tail;
    }
    text.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let check = |glob, text, expect| assert_eq!(glob_matches(glob, text), expect, "{glob} {text}");
        check("gpt-5*", "gpt-5-mini", true);
        check("gpt-5*", "gpt-4o", false);
        check("*", "", true);
        check("*-search-*", "gpt-4o-search-preview", true);
        check("a*b", "ab", true);
        check("a*b", "a", false);
        check("gpt-5", "gpt-5-mini", false);
        check("*-pro", "o1-pro", true);
        check("a*b*c", "a-b-b-c", true);
    }

    #[test]
    fn quirks_are_about_one_dialect() {
        use Dialect::{OpenaiChat, OpenaiResponses};
        let drops = |name: &str| Quirks { drop: vec![name.into()], ..Quirks::default() };
        let rule =
            |dialect, quirks| ModelRule { models: vec!["*".into()], dialect, quirks, ..ModelRule::default() };
        let spec = ProviderSpec {
            quirks: drops("a"),
            rules: vec![rule(None, drops("b")), rule(Some(OpenaiResponses), drops("c"))],
            ..ProviderSpec::default()
        };
        let dropped = |dialect| {
            let quirks = spec.quirks_in(dialect, "m", None);
            quirks.flat_map(|quirks| quirks.drop.clone()).collect::<Vec<_>>().concat()
        };
        assert_eq!((dropped(OpenaiChat), dropped(OpenaiResponses)), ("ab".into(), "c".into()));
    }

    #[test]
    fn a_call_goes_out_in_the_dialect_that_both_sides_share() {
        use Dialect::{Anthropic, OpenaiChat, OpenaiCompletions, OpenaiMedia, OpenaiResponses};
        let rule =
            |models: &str, quirks| ModelRule { models: vec![models.into()], quirks, ..ModelRule::default() };
        let spec = ProviderSpec {
            operations: vec![Op::Chat, Op::Responses, Op::Completion, Op::Embed],
            rules: vec![
                rule("o1-pro", Quirks { only: Some(Op::Responses), ..Quirks::default() }),
                rule("davinci-002", Quirks { only: Some(Op::Completion), ..Quirks::default() }),
                rule("gpt-*", Quirks { without: vec![Op::Completion], ..Quirks::default() }),
            ],
            ..ProviderSpec::default()
        };
        let check = |op, client, model, expect| {
            assert_eq!(spec.dialect_for(op, client, model), expect, "{op} {client:?} {model}");
        };
        check(Op::Chat, None, "gpt-4o", OpenaiChat);
        check(Op::Chat, Some(OpenaiChat), "gpt-4o", OpenaiChat);
        check(Op::Chat, Some(OpenaiResponses), "gpt-4o", OpenaiResponses);
        check(Op::Chat, Some(OpenaiCompletions), "gpt-4o", OpenaiChat);
        check(Op::Chat, Some(OpenaiCompletions), "llama", OpenaiCompletions);
        check(Op::Chat, Some(OpenaiChat), "o1-pro", OpenaiResponses);
        check(Op::Chat, Some(Anthropic), "davinci-002", OpenaiCompletions);
        check(Op::Embed, None, "text-embedding-3-small", OpenaiMedia);
        let mut kept = spec.clone();
        kept.rules.push(rule("*", Quirks { only: Some(Op::Chat), ..Quirks::default() }));
        assert_eq!(kept.dialect_for(Op::Chat, Some(OpenaiResponses), "o1-pro"), OpenaiChat);
        let without = ProviderSpec { operations: vec![Op::Chat], ..spec.clone() };
        assert_eq!(without.dialect_for(Op::Chat, None, "o1-pro"), OpenaiChat);
        let claude = ProviderSpec { dialect: Anthropic, ..ProviderSpec::default() };
        assert_eq!(claude.dialect_for(Op::Chat, Some(OpenaiResponses), "claude"), Anthropic);
        check(Op::Rerank, None, "rerank-2", Dialect::Rerank);
        let cohere = ProviderSpec { dialect: Dialect::Cohere, ..ProviderSpec::default() };
        assert_eq!(cohere.dialect_for(Op::Rerank, None, "rerank-v3.5"), Dialect::Rerank);
        assert_eq!(cohere.dialect_for(Op::Embed, None, "embed-v4.0"), Dialect::Cohere);
    }
}
