//! What a dialect knows of calls of its provider's own API that are no front's of ours.

use llm_types::{Call, Op};

/// A call of a provider's own API, as far as its path and its body tell.
#[derive(Debug, Clone)]
pub struct OwnCall {
    /// What it is.
    pub op: Op,
    /// The model, where it stands elsewhere than in most APIs.
    pub model: Option<String>,
    /// The same in the neutral form, as far as it says what the call uses.
    pub call: Option<Call>,
}
