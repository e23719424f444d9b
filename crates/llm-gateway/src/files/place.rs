//! Where files and batches are: chosen when they are made, said by their ids afterwards.
//!
//! Who makes one may say where: by a model (`model`, `target_model_names`), or by a provider (`custom_llm_provider`),
//! each as a member of the form, of the query or as a header, as clients of LiteLLM do. Otherwise the model that the
//! first line of a batch names leads there, else there must be one account alone.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use llm_providers::bulk;
use llm_providers::bulk::inline::Inline;
use llm_providers::mark::{Mark, Seal};
use llm_providers::target::Target;
use llm_router::{Deployment, Group};
use llm_types::{ApiError, BatchForm, ErrorKind, Origin, Result};

use super::inline::NO_FOLDER;
use crate::backend::Backend;
use crate::owner::Owner;
use crate::principal::{Principal, Right};
use crate::respond::{Failed, Labels};
use crate::snapshot::Snapshot;

/// Headers and members that say where.
const PROVIDER: [&str; 3] = ["custom_llm_provider", "custom-llm-provider", "provider"];
const MODELS: [&str; 3] = ["target_model_names", "model", "x-litellm-model"];

/// What a request says of where its file is to be.
#[derive(Debug, Default, Clone)]
pub(super) struct Hints {
    provider: Option<String>,
    models: Vec<String>,
}

impl Hints {
    /// What headers and query say.
    pub(super) fn of(headers: &HeaderMap, query: Option<&str>) -> Self {
        let mut hints = Self::default();
        for name in PROVIDER.iter().chain(&MODELS).filter(|name| **name != "provider" && **name != "model") {
            if let Some(value) = headers.get(*name).and_then(|value| value.to_str().ok()) {
                hints.take(name, value);
            }
        }
        for pair in query.unwrap_or_default().split('&') {
            if let Some((name, value)) = pair.split_once('=') {
                hints.take(name, &crate::front::decoded(value));
            }
        }
        hints
    }

    /// Takes a member that says where; false: it is about something else.
    pub(super) fn take(&mut self, name: &str, value: &str) -> bool {
        // Lists are written in brackets by some clients.
        let name = name.trim_end_matches("[]");
        if PROVIDER.contains(&name) {
            self.provider = Some(value.trim().to_owned());
            return true;
        }
        let is_model = MODELS.contains(&name);
        if is_model {
            let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
            self.models.extend(names.map(str::to_owned));
        }
        is_model
    }
}

/// Whoever asks, and what is configured.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) principal: Principal,
}

/// An account that keeps files.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) owner: Owner,
    pub(super) target: Arc<Target>,
    pub(super) form: BatchForm,
    /// How batches are written, where the provider keeps no files.
    pub(super) inline: Option<Inline>,
    /// What ids carry; `None`: they stay as they are.
    pub(super) mark: Option<Arc<Mark>>,
    /// Of the tenant; `None`: there are none.
    pub(super) seal: Option<Seal>,
}

/// A model of an account, and who serves it.
#[derive(Debug, Clone)]
pub(super) struct Serving {
    pub(super) deployment: Arc<Deployment<Backend>>,
    pub(super) target: Arc<Target>,
    /// As access lists know it.
    pub(super) name: String,
}

impl Place {
    /// What is called, where no model is asked.
    pub(super) fn name(&self) -> String {
        format!("{}/*", self.owner.deployment.target.provider)
    }

    pub(super) fn labels(&self) -> &Labels {
        &self.owner.deployment.target.labels
    }

    /// A failure there, for the client.
    pub(super) fn failed(&self, mut error: ApiError) -> Failed {
        self.target.conceal(&mut error);
        if error.origin == Origin::Upstream && error.provider.is_none() {
            error.provider = Some(self.owner.deployment.target.provider.to_string());
        }
        Failed::at(error, &self.name(), self.labels().clone(), 1)
    }
}

impl Desk {
    /// The tenant's seal; `None`: there are no tenants.
    pub(super) fn seal(&self) -> Option<Seal> {
        self.snapshot.tenants.as_ref().map(|tenants| tenants.seal(&self.principal))
    }

    /// Whether everything of an account may be seen.
    pub(super) fn sees_all(&self) -> bool {
        self.principal.right == Right::Master || self.snapshot.tenants.is_none()
    }

