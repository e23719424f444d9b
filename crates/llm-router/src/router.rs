//! From the name a client sends to the group that answers to it.
//!
//! Names and aliases are exact and go before patterns; of several patterns the one with the most letters
//! of its own wins, so that `*` can stand beside `openai/*` and `openai/gpt-4*` in any order. Looking up
//! allocates nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::attempts::Attempts;
use crate::cooldown::{Cooldown, CooldownStore};
use crate::error::BuildError;
use crate::fallback::Plan;
use crate::group::Group;
use crate::stats::Stats;

/// A group, and how it was found.
#[derive(Debug)]
pub struct Found<'a, T> {
    /// The group.
    pub group: &'a Arc<Group<T>>,
    /// What the `*` of the group's name stands for, if it has one.
    pub star: Option<&'a str>,
}

impl<T> Clone for Found<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Found<'_, T> {}

/// All groups. Immutable: a reload builds a new one and swaps it in.
#[derive(Debug)]
pub struct Router<T> {
    groups: Vec<Arc<Group<T>>>,
    aliases: Vec<(Arc<str>, usize)>,
    names: HashMap<Arc<str>, usize>,
    /// Most letters first, then config order.
    patterns: Vec<Pattern>,
    defaults: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Pattern {
    head: Box<str>,
    tail: Box<str>,
    group: usize,
}

impl Pattern {
    /// What the `*` stands for.
    fn star<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&*self.head)?.strip_suffix(&*self.tail)
    }
}

impl<T> Router<T> {
    /// Begins a router.
    #[must_use]
    pub fn builder() -> RouterBuilder<T> {
        RouterBuilder { groups: Vec::new(), aliases: Vec::new(), defaults: Vec::new(), store: None }
    }

    /// Who answers to this name.
    #[must_use]
    pub fn find<'a>(&'a self, name: &'a str) -> Option<Found<'a, T>> {
        if let Some(group) = self.names.get(name) {
            return self.groups.get(*group).map(|group| Found { group, star: None });
        }
        self.patterns.iter().find_map(|pattern| {
            let star = pattern.star(name)?;
            Some(Found { group: self.groups.get(pattern.group)?, star: Some(star) })
        })
    }

    /// Begins a request to this group, which must be answered before the deadline.
    #[must_use]
    pub fn attempts(&self, group: &Arc<Group<T>>, now: Instant, deadline: Instant) -> Attempts<T> {
        group.budget.deposit(now);
        Attempts::new(Arc::clone(group), Arc::clone(&group.budget), deadline)
    }

    /// Begins a request to what was found, which falls back to other groups and must be answered before the
    /// deadline.
    #[must_use]
    pub fn plan(&self, found: Found<'_, T>, now: Instant, deadline: Instant) -> Plan<'_, T> {
        Plan::new(self, found, now, deadline)
    }

    /// Whether every group falls back to something in the end.
    #[must_use]
    pub fn has_defaults(&self) -> bool {
        !self.defaults.is_empty()
    }

    /// Where every group falls back to in the end.
    #[must_use]
    pub fn defaults(&self) -> &[Arc<str>] {
        &self.defaults
    }

    /// Takes over what another gateway found out; what is not meant for a deployment of ours is ignored.
    pub fn learn(&self, cooldown: &Cooldown<'_>, now: Instant) {
        let group = self.groups.iter().find(|group| *group.name == *cooldown.group);
        let mut deployments = group.into_iter().flat_map(|group| group.deployments.iter());
        let meant = deployments.find(|deployment| {
            *deployment.id == *cooldown.id && deployment.fingerprint == cooldown.fingerprint
        });
        // Where nobody cools down, others do not say so either; a rest is no cooldown.
        let cools = group.is_none_or(|group| !group.cooldown.duration.is_zero());
        if let Some(deployment) = meant.filter(|_| cools || cooldown.is_rest()) {
            deployment.stats.learn_cooldown(cooldown.left, cooldown.trips, now);
        }
    }

    /// The groups in config order, those with patterns as names included.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Arc<Group<T>>> {
        self.groups.iter()
    }

    /// The names of the groups in config order, patterns included.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.groups.iter().map(|group| &*group.name)
    }

    /// Each alias in config order, with its group.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &Arc<Group<T>>)> {
        self.aliases.iter().filter_map(|(alias, group)| Some((&**alias, self.groups.get(*group)?)))
    }

    /// The first deployment with this id, its group, and its position there.
    #[must_use]
    pub fn deployment(&self, id: &str) -> Option<(&Arc<Group<T>>, usize)> {
        self.groups.iter().find_map(|group| {
            let position = group.deployments.iter().position(|deployment| &*deployment.id == id)?;
            Some((group, position))
        })
    }

    /// The counters of the deployment with this id and these settings, to be kept over a reload.
    #[must_use]
    pub fn stats_of(&self, id: &str, fingerprint: u64) -> Option<Arc<Stats>> {
        self.groups
            .iter()
            .flat_map(|group| group.deployments.iter())
            .find(|deployment| &*deployment.id == id && deployment.fingerprint == fingerprint)
            .map(|deployment| Arc::clone(&deployment.stats))
    }
}

