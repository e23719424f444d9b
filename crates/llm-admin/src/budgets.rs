//! `/admin/v1/budgets`: every budget by its own name, whosever it is.
//!
//! A budget belongs to its owner's terms, where its id is `scope/window/mode`, with the time zone unless that is UTC:
//! `team:search/day/hard`. Here also everything, tags, models and providers get theirs.

use std::sync::Arc;

use http::StatusCode;
use llm_governance::report::{Booked, Released};
use llm_governance::{Budget, BudgetId, Change, Group, Mode, Now, Period, Scope, Terms, Window, Zone};
use llm_types::{ApiError, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::keys::DeletedView;
use super::page::{self, ListView};
use super::spend::{self, WindowView};
use super::terms::{self, BudgetForm, WindowWord, budget_id};
use super::{Answer, Visit, least};
use crate::form;
use crate::form::{Field, Name, ScopeText, Usd, ZoneText, forms, wrong};
use crate::registry::{Registry, refused};

/// A budget, to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBudgetForm {
    /// Whose: `global`, or `key:`, `team:`, `user:`, `organisation:`, `tag:`, `model:`, `provider:` and an id.
    scope: ScopeText,
    /// What may be spent in a window, in dollars.
    limit_usd: Usd,
    /// When it starts again.
    window: WindowWord,
    /// True (the default): never exceeded. False: it only tells.
    #[serde(default)]
    hard: Option<bool>,
    /// Where days end; UTC by default.
    #[serde(default)]
    time_zone: Option<ZoneText>,
    /// Models that may answer when the money is gone, the best first.
    #[serde(default)]
    #[schemars(length(max = 32))]
    fallbacks: Option<Vec<Name>>,
}

/// A budget, to be changed. Its window, mode and time zone are part of its name and stay.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetPatch {
    /// What may be spent in a window, in dollars.
    limit_usd: Option<Usd>,
    /// Models that may answer when the money is gone, the best first.
    #[schemars(length(max = 32))]
    fallbacks: Field<Vec<Name>>,
}

forms!(NewBudgetForm, BudgetPatch);

/// A budget.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OwnedBudgetView {
    /// Whose.
    scope: String,
    #[serde(flatten)]
    budget: terms::BudgetView,
    /// What is spent in the present window.
    spend: Option<WindowView>,
}

impl OwnedBudgetView {
    fn of(scope: &Scope, budget: &Budget, governance: &Registry, booked: &[Booked]) -> Self {
        let only = Terms { budgets: vec![budget.clone()], ..Terms::default() };
        let spend = spend::windows(governance, scope, &only, booked).pop();
        Self { scope: scope.to_string(), budget: terms::BudgetView::of(scope, budget), spend }
    }
}

/// What was released of a budget.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReleasedView {
    /// The budget.
    id: String,
    /// How much of what was unknown may be spent again, in dollars. What a gateway may yet be heard of is not among it.
    released_usd: String,
    /// What is not released yet, in dollars: a gateway that had leased it may yet be heard of.
    waiting_usd: String,
    /// Until when it may, where there is such money and that is known: it can be released some seconds later.
    waiting_until: Option<String>,
    /// What is spent in the present window.
    spend: Option<WindowView>,
}

/// Whoever has a budget.
#[derive(Debug, Clone)]
enum Owner {
    Key(Box<llm_governance::Key>),
    Group(Scope, Box<Group>),
}

impl Owner {
    /// Whoever a scope names; tags, models, providers, users and everything need not be known.
    fn of(governance: &Registry, scope: &Scope) -> Option<Self> {
        let directory = governance.directory();
        match scope {
            Scope::Key(id) => directory.key(*id).map(|key| Self::Key(Box::new(key))),
            Scope::Team(_) | Scope::Organisation(_) => {
                directory.group(scope).map(|group| Self::Group(scope.clone(), Box::new(group)))
            }
            Scope::Global | Scope::User(_) | Scope::Tag(_) | Scope::Model(_) | Scope::Provider(_) => {
                let group = directory.group(scope).unwrap_or_else(|| Group::new(Terms::default()));
                Some(Self::Group(scope.clone(), Box::new(group)))
            }
        }
    }

    fn terms(&self) -> &Terms {
        match self {
            Self::Key(key) => &key.terms,
            Self::Group(_, group) => &group.terms,
        }
    }

