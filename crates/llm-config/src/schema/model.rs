//! `[[models]]`: what clients may ask for, and the deployments that answer.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_types::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Affinity, Backoff, Cooldown, MidStream, Price, RetriesByError, Router, Strategy};
use crate::value::{duration, secret};

/// One name that clients may send as `model`, and the deployments that answer for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What clients send. `openai/*` stands for every name with that beginning, `*` for every name.
    pub name: String,
    /// Other names that mean the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Instead of `router.strategy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Instead of `router.max_latency`.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub max_latency: Option<Duration>,
    /// Instead of `router.retries`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub retries: Option<u32>,
    /// Instead of `router.retries_by_error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries_by_error: Option<RetriesByError>,
    /// Instead of `router.backoff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffOverride>,
    /// Instead of `router.timeout`.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub timeout: Option<Duration>,
    /// Instead of `router.first_token_timeout`.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub first_token_timeout: Option<Duration>,
    /// Instead of `router.hedge_after`.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub hedge_after: Option<Duration>,
    /// Instead of `router.cooldown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Cooldown>,
    /// Models to ask when none of these deployments answers, before `router.fallbacks`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
    /// Instead of `router.context_window_fallbacks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window_fallbacks: Option<Vec<String>>,
    /// Instead of `router.content_policy_fallbacks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_policy_fallbacks: Option<Vec<String>>,
    /// Instead of `router.fallback_on_bad_request`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_on_bad_request: Option<bool>,
    /// Instead of `router.mid_stream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid_stream: Option<MidStream>,
    /// Instead of `router.affinity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// What answers; at least one.
    #[serde(default)]
    pub deployments: Vec<Deployment>,
}

impl Model {
    /// A model without deployments.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            aliases: Vec::new(),
            strategy: None,
            max_latency: None,
            retries: None,
            retries_by_error: None,
            backoff: None,
            timeout: None,
            first_token_timeout: None,
            hedge_after: None,
            cooldown: None,
            fallbacks: Vec::new(),
            context_window_fallbacks: None,
            content_policy_fallbacks: None,
            fallback_on_bad_request: None,
            mid_stream: None,
            affinity: None,
            deployments: Vec::new(),
        }
    }

    /// The router's settings for this model: its own where it has them, else `defaults`. Its `fallbacks` are
    /// its own only: those of the router come after them.
    #[must_use]
    pub fn router(&self, defaults: &Router) -> Router {
        let backoff = self.backoff.unwrap_or_default();
        let chain = |own: &Option<Vec<String>>, defaults: &[String]| {
            let others = defaults.iter().filter(|name| **name != self.name).cloned();
            own.clone().unwrap_or_else(|| others.collect())
        };
        Router {
            strategy: self.strategy.unwrap_or(defaults.strategy),
            max_latency: self.max_latency.or(defaults.max_latency),
            retries: self.retries.unwrap_or(defaults.retries),
            retries_by_error: self.retries_by_error.unwrap_or(defaults.retries_by_error),
            backoff: Backoff {
                base: backoff.base.unwrap_or(defaults.backoff.base),
                max: backoff.max.unwrap_or(defaults.backoff.max),
            },
            timeout: self.timeout.unwrap_or(defaults.timeout),
            first_token_timeout: self.first_token_timeout.unwrap_or(defaults.first_token_timeout),
            hedge_after: self.hedge_after.or(defaults.hedge_after),
            cooldown: self.cooldown.unwrap_or(defaults.cooldown),
            fallbacks: self.fallbacks.clone(),
            context_window_fallbacks: chain(
                &self.context_window_fallbacks,
                &defaults.context_window_fallbacks,
            ),
            content_policy_fallbacks: chain(
                &self.content_policy_fallbacks,
                &defaults.content_policy_fallbacks,
            ),
            fallback_on_bad_request: self.fallback_on_bad_request.unwrap_or(defaults.fallback_on_bad_request),
            mid_stream: self.mid_stream.unwrap_or(defaults.mid_stream),
            affinity: self.affinity.unwrap_or(defaults.affinity),
            records: defaults.records,
            health_check: defaults.health_check,
        }
    }
}