    fn place(&self, owner: &Owner) -> Result<Place> {
        let target = owner.deployment.target.target(Some("*"))?;
        let form = target.spec().batch_form().ok_or_else(|| {
            ApiError::bad_request(format!("{} keeps no files and batches here", target.provider()))
        })?;
        let inline = (!form.keeps_files()).then(|| super::inline::at(&target)).transpose()?;
        let seal = self.seal();
        let mark = self.snapshot.owners.files.mark(&owner.deployment, seal.clone());
        Ok(Place { owner: owner.clone(), target, form, inline, mark, seal })
    }

    /// Every account, each once.
    pub(super) fn places(&self, hints: &Hints) -> Result<Vec<Place>> {
        if hints.provider.is_some() || !hints.models.is_empty() {
            return Ok(vec![self.choose(hints, None)?]);
        }
        let mut owners: Vec<&Owner> = Vec::new();
        for owner in self.snapshot.owners.files.iter() {
            if !owners.iter().any(|one| one.is_with(owner)) && self.may_reach(owner) {
                owners.push(owner);
            }
        }
        owners.into_iter().map(|owner| self.place(owner)).collect()
    }

    /// Where something new goes.
    ///
    /// # Errors
    /// 400 where nothing says it, 403 for an account none of whose models the caller may call.
    pub(super) fn choose(&self, hints: &Hints, first_line: Option<&str>) -> Result<Place> {
        let keepers = &self.snapshot.owners.files;
        let provider = hints.provider.as_deref();
        let is_there = |owner: &Owner| {
            let backend = &owner.deployment.target;
            provider.is_none_or(|name| {
                *backend.provider == *name
                    || backend.target(Some("*")).is_ok_and(|target| target.spec().is_named(name))
            })
        };
        let now = Instant::now();
        // What is kept somewhere stays there: of several, one that is well.
        let health = |owner: &&Owner| owner.deployment.stats.standing(now).rank();
        let named = hints.models.iter().map(String::as_str);
        let models: Vec<&str> =
            if hints.models.is_empty() { first_line.into_iter().collect() } else { named.collect() };
        let mut chosen: Option<&Owner> = None;
        for model in models {
            let found = self.snapshot.router.find(model);
            let found = found.ok_or_else(|| crate::models::unknown(&self.snapshot, model))?;
            let own =
                |owner: &&Owner| found.group.deployments.iter().any(|one| one.id == owner.deployment.id);
            let owner = keepers.iter().filter(|owner| own(owner) && is_there(owner)).min_by_key(health);
            let owner = owner.ok_or_else(|| {
                let message = match found.group.deployments.iter().any(|one| self.lacks_folder(one)) {
                    true => NO_FOLDER.to_owned(),
                    false => {
                        format!("no deployment of `{model}` is at a provider that keeps files and batches")
                    }
                };
                ApiError::bad_request(message).with_param("model")
            })?;
            if chosen.is_some_and(|chosen| !chosen.is_with(owner)) {
                let message = "the models are of several accounts: send the file to one of them at a time";
                return Err(ApiError::bad_request(message).with_param("target_model_names"));
            }
            self.check_model(model)?;
            chosen = chosen.or(Some(owner));
        }
        let owner = match (chosen, provider) {
            (Some(owner), _) => Some(owner),
            (None, Some(_)) => keepers.iter().filter(|owner| is_there(owner)).min_by_key(health),
            // What says nothing is for the one that keeps files of any sort.
            (None, None) => keepers.only().or_else(|| keepers.only_shelf()),
        };
        let owner = owner.ok_or_else(|| {
            let lacks = |name: &str| {
                let mut all = self.snapshot.deployments();
                all.any(|one| *one.target.provider == *name && self.lacks_folder(one))
            };
            let what = match provider {
                Some(name) if lacks(name) => NO_FOLDER.to_owned(),
                Some(name) => format!("no deployment of `{name}` keeps files and batches"),
                None if keepers.iter().next().is_none() => "no deployment keeps files and batches".to_owned(),
                None => "several accounts keep files and batches: say which by a model in the query \
                         (`?model=…`, before the file in the form `target_model_names`) or by \
                         `custom_llm_provider`"
                    .to_owned(),
            };
            ApiError::bad_request(what).with_param("custom_llm_provider")
        })?;
        self.check_reach(owner)?;
        self.place(owner)
    }

