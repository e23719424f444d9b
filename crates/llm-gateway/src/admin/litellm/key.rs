//! `/key/generate`, `/key/info`, `/key/update`, `/key/delete` and `/key/list`.

use http::{Response, StatusCode};
use llm_admin::form::wrong;
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
    let key = keys::made(visit, form, &new).await?;
    let mut shape = shape::key(visit.registry, &key).await?;
    shape.insert("key".to_owned(), new.secret.expose().into());
    Ok(respond::value(StatusCode::OK, &shape))
}

/// A secret of somebody's own choice.
fn own(text: &str) -> Result<Secret> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.len() < SHORTEST || text.len() > LONGEST || !visible {
        return Err(wrong("key", format!("must be {SHORTEST} to {LONGEST} visible ASCII characters")));
    }
    Ok(Secret::new(text.to_owned()))
}

pub(super) async fn info(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let name = page::text(visit, "key").ok_or_else(|| wrong("key", "is missing: name a key"))?;
    let key = named(visit.registry.directory(), &name)?;
    let info = shape::key(visit.registry, &key).await?;
    Ok(respond::value(StatusCode::OK, &json!({ "key": key.id.to_string(), "info": info })))
}

pub(super) async fn update(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let mut lite = Lite::read(&visit.body)?;
    let name = lite.text("key")?.ok_or_else(|| wrong("key", "is missing: name a key"))?;
    let before = named(visit.registry.directory(), &name)?;
    let form = lite.form(&before.terms, Now::read().wall)?;
    let key = keys::changed(visit, &before.id.to_string(), form).await?;
    let mut shape = shape::key(visit.registry, &key).await?;
    shape.insert("key".to_owned(), key.id.to_string().into());
    Ok(respond::value(StatusCode::OK, &shape))
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
        ids.push(called(directory, alias).ok_or_else(unknown)?);
    }
    for id in &ids {
        keys::removed(visit, &id.to_string()).await?;
    }
    let deleted = names.iter().zip(&ids).map(|(_, id)| id.to_string());
    let deleted: Vec<String> = deleted.chain(aliases).collect();
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
    let [team, user, alias] = ["team_id", "user_id", "key_alias"].map(|name| page::text(visit, name));
    let directory = visit.registry.directory();
    let mut ids = Vec::new();
    directory.each_key(|key| {
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        let name = key.more.as_ref().and_then(|more| more.name.as_deref());
        if is(&team, key.team.as_deref()) && is(&user, key.user.as_deref()) && is(&alias, name) {
            ids.push(key.id);
        }
    });
    ids.sort_unstable();
    let (total, whole) = (ids.len(), query::is_on(visit.query, "return_full_object"));
    let mut shown: Vec<Value> = Vec::new();
    for id in ids.into_iter().skip((page - 1).saturating_mul(size)).take(size) {
        match directory.key(id).filter(|_| whole) {
            Some(key) => shown.push(shape::key(visit.registry, &key).await?.into()),
            None => shown.push(id.to_string().into()),
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

fn called(directory: &Directory, alias: &str) -> Option<KeyId> {
    let mut found = None;
    directory.each_key(|key| {
        if key.more.as_ref().and_then(|more| more.name.as_deref()) == Some(alias) {
            found = Some(key.id);
        }
    });
    found
}

fn unknown() -> ApiError {
    ApiError::new(ErrorKind::NotFound, "there is no such key").with_code("key_not_found")
}