    /// The change that gives it these budgets; what was there for its budget alone goes with the last one.
    fn with(self, budgets: Vec<Budget>) -> Change {
        let terms = Arc::new(Terms { budgets, ..self.terms().clone() });
        match self {
            Self::Key(mut key) => {
                key.terms = terms;
                Change::PutKey(key)
            }
            Self::Group(scope, mut group) => {
                let named = matches!(scope, Scope::Team(_) | Scope::Organisation(_) | Scope::User(_));
                group.terms = terms;
                if !named && *group == Group::new(Terms::default()) {
                    return Change::Remove(scope);
                }
                Change::Put(scope, group)
            }
        }
    }
}

/// A page of budgets in the order of their scopes; `scope` narrows it.
pub(crate) async fn list(visit: &Visit<'_>) -> Result<Answer> {
    let ask = page::ask(visit)?;
    let governance = visit.registry;
    let wanted = page::text(visit, "scope");
    let after = ask.place::<String>("budgets").map_err(refused)?;
    let mut first = least::Least::new(ask.limit() + 1);
    let mut offer = |scope: &Scope, terms: &Terms| {
        if terms.budgets.is_empty() || wanted.as_ref().is_some_and(|wanted| *wanted != scope.to_string()) {
            return;
        }
        for budget in &terms.budgets {
            let id = budget_id(scope, budget).to_string();
            if after.as_ref().is_none_or(|after| id > *after) {
                first.offer(id);
            }
        }
    };
    governance.directory().each_group(|scope, group| offer(scope, &group.terms));
    governance.directory().each_key(|key| {
        if !key.terms.budgets.is_empty() {
            offer(&Scope::Key(key.id), &key.terms);
        }
    });
    let ids = ask.page("budgets", first.sorted(), Clone::clone);
    let found: Vec<_> = ids.items.iter().filter_map(|id| find(governance, id).ok()).collect();
    let mut scopes: Vec<_> = found.iter().map(|(scope, _, _)| scope.clone()).collect();
    scopes.dedup();
    let booked = spend::booked(governance, &scopes).await?;
    let view =
        |(scope, _, budget): &(Scope, Owner, Budget)| OwnedBudgetView::of(scope, budget, governance, &booked);
    let data = found.iter().map(view).collect();
    Ok(Answer::new(StatusCode::OK, &ListView::new(data, ids.next)))
}

pub(crate) async fn create(visit: &Visit<'_>) -> Result<Answer> {
    let NewBudgetForm { scope: ScopeText(scope), limit_usd, window, hard, time_zone, fallbacks } =
        form::read(&visit.body)?;
    let budget: Budget = BudgetForm { limit_usd, window, hard, time_zone, fallbacks }.into();
    let governance = visit.registry;
    let writing = governance.writing().await;
    let owner = Owner::of(governance, &scope)
        .ok_or_else(|| wrong("scope", "names somebody who does not exist: create it first"))?;
    let id = budget_id(&scope, &budget);
    let mut budgets = owner.terms().budgets.clone();
    if budgets.iter().any(|other| budget_id(&scope, other) == id) {
        let message = format!("there is a budget `{id}` already: change it with PATCH");
        return Err(ApiError::new(ErrorKind::Conflict, message).with_code("already_exists"));
    }
    budgets.push(budget.clone());
    visit.change("create_budget", owner.with(budgets)).await?;
    drop(writing);
    let booked = spend::booked(governance, std::slice::from_ref(&scope)).await?;
    Ok(Answer::new(StatusCode::CREATED, &OwnedBudgetView::of(&scope, &budget, governance, &booked)))
}

pub(crate) async fn get(visit: &Visit<'_>) -> Result<Answer> {
    let governance = visit.registry;
    let (scope, _, budget) = find(governance, &visit.id)?;
    let booked = spend::booked(governance, std::slice::from_ref(&scope)).await?;
    Ok(Answer::new(StatusCode::OK, &OwnedBudgetView::of(&scope, &budget, governance, &booked)))
}

pub(crate) async fn update(visit: &Visit<'_>) -> Result<Answer> {
    let BudgetPatch { limit_usd, fallbacks } = form::read(&visit.body)?;
    let governance = visit.registry;
    let writing = governance.writing().await;
    let (scope, owner, mut budget) = find(governance, &visit.id)?;
    if let Some(Usd(limit)) = limit_usd {
        budget.limit = limit;
    }
    fallbacks.map(terms::names).put(&mut budget.fallbacks);
    let id = budget_id(&scope, &budget);
    let others = owner.terms().budgets.iter();
    let put = |other: &Budget| if budget_id(&scope, other) == id { budget.clone() } else { other.clone() };
    let budgets = others.map(put).collect();
    visit.change("update_budget", owner.with(budgets)).await?;
    drop(writing);
    let booked = spend::booked(governance, std::slice::from_ref(&scope)).await?;
    Ok(Answer::new(StatusCode::OK, &OwnedBudgetView::of(&scope, &budget, governance, &booked)))
}

