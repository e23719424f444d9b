//! `[fetch]`: pictures and documents at addresses that clients name.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{duration, size};

/// Pictures and PDFs that a request names by address are read here where the provider takes only their bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fetch {
    /// Whether they are; if not, such a request is refused by that provider's deployments.
    pub enabled: bool,
    /// The largest of them.
    #[serde(with = "size")]
    #[schemars(with = "size::Text")]
    pub max_bytes: usize,
    /// How long each of them may take.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub timeout: Duration,
    /// Ranges of addresses (`10.0.0.0/8`) and names of hosts that may be asked beside the public internet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

impl Default for Fetch {
    fn default() -> Self {
        Self { enabled: true, max_bytes: 20 << 20, timeout: Duration::from_secs(10), allow: Vec::new() }
    }
}
