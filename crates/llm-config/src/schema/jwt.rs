//! `[[auth.jwt]]`: issuers whose tokens clients may send in the place of a key.
//!
//! A claim is named by its path: `sub`, `realm_access.roles`, or a name with dots in it, such as
//! `https://example.com/team`. What is named must be in the token: a mapping that silently finds nothing would let
//! people out of the limits that it is for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::owner::OwnerTerms;
use crate::value::duration;

/// An issuer of tokens. Several entries may be of one issuer, for several audiences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// The token's `iss`, letter by letter, such as `https://login.example.com/`.
    pub issuer: String,
    /// Of the token's `aud` one must be among these. An empty list takes tokens for anybody; then `require` must tell
    /// ours from others.
    pub audiences: Vec<String>,
    /// Where the issuer's keys are. Default: where `{issuer}/.well-known/openid-configuration` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// A file with the keys instead (a JSON Web Key Set), which is read again as often as an address would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// The keys themselves instead, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<String>,
    /// How tokens may be signed. Default: all of them.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<JwtAlgorithm>,
    /// How far the issuer's clock and ours may be apart.
    #[serde(default = "leeway", with = "duration")]
    #[schemars(with = "duration::Text")]
    pub leeway: Duration,
    /// How often the keys are read again. A token with an unknown key asks for them at once, every 10 seconds at most.
    #[serde(default = "refresh", with = "duration")]
    #[schemars(with = "duration::Text")]
    pub refresh: Duration,
    /// Scopes that a token must have, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Tokens with this scope may use the admin API. Default: none may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_scope: Option<String>,
    /// What claims must say: for each, the values of which it must be, or hold, one; `*` stands for any text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub require: BTreeMap<String, Vec<String>>,
    /// Which claim says what.
    #[serde(default)]
    pub claims: JwtClaims,
    /// Put before the name of each user, where two issuers may call two people by one name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_prefix: String,
    /// Teams by what the token calls them; what is not here is the team's id itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub teams: BTreeMap<String, String>,
    /// What becomes of users that are not known here.
    #[serde(default)]
    pub unknown_users: UnknownUsers,
    /// What becomes of tokens that name no team that is known here, where `claims.team` is set.
    #[serde(default)]
    pub unknown_teams: UnknownTeams,
    /// What a user may do and spend who is made; an operator may change it for each later.
    #[serde(default, skip_serializing_if = "is_default")]
    pub user_terms: OwnerTerms,
    /// What a team may do and spend that is made; an operator may change it for each later.
    #[serde(default, skip_serializing_if = "is_default")]
    pub team_terms: OwnerTerms,
}

/// Which claim says what. What is set must be in every token, but for `name`, `tags` and `metadata`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JwtClaims {
    /// The user; `""`: tokens are of no user.
    pub user: String,
    /// The user's name for people, noted where a user is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The team; of a list the first that is known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The organisation, which must be known here; a team's own wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// Words that requests are marked with, each a value of one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What is noted of a user who is made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<String>,
    /// Models that may be called, `*` for anything, beside what user and team may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<String>,
    /// Routes that may be called, such as `/v1/chat/completions`, beside what user and team may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes: Option<String>,
    /// Where scopes stand, as a list or with spaces between them.
    pub scopes: Vec<String>,
}

impl Default for JwtClaims {
    fn default() -> Self {
        Self {
            user: "sub".to_owned(),
            name: None,
            team: None,
            organisation: None,
            tags: Vec::new(),
            metadata: Vec::new(),
            models: None,
            routes: None,
            scopes: vec!["scope".to_owned(), "scp".to_owned()],
        }
    }
}

/// How a token may be signed. There is no `none`, and nothing with a secret that both sides have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum JwtAlgorithm {
    /// RSA with PKCS #1 and SHA-256.
    Rs256,
    /// RSA with PKCS #1 and SHA-384.
    Rs384,
    /// RSA with PKCS #1 and SHA-512.
    Rs512,
    /// RSA-PSS with SHA-256.
    Ps256,
    /// RSA-PSS with SHA-384.
    Ps384,
    /// RSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl JwtAlgorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];
}

/// What becomes of users that are not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnknownUsers {
    /// They may call, under no terms of their own; what they use is booked under their name.
    #[default]
    Admit,
    /// They are made, with `user_terms`.
    Make,
    /// They are turned away.
    Refuse,
}

/// What becomes of tokens without a team that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnknownTeams {
    /// They are turned away.
    #[default]
    Refuse,
    /// The first team that the token names is made, with `team_terms`.
    Make,
    /// They may call without a team.
    Ignore,
}

fn algorithms() -> Vec<JwtAlgorithm> {
    JwtAlgorithm::ALL.to_vec()
}

fn leeway() -> Duration {
    Duration::from_secs(30)
}

fn refresh() -> Duration {
    Duration::from_secs(600)
}

fn is_default(terms: &OwnerTerms) -> bool {
    *terms == OwnerTerms::default()
}
