//! Lists of the admin API, page by page.

use llm_governance::report::PageAsk;
use llm_types::{ApiError, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::Visit;
use crate::form::{self, wrong};
use crate::query::parameter;

/// The most items of a page.
const MOST: usize = 1000;

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub struct ListView<T> {
    /// Always `list`.
    pub object: &'static str,
    /// The items.
    pub data: Vec<T>,
    /// To be sent as `cursor` for the next page; `null`: this is the last one.
    pub next_cursor: Option<String>,
}

impl<T> ListView<T> {
    /// A page of these.
    pub fn new(data: Vec<T>, next_cursor: Option<String>) -> Self {
        Self { object: "list", data, next_cursor }
    }
}

/// Which page is asked for: `?limit=…&cursor=…`.
///
/// # Errors
/// When `limit` is no number from 1 to 1000.
pub fn ask(visit: &Visit<'_>) -> Result<PageAsk> {
    let limit = match parameter(visit.query, "limit") {
        None => 0,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MOST).contains(limit))
            .ok_or_else(|| wrong("limit", format!("must be a number from 1 to {MOST}")))?,
    };
    Ok(PageAsk { limit, cursor: text(visit, "cursor") })
}

/// A parameter that is there and not empty.
pub fn text(visit: &Visit<'_>, name: &str) -> Option<String> {
    parameter(visit.query, name).filter(|text| !text.is_empty()).map(std::borrow::Cow::into_owned)
}

/// A moment in a parameter: RFC 3339, or a day in UTC.
///
/// # Errors
/// When it is neither.
pub fn moment(visit: &Visit<'_>, name: &str) -> Result<Option<jiff::Timestamp>> {
    let Some(text) = parameter(visit.query, name) else { return Ok(None) };
    let moment = form::moment(&text);
    let wrong = || -> ApiError {
        wrong(
            name,
            "must be a moment as RFC 3339 writes it, such as 2026-11-21T08:00:00Z, or a day, such as 2026-11-21",
        )
    };
    moment.map(Some).ok_or_else(wrong)
}
