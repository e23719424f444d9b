//! `[auth]`: who may call.

use llm_types::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::jwt::Jwt;
use crate::value::secret;

/// Who may call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// May call everything. Unset: no keys are needed, and only loopback addresses may be listened on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<secret::Text>")]
    pub master_key: Option<Secret>,
    /// Whose tokens (JWT, OpenID Connect) are as good as a key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jwt: Vec<Jwt>,
}
