//! `[upstream]`: the HTTP client towards providers.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::duration;

/// The HTTP client towards providers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Upstream {
    /// How long a connection may take to be made, TLS included.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub connect_timeout: Duration,
    /// How long an unused connection is kept; `"0s"`: each request has a connection of its own.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub pool_idle_timeout: Duration,
    /// How many unused connections to one host are kept; 0: each request has a connection of its own.
    pub pool_max_idle_per_host: usize,
    /// Path of a PEM file with certificate authorities to trust beside the well-known ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub extra_ca: Option<PathBuf>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            pool_idle_timeout: Duration::from_secs(90),
            pool_max_idle_per_host: 512,
            extra_ca: None,
        }
    }
}
