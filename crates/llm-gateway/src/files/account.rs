//! Where the provider of a batch is asked, also when its deployment has another name by now, or is gone.
//!
//! A deployment's id may come from its place in a list, and lead to somebody else after a change of the configuration. So
//! what is written down is the account: the provider, its host, and a seal on its address and credentials that nobody
//! makes who does not know the master key. A plain hash would tell a weak key to whoever reads the store and guesses.

use std::cmp::Reverse;
use std::sync::Arc;

use llm_providers::mark::Seal;
use llm_providers::target::Target;
use llm_router::Deployment;
use llm_types::Secret;
use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::snapshot::Snapshot;

/// The most accounts that are asked for one batch.
const MOST: usize = 4;

/// An account that has batches, without what it is entered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    provider: String,
    host: Option<String>,
    /// What [`Target::account`] says; never written down.
    #[serde(skip)]
    number: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<String>,
}

impl Account {
    pub(super) fn of(target: &Target) -> Self {
        Self {
            provider: target.provider().to_owned(),
            host: target.host().map(str::to_owned),
            number: Some(target.account()),
            seal: None,
        }
    }

    /// The same, to be written down; without a master key nothing tells its credentials from others.
    pub(super) fn sealed(mut self, master: Option<&Secret>) -> Self {
        let seal = |number: u64, key: &Secret| {
            Seal::of(key.expose().as_bytes(), &["account"]).on(&number.to_string())
        };
        self.seal = self.number.zip(master).map(|(number, key)| seal(number, key));
        self
    }

    fn is(&self, other: &Self) -> bool {
        (self.number.is_some() && self.number == other.number)
            || (self.seal.is_some() && self.seal == other.seal)
    }

    /// How likely another one knows what this one does; `None`: it cannot.
    fn likeness(&self, other: &Self) -> Option<u8> {
        let same = (self.provider == other.provider, self.host == other.host, self.is(other));
        match same {
            (true, _, true) => Some(2),
            // Another key of it, perhaps.
            (true, true, false) => Some(1),
            (true, false, false) => Some(0),
            (false, ..) => None,
        }
    }
}

/// How good somebody is to ask: whether it is the same account, has the deployment's name, and how alike they are.
type Rank = (bool, bool, u8);

/// Somebody who may be asked for what a deployment made.
#[derive(Debug, Clone)]
pub(super) struct Likely {
    pub(super) target: Arc<Target>,
    /// It is the account that made it.
    pub(super) is_same: bool,
    /// It is at another host: an id there may be another's.
    pub(super) is_elsewhere: bool,
}

/// Who may be asked for what this deployment made, the likeliest first: its account under any name, then whoever has its
/// name with other credentials or at another address, then other keys at its address. `account` is `None` where nobody
/// wrote it down: then only the name counts, and the provider.
pub(super) fn targets(snapshot: &Snapshot, of: (&str, &str), account: Option<&Account>) -> Vec<Likely> {
    let likely = |((is_same, _, likeness), target): (Rank, Arc<Target>)| Likely {
        target,
        is_same,
        is_elsewhere: account.is_some() && likeness == 0,
    };
    ranked(snapshot, of, account).into_iter().map(likely).collect()
}

/// Who is now what this deployment was: its account under any name, else whoever has its name.
pub(super) fn own(snapshot: &Snapshot, of: (&str, &str), account: &Account) -> Option<Arc<Target>> {
    let best = ranked(snapshot, of, Some(account)).into_iter().next();
    best.filter(|((is_same, is_named, _), _)| *is_same || *is_named).map(|(_, target)| target)
}

fn ranked(
    snapshot: &Snapshot,
    (id, provider): (&str, &str),
    account: Option<&Account>,
) -> Vec<(Rank, Arc<Target>)> {
    let rank = |deployment: &Deployment<Backend>, target: &Target| {
        target.spec().batch_form()?;
        let is_named = *deployment.id == *id;
        let likeness = match account {
            Some(account) => account.likeness(&Account::of(target).sealed(snapshot.master_key.as_ref()))?,
            None => (target.provider() == provider).then_some(0)?,
        };
        (is_named || likeness > 0).then_some((likeness == 2, is_named, likeness))
    };
    let mut found: Vec<_> = snapshot
        .deployments()
        .filter_map(|deployment| {
            let target = deployment.target.target(Some("*")).ok()?;
            Some((rank(deployment, &target)?, target))
        })
        .collect();
    found.sort_by_key(|(rank, _)| Reverse(*rank));
    let mut seen = Vec::new();
    found.retain(|(_, target)| {
        let number = target.account();
        let is_new = !seen.contains(&number);
        seen.push(number);
        is_new
    });
    found.truncate(MOST);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_known_by_its_provider_first() {
        let of = |provider: &str, host: &str, number| Account {
            provider: provider.into(),
            host: Some(host.into()),
            number: Some(number),
            seal: None,
        };
        let account = of("openai", "api.openai.com", 7);
        let check = |provider: &str, host: &str, number, expect| {
            let other = of(provider, host, number);
            assert_eq!(account.likeness(&other), expect, "{other:?}");
        };
        check("openai", "api.openai.com", 7, Some(2));
        check("openai", "api.openai.com", 8, Some(1));
        check("openai", "eu.api.openai.com", 8, Some(0));
        check("azure", "api.openai.com", 7, None);
    }

    #[test]
    fn what_is_written_down_tells_an_account_only_to_who_has_the_master_key() {
        let number = 7;
        let account =
            Account { provider: "openai".into(), host: Some("h".into()), number: Some(number), seal: None };
        let written = |key: Option<&str>| -> (String, Account) {
            let text = serde_json::to_string(&account.clone().sealed(key.map(Secret::new).as_ref())).unwrap();
            let read = serde_json::from_str(&text).unwrap();
            (text, read)
        };
        let (text, read) = written(Some("sk-master"));
        assert!(!text.contains("number") && !text.contains(":7"), "{text}");
        let now = |key: &str| account.clone().sealed(Some(&Secret::new(key)));
        assert_eq!(read.likeness(&now("sk-master")), Some(2));
        assert_eq!(read.likeness(&now("sk-other")), Some(1));
        let (_, read) = written(None);
        assert_eq!(read.likeness(&now("sk-master")), Some(1));
        // As earlier versions wrote it.
        let read: Account = serde_json::from_str(r#"{"provider":"openai","host":"h","number":7}"#).unwrap();
        assert_eq!(read.likeness(&now("sk-master")), Some(1));
    }
}
