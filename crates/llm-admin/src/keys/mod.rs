//! `/admin/v1/keys`: virtual keys, made, changed and taken back while the gateway runs.
//!
//! Every answer about a key that is not there is the same, whatever the id looks like.

mod form;
mod view;

use http::StatusCode;
use llm_governance::{Change, Directory, Key, KeyId, NewKey, Now, Scope};
use llm_types::{ApiError, ErrorKind, Result};

pub use form::{KeyForm, RotateForm, exists, note};
pub use view::{DeletedView, KeyView, managed_by, noted};

use super::page::{self, ListView};
use super::{Answer, Visit, least, spend};
use crate::form as forms;
use crate::registry::{Registry, refused};

/// A page of keys in the order of their ids; `team_id`, `user_id`, `organisation_id` and `name` narrow it.
pub(crate) fn list(visit: &Visit<'_>) -> Result<Answer> {
    let ask = page::ask(visit)?;
    let governance = visit.registry;
    let wanted = ["team_id", "user_id", "organisation_id", "name"].map(|name| page::text(visit, name));
    let [team, user, organisation, name] = &wanted;
    let fits = |key: &Key| {
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        is(team, key.team.as_deref())
            && is(user, key.user.as_deref())
            && is(organisation, key.organisation.as_deref())
            && is(name, key.more.as_ref().and_then(|more| more.name.as_deref()))
    };
    let place = ask.place::<String>("keys").map_err(refused)?;
    let place = place.map(|id| id.parse::<KeyId>().map_err(|_| refused(llm_governance::Error::Cursor)));
    let after = place.transpose()?;
    let mut first = least::Least::new(ask.limit() + 1);
    governance.directory().each_key(|key| {
        if after.is_none_or(|after| key.id > after) && fits(key) {
            first.offer(key.id);
        }
    });
    let ids = ask.page("keys", first.sorted(), |id| id.to_string());
    let keys = ids.items.iter().filter_map(|id| governance.directory().key(*id));
    let data = keys.map(|key| KeyView::of(&key, governance)).collect();
    Ok(Answer::new(StatusCode::OK, &ListView::new(data, ids.next)))
}

/// Makes a key; the only answer that shows it.
pub(crate) async fn create(visit: &Visit<'_>) -> Result<Answer> {
    let form: KeyForm = forms::read(&visit.body)?;
    let new = NewKey::generate().map_err(refused)?;
    let key = made(visit, form, &new, |_| Ok(())).await?;
    let mut view = shown(visit, &key).await?;
    view.key = Some(new.secret.expose().to_owned());
    Ok(Answer::new(StatusCode::CREATED, &view))
}

/// Makes a key with this secret. `check` looks at it while nobody here makes or changes another.
///
/// # Errors
/// 400 for what contradicts what is there, 409 for a secret that is taken, 503 where it cannot be kept; what `check` says.
pub async fn made(
    visit: &Visit<'_>,
    form: KeyForm,
    new: &NewKey,
    check: impl FnOnce(&Key) -> Result<()>,
) -> Result<Key> {
    let governance = visit.registry;
    let id = KeyId::generate().map_err(refused)?;
    let blank = Key { hint: new.hint, ..Key::new(id, new.hash) };
    let _writing = governance.writing().await;
    let key = form.over(blank, governance)?;
    check(&key)?;
    visit.change("create", Change::PutKey(Box::new(key.clone()))).await?;
    if !governance.is_durable() {
        tracing::warn!(%id, "a key was made, but there is no store: it is gone when the gateway stops");
    }
    Ok(key)
}

pub(crate) async fn get(visit: &Visit<'_>) -> Result<Answer> {
    let key = find(visit.registry.directory(), &visit.id)?;
    Ok(Answer::new(StatusCode::OK, &shown(visit, &key).await?))
}

pub(crate) async fn update(visit: &Visit<'_>) -> Result<Answer> {
    let form: KeyForm = forms::read(&visit.body)?;
    let key = changed(visit, &visit.id, form, |_, _| Ok(())).await?;
    Ok(Answer::new(StatusCode::OK, &shown(visit, &key).await?))
}

