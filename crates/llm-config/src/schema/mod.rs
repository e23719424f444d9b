//! What a configuration file may hold.
//!
//! These structs are at once what the file deserialises into, what the JSON Schema is generated from and
//! what the gateway reads: one definition, so that documentation, checks and behaviour cannot part. The
//! doc comments below are the descriptions that `llmctl config schema` prints.

mod alerts;
mod auth;
mod cache;
mod fetch;
mod files;
mod health;
mod jwt;
mod model;
mod owner;
mod pass_through;
mod price;
mod provider;
mod redis;
mod router;
mod server;
mod store;
mod telemetry;
mod upstream;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use alerts::Alerts;
pub use auth::Auth;
pub use cache::{Cache, CacheBackend, CacheScope};
pub use fetch::Fetch;
pub use files::Files;
pub use health::HealthCheck;
pub use jwt::{Jwt, JwtAlgorithm, JwtClaims, UnknownTeams, UnknownUsers};
pub use model::{Aws, BackoffOverride, Deployment, Model, Oauth};
pub use owner::{
    BudgetWindow, Owner, OwnerBudget, OwnerLimits, OwnerModelLimits, OwnerTerms, ScopedBudget, ScopedLimits,
    VirtualKey,
};
pub use pass_through::PassThrough;
pub use price::{ModelPrice, Price, PriceMap, Rates, TierPrice};
pub use provider::{KeyRule, ModelName, Provider, Quirks, Rule};
pub use redis::{Redis, RedisFailure};
pub use router::{
    Affinity, Backoff, Cooldown, CooldownRule, MidStream, Records, RetriesByError, Router, Strategy,
};
pub use server::{Cors, Server, Tls};
pub use store::Store;
pub use telemetry::{Log, LogFormat, LogLevel, Telemetry};
pub use upstream::Upstream;

/// The configuration of the gateway.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How the gateway listens and what it bounds.
    pub server: Server,
    /// Who may call.
    pub auth: Auth,
    /// Who is told of budgets.
    pub alerts: Alerts,
    /// How deployments are chosen and failures retried; models may override it.
    pub router: Router,
    /// The HTTP client towards providers.
    pub upstream: Upstream,
    /// Where keys, budgets and usage are kept; without it in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<Store>,
    /// What several gateways share; without it each one knows what it has found out itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// Answers that are kept for equal requests.
    pub cache: Cache,
    /// Providers' own APIs, behind the gateway's keys.
    pub pass_through: PassThrough,
    /// Files of batches, for providers that keep none.
    pub files: Files,
    /// Pictures and documents at addresses that clients name.
    pub fetch: Fetch,
    /// What is logged.
    pub telemetry: Telemetry,
    /// More connections, or changes to built-in providers of the same name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<Provider>,
    /// What models cost, instead of what the catalogue says. A deployment's own `price` goes before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<ModelPrice>,
    /// Newer prices than the built-in ones, from a file or an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_map: Option<PriceMap>,
    /// What clients may ask for; none: every `provider/model` whose key is in the environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Model>,
    /// Keys that clients call with, beside `auth.master_key`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<VirtualKey>,
    /// Teams, which keys may belong to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<Owner>,
    /// Users, which keys may belong to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<Owner>,
    /// Organisations, which teams and keys may belong to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organisations: Vec<Owner>,
    /// Budgets of everything, tags, models and providers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<ScopedBudget>,
    /// Limits of everything, tags and models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<ScopedLimits>,
}

impl Config {
    /// A configuration that serves these models and nothing else, each under the name given:
    /// `openai/gpt-4o`, or a well-known bare name such as `gpt-4o`.
    pub fn from_models<S: Into<String>>(models: impl IntoIterator<Item = S>) -> Self {
        let models = models.into_iter().map(|model| {
            let name = model.into();
            Model { deployments: vec![Deployment::new(&name)], ..Model::new(name) }
        });
        let mut config = Self { models: models.collect(), ..Self::default() };
        config.name_deployments();
        config
    }

    /// Whether the gateway would be reachable from other machines without asking for a key. It must not
    /// start then; ask again after a command line has replaced `server.listen`.
    #[must_use]
    pub fn exposed_without_key(&self) -> bool {
        let ip = self.server.listen.ip().to_canonical();
        !ip.is_loopback() && self.auth.master_key.is_none()
    }

    /// The provider of this configuration that has this prefix.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.is_named(name))
    }

    /// Gives each deployment without an id its default one, `<model name>/<1-based position>`.
    pub(crate) fn name_deployments(&mut self) {
        for model in &mut self.models {
            for (index, deployment) in model.deployments.iter_mut().enumerate() {
                if deployment.id.is_empty() {
                    deployment.id = format!("{}/{}", model.name, index + 1);
                }
            }
        }
    }
}
