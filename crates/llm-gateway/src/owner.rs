//! Who made an answer that its provider keeps.
//!
//! Some dialects keep answers under ids, to be gone on from, polled or deleted. Only the account that made one
//! knows it, so a request that names such an id goes there and nowhere else. Where several accounts keep
//! answers, the ids that clients get carry a word for the deployment that answered, and where there are keys a seal
//! of the tenant behind it (`tenant.rs`); with one account and no keys they stay as they are, and so does every byte
//! around them.
//!
//! The word is a hash of the deployment's id, so that it outlives a restart and a new key. What counts when it
//! comes back is the account behind that deployment: another model of it knows the answer as well.

use std::sync::Arc;

use llm_governance::Principal as Who;
use llm_providers::mark::{Mark, Seal};
use llm_router::{Deployment, Group, Router};
use llm_types::{ApiError, BatchForm, Dialect, ErrorKind, Op, Result};
use sha2::{Digest, Sha256};

use crate::backend::Backend;
use crate::front;

/// The deployments that keep something.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// Answers, by dialect.
    answers: Vec<(Dialect, Keepers)>,
    /// Files and batches.
    pub(crate) files: Keepers,
}

/// The deployments that keep one sort of things.
#[derive(Debug, Default)]
pub(crate) struct Keepers {
    owners: Vec<Owner>,
    /// Whether ids have to say who made them.
    several: bool,
}

/// A deployment that keeps answers.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    /// Its word in ids.
    pub(crate) word: Arc<str>,
    /// The account behind it.
    account: u64,
    pub(crate) deployment: Arc<Deployment<Backend>>,
}

impl Owners {
    /// Who keeps answers among all deployments that can be called.
    ///
    /// `folder`: whether there is one for files whose provider keeps none.
    pub(crate) fn of(router: &Router<Backend>, folder: bool) -> Self {
        let of = |dialect| (dialect, Keepers::among(router, |deployment| speaks(deployment, None, dialect)));
        let keeps_files = |deployment: &Deployment<Backend>| {
            let target = deployment.target.target(Some("*"));
            let form = target.ok().and_then(|target| target.spec().batch_form());
            form.is_some_and(|form| folder || form.keeps_files())
        };
        Self { answers: front::keeping().map(of).collect(), files: Keepers::among(router, keeps_files) }
    }

    /// Who keeps answers of this dialect.
    pub(crate) fn speaking(&self, dialect: Dialect) -> Option<&Keepers> {
        self.answers.iter().find(|(own, _)| *own == dialect).map(|(_, keepers)| keepers)
    }
}

impl Keepers {
    fn among(router: &Router<Backend>, keeps: impl Fn(&Deployment<Backend>) -> bool) -> Self {
        let deployments = router.groups().flat_map(|group| group.deployments.iter());
        let owners: Vec<Owner> = deployments
            .filter(|deployment| keeps(deployment))
            .filter_map(|deployment| {
                let account = deployment.target.account()?;
                Some(Owner { word: word(&deployment.id), account, deployment: Arc::clone(deployment) })
            })
            .collect();
        let first = owners.first().map(|owner| owner.account);
        let several = owners.iter().any(|owner| Some(owner.account) != first);
        Self { owners, several }
    }

    /// All of them, in config order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Owner> {
        self.owners.iter()
    }

    /// What ids of this deployment's answers carry, made for whom this is the seal of; `None`: they stay as they are.
    pub(crate) fn mark(&self, deployment: &Deployment<Backend>, seal: Option<Seal>) -> Option<Arc<Mark>> {
        if !self.several && seal.is_none() {
            return None;
        }
        let owner = self.owners.iter().find(|owner| owner.deployment.id == deployment.id)?;
        Some(Arc::new(Mark { owner: Arc::clone(&owner.word), seal, thoughts: self.several }))
    }

    /// The owner with this word. With one account it is that, also where its deployments have other names by now.
    pub(crate) fn find(&self, word: &str) -> Option<&Owner> {
        self.owners.iter().find(|owner| &*owner.word == word).or_else(|| self.only())
    }

    /// The only account that keeps files of every sort itself.
    pub(crate) fn only_shelf(&self) -> Option<&Owner> {
        let keeps = |owner: &&Owner| {
            let target = owner.deployment.target.target(Some("*"));
            target.is_ok_and(|target| target.spec().batch_form().is_some_and(BatchForm::keeps_files))
        };
        let mut all = self.owners.iter().filter(keeps);
        let first = all.next()?;
        all.all(|other| other.is_with(first)).then_some(first)
    }

    /// Who must have made an answer whose id says nothing: the only account there is.
    pub(crate) fn only(&self) -> Option<&Owner> {
        self.owners.first().filter(|_| !self.several)
    }
}

impl Owner {
    /// Whether another owner is of the same account.
    pub(crate) fn is_with(&self, other: &Self) -> bool {
        self.account == other.account
    }

    /// Whether somebody may call any model of this account.
    pub(crate) fn is_reached(&self, router: &Router<Backend>, who: &Who) -> bool {
        let leads = |group: &Group<Backend>| group.deployments.iter().any(|one| self.shares_with(one));
        let named = router.groups().map(|group| (&*group.name, group)).chain(router.aliases());
        // What a wildcard was asked for is not known.
        let may = |name: &str| name.contains('*') || who.may_call(name);
        named.into_iter().any(|(name, group)| leads(group) && may(name))
    }

