//! `/admin/v1/requests`: why the latest requests went where they went.

use http::{Response, StatusCode};
use llm_admin::form;
use llm_admin::form::forms;
use llm_admin::query::parameter;
use llm_types::{ApiError, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Visit, attempts};
use crate::body::ClientBody;
use crate::governance::refused;
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
        Some("decisions") => match attempts::narrowed(visit) {
            None => list(visit),
            Some(name) => {
                Err(llm_admin::form::wrong(name, "is for source=usage: decisions take `limit` alone"))
            }
        },
        Some("usage") => attempts::list(visit).await,
        None if visit.governance().reports().is_durable() || attempts::narrowed(visit).is_some() => {
            attempts::list(visit).await
        }
        None => list(visit),
        Some(_) => Err(llm_admin::form::wrong("source", "must be one of decisions, usage")),
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

/// One of them, with everything that was considered: from memory, or from the store where there is one.
///
/// # Errors
/// 404 when it is not among those that are kept, 503 when the store cannot be read.
pub(super) async fn get(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    if let Some(found) = visit.snapshot.records.find(&visit.id) {
        return Ok(respond::value(StatusCode::OK, &Told::from(&*found)));
    }
    let kept = visit.governance().decision(&visit.id).await?;
    let kept = kept.and_then(|text| serde_json::value::RawValue::from_string(text).ok());
    let found = kept.ok_or_else(|| {
        let message = format!(
            "nothing is known of a request `{}`: of the latest those are kept that failed, needed several attempts, \
             had the header x-gateway-explain or are among those of router.records.sample and per_second",
            visit.id
        );
        unknown(message)
    })?;
    Ok(respond::value(StatusCode::OK, &found))
}

/// What somebody thought of an answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedbackForm {
    /// From 0, useless, to 1, just right.
    #[schemars(range(min = 0.0, max = 1.0))]
    score: f64,
}

forms!(FeedbackForm);

/// What was noted.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FeedbackView {
    /// The request's id.
    id: String,
    /// From 0 to 1.
    score: f64,
}

/// Notes what somebody thought of a request's answer: the `quality` of its rows. The last word counts.
///
/// # Errors
/// 400 for a score beyond 0 and 1, 404 where no row of such a request is kept, 503 when the store is away.
pub(super) async fn feedback(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let FeedbackForm { score } = form::read(&visit.body)?;
    if !(0.0..=1.0).contains(&score) {
        return Err(form::wrong("score", "must be a number from 0 to 1"));
    }
    if !visit.governance().reports().rate(&visit.id, score).await.map_err(refused)? {
        return Err(unknown(format!(
            "no usage is booked of a request `{}`: feedback is for requests that have ended, by the id of their \
             x-request-id header",
            visit.id
        )));
    }
    Ok(respond::value(StatusCode::OK, &FeedbackView { id: visit.id.to_string(), score }))
}

fn unknown(message: String) -> ApiError {
    ApiError::new(ErrorKind::NotFound, message).with_code("request_not_found")
}
