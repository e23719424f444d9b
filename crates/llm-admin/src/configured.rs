//! What the configuration file defines: keys, groups and budgets that nobody else changes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use llm_config::{BudgetWindow, Config, Owner, OwnerBudget, OwnerLimits, OwnerTerms, VirtualKey};
use llm_governance::{
    Access, Budget, Change, Error, Group, Key, KeyHash, KeyId, KeyMore, Limits, Mode, ModelLimits, NewKey,
    Period, Scope, Terms, Window,
};

/// What the configuration file defines.
#[derive(Debug, Default)]
pub struct Configured {
    changes: Vec<Change>,
    scopes: HashSet<Scope>,
}

impl Configured {
    /// What this configuration defines.
    ///
    /// # Errors
    /// For what the configuration's own checks cannot see: two keys with one secret.
    pub fn of(config: &Config) -> Result<Self, Error> {
        let mut changes = Vec::new();
        let organisations = config.organisations.iter().map(|owner| (Scope::Organisation(id(owner)), owner));
        let teams = config.teams.iter().map(|owner| (Scope::Team(id(owner)), owner));
        let users = config.users.iter().map(|owner| (Scope::User(id(owner)), owner));
        for (scope, owner) in organisations.chain(teams).chain(users) {
            changes.push(Change::Put(scope, Box::new(group(owner)?)));
        }
        let mut scoped: BTreeMap<Scope, Terms> = BTreeMap::new();
        for one in &config.budgets {
            scoped.entry(one.scope.parse()?).or_default().budgets.push(budget(&one.budget)?);
        }
        for one in &config.limits {
            scoped.entry(one.scope.parse()?).or_default().limits = limits(&one.limits);
        }
        for (scope, terms) in scoped {
            changes.push(Change::Put(scope, Box::new(Group::new(terms))));
        }
        let mut secrets: BTreeMap<[u8; 32], KeyId> = BTreeMap::new();
        for one in &config.keys {
            let key = key(one)?;
            if let Some(other) = secrets.insert(*key.hash.bytes(), key.id) {
                return Err(Error::DuplicateKey(other));
            }
            changes.push(Change::PutKey(Box::new(key)));
        }
        let scopes = changes.iter().map(crate::deed::scope_of).collect();
        Ok(Self { changes, scopes })
    }

    /// Whether it is defined there.
    pub fn defines(&self, scope: &Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// Everybody who is defined there.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.scopes.iter()
    }

    /// What makes it from nothing, groups before keys. To be applied again after whatever replaces a directory.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }
}

/// The change that takes somebody away.
pub(crate) fn removal(scope: &Scope) -> Change {
    match scope {
        Scope::Key(id) => Change::RemoveKey(*id),
        scope => Change::Remove(scope.clone()),
    }
}

fn id(owner: &Owner) -> Arc<str> {
    owner.id.as_str().into()
}

fn group(owner: &Owner) -> Result<Group, Error> {
    let Owner { id: _, name, organisation, terms } = owner;
    Ok(Group {
        organisation: text(organisation.as_deref()),
        name: text(name.as_deref()),
        blocked: terms.blocked,
        ..Group::new(self::terms(terms)?)
    })
}

fn key(key: &VirtualKey) -> Result<Key, Error> {
    let VirtualKey {
        name,
        key: secret,
        key_hash,
        team,
        user,
        organisation,
        tags,
        expires_at,
        admin,
        terms: given,
    } = key;
    let id = KeyId::of_name(name);
    let (hash, hint) = match (secret, key_hash) {
        (Some(secret), _) => {
            let new = NewKey::from_secret(secret.clone());
            (new.hash, new.hint)
        }
        (None, Some(hash)) => (hash.parse::<KeyHash>()?, llm_governance::Hint::default()),
        (None, None) => return Err(Error::NotAHash),
    };
    let more = KeyMore { name: text(Some(name)), tags: texts(tags), ..KeyMore::default() };
    Ok(Key {
        hint,
        team: text(team.as_deref()),
        organisation: text(organisation.as_deref()),
        user: text(user.as_deref()),
        blocked: given.blocked,
        admin: *admin,
        expires_at: expires_at.as_ref().and_then(|at| at.parse().ok()),
        terms: Arc::new(terms(given)?),
        more: Some(Box::new(more)),
        ..Key::new(id, hash)
    })
}