    /// Where something is, and its id there.
    ///
    /// # Errors
    /// 404 for what this caller has not.
    pub(super) fn by_id(&self, id: &str, param: &'static str) -> Result<(Place, String)> {
        let says = bulk::read(id);
        let keepers = &self.snapshot.owners.files;
        let others =
            self.snapshot.tenants.as_ref().is_some_and(|tenants| !tenants.allow(&self.principal, &says));
        let owner = match &says.owner {
            _ if others || !is_plain(&says.own) => None,
            Some(word) => keepers.find(word),
            None => keepers.only(),
        };
        let owner = owner.ok_or_else(|| {
            let message = format!(
                "nothing is kept under `{id}`: no deployment of this gateway can have made it, its id does not say \
                 which, or it was made for another key"
            );
            ApiError::new(ErrorKind::NotFound, message).with_param(param).with_code("not_found")
        })?;
        self.check_reach(owner)?;
        Ok((self.place(owner)?, says.own))
    }

    /// Whether a deployment's files could only lie in a folder of ours, and there is none.
    fn lacks_folder(&self, deployment: &Deployment<Backend>) -> bool {
        let form = deployment.target.target(Some("*")).ok().and_then(|target| target.spec().batch_form());
        self.snapshot.shelf.is_none() && form.is_some_and(|form| !form.keeps_files())
    }

    fn may_reach(&self, owner: &Owner) -> bool {
        owner.is_reached(&self.snapshot.router, &self.principal.who)
    }

    fn check_reach(&self, owner: &Owner) -> Result<()> {
        if self.may_reach(owner) {
            return Ok(());
        }
        let message = "this key may not call any model of that account: ask for more or use another key";
        Err(ApiError::new(ErrorKind::Permission, message).with_code("model_not_allowed"))
    }

    fn check_model(&self, name: &str) -> Result<()> {
        if self.principal.who.may_call(name) {
            return Ok(());
        }
        let message = format!("this key may not call `{name}`");
        Err(ApiError::new(ErrorKind::Permission, message).with_param("model").with_code("model_not_allowed"))
    }

    /// The other names of a group.
    fn aliases(&self, group: &Arc<Group<Backend>>) -> impl Iterator<Item = String> {
        let aliases = self.snapshot.router.aliases();
        aliases.filter(|(_, of)| Arc::ptr_eq(of, group)).map(|(alias, _)| alias.to_owned())
    }

    /// The name at an account of the model that a client names.
    ///
    /// # Errors
    /// 400 for one that leads elsewhere, 403 for one that the caller may not call.
    pub(super) fn native(&self, owner: &Owner, model: &str) -> Result<Arc<Target>> {
        if let Some(found) = self.snapshot.router.find(model)
            && let Some(deployment) = found.group.deployments.iter().find(|one| owner.shares_with(one))
        {
            self.check_model(model)?;
            return deployment.target.target(found.star);
        }
        Ok(self.serving(owner, model)?.target)
    }

    /// Who serves a model of an account, by its name there.
    ///
    /// # Errors
    /// 400 for one that nobody here serves there, 403 for one that the caller may not call.
    pub(super) fn serving(&self, owner: &Owner, model: &str) -> Result<Serving> {
        let mut refused = None;
        for group in self.snapshot.router.groups() {
            for deployment in group.deployments.iter().filter(|one| owner.shares_with(one)) {
                let Some((target, name)) = served(deployment, &group.name, model) else { continue };
                let known = std::iter::once(name).chain(self.aliases(group));
                for name in known {
                    match self.check_model(&name) {
                        Ok(()) => {
                            return Ok(Serving { deployment: Arc::clone(deployment), target, name });
                        }
                        Err(error) => refused = refused.or(Some(error)),
                    }
                }
            }
        }
        Err(refused.unwrap_or_else(|| {
            let provider = &owner.deployment.target.provider;
            let message = format!("`{model}` is no model that is configured at this account of {provider}");
            ApiError::bad_request(message).with_param("model")
        }))
    }
}

/// Whether an id can be a segment of a path as it is.
fn is_plain(id: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    !id.is_empty() && id.len() <= 256 && id.bytes().all(good) && !id.starts_with('.')
}

/// Where a deployment's calls go and how access lists know it, if it serves the model of this name.
fn served(deployment: &Deployment<Backend>, group: &str, model: &str) -> Option<(Arc<Target>, String)> {
    let backend = &deployment.target;
    let target = backend.target(Some("*")).ok()?;
    if !backend.is_wildcard() {
        return (target.model() == model).then(|| (target, group.to_owned()));
    }
    let (head, tail) = target.model().split_once('*')?;
    let star = model.strip_prefix(head)?.strip_suffix(tail)?;
    Some((backend.target(Some(star)).ok()?, group.replacen('*', star, 1)))
}
