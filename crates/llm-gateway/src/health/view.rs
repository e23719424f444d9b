//! A deployment as admins see it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use llm_router::{Deployment, Group, Standing};
use llm_types::ApiError;
use serde::Serialize;

use super::check::Check;
use crate::backend::Backend;
use crate::gateway::Gateway;

/// Everything there is to know of a deployment. Times are in milliseconds, shares from 0 to 1; what is not
/// known is null.
#[derive(Debug, Serialize)]
pub(crate) struct View<'a> {
    id: &'a str,
    /// The name that clients ask for.
    group: &'a str,
    /// `provider/model`.
    model: &'a str,
    provider: &'a str,
    /// Where calls go.
    host: Option<String>,
    /// Whether requests go there and nothing speaks against it.
    pub(crate) healthy: bool,
    /// Why not.
    reason: Option<String>,
    state: State,
    /// Until it may be asked again.
    left_ms: Option<u64>,
    in_flight: u32,
    counts: Counts,
    last_failure_ago_ms: Option<u64>,
    latency_ms: Latency,
    weight: u32,
    order: u32,
    tags: Vec<&'a str>,
    region: Option<&'a str>,
    limits: Limits,
    /// Counted where `rpm` or `tpm` is set.
    last_minute: Option<Minute>,
    /// The share that is left of its limits, ours and the provider's.
    headroom: f64,
    /// What the provider's headers last said.
    rate_limits_left: RateLimits,
    last_check: Option<CheckView>,
}

/// Whether it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// It may.
    Closed,
    /// It failed and is left alone.
    Open,
    /// It was left alone, and one request finds out how it is.
    HalfOpen,
    /// Its provider's rate limit has nothing left.
    Resting,
    /// It was taken out of service.
    Drained,
}

#[derive(Debug, Serialize)]
struct Counts {
    successes: u64,
    failures: u64,
    refusals: u64,
}

