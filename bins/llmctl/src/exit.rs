//! How the process ends: codes that a script can tell apart.

use std::fmt;
use std::process::ExitCode;

use llm_types::{ApiError, ErrorKind};

/// What the exit codes mean; part of `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  it worked
  1  the call failed, or something else went wrong
  2  the command line is wrong
  3  a configuration file is invalid
  4  a key is missing, wrong or not allowed to do this
  5  the provider or the gateway cannot be reached
  6  a limit, quota or budget is used up";

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It worked.
    Ok = 0,
    /// The call failed, or something else went wrong.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A configuration file is invalid.
    Config = 3,
    /// A key is missing, wrong or not allowed to do this.
    Auth = 4,
    /// The provider or the gateway cannot be reached.
    Unreachable = 5,
    /// A limit, quota or budget is used up.
    Limit = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A call was refused or did not arrive.
    Call(ApiError),
    /// What was given on the command line cannot be used.
    Usage(anyhow::Error),
    /// Anything else.
    Other(anyhow::Error),
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        use ErrorKind as K;
        match self {
            // A gateway that reached no provider says so in a code; its status alone does not tell.
            Self::Call(error) if error.public_code() == ErrorKind::Connection.code() => Exit::Unreachable,
            Self::Call(error) => match error.kind {
                K::Auth | K::Permission => Exit::Auth,
                K::Connection => Exit::Unreachable,
                K::RateLimit | K::Quota | K::Payment | K::Budget => Exit::Limit,
                _ => Exit::Failed,
            },
            Self::Usage(_) => Exit::Usage,
            Self::Other(_) => Exit::Failed,
        }
    }

    /// The reader of our output went away (`llmctl … | head`): nobody is left to be told.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        let Self::Other(error) = self else { return false };
        let io = error.downcast_ref::<std::io::Error>();
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => write!(f, "{error}"),
            Self::Usage(error) | Self::Other(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Call(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        // A writer's failure stays what it was.
        if error.is_io() {
            return std::io::Error::from(error).into();
        }
        Self::Other(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        let all =
            [Exit::Ok, Exit::Failed, Exit::Usage, Exit::Config, Exit::Auth, Exit::Unreachable, Exit::Limit];
        for (position, exit) in all.into_iter().enumerate() {
            assert_eq!(exit as usize, position);
            assert!(HELP.contains(&format!("\n  {position}  ")), "{exit:?}");
        }
        assert_eq!(HELP.lines().count(), all.len() + 1);
    }

    #[test]
    fn a_reader_that_goes_away_within_json_is_recognised() {
        struct Gone;
        impl std::io::Write for Gone {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let failure = Failure::from(serde_json::to_writer(Gone, "text").unwrap_err());
        assert!(failure.is_broken_pipe(), "{failure:?}");
    }

    #[test]
    fn kinds_of_failure_have_their_codes() {
        let check = |kind, exit| assert_eq!(Failure::from(ApiError::new(kind, "x")).exit(), exit, "{kind:?}");
        check(ErrorKind::Auth, Exit::Auth);
        check(ErrorKind::Permission, Exit::Auth);
        check(ErrorKind::Connection, Exit::Unreachable);
        check(ErrorKind::Budget, Exit::Limit);
        check(ErrorKind::RateLimit, Exit::Limit);
        check(ErrorKind::BadRequest, Exit::Failed);
        check(ErrorKind::NotFound, Exit::Failed);
        check(ErrorKind::BadGateway, Exit::Failed);
        let told = ApiError::upstream(ErrorKind::BadGateway, "x").with_code("upstream_unreachable");
        assert_eq!(Failure::from(told).exit(), Exit::Unreachable);
    }
}
