//! Who asks: a key or an identity, with the team, organisation and user behind it.

use std::net::IpAddr;
use std::sync::Arc;

use llm_types::{ApiError, ErrorKind, Result};

use crate::admission::route_not_allowed;
use crate::directory::{Directory, Kind, Snapshot};
use crate::key::{KeyHash, KeyId, LONGEST};
use crate::now::Now;
use crate::owner::{Entry, Group, Key};
use crate::terms::Access;

/// Who asks, as of one moment: later changes of the directory do not reach a request under way.
#[derive(Debug, Clone)]
pub struct Principal {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) key: Option<Arc<Entry<Key>>>,
    pub(crate) organisation: Option<Member>,
    pub(crate) team: Option<Member>,
    pub(crate) user: Option<Member>,
    pub(crate) bearer: Option<Arc<Bearer>>,
}

/// A group that somebody belongs to. Users need not be known.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    pub(crate) entry: Option<Arc<Entry<Group>>>,
}

/// The identity that a token or a proxy vouches for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Must exist.
    pub team: Option<Arc<str>>,
    /// Must exist. A team's own organisation wins: nobody leaves its budgets by naming another.
    pub organisation: Option<Arc<str>>,
    /// Any name.
    pub user: Option<Arc<str>>,
    /// What a token says beside that.
    pub bearer: Option<Arc<Bearer>>,
}

/// What a token says beside whose it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bearer {
    /// Words that all of its requests are marked with.
    pub tags: Vec<Arc<str>>,
    /// What may be called with it, of what its owners may. It has neither limits nor budgets: nothing is counted for a
    /// token.
    pub access: Access,
}

impl Directory {
    /// Whoever sends this key from there.
    ///
    /// # Errors
    /// 401 for a key that is unknown or has expired, 403 for one that is blocked, or not from there.
    pub fn authenticate(&self, key: &str, address: Option<IpAddr>, now: Now) -> Result<Principal> {
        if key.len() > LONGEST {
            return Err(unknown());
        }
        let hash = KeyHash::of(key);
        let snapshot = self.snapshot();
        let entry = Arc::clone(snapshot.key(&hash).ok_or_else(unknown)?);
        let Key { team, organisation, user, .. } = &entry.of;
        good(&entry.of, &hash, now)?;
        let identity = Identity {
            team: team.clone(),
            organisation: organisation.clone(),
            user: user.clone(),
            bearer: None,
        };
        let mut principal = Principal::new(snapshot, identity)?;
        principal.key = Some(entry);
        principal.check_address(address)?;
        Ok(principal)
    }

    /// Whoever somebody else vouches for.
    ///
    /// # Errors
    /// 403 for a team or organisation that does not exist or is blocked, or not from there.
    pub fn identify(&self, identity: Identity, address: Option<IpAddr>) -> Result<Principal> {
        let principal = Principal::new(self.snapshot(), identity)?;
        principal.check_address(address)?;
        Ok(principal)
    }

    /// Whoever asked before, under the terms of today.
    ///
    /// # Errors
    /// 401 for a key that is gone, replaced or has expired, 403 for whoever is blocked, or not to come from there.
    pub fn again(&self, who: &Principal, address: Option<IpAddr>, now: Now) -> Result<Principal> {
        let snapshot = self.snapshot();
        let entry = match &who.key {
            Some(before) => {
                let entry = Arc::clone(snapshot.key_by_id(before.of.id).ok_or_else(unknown)?);
                let hash = &before.of.hash;
                let is_old = || entry.of.previous().is_some_and(|(previous, _)| previous == *hash);
                if entry.of.hash != *hash && !is_old() {
                    return Err(unknown());
                }
                good(&entry.of, hash, now)?;
                Some(entry)
            }
            None => None,
        };
        let identity = match &entry {
            Some(entry) => {
                let Key { team, organisation, user, .. } = &entry.of;
                let (team, organisation, user) = (team.clone(), organisation.clone(), user.clone());
                Identity { team, organisation, user, bearer: None }
            }
            None => Identity {
                team: who.team().cloned(),
                organisation: who.organisation().cloned(),
                user: who.user().cloned(),
                bearer: who.bearer.clone(),
            },
        };
        let mut principal = Principal::new(snapshot, identity)?;
        principal.key = entry;
        principal.check_address(address)?;
        Ok(principal)
    }

    /// Whoever needs no key: under the terms of everything and no others.
    #[must_use]
    pub fn anyone(&self) -> Principal {
        let snapshot = self.snapshot();
        Principal { snapshot, key: None, organisation: None, team: None, user: None, bearer: None }
    }
}

fn unknown() -> ApiError {
    ApiError::new(ErrorKind::Auth, "the key is not valid here: use a key of this gateway, not a provider's")
}

fn good(key: &Key, hash: &KeyHash, now: Now) -> Result<()> {
    let refused = |kind, code: &str, message: String| Err(ApiError::new(kind, message).with_code(code));
    if key.blocked {
        let message = "the key is blocked: ask whoever administers this gateway".to_owned();
        return refused(ErrorKind::Permission, "key_blocked", message);
    }
    if let Some(at) = key.expires_at.filter(|at| *at <= now.wall) {
        let message = format!("the key has expired at {at}: ask for a new one");
        return refused(ErrorKind::Auth, "key_expired", message);
    }
    // It was found by one of its two hashes.
    match key.previous() {
        Some((before, until)) if key.hash != *hash && before == *hash && until <= now.wall => {
            let message = format!("the key was replaced and is not valid since {until}: use the new one");
            refused(ErrorKind::Auth, "key_expired", message)
        }
        _ => Ok(()),
    }
}