#[derive(Debug, Serialize)]
struct Latency {
    first_token: Option<f64>,
    whole: Option<f64>,
    per_output_token: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Limits {
    rpm: Option<u32>,
    tpm: Option<u32>,
    max_parallel: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Minute {
    requests: u64,
    tokens: u64,
}

#[derive(Debug, Serialize)]
struct RateLimits {
    requests: Option<f64>,
    tokens: Option<f64>,
}

/// What a check has shown.
#[derive(Debug, Serialize)]
pub(crate) struct CheckView {
    /// `null`: nobody was asked.
    ok: Option<bool>,
    /// Why nobody was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    /// Unix seconds.
    at: u64,
    took_ms: u64,
    operation: Option<&'static str>,
    model: String,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    error: Option<ErrorView>,
}

#[derive(Debug, Serialize)]
struct ErrorView {
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    code: Option<String>,
    /// The provider's HTTP status.
    status: Option<u16>,
}

impl<'a> View<'a> {
    /// The deployment at this position.
    pub(crate) fn of(
        gateway: &Gateway,
        group: &'a Group<Backend>,
        index: usize,
        now: Instant,
    ) -> Option<Self> {
        let deployment: &'a Arc<Deployment<Backend>> = group.get(index)?;
        let stats = &deployment.stats;
        let standing = stats.standing(now);
        let check = gateway.checks().last(deployment);
        let target = deployment.target.target(Some("*"));
        let counts = stats.counts();
        // What a check found goes until a request has been answered.
        let latest = check.as_deref().filter(|check| check.successes == counts.successes);
        let reason = reason(standing, target.as_ref().err(), latest);
        let facts = &deployment.facts;
        let allowance = facts.allowance;
        let latencies = stats.latencies(now);
        let left = stats.rate_limits_left(now);
        let metered = allowance.rpm.is_some() || allowance.tpm.is_some();
        let minute = metered.then(|| stats.load(now));
        Some(Self {
            id: &deployment.id,
            group: &group.name,
            model: &deployment.label,
            provider: &deployment.target.provider,
            host: target.ok().and_then(|target| target.host().map(str::to_owned)),
            healthy: reason.is_none(),
            reason,
            state: State::of(standing),
            left_ms: standing.until().map(|until| ms(until.saturating_duration_since(now))),
            in_flight: counts.in_flight,
            counts: Counts {
                successes: counts.successes,
                failures: counts.failures,
                refusals: counts.refusals,
            },
            last_failure_ago_ms: stats.last_failure().map(|at| ms(now.saturating_duration_since(at))),
            latency_ms: Latency {
                first_token: latencies.first_token.map(in_ms),
                whole: latencies.whole.map(in_ms),
                per_output_token: latencies.per_token.map(in_ms),
            },
            weight: deployment.weight,
            order: facts.order,
            tags: deployment.tags.iter().map(|tag| &**tag).collect(),
            region: facts.region.as_deref(),
            limits: Limits { rpm: allowance.rpm, tpm: allowance.tpm, max_parallel: allowance.max_parallel },
            last_minute: minute.map(|load| Minute { requests: load.requests, tokens: load.tokens }),
            headroom: stats.headroom(&allowance, now),
            rate_limits_left: RateLimits { requests: left.requests, tokens: left.tokens },
            last_check: check.as_deref().map(CheckView::of),
        })
    }
}

impl State {
    fn of(standing: Standing) -> Self {
        match standing {
            Standing::Ready => Self::Closed,
            Standing::Cooling(_) => Self::Open,
            Standing::ProbeDue | Standing::Probing => Self::HalfOpen,
            Standing::Resting(_) => Self::Resting,
            Standing::Drained => Self::Drained,
        }
    }
}

/// What speaks against a deployment.
fn reason(standing: Standing, fault: Option<&ApiError>, check: Option<&Check>) -> Option<String> {
    if let Some(fault) = fault {
        return Some(fault.to_string());
    }
    let failed = check.and_then(|check| check.error.as_ref()).map(ToString::to_string);
    match standing {
        Standing::Drained => Some("drained: taken out of service".to_owned()),
        Standing::Cooling(_) | Standing::ProbeDue | Standing::Probing => {
            Some(failed.unwrap_or_else(|| "it failed and has not answered since".to_owned()))
        }
        Standing::Resting(_) => Some("the provider's rate limit has nothing left".to_owned()),
        Standing::Ready => failed,
    }
}

impl CheckView {
    pub(crate) fn of(check: &Check) -> Self {
        let Check { at, took, op, model, usage, error, skipped, successes: _ } = check;
        Self {
            ok: skipped.is_none().then_some(error.is_none()),
            skipped: skipped.clone(),
            at: unix(*at),
            took_ms: ms(*took),
            operation: op.map(|op| op.name()),
            model: model.clone(),
            input_tokens: usage.as_ref().map(llm_types::Usage::prompt_tokens),
            output_tokens: usage.as_ref().map(llm_types::Usage::completion_tokens),
            error: error.as_ref().map(|error| ErrorView {
                message: error.to_string(),
                kind: error.kind.type_name(),
                code: error.public_code().map(str::to_owned),
                status: error.upstream_status.map(|status| status.as_u16()),
            }),
        }
    }
}

/// Unix seconds.
pub(crate) fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds as milliseconds, to the hundredth.
fn in_ms(seconds: f64) -> f64 {
    (seconds * 1e5).round() / 100.0
}

#[cfg(test)]
mod tests {
    use llm_types::ErrorKind;

    use super::*;

    #[test]
    fn what_speaks_against_a_deployment_is_said() {
        let now = Instant::now();
        let fault = ApiError::new(ErrorKind::Auth, "no key");
        let check = |error| Check {
            at: UNIX_EPOCH,
            took: Duration::ZERO,
            op: None,
            model: String::new(),
            usage: None,
            error,
            skipped: None,
            successes: 0,
        };
        let failed = check(Some(ApiError::upstream(ErrorKind::Internal, "boom")));
        let says = |standing, fault, check, expect: Option<&str>| {
            let got = reason(standing, fault, check);
            assert_eq!(
                got.as_deref().map(|text| expect.is_some_and(|word| text.contains(word))),
                expect.map(|_| true),
                "{got:?}"
            );
        };
        says(Standing::Ready, None, None, None);
        let passed = check(None);
        says(Standing::Ready, None, Some(&passed), None);
        says(Standing::Ready, None, Some(&failed), Some("boom"));
        says(Standing::Ready, Some(&fault), None, Some("no key"));
        says(Standing::Cooling(now), None, None, Some("not answered"));
        says(Standing::Cooling(now), None, Some(&failed), Some("boom"));
        says(Standing::ProbeDue, None, Some(&passed), Some("not answered"));
        says(Standing::Resting(now), None, None, Some("rate limit"));
        says(Standing::Drained, None, None, Some("drained"));
    }
}