/// Changes a key. `check` looks at what it was and will be, while nobody here makes or changes another.
///
/// # Errors
/// 404 for one that is not there; else as [`Registry::change`]; what `check` says.
pub async fn changed(
    visit: &Visit<'_>,
    id: &str,
    form: KeyForm,
    check: impl FnOnce(&Key, &Key) -> Result<()>,
) -> Result<Key> {
    let governance = visit.registry;
    let _writing = governance.writing().await;
    let before = find(governance.directory(), id)?;
    let key = form.over(before.clone(), governance)?;
    check(&before, &key)?;
    visit.change("update", Change::PutKey(Box::new(key.clone()))).await?;
    Ok(key)
}

pub(crate) async fn delete(visit: &Visit<'_>) -> Result<Answer> {
    let id = removed(visit, &visit.id).await?;
    Ok(Answer::new(StatusCode::OK, &DeletedView { id: id.to_string(), deleted: true }))
}

/// Takes a key back.
///
/// # Errors
/// 404 for one that is not there; else as [`Registry::change`].
pub async fn removed(visit: &Visit<'_>, id: &str) -> Result<KeyId> {
    let governance = visit.registry;
    let _writing = governance.writing().await;
    let id = find(governance.directory(), id)?.id;
    visit.change("delete", Change::RemoveKey(id)).await?;
    Ok(id)
}

pub(crate) async fn block(visit: &Visit<'_>, blocked: bool) -> Result<Answer> {
    let stand = if blocked { Stand::Blocked } else { Stand::Good };
    let key = stands(visit, &visit.id, stand).await?;
    Ok(Answer::new(StatusCode::OK, &shown(visit, &key).await?))
}

/// Whether a key is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It is.
    Good,
    /// Not for now.
    Blocked,
}

/// Blocks a key, or lets it in again.
///
/// # Errors
/// 404 for one that is not there; else as [`Registry::change`].
pub async fn stands(visit: &Visit<'_>, id: &str, stand: Stand) -> Result<Key> {
    let governance = visit.registry;
    let _writing = governance.writing().await;
    let blocked = stand == Stand::Blocked;
    let key = Key { blocked, ..find(governance.directory(), id)? };
    let action = if blocked { "block" } else { "unblock" };
    visit.change(action, Change::PutKey(Box::new(key.clone()))).await?;
    Ok(key)
}

/// Gives a key another secret.
pub(crate) async fn rotate(visit: &Visit<'_>) -> Result<Answer> {
    let form: RotateForm = forms::read(&visit.body)?;
    let grace = form.grace.given().map(|grace| grace.0).unwrap_or_default();
    let now = Now::read();
    let until = now.after(grace).wall;
    let new = NewKey::generate().map_err(refused)?;
    let governance = visit.registry;
    let writing = governance.writing().await;
    let key = find(governance.directory(), &visit.id)?.rotated(new.hash, new.hint, until);
    visit.change("rotate", Change::PutKey(Box::new(key.clone()))).await?;
    drop(writing);
    let mut view = shown(visit, &key).await?;
    view.key = Some(new.secret.expose().to_owned());
    Ok(Answer::new(StatusCode::OK, &view))
}

/// A key with what it has spent.
async fn shown(visit: &Visit<'_>, key: &Key) -> Result<KeyView> {
    let governance = visit.registry;
    let spend = spend::spend(governance, &Scope::Key(key.id), &key.terms).await?;
    Ok(KeyView::of(key, governance).with(spend))
}

/// The key with this id.
///
/// # Errors
/// 404, in the same words for whatever is no key.
pub fn find(directory: &Directory, id: &str) -> Result<Key> {
    let found = id.parse().ok().and_then(|id| directory.key(id));
    found.ok_or_else(|| {
        let message = "there is no such key: GET /admin/v1/keys lists them with their ids";
        ApiError::new(ErrorKind::NotFound, message).with_code("key_not_found")
    })
}

/// How many keys belong to a group.
pub(crate) fn count_of(governance: &Registry, scope: &Scope) -> usize {
    let mut count = 0;
    governance.directory().each_key(|key| {
        let member = match scope {
            Scope::Team(id) => key.team.as_ref() == Some(id),
            Scope::Organisation(id) => key.organisation.as_ref() == Some(id),
            _ => false,
        };
        count += usize::from(member);
    });
    count
}
