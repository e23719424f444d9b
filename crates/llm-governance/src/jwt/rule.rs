//! Which tokens of an issuer are good here, and what their claims mean.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::algorithm::Algorithm;

/// Which tokens of an issuer are good here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The token's `iss`.
    pub issuer: String,
    /// Of `aud` one must be among these; empty: `aud` does not matter.
    pub audiences: Vec<String>,
    /// How tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// How far the issuer's clock and ours may be apart.
    pub leeway: Duration,
    /// Scopes that a token must have, all of them.
    pub scopes: Vec<String>,
    /// The scope of administrators; `None`: nobody is one.
    pub admin_scope: Option<String>,
    /// What claims must say: one of these globs.
    pub require: BTreeMap<String, Vec<String>>,
    /// Which claim says what.
    pub claims: Claims,
    /// Put before each user's name.
    pub user_prefix: String,
    /// Teams by what tokens call them.
    pub teams: BTreeMap<String, Arc<str>>,
    /// Whether a token without a team is good although `claims.team` is set.
    pub team_optional: bool,
}

/// Which claim says what, each by its path. What is set must be in a token, but for `name`, `tags` and `metadata`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The user.
    pub user: Option<String>,
    /// The user's name for people.
    pub name: Option<String>,
    /// The team, or several.
    pub team: Option<String>,
    /// The organisation.
    pub organisation: Option<String>,
    /// Words that requests are marked with.
    pub tags: Vec<String>,
    /// What is noted of users.
    pub metadata: Vec<String>,
    /// Models that may be called.
    pub models: Option<String>,
    /// Routes that may be called.
    pub routes: Option<String>,
    /// Where scopes stand.
    pub scopes: Vec<String>,
}