impl Principal {
    fn new(snapshot: Arc<Snapshot>, identity: Identity) -> Result<Self> {
        let Identity { team, organisation, user, bearer } = identity;
        let member = |kind, id: Arc<str>| {
            let entry = snapshot.group(kind, &id).cloned();
            Member { id, entry }
        };
        let team = team.map(|id| member(Kind::Team, id));
        let above = || team.as_ref()?.entry.as_ref()?.of.organisation.clone();
        let organisation = above().or(organisation).map(|id| member(Kind::Organisation, id));
        let user = user.map(|id| member(Kind::User, id));
        for (kind, member) in [("team", &team), ("organisation", &organisation)] {
            if let Some(Member { id, entry: None }) = member {
                let message =
                    format!("the {kind} `{id}` does not exist: ask whoever administers this gateway");
                return Err(ApiError::new(ErrorKind::Permission, message).with_code("unknown_owner"));
            }
        }
        for (kind, member) in [("team", &team), ("organisation", &organisation), ("user", &user)] {
            if let Some(Member { id, entry: Some(entry) }) = member
                && entry.of.blocked
            {
                let message = format!("the {kind} `{id}` is blocked: ask whoever administers this gateway");
                return Err(ApiError::new(ErrorKind::Permission, message).with_code("owner_blocked"));
            }
        }
        Ok(Self { snapshot, key: None, organisation, team, user, bearer })
    }

    fn check_address(&self, address: Option<IpAddr>) -> Result<()> {
        if self.accesses().all(|(_, access)| access.allows_address(address)) {
            return Ok(());
        }
        let from = address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
        let message = format!("requests from {from} are not allowed: ask for the address to be added");
        Err(ApiError::new(ErrorKind::Permission, message).with_code("address_not_allowed"))
    }

    /// All that a request of theirs must be allowed by, with the owner's kind.
    pub(crate) fn accesses(&self) -> impl Iterator<Item = (&'static str, &Access)> {
        let key = self.key.as_ref().map(|entry| ("key", &entry.of.terms.access));
        let token = self.bearer.as_ref().map(|bearer| ("token", &bearer.access));
        let global = self.snapshot.global.as_ref().map(|entry| ("gateway", &entry.of.terms.access));
        let groups = [("team", &self.team), ("organisation", &self.organisation), ("user", &self.user)];
        let groups = groups
            .into_iter()
            .filter_map(|(kind, member)| Some((kind, &member.as_ref()?.entry.as_ref()?.of.terms.access)));
        key.into_iter().chain(token).chain(groups).chain(global)
    }

    /// Whether what they may call is said anywhere.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.accesses().next().is_some()
    }

    /// Words that all of their requests are marked with.
    #[must_use]
    pub fn tags(&self) -> &[Arc<str>] {
        match (&self.key, &self.bearer) {
            (Some(key), _) => key.of.tags(),
            (None, Some(bearer)) => &bearer.tags,
            (None, None) => &[],
        }
    }

    /// Whether they may mark a request with this word: where it has budgets or limits it must be one of their own, or
    /// they would use up what is meant for others.
    #[must_use]
    pub fn may_mark(&self, tag: &str) -> bool {
        let free = || self.snapshot.group(Kind::Tag, tag).is_none_or(|entry| !entry.of.terms.counts());
        self.tags().iter().any(|own| **own == *tag) || free()
    }

    /// Whether they may ask for this model, and see it in a list.
    #[must_use]
    pub fn may_call(&self, model: &str) -> bool {
        self.accesses().all(|(_, access)| access.allows_model(model))
    }

    /// Refuses a route that they may not call; for what is asked without a model.
    ///
    /// # Errors
    /// 403.
    pub fn check_route(&self, route: &str) -> Result<()> {
        let refused = self.accesses().find(|(_, access)| !access.allows_route(route));
        refused.map_or(Ok(()), |(owner, access)| Err(route_not_allowed(owner, route, access).into()))
    }

    /// Whether one of their lists of routes names this one; no list names none.
    #[must_use]
    pub fn is_granted(&self, route: &str) -> bool {
        let mut lists = self.accesses().map(|(_, access)| access).filter(|access| !access.routes.is_empty());
        lists.any(|access| access.allows_route(route))
    }

    /// The key, where there is one.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref().map(|entry| &entry.of)
    }

    /// The key's id, where there is one.
    #[must_use]
    pub fn key_id(&self) -> Option<KeyId> {
        self.key().map(|key| key.id)
    }

    /// Their team.
    #[must_use]
    pub fn team(&self) -> Option<&Arc<str>> {
        self.team.as_ref().map(|member| &member.id)
    }

    /// Their organisation.
    #[must_use]
    pub fn organisation(&self) -> Option<&Arc<str>> {
        self.organisation.as_ref().map(|member| &member.id)
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> Option<&Arc<str>> {
        self.user.as_ref().map(|member| &member.id)
    }
}
