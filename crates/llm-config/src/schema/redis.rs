//! `[redis]`: what several gateways share.

use std::time::Duration;

use llm_types::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{duration, redis_url, secret};

/// What several gateways share, over Redis 6 or newer or Valkey: cooldowns of deployments, which no request waits for,
/// and limits, which a request asks for once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://[user][:password@]host[:port][/database]`; `rediss://` for TLS.
    #[serde(serialize_with = "redis_url::serialize")]
    #[schemars(with = "secret::Text")]
    pub url: Secret,
    /// What names of keys and channels begin with. Two installations on one server need two prefixes, also when
    /// they use two databases.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// How long one command may take, and a request wait for its limits. After one that is late nobody waits until
    /// Redis is quick again.
    #[serde(default = "timeout", with = "duration")]
    #[schemars(with = "duration::Text")]
    pub timeout: Duration,
    /// Whether limits of keys, teams and so on hold for all gateways together; false: each counts for itself.
    #[serde(default = "yes")]
    pub limits: bool,
    /// What becomes of requests under limits while Redis is away.
    #[serde(default)]
    pub on_failure: RedisFailure,
}

/// What becomes of requests under limits while Redis is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RedisFailure {
    /// Each gateway counts for itself.
    #[default]
    Open,
    /// They are refused with 503 `limits_unavailable`.
    Closed,
}

fn yes() -> bool {
    true
}

fn prefix() -> String {
    "gateway:".to_owned()
}

fn timeout() -> Duration {
    Duration::from_millis(20)
}