/// What an owner may do and spend.
///
/// # Errors
/// For terms that cannot be kept.
pub fn terms(terms: &OwnerTerms) -> Result<Terms, Error> {
    let OwnerTerms { models, routes, ip_ranges, budgets, limits, model_limits, blocked: _ } = terms;
    let addresses = ip_ranges.iter().map(|range| range.parse()).collect::<Result<_, Error>>()?;
    let terms = Terms {
        access: Access { models: texts(models), routes: texts(routes), addresses },
        limits: self::limits(limits),
        budgets: budgets.iter().map(budget).collect::<Result<_, Error>>()?,
        model_limits: model_limits
            .iter()
            .map(|one| ModelLimits { model: one.model.as_str().into(), limits: self::limits(&one.limits) })
            .collect(),
    };
    terms.check().map(|()| terms)
}

fn limits(limits: &OwnerLimits) -> Limits {
    let OwnerLimits { rpm, tpm, parallel } = *limits;
    Limits { rpm, tpm, parallel }
}

fn budget(budget: &OwnerBudget) -> Result<Budget, Error> {
    let OwnerBudget { limit_usd, window, hard, time_zone, fallbacks } = budget;
    let period = match window {
        BudgetWindow::Day => Period::Day,
        BudgetWindow::Week => Period::Week,
        BudgetWindow::Month => Period::Month,
        BudgetWindow::Total => Period::Total,
    };
    Ok(Budget {
        limit: *limit_usd,
        window: Window { period, zone: time_zone.parse()? },
        mode: if *hard { Mode::Hard } else { Mode::Soft },
        fallbacks: texts(fallbacks),
    })
}

fn text(text: Option<&str>) -> Option<Arc<str>> {
    text.map(Arc::from)
}