pub(crate) async fn delete(visit: &Visit<'_>) -> Result<Answer> {
    let governance = visit.registry;
    let _writing = governance.writing().await;
    let (scope, owner, budget) = find(governance, &visit.id)?;
    let id = budget_id(&scope, &budget);
    let others = owner.terms().budgets.iter().filter(|other| budget_id(&scope, other) != id);
    let budgets = others.cloned().collect();
    visit.change("delete_budget", owner.with(budgets)).await?;
    Ok(Answer::new(StatusCode::OK, &DeletedView { id: id.to_string(), deleted: true }))
}

/// Gives what is unknown in the present window back, for somebody who knows that it was not spent.
pub(crate) async fn release(visit: &Visit<'_>) -> Result<Answer> {
    let governance = visit.registry;
    let (scope, _, budget) = find(governance, &visit.id)?;
    let id = budget_id(&scope, &budget);
    let reports = governance.reports();
    let released = reports.release_unknown(&id, Now::read().wall, &visit.by).await.map_err(refused)?;
    let Released { amount, waiting, until } = released;
    let booked = spend::booked(governance, std::slice::from_ref(&scope)).await?;
    let OwnedBudgetView { spend, .. } = OwnedBudgetView::of(&scope, &budget, governance, &booked);
    let [released_usd, waiting_usd] = [amount, waiting].map(terms::dollars);
    let waiting_until = until.map(form::moment_text);
    let view = ReleasedView { id: id.to_string(), released_usd, waiting_usd, waiting_until, spend };
    Ok(Answer::new(StatusCode::OK, &view))
}

/// The budget with this id, and its owner.
///
/// # Errors
/// 404, in the same words for every id.
fn find(governance: &Registry, id: &str) -> Result<(Scope, Owner, Budget)> {
    let found = read_id(id).and_then(|id| {
        let owner = Owner::of(governance, &id.scope)?;
        let budget = owner.terms().budgets.iter().find(|budget| budget_id(&id.scope, budget) == id)?.clone();
        Some((id.scope, owner, budget))
    });
    found.ok_or_else(|| {
        let message = "there is no such budget: GET /admin/v1/budgets lists them with their ids";
        ApiError::new(ErrorKind::NotFound, message).with_code("budget_not_found")
    })
}

/// Reads an id. Scopes and zones may hold slashes, so the last place is taken where it can be read.
fn read_id(text: &str) -> Option<BudgetId> {
    let mut slashes: Vec<usize> = text.match_indices('/').map(|(at, _)| at).collect();
    slashes.reverse();
    slashes.into_iter().find_map(|at| {
        let (scope, rest) = text.split_at_checked(at)?;
        let mut parts = rest.get(1..)?.splitn(3, '/');
        let period = match parts.next()? {
            "day" => Period::Day,
            "week" => Period::Week,
            "month" => Period::Month,
            "total" => Period::Total,
            _ => return None,
        };
        let mode = match parts.next()? {
            "hard" => Mode::Hard,
            "soft" => Mode::Soft,
            _ => return None,
        };
        let zone = parts.next().map_or(Ok(Zone::UTC), str::parse).ok()?;
        Some(BudgetId { scope: scope.parse().ok()?, window: Window { period, zone }, mode })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_whatever_is_in_a_scope() {
        for scope in ["global", "team:search", "model:openai/gpt-4o", "tag:a/day/hard", "user:x@y/z"] {
            for zone in ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia"] {
                let window = Window { period: Period::Week, zone: zone.parse().unwrap() };
                let id = BudgetId { scope: scope.parse().unwrap(), window, mode: Mode::Soft };
                assert_eq!(read_id(&id.to_string()), Some(id), "{scope} {zone}");
            }
        }
        for wrong in [
            "",
            "/",
            "team:a",
            "team:a/day",
            "team:a/year/hard",
            "team:a/day/hard/Europe/Atlantis",
            "x/day/hard",
        ] {
            assert_eq!(read_id(wrong), None, "{wrong}");
        }
    }
}