    /// Whether a deployment is of the same account.
    pub(crate) fn shares_with(&self, deployment: &Deployment<Backend>) -> bool {
        deployment.id == self.deployment.id || deployment.target.account() == Some(self.account)
    }
}

/// Whether a deployment speaks this dialect to clients that speak it.
pub(crate) fn speaks(deployment: &Deployment<Backend>, star: Option<&str>, dialect: Dialect) -> bool {
    serves(deployment, star, (dialect, &[]))
}

/// Whether a deployment speaks this dialect to clients that speak it, or one of the others.
pub(crate) fn serves(
    deployment: &Deployment<Backend>,
    star: Option<&str>,
    (dialect, others): (Dialect, &[Dialect]),
) -> bool {
    let target = deployment.target.target(Some(star.unwrap_or("*")));
    target.is_ok_and(|target| {
        let spoken = target.dialect_for(Op::Chat, Some(dialect));
        spoken == dialect || others.contains(&spoken)
    })
}

/// Who of a group may serve a request; `Err`: nobody may, and why.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limit {
    /// Only deployments of this one's account.
    pub(crate) owner: Option<Owner>,
    /// Only deployments that speak this dialect, or one of the others.
    pub(crate) dialect: Option<(Dialect, &'static [Dialect])>,
    /// Of those that speak this dialect, only deployments of this one's account: it encrypted thoughts of the
    /// conversation. Whoever speaks another dialect is not sent them.
    pub(crate) thinker: Option<(Owner, Dialect)>,
}

impl Limit {
    /// Whether there is any.
    pub(crate) fn is_some(&self) -> bool {
        self.owner.is_some() || self.dialect.is_some() || self.thinker.is_some()
    }

    /// Holds the request to one account.
    ///
    /// # Errors
    /// Where it is held to another one already: nobody has both.
    pub(crate) fn hold_to(&mut self, owner: &Owner, param: &str) -> Result<()> {
        if self.owner.as_ref().is_some_and(|other| !other.is_with(owner)) {
            let message = format!(
                "`{param}` is kept at another account than what else the request names: nobody has both, so send \
                 one of them itself"
            );
            return Err(ApiError::bad_request(message).with_param(param.to_owned()));
        }
        self.owner = Some(owner.clone());
        Ok(())
    }

    /// What stands against a deployment.
    pub(crate) fn against(
        &self,
        deployment: &Deployment<Backend>,
        star: Option<&str>,
    ) -> Option<&'static str> {
        if self.owner.as_ref().is_some_and(|owner| !owner.shares_with(deployment)) {
            return Some("another account keeps what the request names");
        }
        if self.thinker.as_ref().is_some_and(|(thinker, dialect)| {
            !thinker.shares_with(deployment) && speaks(deployment, star, *dialect)
        }) {
            return Some("another account encrypted the thoughts in the request");
        }
        if self.dialect.is_some_and(|dialects| !serves(deployment, star, dialects)) {
            return Some("the request needs a provider of its own dialect");
        }
        None
    }

    /// Checks that somebody in the group may serve the request.
    ///
    /// # Errors
    /// When the owner is not in it.
    pub(crate) fn check(
        &self,
        group: &Group<Backend>,
        star: Option<&str>,
        param: &'static str,
    ) -> Result<()> {
        let Some(owner) = &self.owner else { return Ok(()) };
        if group.deployments.iter().any(|deployment| self.against(deployment, star).is_none()) {
            return Ok(());
        }
        let message = format!(
            "`{param}` was made by the deployment `{}`, and the model `{}` does not lead to its account: ask \
             for a model that does, or send the whole conversation",
            owner.deployment.id, group.name
        );
        Err(ApiError::bad_request(message).with_param(param))
    }
}

/// The error for an id whose owner is gone.
pub(crate) fn gone(param: &'static str) -> ApiError {
    let message = format!(
        "the deployment that made `{param}` is not configured any more: send the whole conversation instead"
    );
    ApiError::new(ErrorKind::BadRequest, message).with_param(param).with_code("previous_response_not_found")
}

/// The error for what was not made for whoever names it. It says nothing of whether it exists.
pub(crate) fn unknown(param: &'static str) -> ApiError {
    let message = match param {
        "conversation" => {
            "a conversation is kept for the provider's whole account, and this key shares that with others: send the \
             messages as `input`, or go on from an answer of this key (`previous_response_id`)"
                .to_owned()
        }
        _ => format!("nothing is kept for this key under `{param}`: send the whole conversation instead"),
    };
    let code = if param == "conversation" { "conversation_not_found" } else { "previous_response_not_found" };
    ApiError::new(ErrorKind::BadRequest, message).with_param(param).with_code(code)
}

/// The error for an item that is named by an id which does not say for whom it was made.
pub(crate) fn unsealed(param: &str) -> ApiError {
    let message = format!(
        "`{param}` names an item that the provider keeps for its whole account, and this key shares that with others: send \
         the item itself (`store: false` makes clients do so), or go on from an answer of this key (`previous_response_id`)"
    );
    ApiError::bad_request(message).with_param(param.to_owned()).with_code("item_reference_not_found")
}

/// 16 hex digits that stand for a deployment.
fn word(id: &str) -> Arc<str> {
    let hash = Sha256::digest(id);
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
