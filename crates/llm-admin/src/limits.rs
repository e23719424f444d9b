//! `/admin/v1/limits`: limits of everything, of tags and of models, whoever asks.
//!
//! They are named by their scope: `global`, `model:smart`, `tag:batch`. Keys, teams, users and organisations have their
//! own as members, deployments in the configuration.

use std::sync::Arc;

use http::StatusCode;
use llm_governance::{Change, Group, Limits, Scope, Terms};
use llm_types::{ApiError, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::keys::DeletedView;
use super::page::{self, ListView};
use super::terms::{LimitsForm, LimitsView};
use super::{Answer, Visit, least};
use crate::form;
use crate::form::{Field, ScopeText, forms, wrong};
use crate::registry::{Registry, refused};

/// Limits, to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLimitsForm {
    /// Whose: `global`, or `tag:` or `model:` and a name.
    scope: ScopeText,
    /// Requests a minute.
    #[serde(default)]
    #[schemars(range(max = 100_000_000_000_u64))]
    rpm: Option<u64>,
    /// Tokens a minute, prompt and answer.
    #[serde(default)]
    #[schemars(range(max = 100_000_000_000_u64))]
    tpm: Option<u64>,
    /// Requests at once.
    #[serde(default)]
    parallel: Option<u32>,
}

/// Limits, to be changed: what is left out stays, `null` lifts a limit.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsPatch {
    /// Requests a minute.
    #[schemars(range(max = 100_000_000_000_u64))]
    rpm: Field<u64>,
    /// Tokens a minute, prompt and answer.
    #[schemars(range(max = 100_000_000_000_u64))]
    tpm: Field<u64>,
    /// Requests at once.
    parallel: Field<u32>,
}

forms!(NewLimitsForm, LimitsPatch);

/// Limits as they are, and whose.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ScopedLimitsView {
    /// Whose.
    scope: String,
    #[serde(flatten)]
    limits: LimitsView,
}

impl ScopedLimitsView {
    fn of(scope: &Scope, limits: Limits) -> Self {
        Self { scope: scope.to_string(), limits: limits.into() }
    }
}

/// A page in the order of the scopes.
pub(crate) fn list(visit: &Visit<'_>) -> Result<Answer> {
    let ask = page::ask(visit)?;
    let governance = visit.registry;
    let after = ask.place::<String>("limits").map_err(refused)?;
    let mut first = least::Least::new(ask.limit() + 1);
    governance.directory().each_group(|scope, group| {
        let name = scope.to_string();
        if is_ours(scope)
            && group.terms.limits != Limits::default()
            && after.as_ref().is_none_or(|after| name > *after)
        {
            first.offer(name);
        }
    });
    let names = ask.page("limits", first.sorted(), Clone::clone);
    let found = names.items.iter().filter_map(|name| find(governance, name).ok());
    let data = found.map(|(scope, group)| ScopedLimitsView::of(&scope, group.terms.limits)).collect();
    Ok(Answer::new(StatusCode::OK, &ListView::new(data, names.next)))
}

pub(crate) async fn create(visit: &Visit<'_>) -> Result<Answer> {
    let NewLimitsForm { scope: ScopeText(scope), rpm, tpm, parallel } = form::read(&visit.body)?;
    if !is_ours(&scope) {
        let message =
            "must be global, tag:… or model:…: keys, teams, users and organisations have their own `limits`";
        return Err(wrong("scope", message));
    }
    let limits = Limits { rpm, tpm, parallel };
    if limits == Limits::default() {
        return Err(wrong("", "limits nothing: send rpm, tpm or parallel"));
    }
    let governance = visit.registry;
    let _writing = governance.writing().await;
    let group = governance.directory().group(&scope).unwrap_or_else(|| Group::new(Terms::default()));
    if group.terms.limits != Limits::default() {
        let message = format!("`{scope}` has limits already: change them with PATCH");
        return Err(ApiError::new(ErrorKind::Conflict, message).with_code("already_exists"));
    }
    visit.change("create_limits", with(&scope, group, limits)).await?;
    Ok(Answer::new(StatusCode::CREATED, &ScopedLimitsView::of(&scope, limits)))
}

pub(crate) fn get(visit: &Visit<'_>) -> Result<Answer> {
    let (scope, group) = find(visit.registry, &visit.id)?;
    Ok(Answer::new(StatusCode::OK, &ScopedLimitsView::of(&scope, group.terms.limits)))
}

pub(crate) async fn update(visit: &Visit<'_>) -> Result<Answer> {
    let LimitsPatch { rpm, tpm, parallel } = form::read(&visit.body)?;
    let governance = visit.registry;
    let _writing = governance.writing().await;
    let (scope, group) = find(governance, &visit.id)?;
    let limits = LimitsForm { rpm, tpm, parallel }.over(group.terms.limits);
    if limits == Limits::default() {
        return Err(wrong("", "would limit nothing: take the limits away with DELETE"));
    }
    visit.change("update_limits", with(&scope, group, limits)).await?;
    Ok(Answer::new(StatusCode::OK, &ScopedLimitsView::of(&scope, limits)))
}

pub(crate) async fn delete(visit: &Visit<'_>) -> Result<Answer> {
    let governance = visit.registry;
    let _writing = governance.writing().await;
    let (scope, group) = find(governance, &visit.id)?;
    visit.change("delete_limits", with(&scope, group, Limits::default())).await?;
    Ok(Answer::new(StatusCode::OK, &DeletedView { id: scope.to_string(), deleted: true }))
}

fn is_ours(scope: &Scope) -> bool {
    matches!(scope, Scope::Global | Scope::Tag(_) | Scope::Model(_))
}

/// The change that gives it these limits; what was there for them alone goes with them.
fn with(scope: &Scope, mut group: Group, limits: Limits) -> Change {
    group.terms = Arc::new(Terms { limits, ..(*group.terms).clone() });
    if group == Group::new(Terms::default()) {
        return Change::Remove(scope.clone());
    }
    Change::Put(scope.clone(), Box::new(group))
}

/// Whose limits are called so.
///
/// # Errors
/// 404, in the same words for every name.
fn find(governance: &Registry, name: &str) -> Result<(Scope, Group)> {
    let scope = name.parse::<Scope>().ok().filter(is_ours);
    let found = scope.and_then(|scope| {
        let group = governance.directory().group(&scope)?;
        (group.terms.limits != Limits::default()).then_some((scope, group))
    });
    found.ok_or_else(|| {
        let message = "there are no such limits: GET /admin/v1/limits lists them by their scopes";
        ApiError::new(ErrorKind::NotFound, message).with_code("limits_not_found")
    })
}
