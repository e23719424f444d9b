//! What is counted for an owner: found by scope, made at the first use, and kept when the owner's terms change.
//!
//! An entry of the directory holds its meters once it was used, so that a request looks nothing up. Two entries of one
//! owner, before and after a change, find the same meters here: a change never starts a count anew.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::budget::{Account, Funds};
use crate::limit::{Limiter, Limits, ModelLimits};
use crate::now::Now;
use crate::owner::Entry;
use crate::scope::Scope;
use crate::terms::Terms;

/// What is counted for an owner.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    pub(crate) account: Option<Arc<Account>>,
    pub(crate) limiter: Option<Arc<Limiter>>,
    /// Of single models, by their names or patterns.
    pub(crate) models: Vec<(Arc<str>, Arc<Limiter>)>,
}

impl Meters {
    /// Its owner is gone; whether there is anything left to remember.
    fn leave(&mut self, revision: u64) -> bool {
        let Self { account, limiter, models } = self;
        (*limiter, *models) = (None, Vec::new());
        account.as_ref().is_some_and(|account| account.leave(revision))
    }

    /// Whether there is only an account left, and nothing in it.
    fn is_spent(&self) -> bool {
        let Self { account, limiter, models } = self;
        limiter.is_none() && models.is_empty() && account.as_ref().is_none_or(|account| account.is_empty())
    }
}

/// All meters that are in use.
#[derive(Debug)]
pub(crate) struct Registry {
    funds: Funds,
    hasher: std::hash::RandomState,
    shards: [Mutex<HashMap<Scope, Meters>>; 64],
}

impl Registry {
    pub(crate) fn new(funds: Funds) -> Self {
        Self {
            funds,
            hasher: std::hash::RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    fn shard(&self, scope: &Scope) -> &Mutex<HashMap<Scope, Meters>> {
        let nth = usize::from(self.hasher.hash_one(scope).to_be_bytes()[0]) % self.shards.len();
        self.shards.get(nth).unwrap_or(&self.shards[0])
    }

    /// The meters of an entry; `None` where nothing has to be counted.
    pub(crate) fn of<'a, T>(
        &self,
        entry: &'a Entry<T>,
        terms: &Terms,
        now: Now,
        scope: impl FnOnce() -> Scope,
    ) -> Option<&'a Arc<Meters>> {
        if !terms.counts() {
            return None;
        }
        Some(entry.meters.get_or_init(|| self.find(scope(), terms, entry.revision, now)))
    }

    fn find(&self, scope: Scope, terms: &Terms, revision: u64, now: Now) -> Arc<Meters> {
        let mut shard = self.shard(&scope).lock();
        let Meters { account, limiter, models } = shard.entry(scope.clone()).or_default();
        if account.is_none() && !terms.budgets.is_empty() {
            *account = Some(Arc::new(Account::new(scope.clone(), self.funds)));
        }
        if limiter.is_none() && terms.limits != Limits::default() {
            *limiter = Some(Arc::new(Limiter::new(scope.clone(), None)));
        }
        // What a model has no longer is kept, for it may come back: as many as an owner ever had names.
        for ModelLimits { model, limits } in &terms.model_limits {
            let known = models.iter().position(|(name, _)| name == model).unwrap_or_else(|| {
                let limiter = Limiter::new(scope.clone(), Some(Arc::clone(model)));
                models.push((Arc::clone(model), Arc::new(limiter)));
                models.len() - 1
            });
            if let Some((_, limiter)) = models.get(known) {
                limiter.configure(*limits, revision);
            }
        }
        let in_force = |(name, _): &&(Arc<str>, _)| terms.model_limits.iter().any(|one| one.model == *name);
        let models = models.iter().filter(in_force).cloned().collect();
        if let Some(account) = account {
            account.configure(&terms.budgets, revision, now);
        }
        if let Some(limiter) = limiter {
            limiter.configure(terms.limits, revision);
        }
        Arc::new(Meters { account: account.clone(), limiter: limiter.clone(), models })
    }

    /// Forgets an owner that is gone as of this revision, but for what a ledger has leased to its budgets.
    pub(crate) fn forget(&self, scope: &Scope, revision: u64) {
        let mut shard = self.shard(scope).lock();
        if shard.get_mut(scope).is_some_and(|meters| !meters.leave(revision)) {
            shard.remove(scope);
        }
    }

    /// Forgets owners that are gone as of this revision, but for what a ledger has leased to their budgets.
    pub(crate) fn retain(&self, revision: u64, keep: impl Fn(&Scope) -> bool) {
        for shard in &self.shards {
            shard.lock().retain(|scope, meters| keep(scope) || meters.leave(revision));
        }
    }

    /// Forgets owners of whose budgets nothing has to be remembered any more.
    pub(crate) fn sweep(&self) {
        for shard in &self.shards {
            shard.lock().retain(|_, meters| !meters.is_spent());
        }
    }

    /// The account of an owner, where one is in use.
    pub(crate) fn account(&self, scope: &Scope) -> Option<Arc<Account>> {
        self.shard(scope).lock().get(scope).and_then(|meters| meters.account.clone())
    }

    /// Every account in use.
    pub(crate) fn accounts(&self) -> Vec<Arc<Account>> {
        let mut accounts = Vec::new();
        for shard in &self.shards {
            accounts.extend(shard.lock().values().filter_map(|meters| meters.account.clone()));
        }
        accounts
    }
}
