//! From the configuration's words to those of `llm_governance::jwt`.

use std::sync::Arc;

use llm_config::{Jwt, JwtAlgorithm, JwtClaims, OwnerTerms, UnknownTeams};
use llm_governance::Group;
use llm_governance::jwt::{Algorithm, Claims, Rule};
use llm_types::Result;

use crate::governance;

/// Which tokens are good, and what their claims mean.
pub(super) fn of(settings: &Jwt) -> Rule {
    let Jwt {
        issuer,
        audiences,
        jwks_url: _,
        jwks_file: _,
        jwks: _,
        algorithms,
        leeway,
        refresh: _,
        scopes,
        admin_scope,
        require,
        claims,
        user_prefix,
        teams,
        unknown_users: _,
        unknown_teams,
        user_terms: _,
        team_terms: _,
    } = settings.clone();
    Rule {
        issuer,
        audiences,
        algorithms: algorithms.into_iter().map(algorithm).collect(),
        leeway,
        scopes,
        admin_scope,
        require,
        claims: self::claims(claims),
        user_prefix,
        teams: teams.into_iter().map(|(theirs, ours)| (theirs, Arc::from(ours))).collect(),
        team_optional: unknown_teams == UnknownTeams::Ignore,
    }
}

/// What somebody gets who is made.
///
/// # Errors
/// For terms that cannot be kept.
pub(super) fn group(terms: &OwnerTerms) -> Result<Group> {
    let group = Group::new(llm_admin::terms_of(terms).map_err(governance::refused)?);
    Ok(Group { blocked: terms.blocked, ..group })
}

fn claims(claims: JwtClaims) -> Claims {
    let JwtClaims { user, name, team, organisation, tags, metadata, models, routes, scopes } = claims;
    let user = Some(user).filter(|user| !user.is_empty());
    Claims { user, name, team, organisation, tags, metadata, models, routes, scopes }
}

fn algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Rs256 => Algorithm::Rs256,
        JwtAlgorithm::Rs384 => Algorithm::Rs384,
        JwtAlgorithm::Rs512 => Algorithm::Rs512,
        JwtAlgorithm::Ps256 => Algorithm::Ps256,
        JwtAlgorithm::Ps384 => Algorithm::Ps384,
        JwtAlgorithm::Ps512 => Algorithm::Ps512,
        JwtAlgorithm::Es256 => Algorithm::Es256,
        JwtAlgorithm::Es384 => Algorithm::Es384,
        JwtAlgorithm::EdDsa => Algorithm::EdDsa,
    }
}
