//! `[alerts]`: who is told of budgets.

use llm_types::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::secret;

/// Who is told when a budget is used up to 50, 80 and 100 per cent, and when more was billed than reserved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// An `http://` or `https://` address that gets a `POST` with a JSON object. May hold a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<secret::Text>")]
    pub webhook: Option<Secret>,
}
