//! Who calls.
//!
//! Every request carries one from the moment it is authenticated, so that access, limits and budgets have
//! something to hang on.

use llm_governance::Principal as Who;

/// Who calls.
#[derive(Debug, Clone)]
pub struct Principal {
    /// By which right.
    pub right: Right,
    /// Whose money and limits it is: of a key with all that stands behind it, or only what holds for everybody.
    pub who: Who,
}

/// By which right somebody calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// It has the master key.
    Master,
    /// Anyone: no master key is set, and only this machine is listened to.
    Open,
    /// It has a key of its own.
    Key,
    /// It has a token of an issuer.
    Token {
        /// Whether that may use the admin API.
        admin: bool,
    },
}

impl Principal {
    /// Whether it may use the admin API.
    #[must_use]
    pub fn administers(&self) -> bool {
        match self.right {
            Right::Master | Right::Open => true,
            Right::Key => self.who.key().is_some_and(|key| key.admin),
            Right::Token { admin } => admin,
        }
    }

    /// Who it is in the audit log.
    #[must_use]
    pub fn name(&self) -> String {
        match self.right {
            Right::Master => "master".to_owned(),
            Right::Open => "local".to_owned(),
            Right::Key => self.who.key_id().map(|id| id.to_string()).unwrap_or_default(),
            Right::Token { .. } => {
                let user = self.who.user().map(|user| format!("user:{user}"));
                user.or_else(|| self.who.team().map(|team| format!("team:{team}"))).unwrap_or_default()
            }
        }
    }
}
