//! `/admin/v1/teams`, `/users` and `/organisations`: who stands behind keys.

mod form;
mod view;

use std::sync::Arc;

use http::StatusCode;
use llm_governance::{Change, Group, KeyId, Scope, Terms};
use llm_types::{ApiError, ErrorKind, Result};

pub use form::GroupForm;
pub use view::{GroupView, id_of};

use super::keys::{self, DeletedView};
use super::page::{self, ListView};
use super::{Answer, Visit, least, spend};
use crate::form::{self as forms, wrong};
use crate::registry::{Registry, refused};

/// What kind of group a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Some people together.
    Team,
    /// Somebody.
    User,
    /// Teams together.
    Organisation,
}

impl Kind {
    /// Its word in scopes and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::User => "user",
            Self::Organisation => "organisation",
        }
    }

    /// The scope of the one with this id.
    #[must_use]
    pub fn scope(self, id: Arc<str>) -> Scope {
        match self {
            Self::Team => Scope::Team(id),
            Self::User => Scope::User(id),
            Self::Organisation => Scope::Organisation(id),
        }
    }
}

/// A page in the order of the ids; `organisation_id` and `name` narrow it.
pub(crate) fn list(visit: &Visit<'_>, kind: Kind) -> Result<Answer> {
    let ask = page::ask(visit)?;
    let governance = visit.registry;
    let (organisation, name) = (page::text(visit, "organisation_id"), page::text(visit, "name"));
    let after = ask.place::<String>(kind.name()).map_err(refused)?;
    let mut first = least::Least::new(ask.limit() + 1);
    governance.directory().each_group(|scope, group| {
        let is =
            |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        if scope.kind() == kind.name()
            && is(&organisation, group.organisation.as_deref())
            && is(&name, group.name.as_deref())
            && after.as_ref().is_none_or(|after| id_of(scope) > *after)
        {
            first.offer(scope.clone());
        }
    });
    let scopes = ask.page(kind.name(), first.sorted(), id_of);
    let groups = scopes.items.iter().filter_map(|scope| Some((scope, governance.directory().group(scope)?)));
    let data = groups.map(|(scope, group)| GroupView::of(scope, &group, governance)).collect();
    Ok(Answer::new(StatusCode::OK, &ListView::new(data, scopes.next)))
}

pub(crate) async fn create(visit: &Visit<'_>, kind: Kind) -> Result<Answer> {
    let form: GroupForm = forms::read(&visit.body)?;
    let (scope, group) = made(visit, kind, form).await?;
    Ok(Answer::new(StatusCode::CREATED, &shown(visit, &scope, &group).await?))
}

/// Makes a group.
///
/// # Errors
/// 400 for what contradicts itself, 409 for one that exists, 503 where it cannot be kept.
pub async fn made(visit: &Visit<'_>, kind: Kind, form: GroupForm) -> Result<(Scope, Group)> {
    let governance = visit.registry;
    let id = match form.asked_id() {
        Some(id) => id,
        None => {
            let random = KeyId::generate().map_err(refused)?.to_string();
            random.replacen("key_", &format!("{}_", kind.name()), 1).into()
        }
    };
    let scope = kind.scope(id);
    let _writing = governance.writing().await;
    if governance.directory().group(&scope).is_some() {
        let message =
            format!("this {} exists already: change it with PATCH, or take another id", kind.name());
        return Err(ApiError::new(ErrorKind::Conflict, message).with_param("id").with_code("already_exists"));
    }
    let group = form.over(Group::new(Terms::default()), &scope, governance)?;
    visit.change("create", Change::Put(scope.clone(), Box::new(group.clone()))).await?;
    Ok((scope, group))
}

pub(crate) async fn get(visit: &Visit<'_>, kind: Kind) -> Result<Answer> {
    let (scope, group) = find(visit.registry, kind, &visit.id)?;
    Ok(Answer::new(StatusCode::OK, &shown(visit, &scope, &group).await?))
}

pub(crate) async fn update(visit: &Visit<'_>, kind: Kind) -> Result<Answer> {
    let form: GroupForm = forms::read(&visit.body)?;
    if form.asked_id().is_some_and(|id| *id != *visit.id) {
        return Err(wrong("id", "cannot be changed: make another one"));
    }
    let governance = visit.registry;
    let writing = governance.writing().await;
    let (scope, group) = find(governance, kind, &visit.id)?;
    let group = form.over(group, &scope, governance)?;
    visit.change("update", Change::Put(scope.clone(), Box::new(group.clone()))).await?;
    drop(writing);
    Ok(Answer::new(StatusCode::OK, &shown(visit, &scope, &group).await?))
}

/// Takes a group away, unless somebody belongs to it: keys of a group that is gone are turned away.
pub(crate) async fn delete(visit: &Visit<'_>, kind: Kind) -> Result<Answer> {
    let governance = visit.registry;
    let _writing = governance.writing().await;
    let (scope, _) = find(governance, kind, &visit.id)?;
    let keys = keys::count_of(governance, &scope);
    let teams = teams_of(governance, &scope);
    if keys + teams > 0 {
        let name = kind.name();
        let message =
            format!("{keys} keys and {teams} teams belong to this {name}: delete or move them first");
        return Err(ApiError::new(ErrorKind::Conflict, message).with_code("not_empty"));
    }
    visit.change("delete", Change::Remove(scope.clone())).await?;
    Ok(Answer::new(StatusCode::OK, &DeletedView { id: id_of(&scope), deleted: true }))
}

fn teams_of(governance: &Registry, scope: &Scope) -> usize {
    let Scope::Organisation(id) = scope else { return 0 };
    let mut count = 0;
    governance
        .directory()
        .each_group(|_, group| count += usize::from(group.organisation.as_ref() == Some(id)));
    count
}

pub(crate) async fn block(visit: &Visit<'_>, kind: Kind, blocked: bool) -> Result<Answer> {
    let governance = visit.registry;
    let writing = governance.writing().await;
    let (scope, group) = find(governance, kind, &visit.id)?;
    let group = Group { blocked, ..group };
    let action = if blocked { "block" } else { "unblock" };
    visit.change(action, Change::Put(scope.clone(), Box::new(group.clone()))).await?;
    drop(writing);
    Ok(Answer::new(StatusCode::OK, &shown(visit, &scope, &group).await?))
}

async fn shown(visit: &Visit<'_>, scope: &Scope, group: &Group) -> Result<GroupView> {
    let governance = visit.registry;
    let spend = spend::spend(governance, scope, &group.terms).await?;
    Ok(GroupView::of(scope, group, governance).with(spend))
}

/// The group with this id.
///
/// # Errors
/// 404, in the same words for every id.
pub fn find(governance: &Registry, kind: Kind, id: &str) -> Result<(Scope, Group)> {
    let scope = kind.scope(id.into());
    let group = governance.directory().group(&scope);
    group.map(|group| (scope, group)).ok_or_else(|| {
        let name = kind.name();
        let message = format!("there is no such {name}: GET /admin/v1/{name}s lists them with their ids");
        ApiError::new(ErrorKind::NotFound, message).with_code(format!("{name}_not_found"))
    })
}