/// Groups and aliases on their way to a [`Router`].
#[derive(Debug)]
pub struct RouterBuilder<T> {
    groups: Vec<Group<T>>,
    aliases: Vec<(Arc<str>, Arc<str>)>,
    defaults: Vec<Arc<str>>,
    store: Option<Arc<dyn CooldownStore>>,
}

impl<T> RouterBuilder<T> {
    /// Adds a group.
    #[must_use]
    pub fn group(mut self, group: Group<T>) -> Self {
        self.groups.push(group);
        self
    }

    /// Adds another name for the group with this name.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<Arc<str>>, model: impl Into<Arc<str>>) -> Self {
        self.aliases.push((alias.into(), model.into()));
        self
    }

    /// Says where every group falls back to when its own fallbacks do not answer.
    #[must_use]
    pub fn default_fallbacks<S: Into<Arc<str>>>(mut self, models: impl IntoIterator<Item = S>) -> Self {
        self.defaults = models.into_iter().map(Into::into).collect();
        self
    }

    /// Tells other gateways about cooldowns.
    #[must_use]
    pub fn cooldown_store(mut self, store: Arc<dyn CooldownStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// The router.
    ///
    /// # Errors
    /// [`BuildError`] when a name is taken twice, leads nowhere or has nobody who answers to it.
    pub fn build(mut self) -> Result<Router<T>, BuildError> {
        let mut names = HashMap::new();
        for (index, group) in self.groups.iter().enumerate() {
            check(group)?;
            if names.insert(Arc::clone(&group.name), index).is_some() {
                return Err(BuildError::DuplicateName(group.name.to_string()));
            }
        }
        let mut patterns = Vec::new();
        for (index, group) in self.groups.iter().enumerate() {
            if let Some((head, tail)) = group.name.split_once('*') {
                patterns.push(Pattern { head: head.into(), tail: tail.into(), group: index });
            }
        }
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.head.len() + pattern.tail.len()));
        let mut aliases = Vec::with_capacity(self.aliases.len());
        for (alias, model) in self.aliases {
            let Some(group) = self.groups.iter().position(|group| group.name == model) else {
                return Err(BuildError::UnknownTarget { alias: alias.to_string(), model: model.to_string() });
            };
            if names.insert(Arc::clone(&alias), group).is_some() {
                return Err(BuildError::DuplicateName(alias.to_string()));
            }
            aliases.push((alias, group));
        }
        // A pattern asked for by its own letters is a name like any other, and fills its `*` with `*`.
        names.retain(|name, group| {
            self.groups.get(*group).is_none_or(|owner| owner.name != *name) || !name.contains('*')
        });
        for group in &mut self.groups {
            group.store.clone_from(&self.store);
        }
        let groups = self.groups.into_iter().map(Arc::new).collect();
        let router = Router { groups, aliases, names, patterns, defaults: self.defaults };
        check_fallbacks(&router)?;
        Ok(router)
    }
}

fn check_fallbacks<T>(router: &Router<T>) -> Result<(), BuildError> {
    let of_groups = router.groups.iter().flat_map(|group| {
        group.fallbacks.names().map(|fallback| (format!("the model `{}`", group.name), fallback))
    });
    let defaults = router.defaults.iter().map(|fallback| ("the list of defaults".to_owned(), fallback));
    let unknown = of_groups.chain(defaults).find(|(_, fallback)| router.find(fallback).is_none());
    match unknown {
        Some((owner, fallback)) => Err(BuildError::UnknownFallback { owner, fallback: fallback.to_string() }),
        None => Ok(()),
    }
}

