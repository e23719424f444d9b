//! `/team/new` and `/team/info`.

use http::{Response, StatusCode};
use llm_admin::form::{Field, Id, wrong};
use llm_admin::groups::{self, GroupForm, Kind};
use llm_admin::page;
use llm_governance::{Now, Scope, Terms};
use llm_types::Result;
use serde_json::{Value, json};

use super::body::Lite;
use super::shape::{self, ROLES};
use crate::admin::Visit;
use crate::body::ClientBody;
use crate::respond;

/// The most keys that are listed with a team.
const MOST: usize = 1000;

pub(super) async fn new(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let mut lite = Lite::read(&visit.body)?;
    let id = lite.text("team_id")?;
    let roles = lite.take(ROLES).map(|roles| members(&roles).map(|()| roles)).transpose()?;
    let mut form: GroupForm = lite.form(&Terms::default(), Now::read().wall)?;
    if let Some(id) = id {
        let read = serde_json::from_value::<Id>(Value::String(id));
        form.id = Field::Given(read.map_err(|error| wrong("team_id", error.to_string()))?);
    }
    if let Some(roles) = roles {
        let mut noted = form.metadata.given().unwrap_or_default();
        noted.0.insert(ROLES.to_owned(), roles);
        form.metadata = Field::Given(noted);
    }
    let (scope, group) = groups::made(visit, Kind::Team, form).await?;
    let shape = shape::team(visit.registry, &groups::id_of(&scope), &group).await?;
    Ok(respond::value(StatusCode::OK, &shape))
}

/// Whether they are members as LiteLLM writes them. They are kept and shown, and give no rights: keys do.
fn members(roles: &Value) -> Result<()> {
    let text = |member: &Value, name: &str| member.get(name).and_then(Value::as_str).map(str::to_owned);
    let good = |member: &Value| {
        let named = text(member, "user_id").or_else(|| text(member, "user_email")).is_some();
        named && text(member, "role").is_some_and(|role| matches!(&*role, "admin" | "user"))
    };
    let all = roles.as_array().is_some_and(|roles| roles.len() <= MOST && roles.iter().all(good));
    let must = "must be a list of objects with `role` (admin or user) and `user_id` or `user_email`";
    if all { Ok(()) } else { Err(wrong(ROLES, must)) }
}

pub(super) async fn info(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let id = page::text(visit, "team_id").ok_or_else(|| wrong("team_id", "is missing: name a team"))?;
    let governance = visit.registry;
    let (scope, group) = groups::find(governance, Kind::Team, &id)?;
    let Scope::Team(team) = &scope else { return Err(wrong("team_id", "names no team")) };
    let mut keys = Vec::new();
    governance.directory().each_key(|key| {
        if key.team.as_ref() == Some(team) && keys.len() < MOST {
            keys.push(key.clone());
        }
    });
    keys.sort_unstable_by_key(|key| key.id);
    let mut shown = Vec::with_capacity(keys.len());
    for key in &keys {
        shown.push(shape::key(governance, key).await?);
    }
    let team = shape::team(governance, &id, &group).await?;
    let answer = json!({ "team_id": id, "team_info": team, "keys": shown, "team_memberships": [] });
    Ok(respond::value(StatusCode::OK, &answer))
}
