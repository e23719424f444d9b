//! Checks of `[[auth.jwt]]`: settings that would take tokens that are not meant for us, or refuse all of them.

use std::time::Duration;

use super::{Check, base_url};
use crate::diag::Code;
use crate::place::Path;
use crate::{Jwt, JwtClaims, OwnerTerms, UnknownTeams, UnknownUsers};

/// More than this makes expiry meaningless.
const LEEWAY: Duration = Duration::from_secs(600);
/// Asking an issuer more often than this is of no use to anybody.
const OFTEN: Duration = Duration::from_secs(1);

impl Check<'_> {
    pub(super) fn jwt(&mut self) {
        let root = Path::default().key("auth").key("jwt");
        let auth = &self.config.auth;
        for (nth, jwt) in auth.jwt.iter().enumerate() {
            let path = root.index(nth);
            let before = auth.jwt.get(..nth).unwrap_or_default();
            if before.iter().any(|other| {
                other.issuer == jwt.issuer && other.audiences == jwt.audiences && other.require == jwt.require
            }) {
                let message = "another [[auth.jwt]] takes the same tokens: keep one, or tell them apart";
                self.error(Code::Duplicate, &path.key("issuer"), message);
            }
            self.issuer(&path, jwt);
            self.keys_of_issuer(&path, jwt);
            self.claims(&path, jwt);
            self.strangers(&path, jwt);
        }
        if !auth.jwt.is_empty() && auth.master_key.is_none() && self.places.is_written(&root) {
            let message = "without auth.master_key tokens are not needed: everybody on this machine may call";
            self.warning(Code::NoEffect, &root, message).help = Some("set auth.master_key".to_owned());
        }
    }

    fn issuer(&mut self, path: &Path, jwt: &Jwt) {
        self.name(&path.key("issuer"), &jwt.issuer);
        for (member, texts) in [("audiences", &jwt.audiences), ("scopes", &jwt.scopes)] {
            for (nth, text) in texts.iter().enumerate() {
                self.name(&path.key(member).index(nth), text);
            }
        }
        if let Some(scope) = &jwt.admin_scope {
            self.name(&path.key("admin_scope"), scope);
        }
        if jwt.audiences.is_empty() && jwt.require.is_empty() {
            let message = "without audiences every token of this issuer would be good here";
            self.error(Code::BadValue, &path.key("audiences"), message).help = Some(
                "name the audience that tokens for this gateway have, or tell them by `require = { client_id = \
                 [\"…\"] }`"
                    .to_owned(),
            );
        }
        for (claim, values) in &jwt.require {
            let path = path.key("require").key(claim);
            if values.is_empty() {
                self.error(Code::BadValue, &path, "must name a value").help =
                    Some("write [\"*\"] where any value will do".to_owned());
            }
        }
        if jwt.algorithms.is_empty() {
            self.error(Code::BadValue, &path.key("algorithms"), "must name one").help =
                Some("leave it out for all".to_owned());
        }
        if jwt.leeway > LEEWAY {
            self.error(Code::BadValue, &path.key("leeway"), "must be 10 minutes or shorter");
        }
        if jwt.refresh < OFTEN {
            self.error(Code::BadValue, &path.key("refresh"), "must be one second or longer").help =
                Some("leave it out for 10 minutes".to_owned());
        }
    }

    fn keys_of_issuer(&mut self, path: &Path, jwt: &Jwt) {
        let given = [
            ("jwks_url", jwt.jwks_url.is_some()),
            ("jwks_file", jwt.jwks_file.is_some()),
            ("jwks", jwt.jwks.is_some()),
        ];
        let mut given = given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name);
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            let message = format!("stands beside `{first}`: keep one of them");
            self.error(Code::BadValue, &path.key(second), message);
        }
        let discovered = jwt.jwks_url.is_none() && jwt.jwks_file.is_none() && jwt.jwks.is_none();
        let (key, address) = match &jwt.jwks_url {
            Some(url) => ("jwks_url", url.split('?').next().unwrap_or_default()),
            None if discovered => ("issuer", jwt.issuer.as_str()),
            None => return,
        };
        if self.is_open(address) {
            return;
        }
        let path = path.key(key);
        if let Err(problem) = base_url(address) {
            self.error(Code::BadValue, &path, problem).help = Some(
                "write for example \"https://login.example.com\", or give its keys by `jwks_url`, `jwks_file` or \
                 `jwks`"
                    .to_owned(),
            );
        } else if !is_safe(address) {
            let message = "whoever is on the way can put keys of their own in the place of the issuer's";
            self.warning(Code::BadValue, &path, message).help = Some("use https".to_owned());
        }
    }

    fn claims(&mut self, path: &Path, jwt: &Jwt) {
        let path = path.key("claims");
        let JwtClaims { user, name, team, organisation, tags, metadata, models, routes, scopes } =
            &jwt.claims;
        if user.is_empty() && team.is_none() {
            let message = "a token must lead to a user or a team";
            self.error(Code::BadValue, &path.key("user"), message).help =
                Some("set `team`, or leave `user` out for \"sub\"".to_owned());
        } else if !user.is_empty() {
            self.name(&path.key("user"), user);
        }
        let single = [
            ("name", name),
            ("team", team),
            ("organisation", organisation),
            ("models", models),
            ("routes", routes),
        ];
        for (member, claim) in single {
            if let Some(claim) = claim {
                self.name(&path.key(member), claim);
            }
        }
        for (member, claims) in [("tags", tags), ("metadata", metadata), ("scopes", scopes)] {
            for (nth, claim) in claims.iter().enumerate() {
                self.name(&path.key(member).index(nth), claim);
            }
        }
    }

    fn strangers(&mut self, path: &Path, jwt: &Jwt) {
        self.owner_terms(&path.key("user_terms"), &jwt.user_terms);
        self.owner_terms(&path.key("team_terms"), &jwt.team_terms);
        for (theirs, team) in &jwt.teams {
            self.name(&path.key("teams").key(theirs), team);
        }
        if jwt.unknown_users != UnknownUsers::Make && jwt.user_terms != OwnerTerms::default() {
            let message = "no user is made, so nobody has these terms";
            self.warning(Code::NoEffect, &path.key("user_terms"), message).help =
                Some("set unknown_users = \"make\"".to_owned());
        }
        let makes = jwt.unknown_teams == UnknownTeams::Make;
        if !makes && jwt.team_terms != OwnerTerms::default() {
            let message = "no team is made, so none has these terms";
            self.warning(Code::NoEffect, &path.key("team_terms"), message).help =
                Some("set unknown_teams = \"make\"".to_owned());
        }
        if jwt.claims.team.is_none() && (makes || !jwt.teams.is_empty()) {
            let key = if makes { "unknown_teams" } else { "teams" };
            let message = "no claim says the team: set claims.team";
            self.error(Code::BadValue, &path.key(key), message);
        }
    }
}

/// Whether nobody can change what is fetched from there.
fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    uri.scheme_str() == Some("https")
        || host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