/// A model's own backoff; what it leaves out is the router's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BackoffOverride {
    /// The longest first pause; doubled for each further one.
    #[serde(with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub base: Option<Duration>,
    /// The longest pause of all.
    #[serde(with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub max: Option<Duration>,
}

/// One thing that answers for a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// `provider/model`, or a well-known bare name such as `gpt-4o`. In a wildcard model `*` stands for
    /// what the client's name has there.
    pub model: String,
    /// The model behind a name that says nothing, such as that of a deployment on Azure: what it costs, how long prompts
    /// and answers are and what it can do are looked up by this one (`gpt-4o`, `azure/gpt-4o`), where nothing else says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// Names it in logs, headers and counters. Default: `<model name>/<1-based position>`.
    #[serde(default)]
    #[schemars(extend("default" = null))]
    pub id: String,
    /// The key. Default: the provider's own `api_key` or environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<secret::Text>")]
    pub api_key: Option<Secret>,
    /// Replaces the provider's base URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_base: Option<String>,
    /// The version of the API, where the provider has several (Azure).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Sent as `OpenAI-Organization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Whose project calls are made in, where the provider knows projects: sent as `OpenAI-Project`, part of
    /// the address at Vertex AI, part of the body at watsonx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Headers for every call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, secret::Text>")]
    pub headers: BTreeMap<String, Secret>,
    /// How often it is chosen, relative to the others.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub weight: u32,
    /// How long one attempt may take here, instead of the model's `timeout`.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub timeout: Option<Duration>,
    /// Words that requests can ask for with `x-gateway-tags`: such a request goes only to deployments that
    /// carry all of its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its tier: a higher one is asked only when nobody of a lower one can be.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub order: u32,
    /// Where it stands; requests can ask for it with `x-gateway-region`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The provider's word for where calls go, in place of `region` (Vertex AI: `global`, `us-central1`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Google credentials: the path of a file, or its JSON. Default: the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<secret::Text>")]
    pub credentials: Option<Secret>,
    /// An application's own secret, where tokens are got for one (Azure, Databricks). Default: the
    /// environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<Oauth>,
    /// Who signs, where calls are signed for AWS. Default: the environment's credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Aws>,
    /// The most requests in any minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub rpm: Option<u32>,
    /// The most tokens in any minute, prompts and answers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub tpm: Option<u32>,
    /// The most requests at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_parallel: Option<u32>,
    /// The most tokens of prompt and answer together. Default: the catalogue's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub context_window: Option<u64>,
    /// The most tokens of an answer. Default: the catalogue's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_output: Option<u64>,
    /// What it costs: `price = { input = 2.5, output = 10.0 }`, in USD per million tokens. Default: what `[[prices]]`
    /// says of its model, else the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// AWS credentials: a key, or where to find one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    /// The public half of a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<secret::Text>")]
    pub access_key_id: Option<Secret>,
    /// The secret half of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<secret::Text>")]
    pub secret_access_key: Option<Secret>,
    /// What goes with a temporary key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<secret::Text>")]
    pub session_token: Option<Secret>,
    /// A profile of the AWS configuration of whoever runs the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// A role to assume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

/// An application that gets tokens for itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oauth {
    /// The directory that it belongs to (Azure).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<secret::Text>")]
    pub client_secret: Option<Secret>,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde wants")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Deployment {
    /// A deployment with defaults for everything but the model.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            base_model: None,
            id: String::new(),
            api_key: None,
            api_base: None,
            api_version: None,
            organization: None,
            project: None,
            headers: BTreeMap::new(),
            weight: one(),
            timeout: None,
            tags: Vec::new(),
            order: 0,
            region: None,
            location: None,
            credentials: None,
            oauth: None,
            aws: None,
            rpm: None,
            tpm: None,
            max_parallel: None,
            context_window: None,
            max_output: None,
            price: None,
        }
    }
}
