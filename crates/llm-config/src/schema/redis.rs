//! `[redis]`: what several gateways share.

use std::time::Duration;

use llm_types::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{duration, redis_url, secret};

/// What several gateways share, over Redis 6 or newer or Valkey: cooldowns of deployments. No request waits for
/// it; while it is away every gateway goes by what it has found out itself.
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
    /// How long one command may take; a later one ends the connection.
    #[serde(default = "timeout", with = "duration")]
    #[schemars(with = "duration::Text")]
    pub timeout: Duration,
}

fn prefix() -> String {
    "gateway:".to_owned()
}

fn timeout() -> Duration {
    Duration::from_millis(20)
}