fn check<T>(group: &Group<T>) -> Result<(), BuildError> {
    if group.deployments.is_empty() {
        return Err(BuildError::EmptyGroup(group.name.to_string()));
    }
    if group.name.matches('*').count() > 1 {
        return Err(BuildError::TooManyStars(group.name.to_string()));
    }
    for (index, deployment) in group.deployments.iter().enumerate() {
        if group.deployments.iter().take(index).any(|earlier| earlier.id == deployment.id) {
            let (model, id) = (group.name.to_string(), deployment.id.to_string());
            return Err(BuildError::DuplicateId { model, id });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_types::{ApiError, ErrorKind};

    use crate::{Deployment, Outcome, RetryPolicy, Spent, Step};

    fn group(name: &str, deployments: usize) -> Group<()> {
        let deployments = (1..=deployments).map(|nth| Deployment::new(format!("{name}/{nth}"), 0, ()));
        Group::new(name, RetryPolicy::default(), deployments)
    }

    fn router() -> Router<()> {
        Router::builder()
            .group(group("*", 1))
            .group(group("smart", 1))
            .group(group("openai/*", 1))
            .group(group("openai/gpt-4*", 1))
            .group(group("*-mini", 1))
            .alias("gpt-4", "smart")
            .alias("any", "*")
            .build()
            .unwrap()
    }

    #[test]
    fn the_most_specific_name_wins() {
        let router = router();
        let check = |name, expect, star| {
            let found = router.find(name).unwrap();
            assert_eq!((&*found.group.name, found.star), (expect, star), "{name}");
        };
        check("smart", "smart", None);
        check("gpt-4", "smart", None);
        check("any", "*", None);
        check("openai/o1", "openai/*", Some("o1"));
        check("openai/gpt-4o", "openai/gpt-4*", Some("o"));
        check("openai/gpt-4o-mini", "openai/gpt-4*", Some("o-mini"));
        check("openai/o4-mini", "openai/*", Some("o4-mini"));
        check("o4-mini", "*-mini", Some("o4"));
        check("-mini", "*-mini", Some(""));
        check("mini", "*", Some("mini"));
        check("openai/*", "openai/*", Some("*"));
    }

    #[test]
    fn an_unknown_name_finds_nobody() {
        let router = Router::builder().group(group("a*a", 1)).build().unwrap();
        assert!(router.find("a").is_none());
        assert!(router.find("aa").is_some());
        assert!(router.find("b").is_none());
    }

    #[test]
    fn names_come_in_config_order() {
        let router = router();
        let names: Vec<_> = router.names().collect();
        assert_eq!(names, ["*", "smart", "openai/*", "openai/gpt-4*", "*-mini"]);
        let aliases: Vec<_> = router.aliases().map(|(alias, group)| (alias, &*group.name)).collect();
        assert_eq!(aliases, [("gpt-4", "smart"), ("any", "*")]);
    }

    #[test]
    fn what_cannot_be_served_is_not_built() {
        let check = |builder: RouterBuilder<()>, expect: &str| {
            assert_eq!(builder.build().unwrap_err().to_string(), expect);
        };
        let builder = Router::builder;
        check(
            builder().group(group("a", 1)).group(group("a", 1)),
            "the model name `a` is taken twice: rename one of them",
        );
        check(
            builder().group(group("a", 1)).group(group("b", 1)).alias("b", "a"),
            "the model name `b` is taken twice: rename one of them",
        );
        check(builder().group(group("a", 0)), "the model `a` has no deployment: add one");
        check(builder().group(group("a*b*", 1)), "the model name `a*b*` has more than one `*`: keep one");
        check(
            builder().group(group("a", 1)).alias("b", "c"),
            "the alias `b` names the model `c`, which does not exist: add it or drop the alias",
        );
        let twins = [Deployment::new("x", 1, ()), Deployment::new("x", 2, ())];
        check(
            builder().group(Group::new("a", RetryPolicy::default(), twins)),
            "the model `a` has two deployments with the id `x`: give each its own",
        );
    }

    #[test]
    fn a_broken_group_takes_nobody_elses_retries() {
        let router = router();
        let (now, second) = (Instant::now(), std::time::Duration::from_secs(1));
        let down = ApiError::upstream(ErrorKind::Conflict, "went wrong");
        let retried = |name: &str| {
            let group = router.find(name).unwrap().group;
            let mut attempts = router.attempts(group, now, now + 60 * second);
            assert_eq!(attempts.next(now, None), Step::Try(0));
            matches!(attempts.next(now, Some(&down)), Step::Wait(_))
        };
        assert_eq!((0..50).filter(|_| retried("smart")).count(), 15, "ten, and a tenth of those so far");
        assert!(retried("openai/o1"), "those of another group are its own");
        let budget = &router.find("smart").unwrap().group.budget;
        assert!(!budget.withdraw(now) && budget.take(Spent::Hedge, now), "hedges are beside them");
    }

    #[test]
    fn counters_survive_a_reload_of_an_unchanged_deployment() {
        let old = Router::builder().group(group("a", 2)).build().unwrap();
        let now = Instant::now();
        old.find("a").unwrap().group.deployments[0].note(Outcome::Success, now);
        let keep = |id: &str, fingerprint| {
            Deployment::new(id, fingerprint, ())
                .with_stats(old.stats_of(id, fingerprint))
                .stats
                .counts()
                .successes
        };
        assert_eq!(keep("a/1", 0), 1);
        assert_eq!(keep("a/1", 7), 0, "its settings changed");
        assert_eq!(keep("a/2", 0), 0);
        assert_eq!(keep("a/9", 0), 0);
        let (group, position) = old.deployment("a/2").unwrap();
        assert_eq!((&*group.name, position), ("a", 1));
        assert!(old.deployment("a").is_none());
    }
}
