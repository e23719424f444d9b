//! `[store]`: where keys, budgets and usage are kept.

use std::path::PathBuf;
use std::time::Duration;

use llm_types::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{duration, secret, store_url};

/// Where keys, budgets and usage are kept. Without it they are in memory, and gone with the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `sqlite:FILE`, or `postgres://[user][:password@]host[:port]/database` for several gateways.
    #[serde(serialize_with = "store_url::serialize")]
    #[schemars(with = "secret::Text")]
    pub url: Secret,
    /// The folder of this gateway's journal: what was used is written there before the answer is complete, and from
    /// there to the database. Default: beside the SQLite file, else `gateway-journal`. Two gateways need two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<PathBuf>,
    /// For how long a gateway may spend from a slice of a budget before it has to ask again. A gateway that dies
    /// ties up its slices for as long, and for `server.request_timeout`.
    #[serde(default = "lease", with = "duration")]
    #[schemars(with = "duration::Text")]
    pub lease: Duration,
    /// How long rows of single requests are kept; sums stay. Default: for ever.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub retention: Option<Duration>,
}

fn lease() -> Duration {
    Duration::from_secs(30)
}
