//! For whom an answer is kept: nobody else can find it.
//!
//! The tenant is part of the key and not a check behind the lookup, so that no forgotten comparison can hand one
//! tenant's answer to another.

/// Who shares kept answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Nobody: each key has its own.
    #[default]
    Key,
    /// The keys of a team; a key without one has its own.
    Team,
    /// Everybody.
    Global,
}

/// Who asks. Names, never secrets: an id of a key and not the key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The id of the key.
    pub key: Option<&'a str>,
    /// The team.
    pub team: Option<&'a str>,
    /// The user, where somebody vouches for one.
    pub user: Option<&'a str>,
}

/// For whom an answer is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tenant<'a> {
    /// One key.
    Key(&'a str),
    /// A user who has no key of their own, in their team.
    User(&'a str, Option<&'a str>),
    /// A team.
    Team(&'a str),
    /// Whoever asks without a key, a user or a team: one tenant, apart from all others.
    Nameless,
    /// Everybody.
    Everybody,
}

impl Scope {
    /// For whom an answer to this owner is kept.
    ///
    /// ```
    /// use llm_cache::{Owner, Scope, Tenant};
    ///
    /// let owner = Owner { key: Some("k1"), team: Some("blue"), user: None };
    /// assert_eq!(Scope::Key.tenant(owner), Tenant::Key("k1"));
    /// assert_eq!(Scope::Team.tenant(owner), Tenant::Team("blue"));
    /// assert_eq!(Scope::Team.tenant(Owner { team: None, ..owner }), Tenant::Key("k1"));
    /// ```
    #[must_use]
    pub fn tenant(self, owner: Owner<'_>) -> Tenant<'_> {
        let Owner { key, team, user } = owner;
        let team_first = team.filter(|_| self == Self::Team).map(Tenant::Team);
        match self {
            Self::Global => Tenant::Everybody,
            Self::Key | Self::Team => team_first
                .or(key.map(Tenant::Key))
                .or(user.map(|user| Tenant::User(user, team)))
                .or(team.map(Tenant::Team))
                .unwrap_or(Tenant::Nameless),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_belongs_to_the_narrowest_tenant_that_the_scope_allows() {
        let check = |scope: Scope, key, team, user, expect| {
            assert_eq!(
                scope.tenant(Owner { key, team, user }),
                expect,
                "{scope:?} {key:?} {team:?} {user:?}"
            );
        };
        check(Scope::Key, Some("k"), Some("t"), Some("u"), Tenant::Key("k"));
        check(Scope::Key, None, Some("t"), Some("u"), Tenant::User("u", Some("t")));
        check(Scope::Key, None, Some("t"), None, Tenant::Team("t"));
        check(Scope::Key, None, None, None, Tenant::Nameless);
        check(Scope::Team, Some("k"), Some("t"), Some("u"), Tenant::Team("t"));
        check(Scope::Team, Some("k"), None, Some("u"), Tenant::Key("k"));
        check(Scope::Team, None, None, Some("u"), Tenant::User("u", None));
        check(Scope::Team, None, None, None, Tenant::Nameless);
        check(Scope::Global, Some("k"), Some("t"), Some("u"), Tenant::Everybody);
        check(Scope::Global, None, None, None, Tenant::Everybody);
    }
}
