//! How deployments are: what traffic and checks have shown, and checks on demand and by the clock.
//!
//! `GET /health` counts who is well and who is not; `GET /admin/v1/deployments` tells the same of each in full.

mod check;
mod round;
mod view;

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use http::{Response, StatusCode};
use llm_admin::query;
use llm_router::Group;
use llm_types::Result;
use serde::Serialize;

pub(crate) use self::check::{Checks, check};
pub(crate) use self::round::start;
pub(crate) use self::view::{CheckView, View, unix};

use crate::admin::Visit;
use crate::backend::Backend;
use crate::body::ClientBody;
use crate::jwt::SourceView;
use crate::respond;
use crate::snapshot::Snapshot;

/// How long a check may take where the configuration does not say.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// How many checks run at once.
const AT_ONCE: usize = 8;

#[derive(Serialize)]
struct Summary<'a> {
    healthy_count: usize,
    unhealthy_count: usize,
    healthy_endpoints: Vec<View<'a>>,
    unhealthy_endpoints: Vec<View<'a>>,
    /// What is wrong with the store, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// Why limits are not shared at the moment, where they should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<String>,
    /// The keys of issuers of tokens, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    issuers: Vec<SourceView>,
}

/// `GET /health`: who is well. `?check` asks each deployment first, `?model=NAME` is about one model alone.
///
/// # Errors
/// 404 for a model that is not served.
pub(crate) async fn summary(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let (Visit { gateway, snapshot, .. }, query) = (visit, visit.query);
    let model = query::parameter(query, "model");
    let only = match &model {
        Some(name) => {
            let found = snapshot.router.find(name);
            Some(found.ok_or_else(|| crate::models::unknown(snapshot, name))?.group)
        }
        None => None,
    };
    let groups = snapshot.router.groups().filter(|group| only.is_none_or(|only| only.name == group.name));
    let members: Vec<_> = groups.flat_map(|group| members(snapshot, group)).collect();
    if query::is_on(query, "check") {
        let bound = timeout(snapshot);
        let members = members.iter().copied();
        futures_util::stream::iter(members)
            .for_each_concurrent(AT_ONCE, async |(group, index)| {
                // The list tells the outcome.
                let _ = check(gateway, group, index, None, bound).await;
            })
            .await;
    }
    let now = Instant::now();
    let views = members.iter().filter_map(|(group, index)| View::of(gateway, group, *index, now));
    let (well, unwell): (Vec<_>, Vec<_>) = views.partition(|view| view.healthy);
    Ok(respond::value(
        StatusCode::OK,
        &Summary {
            healthy_count: well.len(),
            unhealthy_count: unwell.len(),
            healthy_endpoints: well,
            unhealthy_endpoints: unwell,
            store: gateway.governance().trouble(),
            redis: snapshot.shared.as_ref().and_then(|shared| shared.trouble()),
            issuers: snapshot.issuers.as_ref().map(|issuers| issuers.views()).unwrap_or_default(),
        },
    ))
}

/// The deployments of a group that are meant to be called.
pub(crate) fn members<'s>(
    snapshot: &'s Snapshot,
    group: &'s Group<Backend>,
) -> impl Iterator<Item = (&'s Group<Backend>, usize)> {
    let meant = move |index: &usize| {
        snapshot.chosen
            || group.get(*index).is_some_and(|deployment| deployment.target.target(Some("*")).is_ok())
    };
    (0..group.deployments.len()).filter(meant).map(move |index| (group, index))
}

/// How long a check may take.
pub(crate) fn timeout(snapshot: &Snapshot) -> Duration {
    snapshot.health_check.map_or(CHECK_TIMEOUT, |check| check.timeout)
}
