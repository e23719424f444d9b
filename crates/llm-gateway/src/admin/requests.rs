//! `/admin/v1/requests`: why the latest requests went where they went.

use http::{Response, StatusCode};
use llm_types::{ApiError, ErrorKind, Result};
use serde::Serialize;

use super::{Visit, attempts};
use crate::body::ClientBody;
use crate::query::parameter;
use crate::record::{Summary, Told};
use crate::respond;

/// How many are listed where nobody says.
const USUAL: usize = 50;
/// The most that are listed.
const MOST: usize = 1000;

#[derive(Serialize)]
struct List {
    object: &'static str,
    data: Vec<Summary>,
}

/// The latest decisions, or with `source=usage` the attempts that were booked; where rows are kept durably, these.
///
/// # Errors
/// When a parameter cannot be read, and when the store cannot.
pub(super) async fn any(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    match parameter(visit.query, "source").as_deref() {
        Some("decisions") => list(visit),
        Some("usage") => attempts::list(visit).await,
        None if visit.governance().reports().is_durable() || attempts::is_narrowed(visit) => {
            attempts::list(visit).await
        }
        None => list(visit),
        Some(_) => Err(crate::form::wrong("source", "must be one of decisions, usage")),
    }
}

/// The latest, newest first; `limit` says how many.
///
/// # Errors
/// When `limit` is no number from 1 to 1000.
fn list(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let limit = match parameter(visit.query, "limit") {
        None => USUAL,
        Some(text) => text.parse().ok().filter(|limit| (1..=MOST).contains(limit)).ok_or_else(|| {
            ApiError::bad_request("`limit` must be a number from 1 to 1000").with_param("limit")
        })?,
    };
    let latest = visit.snapshot.records.latest(limit);
    let data = latest.iter().map(|decision| Summary::from(&**decision)).collect();
    Ok(respond::value(StatusCode::OK, &List { object: "list", data }))
}

/// One of them, with everything that was considered.
///
/// # Errors
/// 404 when it is not among those that are kept.
pub(super) fn get(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let found = visit.snapshot.records.find(&visit.id).ok_or_else(|| {
        let message = format!(
            "nothing is known of a request `{}`: of the latest those are kept that failed, needed several attempts, \
             had the header x-gateway-explain or are in the share of router.records.sample",
            visit.id
        );
        ApiError::new(ErrorKind::NotFound, message).with_code("request_not_found")
    })?;
    Ok(respond::value(StatusCode::OK, &Told::from(&*found)))
}
