//! For whom a provider keeps answers: whoever made one may read it, delete it and go on from it, and nobody else.
//!
//! The tenant is whom the cache would keep an answer for: a key, or its team where `cache.scope` says so. A cache that
//! everybody shares answers equal requests; an id is no request, so there it is the key as well. The master key
//! reaches all. Who it was made for is in the id, under a seal ([`Seal`]) that only this master key makes.

use llm_cache::{Owner, Scope, Tenant};
use llm_config::{CacheScope, Config};
use llm_providers::mark::{MarkedId, Seal};
use llm_types::Secret;

use crate::principal::{Principal, Right};

/// Tells tenants apart. There are some only where there is a master key: else anybody may do everything.
#[derive(Debug)]
pub(crate) struct Tenants {
    secret: Secret,
    scope: Scope,
}

impl Tenants {
    /// Those of a configuration; `None`: no key is needed, and all are one.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let scope = match config.cache.scope {
            CacheScope::Key | CacheScope::Global => Scope::Key,
            CacheScope::Team => Scope::Team,
        };
        Some(Self { secret: config.auth.master_key.clone()?, scope })
    }

    /// Seals what is made for somebody.
    pub(crate) fn seal(&self, principal: &Principal) -> Seal {
        let secret = self.secret.expose().as_bytes();
        if principal.right == Right::Master {
            return Seal::of(secret, &["master"]);
        }
        let who = &principal.who;
        let key = who.key_id().map(|id| id.to_string());
        let owner = Owner {
            key: key.as_deref(),
            team: who.team().map(|team| &**team),
            user: who.user().map(|user| &**user),
        };
        match self.scope.tenant(owner) {
            Tenant::Key(key) => Seal::of(secret, &["key", key]),
            Tenant::User(user, Some(team)) => Seal::of(secret, &["user", user, team]),
            Tenant::User(user, None) => Seal::of(secret, &["user", user]),
            Tenant::Team(team) => Seal::of(secret, &["team", team]),
            Tenant::Nameless => Seal::of(secret, &["nameless"]),
            Tenant::Everybody => Seal::of(secret, &["everybody"]),
        }
    }

    /// Whether somebody may have what is kept under an id. One without a seal was made for nobody that is known.
    pub(crate) fn allow(&self, principal: &Principal, id: &MarkedId) -> bool {
        principal.right == Right::Master || (id.seal.is_some() && id.has(&self.seal(principal)))
    }
}
