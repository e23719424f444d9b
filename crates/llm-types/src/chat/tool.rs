//! Tools and the choice among them.

use super::CacheControl;
use crate::{Dialect, Extra, RawValue};

/// Everything said about tools.
#[derive(Debug, Clone, Default)]
pub struct Tooling {
    /// The tools on offer.
    pub tools: Vec<Tool>,
    /// Which of them the model may or must call.
    pub choice: Option<ToolChoice>,
    /// Whether several calls may come in one answer.
    pub parallel: Option<bool>,
    /// The client used the deprecated `functions`/`function_call` form and expects it in the answer.
    pub legacy: bool,
}

/// One tool.
#[derive(Debug, Clone)]
pub struct Tool {
    /// What it is.
    pub kind: ToolKind,
    /// A prompt-cache breakpoint after this tool.
    pub cache: Option<CacheControl>,
    /// Members that no field names.
    pub extra: Extra,
}

/// What a tool is.
#[derive(Debug, Clone)]
pub enum ToolKind {
    /// A function with JSON arguments.
    Function {
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// JSON Schema of its arguments; `None`: no arguments.
        parameters: Option<Box<RawValue>>,
        /// Whether the arguments must follow the schema exactly.
        strict: Option<bool>,
    },
    /// A tool that takes free text.
    Custom {
        /// Its name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// The grammar of its input, in OpenAI's form.
        format: Option<Box<RawValue>>,
    },
    /// A tool that the provider itself runs, in its own dialect's form.
    Hosted {
        /// The dialect it belongs to.
        dialect: Dialect,
        /// Its `type` there.
        kind: String,
        /// The whole tool.
        json: Box<RawValue>,
    },
}

impl Tool {
    /// A function tool.
    #[must_use]
    pub fn function(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Option<Box<RawValue>>,
    ) -> Self {
        Self {
            kind: ToolKind::Function {
                name: name.into(),
                description: Some(description.into()),
                parameters,
                strict: None,
            },
            cache: None,
            extra: Extra::default(),
        }
    }

    /// The tool's name; `None` for one that the provider runs.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            ToolKind::Function { name, .. } | ToolKind::Custom { name, .. } => Some(name),
            ToolKind::Hosted { .. } => None,
        }
    }
}

/// Which tools the model may or must call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This function.
    Function(String),
    /// This custom tool.
    Custom(String),
    /// Only these; `required`: at least one of them.
    Allowed {
        /// Whether one must be called.
        required: bool,
        /// Their names.
        names: Vec<String>,
    },
}
