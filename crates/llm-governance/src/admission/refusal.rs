//! Why a request is not let in, in words that say what to do.

use std::sync::Arc;
use std::time::Duration;

use llm_types::{ApiError, ErrorKind, PicoUsd, RateLimits};

use crate::budget::{BudgetView, Denied, PriceBound};
use crate::limit::{LimitKind, Which};
use crate::scope::Scope;
use crate::terms::Access;
use crate::window::Period;

/// A request that is not let in.
#[derive(Debug)]
pub struct Refusal {
    /// What the client is told.
    pub error: ApiError,
    /// Models that may answer instead, the best first: the fallbacks of the budget that refused.
    pub instead: Box<[Arc<str>]>,
    /// What is left of the tightest limits, for the headers.
    pub left: RateLimits,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { error, instead: Box::default(), left: RateLimits::default() }
    }
}

/// A model that an owner may not ask for.
pub(super) fn model_not_allowed(owner: &str, model: &str, access: &Access) -> Refusal {
    not_allowed((owner, model), &access.models, "model_not_allowed")
}

/// A route that an owner may not call.
pub(crate) fn route_not_allowed(owner: &str, route: &str, access: &Access) -> Refusal {
    not_allowed((owner, route), &access.routes, "route_not_allowed")
}

fn not_allowed((owner, what): (&str, &str), list: &[Arc<str>], code: &str) -> Refusal {
    const SHOWN: usize = 10;
    let shown: Vec<&str> = list.iter().take(SHOWN).map(|glob| &**glob).collect();
    let more = if list.len() > SHOWN { ", …" } else { "" };
    let message = format!(
        "this {owner} may not call `{what}`: it may call {}{more}; ask for more or use another key",
        shown.join(", ")
    );
    ApiError::new(ErrorKind::Permission, message).with_code(code).into()
}

/// A limit that is reached.
pub(super) fn limited((scope, model): (&Scope, Option<&str>), which: Which, left: RateLimits) -> Refusal {
    let Which { kind, limit, wait } = which;
    let of = model.map(|model| format!(" and the model `{model}`")).unwrap_or_default();
    let what = match kind {
        LimitKind::Requests => "requests a minute",
        LimitKind::Tokens => "tokens a minute",
        LimitKind::Parallel => "requests at once",
    };
    let when = match kind {
        LimitKind::Parallel => "try again when one of them has ended".to_owned(),
        _ if wait == Duration::MAX => "nothing is let in".to_owned(),
        _ => format!("try again in {} s", wait.as_millis().div_ceil(1000)),
    };
    let message = format!("the limit of {limit} {what} for {scope}{of} is reached: {when}");
    let mut error = ApiError::new(ErrorKind::RateLimit, message);
    error.retry_after = (wait != Duration::MAX).then_some(wait);
    Refusal { left, ..error.into() }
}

/// Money that is not there.
pub(super) fn denied(denied: Denied, bound: Option<&PriceBound>) -> Refusal {
    match denied {
        Denied::Exceeded(view, instead) => {
            let asked = bound.map_or(PicoUsd::ZERO, PriceBound::total);
            let error = ApiError::new(ErrorKind::Budget, exceeded(&view, asked));
            Refusal { instead, ..error.into() }
        }
        Denied::Unbounded(view) => {
            let message = format!(
                "what this request may cost has no upper bound, and the {} budget of {} is hard: set max_tokens, \
                 cap what its tools may use, or give the model a price",
                view.id.window.period, view.id.scope
            );
            ApiError::new(ErrorKind::Budget, message).with_code("cost_unbounded").into()
        }
        Denied::Starved(_) => unavailable(None).into(),
    }
}

fn exceeded(view: &BudgetView, asked: PicoUsd) -> String {
    let BudgetView { id, limit, span, settled, reserved, elsewhere, .. } = view;
    let spent = settled.saturating_add(*elsewhere);
    let (period, scope) = (id.window.period, &id.scope);
    let state = format!(
        "the {period} budget of {limit:.2} USD for {scope} does not cover this request: it may cost {asked} USD, \
         {spent} USD are spent and requests under way may yet cost {reserved} USD"
    );
    let when = match period {
        _ if spent.saturating_add(asked) <= *limit => {
            "try again when those have ended, or ask for less (max_tokens)".to_owned()
        }
        Period::Total => "ask for less (max_tokens) or have the budget raised".to_owned(),
        _ => format!("ask for less (max_tokens), wait until {}, or have the budget raised", span.end),
    };
    format!("{state}; {when}")
}

/// The store that budgets are kept in does not answer, or was asked in vain.
pub(super) fn unavailable(source: Option<crate::Error>) -> ApiError {
    let message = "the budgets cannot be looked up at the moment: try again";
    let mut error = ApiError::new(ErrorKind::Unavailable, message).with_code("budget_unavailable");
    error.retry_after = Some(Duration::from_secs(1));
    match source {
        Some(source) => error.with_source(source),
        None => error,
    }
}

/// The store that limits are counted in does not answer.
pub(super) fn limits_unavailable(source: crate::Error) -> Refusal {
    let message = "the limits cannot be looked up at the moment: try again";
    let mut error = ApiError::new(ErrorKind::Unavailable, message).with_code("limits_unavailable");
    error.retry_after = Some(Duration::from_secs(1));
    error.with_source(source).into()
}
