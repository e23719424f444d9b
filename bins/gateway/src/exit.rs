//! How the process ends.

use std::fmt;
use std::process::ExitCode;

/// Why it did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration is invalid; the text is the rendered report.
    Config(String),
    /// The address cannot be listened on.
    Listen(anyhow::Error),
    /// Anything else.
    Other(anyhow::Error),
}

impl Failure {
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Other(_) => 1,
            Self::Config(_) => 3,
            Self::Listen(_) => 4,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(report) => write!(f, "the configuration is invalid\n{report}"),
            Self::Listen(error) | Self::Other(error) => write!(f, "{error:#}"),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}
