//! `[[models]]`: what clients may ask for, and the deployments that answer.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_types::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Backoff, Router, Strategy};
use crate::value::{duration, secret};

/// One name that clients may send as `model`, and the deployments that answer for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Instead of `router.retries`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub retries: Option<u32>,
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
            retries: None,
            backoff: None,
            timeout: None,
            first_token_timeout: None,
            deployments: Vec::new(),
        }
    }

    /// The router's settings for this model: its own where it has them, else `defaults`.
    #[must_use]
    pub fn router(&self, defaults: &Router) -> Router {
        let backoff = self.backoff.unwrap_or_default();
        Router {
            strategy: self.strategy.unwrap_or(defaults.strategy),
            retries: self.retries.unwrap_or(defaults.retries),
            backoff: Backoff {
                base: backoff.base.unwrap_or(defaults.backoff.base),
                max: backoff.max.unwrap_or(defaults.backoff.max),
            },
            timeout: self.timeout.unwrap_or(defaults.timeout),
            first_token_timeout: self.first_token_timeout.unwrap_or(defaults.first_token_timeout),
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// `provider/model`, or a well-known bare name such as `gpt-4o`. In a wildcard model `*` stands for
    /// what the client's name has there.
    pub model: String,
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
    /// Sent as `OpenAI-Project`.
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
    /// Only for requests that carry one of these tags; none: for every request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

fn one() -> u32 {
    1
}

impl Deployment {
    /// A deployment with defaults for everything but the model.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
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
        }
    }
}
