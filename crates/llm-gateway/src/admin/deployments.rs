//! `/admin/v1/deployments`: how each one is, and taking one out of service and back.

use std::sync::Arc;
use std::time::Instant;

use http::{Response, StatusCode};
use llm_admin::query;
use llm_router::Group;
use llm_types::{ApiError, ErrorKind, Result};
use serde::Serialize;

use super::Visit;
use crate::backend::Backend;
use crate::body::ClientBody;
use crate::health::{self, CheckView, View};
use crate::respond;

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<View<'a>>,
}

#[derive(Serialize)]
struct Probed<'a> {
    #[serde(flatten)]
    check: CheckView,
    deployment: Option<View<'a>>,
}

/// All of them, in config order.
pub(super) fn list(visit: &Visit<'_>) -> Response<ClientBody> {
    let now = Instant::now();
    let groups = visit.snapshot.router.groups();
    let members = groups.flat_map(|group| health::members(visit.snapshot, group));
    let data = members.filter_map(|(group, index)| View::of(visit.gateway, group, index, now)).collect();
    respond::value(StatusCode::OK, &List { object: "list", data })
}

/// One of them.
pub(super) fn get(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let (group, index) = find(visit)?;
    Ok(respond::value(StatusCode::OK, &View::of(visit.gateway, group, index, Instant::now())))
}

/// Takes it out of service, or puts it back. Requests under way go on; a reload changes nothing about it, a
/// restart does.
pub(super) fn drain(visit: &Visit<'_>, drained: bool) -> Result<Response<ClientBody>> {
    let (group, index) = find(visit)?;
    if let Some(deployment) = group.get(index) {
        deployment.stats.drain(drained);
        let what = if drained { "drained" } else { "enabled" };
        tracing::info!(deployment = &*deployment.id, "deployment {what} by an admin");
    }
    get(visit)
}

/// Asks it for as little as can be asked, also when it is drained. `?model=NAME` says what takes the place of
/// the `*` in its model.
pub(super) async fn probe(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let (group, index) = find(visit)?;
    let star = query::parameter(visit.query, "model");
    let bound = health::timeout(visit.snapshot);
    let check = health::check(visit.gateway, group, index, star.as_deref(), bound).await?;
    let deployment = View::of(visit.gateway, group, index, Instant::now());
    Ok(respond::value(StatusCode::OK, &Probed { check: CheckView::of(&check), deployment }))
}

fn find<'v>(visit: &'v Visit<'_>) -> Result<(&'v Arc<Group<Backend>>, usize)> {
    visit.snapshot.router.deployment(&visit.id).ok_or_else(|| {
        let shown: String = visit.id.chars().take(200).collect();
        let message =
            format!("there is no deployment `{shown}`: GET /admin/v1/deployments lists them with their ids");
        ApiError::new(ErrorKind::NotFound, message).with_code("deployment_not_found")
    })
}
