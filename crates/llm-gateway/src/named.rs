//! What requests name that providers keep for their whole account: files, containers, what is cached.
//!
//! The id of a file that came through here says whose it is: the request goes to the account that keeps it, by the
//! provider's own id, and nobody else may name it. Of every other id nothing is known, so that where there are keys only
//! the master key may name one. Nothing is ever known of containers and caches.

use llm_providers::bulk::{self, NamedFile};
use llm_providers::codec::ServerCodec;
use llm_providers::mark::MarkedId;
use llm_router::Group;
use llm_types::{ApiError, BatchForm, Dialect, ErrorKind, Head, Result};

use crate::backend::Backend;
use crate::front::{self, Front};
use crate::owner::{Limit, Owner};
use crate::principal::{Principal, Right};
use crate::snapshot::Snapshot;
use crate::tenant::Tenants;

/// The request as its provider is to get it, held to whoever keeps the files that it names.
///
/// # Errors
/// 404 for a file of somebody else, 400 for one that nothing is known of, and where the model does not lead to it.
pub(crate) fn hold(
    snapshot: &Snapshot,
    principal: &Principal,
    dialect: Dialect,
    head: Head,
    limit: &mut Limit,
) -> Result<Head> {
    let tenants = apart(snapshot, principal);
    if let Some((param, what)) = tenants.and_then(|_| shared(dialect, &head)) {
        return Err(of_the_account(&param, what));
    }
    let named = bulk::named_files(&head, dialect);
    for file in &named {
        if file.id.owner.is_none() && tenants.is_some() {
            return Err(of_the_account(file.param(), "file"));
        }
        if file.id.owner.is_some() {
            let owner = keeper(snapshot, &file.id, principal).ok_or_else(|| unknown(file))?;
            check_kept(owner, file)?;
            limit.hold_to(owner, file.param())?;
        }
    }
    bulk::with_own_files(head, &named)
}

/// Whether the files of a request can be reached through a group.
///
/// # Errors
/// Where it does not lead to who keeps them.
pub(crate) fn check(limit: &Limit, group: &Group<Backend>, star: Option<&str>) -> Result<()> {
    limit.owner.as_ref().map_or(Ok(()), |owner| {
        if group.deployments.iter().any(|deployment| limit.against(deployment, star).is_none()) {
            return Ok(());
        }
        let message = format!(
            "the file that is named is kept at the account of the deployment `{}`, and the model `{}` does not lead \
             there: ask for a model that does, or send the file itself",
            owner.deployment.id, group.name
        );
        Err(ApiError::bad_request(message).with_param("file_id"))
    })
}

/// Refuses a line of a batch that names what a provider keeps for its account: the line is there already, as it is.
///
/// # Errors
/// Where the caller may not name it.
pub(crate) fn check_line(
    snapshot: &Snapshot,
    principal: &Principal,
    endpoint: &str,
    asked: &Head,
) -> Result<()> {
    let (Some(_), Some((front, _))) = (apart(snapshot, principal), front::like(endpoint)) else {
        return Ok(());
    };
    match refers(front.dialect, asked) {
        Some((param, what)) => Err(of_the_account(&param, what)),
        None => Ok(()),
    }
}

/// Refuses a call of a provider's own API that names what the account keeps: nothing of it is changed on its way.
///
/// # Errors
/// Where it does, and where nobody can tell.
pub(crate) fn check_plain(front: &Front, codec: &dyn ServerCodec, head: Option<&Head>) -> Result<()> {
    const NAMING: [Dialect; 4] =
        [Dialect::OpenaiChat, Dialect::OpenaiResponses, Dialect::Anthropic, Dialect::Gemini];
    let refused = |message| Err(ApiError::new(ErrorKind::Permission, message).with_code("route_not_allowed"));
    let Some(head) = head else {
        if !NAMING.contains(&front.dialect) {
            return Ok(());
        }
        let message = "this body cannot be read, so that nobody knows what it names of the account behind it, which is \
                       everybody's: send it as JSON, uncompressed";
        return refused(message.to_owned());
    };
    let stored = match codec.owned(head) {
        Ok(owned) => owned.map(|owned| owned.param.to_owned()),
        Err(error) => Some(error.param.clone().unwrap_or_default()),
    };
    let named = || refers(front.dialect, head).map(|(param, _)| param);
    match stored.or_else(|| codec.refers(head)).or_else(named) {
        Some(param) => refused(format!(
            "`{param}` names what the account behind this route keeps for everybody: call {}, which tells keys apart, \
             send it itself, or let the key's routes name this route",
            front.route()
        )),
        None => Ok(()),
    }
}

/// Where a request names something that is kept for the account, and what; `None`: nowhere.
fn refers(dialect: Dialect, head: &Head) -> Option<(String, &'static str)> {
    let file = || Some((bulk::named_files(head, dialect).first()?.param().to_owned(), "file"));
    shared(dialect, head).or_else(file)
}

/// The same of what no id tells for whom it is.
fn shared(dialect: Dialect, head: &Head) -> Option<(String, &'static str)> {
    let container = bulk::named_container(head, dialect).map(|param| (param, "container"));
    container.or_else(|| Some((bulk::named_cache(head, dialect)?, "cache")))
}

/// Those from whom a caller is held apart; `None`: it may name everything.
fn apart<'s>(snapshot: &'s Snapshot, principal: &Principal) -> Option<&'s Tenants> {
    snapshot.tenants.as_ref().filter(|_| principal.right != Right::Master)
}

/// Who keeps a file, for somebody who may know.
fn keeper<'s>(snapshot: &'s Snapshot, id: &MarkedId, principal: &Principal) -> Option<&'s Owner> {
    let word = id.owner.as_deref()?;
    let others = snapshot.tenants.as_ref().is_some_and(|tenants| !tenants.allow(principal, id));
    if others { None } else { snapshot.owners.files.find(word) }
}

/// Whether a provider has the file itself.
fn check_kept(owner: &Owner, file: &NamedFile) -> Result<()> {
    let form = owner.deployment.target.target(Some("*"))?.spec().batch_form();
    if form.is_some_and(BatchForm::keeps_files) {
        return Ok(());
    }
    let message = format!(
        "`{}` names a file that lies in this gateway's folder, for batches: its provider keeps none, so send the file \
         itself",
        file.param()
    );
    Err(ApiError::bad_request(message).with_param(file.param().to_owned()))
}

/// The error for a file that is nobody's who names it. It says nothing of whether it exists.
fn unknown(file: &NamedFile) -> ApiError {
    let message = format!(
        "`{}` names no file: no deployment of this gateway can have it, or it was made for another key",
        file.param()
    );
    ApiError::new(ErrorKind::NotFound, message)
        .with_param(file.param().to_owned())
        .with_code("file_not_found")
}

/// The error for what is named by an id that does not say for whom it is.
fn of_the_account(param: &str, what: &str) -> ApiError {
    let instead = match what {
        "file" => "send the file itself, or its id as `POST /v1/files` of this gateway gave it",
        "cache" => "send what is cached itself",
        _ => "let the provider make a new one",
    };
    let message = format!(
        "`{param}` names a {what} that the provider keeps for its whole account, and this key shares that with others: \
         {instead}"
    );
    ApiError::bad_request(message).with_param(param.to_owned()).with_code(format!("{what}_not_found"))
}
