//! `[pass_through]`: providers' own APIs behind the gateway's keys.

use llm_types::PicoUsd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{size, usd};

/// Providers' own APIs at `/v1/{provider}/…`, called with the credentials of a deployment at that provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PassThrough {
    /// Providers that may be called so; `*` stands for anything. An empty list: none.
    pub providers: Vec<String>,
    /// What is reserved in hard budgets for a call whose cost nothing bounds, and paid for it where its answer says
    /// nothing of its usage. Without it such a call is refused where a hard budget would have to pay for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<usd::Text>")]
    pub reserve_usd: Option<PicoUsd>,
    /// The largest body that is passed on as it comes (files, forms). JSON is bounded by `server.max_body`.
    #[serde(with = "size")]
    #[schemars(with = "size::Text")]
    pub max_body: usize,
}

impl Default for PassThrough {
    fn default() -> Self {
        Self { providers: vec!["*".to_owned()], reserve_usd: None, max_body: 512 << 20 }
    }
}
