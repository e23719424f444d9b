//! What is found out of a feature.

use std::borrow::Cow;

use llm_types::Op;
use serde::Serialize;

/// What an answer says of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It shows it.
    Passed,
    /// It was accepted and is wrong: how.
    Failed(Cow<'static, str>),
    /// It cannot be done here: in whose words.
    Refused(Cow<'static, str>),
    /// It was accepted, and the model made no use of it.
    Unseen(Cow<'static, str>),
}

impl Verdict {
    /// The verdict in one word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Refused(_) => "refused",
            Self::Unseen(_) => "unseen",
        }
    }

    /// Why, where it is not passed.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Passed => "",
            Self::Failed(why) | Self::Refused(why) | Self::Unseen(why) => why,
        }
    }
}

/// What was found out of one feature.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The operation, by its name in the provider table.
    #[serde(serialize_with = "op_name")]
    pub op: Op,
    /// The feature.
    pub feature: &'static str,
    /// The verdict.
    #[serde(serialize_with = "verdict_name", rename = "verdict")]
    pub verdict: Verdict,
    /// Why, in a sentence; empty where it is passed.
    pub why: String,
    /// What of the request did not reach the provider as it was asked.
    pub changes: String,
    /// Tokens of the prompt, where they are told.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer, where they are told.
    pub completion_tokens: Option<u64>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn op_name<S: serde::Serializer>(op: &Op, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(op.name())
}

fn verdict_name<S: serde::Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verdict.name())
}
