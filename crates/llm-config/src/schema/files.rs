//! `[files]`: files of batches for providers that keep none.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{duration, size};

/// Where files of batches lie whose provider keeps none (Anthropic). Others keep them themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Files {
    /// A folder, shared by all gateways of one service. Without it such providers get no files and batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// How long a file is kept, and what is remembered of a batch. Providers keep the answers of batches for 29 days.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub keep: Duration,
    /// The most that all files in the folder may take together; a file that does not fit is refused.
    #[serde(with = "size")]
    #[schemars(with = "size::Text")]
    pub max_bytes: usize,
}

impl Default for Files {
    fn default() -> Self {
        Self { dir: None, keep: Duration::from_secs(30 * 24 * 60 * 60), max_bytes: 16 << 30 }
    }
}
