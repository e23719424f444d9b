//! What the claims of a token mean under a rule.

use std::sync::Arc;

use jiff::Timestamp;
use llm_types::glob_matches;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::rule::{Claims, Rule};
use super::verified::Vouched;
use crate::principal::Bearer;
use crate::terms::Access;

/// The longest name, in characters, as elsewhere.
const LONGEST_NAME: usize = 256;
/// The most values that a claim may have; further ones are not looked at.
const MOST_VALUES: usize = 1000;
/// The most words that a token marks its requests with, and the longest, in bytes: as in the header for it.
const MOST_TAGS: usize = 16;
const LONGEST_TAG: usize = 128;
/// The longest note on a user, in bytes.
const LONGEST_NOTE: usize = 4096;

type Object = Map<String, Value>;

/// What is found at a path: a member of that very name, else the rest of the path within the member that its
/// beginning names. Namespaced claims (`https://example.com/team`) have dots in their names.
pub(super) fn find<'v>(claims: &'v Object, path: &str) -> Option<&'v Value> {
    if let Some(found) = claims.get(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(at, _)| {
        let (first, rest) = (path.get(..at)?, path.get(at + 1..)?);
        find(claims.get(first)?.as_object()?, rest)
    })
}

/// A value as text, where it is a single one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The values of a claim, of a list each.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(values)) => values.iter().take(MOST_VALUES).filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Whether something may be called so.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.trim() == text
        && !text.chars().any(char::is_control)
        && text.chars().count() <= LONGEST_NAME
}

impl Rule {
    /// What a token with these claims vouches for, until then. Its signature, audience and times are good.
    ///
    /// # Errors
    /// For missing scopes and claims.
    pub(super) fn vouched(&self, claims: &Object, until: Timestamp) -> Result<Vouched, Fault> {
        let Claims { user, name, team, organisation, tags, metadata, models, routes, scopes } = &self.claims;
        let has = scopes_of(claims, scopes);
        let has = |scope: &str| has.iter().any(|one| one == scope);
        if let Some(missing) = self.scopes.iter().find(|scope| !has(scope)) {
            return Err(Fault::Scope(missing.clone()));
        }
        for (path, globs) in &self.require {
            let values = texts(find(claims, path));
            if !values.iter().any(|value| globs.iter().any(|glob| glob_matches(glob, value))) {
                return Err(Fault::Claim(path.clone()));
            }
        }
        let one = |path: &Option<String>| -> Result<Option<Arc<str>>, Fault> {
            let Some(path) = path else { return Ok(None) };
            let found = find(claims, path).and_then(text).filter(|name| is_name(name));
            found.map(|name| Some(name.into())).ok_or_else(|| Fault::Claim(path.clone()))
        };
        let globs = |path: &Option<String>| -> Result<Vec<Arc<str>>, Fault> {
            let Some(path) = path else { return Ok(Vec::new()) };
            let globs: Vec<Arc<str>> = texts(find(claims, path)).into_iter().map(Arc::from).collect();
            // An empty list would allow everything.
            if globs.is_empty() { Err(Fault::Claim(path.clone())) } else { Ok(globs) }
        };
        let user = one(user)?.map(|user| self.named(&user)).transpose()?;
        let access = Access { models: globs(models)?, routes: globs(routes)?, addresses: Vec::new() };
        let bearer = Bearer { tags: tags_of(claims, tags), access };
        Ok(Vouched {
            user,
            name: name
                .as_ref()
                .and_then(|path| find(claims, path))
                .and_then(text)
                .filter(|name| is_name(name))
                .map(Arc::from),
            teams: self.teams(claims, team.as_deref())?,
            organisation: one(organisation)?,
            bearer: (bearer != Bearer::default()).then(|| Arc::new(bearer)),
            admin: self.admin_scope.as_deref().is_some_and(has),
            metadata: note(claims, metadata),
            until,
        })
    }

    /// A user by the name that they have here.
    fn named(&self, user: &str) -> Result<Arc<str>, Fault> {
        let name = format!("{}{user}", self.user_prefix);
        let claim = || Fault::Claim(self.claims.user.clone().unwrap_or_default());
        if is_name(&name) { Ok(name.into()) } else { Err(claim()) }
    }

    /// The teams that a token names, by the names that they have here.
    fn teams(&self, claims: &Object, path: Option<&str>) -> Result<Vec<Arc<str>>, Fault> {
        let Some(path) = path else { return Ok(Vec::new()) };
        let names = texts(find(claims, path)).into_iter().filter(|name| is_name(name));
        let here = |name: String| self.teams.get(&name).cloned().unwrap_or_else(|| name.into());
        let teams: Vec<Arc<str>> = names.map(here).collect();
        match teams.is_empty() && !self.team_optional {
            true => Err(Fault::Claim(path.to_owned())),
            false => Ok(teams),
        }
    }
}

/// All scopes, whether as a list or with spaces between them.
fn scopes_of(claims: &Object, paths: &[String]) -> Vec<String> {
    let values = paths.iter().flat_map(|path| texts(find(claims, path)));
    values.flat_map(|value| value.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The words that requests are marked with. What is too long for one is none.
fn tags_of(claims: &Object, paths: &[String]) -> Vec<Arc<str>> {
    let mut tags: Vec<Arc<str>> = Vec::new();
    for tag in paths.iter().flat_map(|path| texts(find(claims, path))) {
        let good = is_name(&tag) && tag.len() <= LONGEST_TAG && tags.len() < MOST_TAGS;
        if good && !tags.iter().any(|known| **known == *tag) {
            tags.push(tag.into());
        }
    }
    tags
}

/// What is noted of a user, as a JSON object.
fn note(claims: &Object, paths: &[String]) -> Option<Box<str>> {
    let found = paths.iter().filter_map(|path| Some((path.clone(), find(claims, path)?.clone())));
    let note: Object = found.collect();
    let text = Value::Object(note.clone()).to_string();
    (!note.is_empty() && text.len() <= LONGEST_NOTE).then(|| text.into_boxed_str())
}
