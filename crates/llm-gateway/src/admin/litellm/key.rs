//! `/key/generate`, `/key/info`, `/key/update`, `/key/delete`, `/key/block`, `/key/unblock` and `/key/list`.

use http::{Response, StatusCode};
use llm_admin::form::wrong;
use llm_admin::keys::Stand;
use llm_admin::query;
use llm_admin::refused;
use llm_admin::{keys, page};
use llm_governance::{Directory, Key, KeyHash, KeyId, LONGEST, NewKey, Now, Terms};
use llm_types::{ApiError, ErrorKind, Result, Secret};
use serde_json::{Value, json};

use super::body::Lite;
use super::shape;
use crate::admin::Visit;
use crate::body::ClientBody;
use crate::respond;

/// The shortest key of somebody's own choice: what is shorter can be guessed.
const SHORTEST: usize = 16;
/// The most keys of a page.
const MOST: usize = 100;

pub(super) async fn generate(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let mut lite = Lite::read(&visit.body)?;
    let new = match lite.text("key")? {
        Some(text) => NewKey::from_secret(own(&text)?),
        None => NewKey::generate().map_err(refused)?,
    };
    let form = lite.form(&Terms::default(), Now::read().wall)?;
    let check = |key: &Key| unique(visit.registry.directory(), key);
    let key = keys::made(visit, form, &new, check).await?;
    let mut shape = shape::key(visit.registry, &key).await?;
    shape.insert("key".to_owned(), new.secret.expose().into());
    Ok(respond::value(StatusCode::OK, &shape))
}

fn alias_of(key: &Key) -> Option<&str> {
    key.more.as_ref()?.name.as_deref()
}

/// No other key may have the alias of this one: LiteLLM's tools go by it.
///
/// # Errors
/// 400 where one has.
fn unique(directory: &Directory, key: &Key) -> Result<()> {
    let Some(alias) = alias_of(key) else { return Ok(()) };
    let mut is_taken = false;
    directory.each_key(|other| is_taken |= other.id != key.id && alias_of(other) == Some(alias));
    if is_taken {
        let message = format!("must be another: there is a key `{alias}` already");
        return Err(wrong("key_alias", message).with_code("already_exists"));
    }
    Ok(())
}

/// A secret of somebody's own choice.
fn own(text: &str) -> Result<Secret> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.len() < SHORTEST || text.len() > LONGEST || !visible {
        return Err(wrong("key", format!("must be {SHORTEST} to {LONGEST} visible ASCII characters")));
    }
    Ok(Secret::new(text.to_owned()))
}

/// A key; the one that calls where none is named. Who does not administer may ask about that alone.
pub(super) async fn info(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let name = page::text(visit, "key").or_else(|| visit.caller.map(|id| id.to_string()));
    let name = name.ok_or_else(|| wrong("key", "is missing: name a key"))?;
    let key = named(visit.registry.directory(), &name);
    let own = key.as_ref().is_ok_and(|key| visit.caller == Some(key.id));
    if !visit.administers && !own {
        let message = "this key may only ask about itself: send the master key, or a key made with `admin`";
        return Err(ApiError::new(ErrorKind::Permission, message).with_code("not_an_admin"));
    }
    let key = key?;
    let info = shape::key(visit.registry, &key).await?;
    Ok(respond::value(StatusCode::OK, &json!({ "key": key.hash.to_string(), "info": info })))
}

pub(super) async fn update(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let mut lite = Lite::read(&visit.body)?;
    let name = lite.text("key")?.ok_or_else(|| wrong("key", "is missing: name a key"))?;
    let before = named(visit.registry.directory(), &name)?;
    let form = lite.form(&before.terms, Now::read().wall)?;
    let check = |before: &Key, key: &Key| match alias_of(before) == alias_of(key) {
        true => Ok(()),
        false => unique(visit.registry.directory(), key),
    };
    let key = keys::changed(visit, &before.id.to_string(), form, check).await?;
    let mut shape = shape::key(visit.registry, &key).await?;
    shape.insert("key".to_owned(), name.into());
    Ok(respond::value(StatusCode::OK, &shape))
}

/// Blocks a key, or lets it in again.
pub(super) async fn stands(visit: &Visit<'_>, stand: Stand) -> Result<Response<ClientBody>> {
    let mut lite = Lite::read(&visit.body)?;
    let name = lite.text("key")?.ok_or_else(|| wrong("key", "is missing: name a key"))?;
    let id = named(visit.registry.directory(), &name)?.id;
    let key = keys::stands(visit, &id.to_string(), stand).await?;
    Ok(respond::value(StatusCode::OK, &shape::key(visit.registry, &key).await?))
}

