//! What a provider's batches look like.

use serde::Deserialize;

use super::ProviderSpec;
use crate::{Dialect, Op};

/// The form of files and batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchForm {
    /// OpenAI's: `/files`, `/batches`.
    Openai,
    /// OpenAI's files and jobs of its own: `/batch/jobs`, of one model, with bare lines.
    Mistral,
    /// No files: the requests are in the call that makes a batch, in the words of the row's dialect.
    Inline,
}

impl BatchForm {
    /// Whether the provider keeps the files of requests and answers.
    #[must_use]
    pub const fn keeps_files(self) -> bool {
        match self {
            Self::Openai | Self::Mistral => true,
            Self::Inline => false,
        }
    }
}

impl ProviderSpec {
    /// The form of its files and batches; `None`: it has none that are spoken here.
    #[must_use]
    pub fn batch_form(&self) -> Option<BatchForm> {
        if !self.operations.contains(&Op::Batch) {
            return None;
        }
        self.batches.or(match self.dialect {
            Dialect::OpenaiChat => Some(BatchForm::Openai),
            Dialect::Anthropic => Some(BatchForm::Inline),
            _ => None,
        })
    }
}