fn texts(texts: &[String]) -> Vec<Arc<str>> {
    texts.iter().map(|text| Arc::from(text.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Deed, Registry};

    const DEED: Deed<'_> = Deed { by: "test", action: "update" };

    fn registry() -> Registry {
        Registry::in_memory(llm_governance::Gate::new(Arc::new(llm_governance::Directory::new())))
    }

    fn config(text: &str) -> Config {
        let env = llm_config::FixedEnv::default();
        Config::parse("test", text, &env, llm_config::Known::default()).unwrap().0
    }

    #[tokio::test]
    async fn the_file_wins_and_what_left_it_is_gone() {
        let governance = registry();
        let team = Scope::Team("search".into());
        let both = config(
            "[auth]\nmaster_key = \"m\"\n[[teams]]\nid = \"search\"\n[[keys]]\nname = \"ci\"\n\
             key = \"a-key-of-twenty-characters\"\nteam = \"search\"\nlimits = { rpm = 5 }\n[[budgets]]\n\
             scope = \"tag:x\"\nlimit_usd = \"1.5\"\nwindow = \"day\"\n[[limits]]\nscope = \"tag:x\"\n\
             rpm = 7\n[[limits]]\nscope = \"model:smart\"\nparallel = 2\n",
        );
        governance.configure(Configured::of(&both).unwrap()).unwrap();
        let key = governance.directory().key(KeyId::of_name("ci")).unwrap();
        assert_eq!((key.terms.limits.rpm, key.team.as_deref()), (Some(5), Some("search")));
        assert!(
            governance
                .directory()
                .authenticate("a-key-of-twenty-characters", None, llm_governance::Now::read())
                .is_ok()
        );
        let tag = governance.directory().group(&Scope::Tag("x".into())).unwrap();
        assert_eq!(tag.terms.budgets[0].limit, "1.5".parse().unwrap());
        assert_eq!(tag.terms.limits.rpm, Some(7));
        let model = governance.directory().group(&Scope::Model("smart".into())).unwrap();
        assert_eq!(model.terms.limits, Limits { parallel: Some(2), ..Limits::default() });
        for change in
            [removal(&team), Change::PutKey(Box::new(key.clone())), removal(&Scope::Tag("x".into()))]
        {
            let error = governance.change(change, DEED).await.unwrap_err();
            assert_eq!(error.code.as_deref(), Some("defined_in_config"), "{error}");
        }
        // Made meanwhile by an administrator: it stays.
        let other = Change::Put(Scope::Team("other".into()), Box::new(Group::new(Terms::default())));
        governance.change(other, DEED).await.unwrap();
        governance.configure(Configured::of(&config("[[teams]]\nid = \"search\"\n")).unwrap()).unwrap();
        assert!(governance.directory().key(key.id).is_none());
        assert!(governance.directory().group(&Scope::Tag("x".into())).is_none());
        assert!(governance.directory().group(&team).is_some() && governance.is_configured(&team));
        assert!(governance.directory().group(&Scope::Team("other".into())).is_some());
    }

    #[tokio::test]
    async fn what_the_file_hides_comes_back_when_it_leaves_the_file() {
        let registry = registry();
        let (team, secret) = (Scope::Team("search".into()), "a-key-of-twenty-characters");
        let own = || Key {
            blocked: true,
            ..Key::new(KeyId::of_name("ci"), NewKey::from_secret(llm_types::Secret::new(secret)).hash)
        };
        let kept = [
            Change::Put(
                team.clone(),
                Box::new(Group { name: text(Some("Kept")), ..Group::new(Terms::default()) }),
            ),
            Change::PutKey(Box::new(own())),
        ];
        registry.follow(kept.to_vec()).unwrap();
        let file = "[auth]\nmaster_key = \"m\"\n[[teams]]\nid = \"search\"\nname = \"File\"\n[[keys]]\n\
             name = \"ci\"\nkey = \"a-key-of-twenty-characters\"\n";
        let name = |registry: &Registry| registry.directory().group(&team).and_then(|team| team.name);
        let good = |registry: &Registry| {
            registry.directory().authenticate(secret, None, llm_governance::Now::read()).is_ok()
        };
        for _ in 0..2 {
            registry.configure(Configured::of(&config(file)).unwrap()).unwrap();
            assert_eq!((name(&registry).as_deref(), good(&registry)), (Some("File"), true));
            registry.configure(Configured::default()).unwrap();
            assert_eq!((name(&registry).as_deref(), good(&registry)), (Some("Kept"), false));
        }
        // What others change meanwhile is what comes back.
        registry.configure(Configured::of(&config(file)).unwrap()).unwrap();
        let renamed = Change::Put(
            team.clone(),
            Box::new(Group { name: text(Some("New")), ..Group::new(Terms::default()) }),
        );
        registry.follow(vec![renamed, Change::RemoveKey(KeyId::of_name("ci"))]).unwrap();
        assert_eq!((name(&registry).as_deref(), good(&registry)), (Some("File"), true));
        registry.configure(Configured::default()).unwrap();
        assert_eq!(name(&registry).as_deref(), Some("New"));
        assert!(registry.directory().key(KeyId::of_name("ci")).is_none());
    }

    #[test]
    fn two_keys_with_one_secret_are_refused() {
        let key = "key = \"a-key-of-twenty-characters\"\n";
        let text =
            format!("[auth]\nmaster_key = \"m\"\n[[keys]]\nname = \"a\"\n{key}[[keys]]\nname = \"b\"\n{key}");
        assert!(matches!(Configured::of(&config(&text)), Err(Error::DuplicateKey(_))));
    }
}