/// All of them or, where one does not exist, none.
pub(super) async fn delete(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let mut lite = Lite::read(&visit.body)?;
    let (names, aliases) = (lite.texts("keys")?, lite.texts("key_aliases")?);
    if names.is_empty() && aliases.is_empty() {
        return Err(wrong("keys", "is missing: name keys"));
    }
    if names.len() + aliases.len() > MOST {
        return Err(wrong("keys", format!("must be {MOST} or fewer")));
    }
    let directory = visit.registry.directory();
    let mut ids = Vec::new();
    for name in &names {
        ids.push(named(directory, name)?.id);
    }
    for alias in &aliases {
        ids.push(called(directory, alias)?);
    }
    ids.sort_unstable();
    ids.dedup();
    for id in &ids {
        keys::removed(visit, &id.to_string()).await?;
    }
    // As they were named.
    let deleted = [names, aliases].concat();
    Ok(respond::value(StatusCode::OK, &json!({ "deleted_keys": deleted })))
}

pub(super) async fn list(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let number = |name: &str, usual: usize, most: usize| match page::text(visit, name) {
        None => Ok(usual),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| (1..=most).contains(number))
            .ok_or_else(|| wrong(name, format!("must be a number from 1 to {most}"))),
    };
    let (page, size) = (number("page", 1, 1_000_000)?, number("size", 10, MOST)?);
    let [team, user, alias, organisation] =
        ["team_id", "user_id", "key_alias", "organization_id"].map(|name| page::text(visit, name));
    let directory = visit.registry.directory();
    let one =
        page::text(visit, "key_hash").map(|name| named(directory, &name).map_or(None, |key| Some(key.id)));
    let last_first = order(visit)?;
    let mut ids = Vec::new();
    directory.each_key(|key| {
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        let name = alias_of(key);
        let fits = is(&team, key.team.as_deref())
            && is(&user, key.user.as_deref())
            && is(&organisation, key.organisation.as_deref())
            && is(&alias, name);
        if fits && one.is_none_or(|one| one == Some(key.id)) {
            ids.push(key.id);
        }
    });
    // Ids begin with the moment in which they were made.
    ids.sort_unstable();
    if last_first {
        ids.reverse();
    }
    let (total, whole) = (ids.len(), query::is_on(visit.query, "return_full_object"));
    let mut shown: Vec<Value> = Vec::new();
    for id in ids.into_iter().skip((page - 1).saturating_mul(size)).take(size) {
        match directory.key(id).filter(|_| whole) {
            Some(key) => shown.push(shape::key(visit.registry, &key).await?.into()),
            None => shown.push(token(directory, id).into()),
        }
    }
    let answer = json!({
        "keys": shown,
        "total_count": total,
        "current_page": page,
        "total_pages": total.div_ceil(size),
    });
    Ok(respond::value(StatusCode::OK, &answer))
}

/// What a key is called in LiteLLM's tables; one that is gone by its id.
pub(super) fn token(directory: &Directory, id: KeyId) -> String {
    directory.key(id).map_or_else(|| id.to_string(), |key| key.hash.to_string())
}

/// Whether the latest come first.
///
/// # Errors
/// 400 for another order than by the time of making.
fn order(visit: &Visit<'_>) -> Result<bool> {
    if page::text(visit, "sort_by").is_some_and(|by| by != "created_at") {
        return Err(wrong("sort_by", "must be created_at"));
    }
    match page::text(visit, "sort_order").as_deref() {
        None | Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(_) => Err(wrong("sort_order", "must be asc or desc")),
    }
}

/// The key that is named by its secret, its hash or its id.
///
/// # Errors
/// 404, in the same words whatever it was named by.
pub(super) fn named(directory: &Directory, name: &str) -> Result<Key> {
    let by_id = || name.parse::<KeyId>().ok().and_then(|id| directory.key(id));
    let by_hash = || name.parse::<KeyHash>().ok().and_then(|hash| directory.key_by_hash(&hash));
    let by_secret = || {
        let may_be = name.len() <= LONGEST;
        may_be.then(|| KeyHash::of(name)).and_then(|hash| directory.key_by_hash(&hash))
    };
    by_id().or_else(by_hash).or_else(by_secret).ok_or_else(unknown)
}

/// The one key of this name.
///
/// # Errors
/// 404 for none, 400 for several.
fn called(directory: &Directory, named: &str) -> Result<KeyId> {
    let mut found = Vec::new();
    directory.each_key(|key| {
        if alias_of(key) == Some(named) {
            found.push(key.id);
        }
    });
    match *found {
        [id] => Ok(id),
        [] => Err(unknown()),
        _ => Err(wrong("key_aliases", "names several keys at once: name them by their tokens in `keys`")),
    }
}

fn unknown() -> ApiError {
    ApiError::new(ErrorKind::NotFound, "there is no such key").with_code("key_not_found")
}
