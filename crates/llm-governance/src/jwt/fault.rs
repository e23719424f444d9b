//! Why a token is not good, and what its sender is told.
//!
//! Whoever sends a token that was not signed for this gateway learns only that: which of its parts would have been
//! right is for the log. What is told beyond that is told of tokens whose signature is good.

use llm_types::{ApiError, ErrorKind};

/// Why a token is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is longer than any that is looked at.
    TooLong,
    /// It is no token.
    Malformed,
    /// It is to be checked in a way that is not taken here; `none` and secrets never are.
    Algorithm,
    /// Its header demands something that is not known here (`crit`), or it is of another kind than an access or
    /// identity token.
    Header,
    /// It is of nobody who is trusted.
    Issuer,
    /// Its issuer has no such key.
    UnknownKey,
    /// Its issuer has not signed it, or not so.
    Signature,
    /// It is for somebody else.
    Audience,
    /// It has no `exp`, or one that is no moment.
    Expiry,
    /// It has expired.
    Expired,
    /// It is not good yet.
    NotYet,
    /// It lacks this scope.
    Scope(String),
    /// This claim is missing, or says something that it must not.
    Claim(String),
}

impl Fault {
    /// A word for the log.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::TooLong => "too long",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm not allowed",
            Self::Header => "header not allowed",
            Self::Issuer => "unknown issuer",
            Self::UnknownKey => "unknown key",
            Self::Signature => "wrong signature",
            Self::Audience => "another audience",
            Self::Expiry => "no expiry",
            Self::Expired => "expired",
            Self::NotYet => "not good yet",
            Self::Scope(_) => "missing scope",
            Self::Claim(_) => "missing claim",
        }
    }

    /// Whether it says more than that the token is not for us.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        matches!(self, Self::Expired | Self::Scope(_) | Self::Claim(_))
    }

    /// What the sender is told: 401, or 403 where another token of the same sender would be good.
    #[must_use]
    pub fn error(&self) -> ApiError {
        let (kind, code, message) = match self {
            Self::Expired => {
                let message = "the token has expired: get a new one from its issuer";
                (ErrorKind::Auth, "token_expired", message.to_owned())
            }
            Self::Scope(scope) => {
                let message =
                    format!("the token lacks the scope `{scope}`: ask its issuer for one that has it");
                (ErrorKind::Permission, "insufficient_scope", message)
            }
            Self::Claim(claim) => {
                let message = format!(
                    "the token's claim `{claim}` is missing, or does not say what it must: ask whoever administers \
                     this gateway"
                );
                (ErrorKind::Permission, "claim_not_allowed", message)
            }
            _ => {
                let message = "the token is not valid here: send one that its issuer made for this gateway and \
                               that has not expired";
                (ErrorKind::Auth, "invalid_token", message.to_owned())
            }
        };
        ApiError::new(kind, message).with_code(code)
    }
}
