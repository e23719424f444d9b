//! A decision in words, as `GET /admin/v1/requests/{id}` answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_router::{Because, Candidate, End, Group, Reason, Skipped, Verdict, WaitedFor};
use llm_types::ApiError;
use serde::Serialize;

use super::{Break, Decision};
use crate::backend::Backend;

/// One request in a list.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    id: Arc<str>,
    /// When it came, RFC 3339.
    time: String,
    model: Arc<str>,
    operation: &'static str,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<Arc<str>>,
    attempts: usize,
    outcome: &'static str,
    /// In milliseconds.
    took_ms: f64,
}

/// Everything about one request. Times are milliseconds; `at_ms` counts from the request's first byte.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    #[serde(flatten)]
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    front: Option<String>,
    /// Of `took_ms`, what was waited for upstreams.
    upstream_ms: f64,
    /// Of `took_ms`, what the gateway itself took, pauses between attempts included.
    overhead_ms: f64,
    #[serde(skip_serializing_if = "str::is_empty")]
    changes: Box<str>,
    groups: Vec<ToldGroup>,
    /// Models that were named as fallbacks and not asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passed_over: Vec<ToldSkipped>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ToldError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<ToldEnd>,
    /// There were too many candidates to keep what became of each.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shortened: bool,
}

impl Told {
    /// Leaves out the candidates that were not chosen: in a group of a thousand they fill a book.
    pub(crate) fn shorten(&mut self) {
        self.shortened = true;
        let after = self.end.iter_mut().flat_map(|end| &mut end.groups);
        let groups = self.groups.iter_mut().chain(after);
        for decision in groups.flat_map(|group| &mut group.decisions) {
            decision.candidates.retain(|candidate| candidate.verdict == CHOSEN);
        }
    }
}

const CHOSEN: &str = "chosen";

#[derive(Debug, Serialize)]
struct ToldGroup {
    model: Arc<str>,
    strategy: &'static str,
    attempts: Vec<ToldAttempt>,
    /// Each choice among the candidates; empty where the request was not sampled.
    decisions: Vec<ToldDecision>,
    waits: Vec<ToldWait>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct ToldSkipped {
    model: Arc<str>,
    /// The model that falls back to it.
    fallback_of: Arc<str>,
    reason: String,
}

#[derive(Debug, Serialize)]
struct ToldAttempt {
    deployment: Arc<str>,
    because: &'static str,
    at_ms: f64,
    waited_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lost: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ToldError>,
    /// Its answer had begun by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    broke_off: Option<ToldBreak>,
}

#[derive(Debug, Serialize)]
struct ToldBreak {
    at_ms: f64,
    /// How much of the answer came from it, about.
    output_tokens: u64,
    error: ToldError,
}

#[derive(Debug, Serialize)]
struct ToldError {
    status: u16,
    kind: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct ToldDecision {
    at_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    chosen: Option<Arc<str>>,
    candidates: Vec<ToldCandidate>,
}

#[derive(Debug, Serialize)]
struct ToldCandidate {
    deployment: Arc<str>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What the strategy compares; less is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_errors: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_usd: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<u32>,
}

#[derive(Debug, Serialize)]
struct ToldWait {
    at_ms: f64,
    pause_ms: f64,
    why: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<Arc<str>>,
}

#[derive(Debug, Serialize)]
struct ToldEnd {
    took_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broke_off: Option<Box<str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    continued_by: Vec<Arc<str>>,
    /// What was done so that somebody goes on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<ToldGroup>,
}

impl From<&Decision> for Summary {
    fn from(decision: &Decision) -> Self {
        let end = decision.end.lock();
        let end = end.as_ref();
        let broke_off = end.is_some_and(|end| end.broke_off.is_some());
        let outcome = match (&decision.error, end) {
            (Some(_), _) => "failed",
            (None, Some(_)) if broke_off => "broke off",
            (None, Some(_)) => "answered",
            (None, None) => "answering",
        };
        let answered = |(group, record): &(Arc<Group<Backend>>, llm_router::Record)| {
            let attempt =
                record.attempts.iter().rev().find(|attempt| attempt.error.is_none() && !attempt.lost)?;
            group.get(attempt.index).map(|deployment| Arc::clone(&deployment.id))
        };
        let after = end.and_then(|end| end.after.as_deref());
        let last = after.and_then(|after| after.by.last().cloned());
        let answered = || decision.groups.iter().rev().find_map(answered);
        let groups = decision.groups.iter().chain(after.into_iter().flat_map(|after| &after.groups));
        let came = decision.at.checked_sub(decision.took).unwrap_or(decision.at);
        let time = jiff::Timestamp::try_from(came).map(|time| format!("{time:.3}")).unwrap_or_default();
        Self {
            id: Arc::clone(&decision.request_id),
            time,
            model: Arc::clone(&decision.model),
            operation: decision.operation,
            stream: decision.stream,
            deployment: last.or_else(answered).filter(|_| decision.error.is_none()),
            attempts: groups.map(|(_, record)| record.attempts.len()).sum(),
            outcome,
            took_ms: ms(end.map_or(decision.took, |end| end.took)),
        }
    }
}

impl From<&Decision> for Told {
    fn from(decision: &Decision) -> Self {
        let summary = Summary::from(decision);
        let end = decision.end.lock();
        let after = end.as_ref().and_then(|end| end.after.as_deref());
        let mut breaks = after.map(|after| after.breaks.as_slice()).unwrap_or_default().iter();
        let mut told = |groups| told_groups(groups, decision.started, &mut breaks);
        Self {
            summary,
            front: decision.front.map(|front| front.to_string()),
            upstream_ms: ms(decision.upstream),
            overhead_ms: ms(decision.took.saturating_sub(decision.upstream)),
            changes: decision.changes.clone(),
            groups: told(&decision.groups),
            passed_over: decision.skipped.iter().map(told_skipped).collect(),
            error: decision.error.as_ref().map(told_error),
            shortened: false,
            end: end.as_ref().map(|end| ToldEnd {
                took_ms: ms(end.took),
                input_tokens: end.tokens.map(|tokens| tokens.prompt),
                output_tokens: end.tokens.map(|tokens| tokens.completion),
                broke_off: end.broke_off.clone(),
                continued_by: after.map(|after| after.by.clone()).unwrap_or_default(),
                groups: after.map(|after| told(&after.groups)).unwrap_or_default(),
            }),
        }
    }
}

/// What was done in each group. Whoever answered in one may have broken off later.
fn told_groups(
    groups: &[(Arc<Group<Backend>>, llm_router::Record)],
    started: Instant,
    breaks: &mut std::slice::Iter<'_, Break>,
) -> Vec<ToldGroup> {
    let told = |(group, record): &(Arc<Group<Backend>>, llm_router::Record)| {
        let mut told = told_group(group, record, started);
        let answered =
            told.attempts.iter_mut().rev().find(|attempt| attempt.error.is_none() && !attempt.lost);
        if let Some(attempt) = answered.filter(|_| record.end == Some(End::Answered)) {
            attempt.broke_off = breaks.next().map(|broke| ToldBreak {
                at_ms: ms(broke.at.saturating_duration_since(started)),
                output_tokens: broke.tokens,
                error: told_error(&broke.error),
            });
        }
        told
    };
    groups.iter().map(told).collect()
}

fn told_group(group: &Group<Backend>, record: &llm_router::Record, started: Instant) -> ToldGroup {
    let at = |when: Instant| ms(when.saturating_duration_since(started));
    let id = |index: usize| group.get(index).map(|deployment| Arc::clone(&deployment.id));
    let attempts = record.attempts.iter().map(|attempt| ToldAttempt {
        deployment: id(attempt.index).unwrap_or_default(),
        because: because(attempt.because),
        at_ms: at(attempt.started),
        waited_ms: ms(attempt.waited),
        took_ms: attempt.took.map(ms),
        lost: attempt.lost,
        error: attempt.error.as_ref().map(told_error),
        broke_off: None,
    });
    let trace = record.trace.as_deref();
    let decisions = trace.into_iter().flat_map(|trace| &trace.decisions).map(|decision| ToldDecision {
        at_ms: at(decision.at),
        chosen: decision.chosen.and_then(|(index, _)| id(index)),
        candidates: decision
            .candidates
            .iter()
            .enumerate()
            .map(|(index, Candidate { verdict, estimate })| {
                let chosen = decision.chosen.map(|(index, _)| index);
                let reason = match verdict {
                    Verdict::PassedOver(Reason::Later) => Some(later(group, index, chosen).to_owned()),
                    Verdict::PassedOver(reason) => Some(reason.to_string()),
                    Verdict::NotPicked | Verdict::Tried => None,
                };
                ToldCandidate {
                    deployment: id(index).unwrap_or_default(),
                    verdict: match verdict {
                        _ if chosen == Some(index) => CHOSEN,
                        Verdict::NotPicked => "not needed",
                        Verdict::Tried => "tried before",
                        Verdict::PassedOver(_) => "passed over",
                    },
                    reason,
                    score: estimate.score,
                    expected_ms: estimate.seconds.map(|seconds| (f64::from(seconds) * 1e6).round() / 1e3),
                    expected_errors: estimate.errors,
                    expected_usd: estimate.usd,
                    samples: estimate.samples,
                }
            })
            .collect(),
    });
    let waits = record.waits.iter().map(|wait| {
        let (why, index) = match wait.why {
            WaitedFor::Backoff(index) => ("backoff", index),
            WaitedFor::RetryAfter(index) => ("the provider asked for it", index),
        };
        ToldWait { at_ms: at(wait.at), pause_ms: ms(wait.pause), why, deployment: id(index) }
    });
    ToldGroup {
        model: Arc::clone(&group.name),
        strategy: group.strategy,
        attempts: attempts.collect(),
        decisions: decisions.collect(),
        waits: waits.collect(),
        ended: record.end.map(ended),
    }
}

/// Why a deployment's turn comes after that of whoever was chosen.
fn later(group: &Group<Backend>, index: usize, chosen: Option<usize>) -> &'static str {
    let tier = |index: usize| group.get(index).map(|one| (one.weight == 0, one.facts.order));
    let first = chosen.map_or_else(|| (0..group.deployments.len()).filter_map(tier).min(), tier);
    match (tier(index), first) {
        (Some((true, _)), Some((false, _))) => "comes after the others: its weight is 0",
        _ => "comes after the others: its order is higher",
    }
}

fn told_skipped(skipped: &Skipped) -> ToldSkipped {
    let Skipped { model, group, why } = skipped;
    ToldSkipped { model: Arc::clone(model), fallback_of: Arc::clone(group), reason: why.to_string() }
}

fn told_error(error: &ApiError) -> ToldError {
    ToldError {
        status: error.upstream_status.unwrap_or_else(|| error.status()).as_u16(),
        kind: error.kind.code().unwrap_or_else(|| error.kind.type_name()),
        message: error.message.clone(),
        retry_after_ms: error.retry_after.map(ms),
    }
}

fn because(because: Because) -> &'static str {
    match because {
        Because::Strategy => "the strategy chose it",
        Because::Pinned => "the request belongs to it",
        Because::Session => "its session goes there",
        Because::Prefix => "it answered the same beginning last",
        Because::Probe => "to find out whether it is well again",
        Because::Again => "nobody untried was left",
        Because::LastResort => "everybody was cooling down and it was to be ready first",
        Because::Hedge => "the one before took long to begin",
        _ => "another reason",
    }
}

fn ended(end: End) -> &'static str {
    match end {
        End::Answered => "answered",
        End::NoCandidate => "every deployment was passed over",
        End::AllCooling => {
            "every deployment was unwell, late or its provider wanted a pause, and another model could be asked"
        }
        End::NotRetryable => "the failure would have been the same everywhere",
        End::AllPaused => {
            "the providers of all deployments had asked for pauses that were not waited for, or no longer"
        }
        End::NobodyLeft => "every deployment was tried and none may be asked again",
        End::RetriesSpent => "no further retry is allowed",
        End::BudgetSpent => "the retry budget of this group's requests is spent",
        End::Deadline => "the request's time was up, or a pause would have outlasted it",
        End::Abandoned => "it was abandoned",
        _ => "ended",
    }
}

/// Milliseconds, to the microsecond.
fn ms(time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a time for people")]
    let micros = time.as_micros() as f64;
    micros / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_somebody_comes_later_is_what_the_configuration_says() {
        let config = llm_config::Config::from_models(["mock/echo"]);
        let snapshot = crate::assemble::snapshot(&config, |_| None, None).unwrap();
        let backend = snapshot.router.groups().next().unwrap().deployments[0].target.clone();
        let deployment = |id: &str, order, weight| {
            let facts = llm_router::Facts { order, ..llm_router::Facts::default() };
            llm_router::Deployment::new(id, 0, backend.clone()).weighing(weight).with_facts(facts)
        };
        let three = [deployment("first", 0, 1), deployment("second", 1, 1), deployment("idle", 0, 0)];
        let group = Group::new("m", llm_router::RetryPolicy::default(), three);
        let words = |index, chosen| later(&group, index, chosen).rsplit(": ").next().unwrap();
        assert_eq!([words(1, Some(0)), words(2, Some(0))], ["its order is higher", "its weight is 0"]);
        assert_eq!([words(2, Some(1)), words(1, None)], ["its weight is 0", "its order is higher"]);
    }

    #[test]
    fn what_is_shortened_says_so_and_keeps_the_chosen() {
        let candidate = |nth: usize, verdict| ToldCandidate {
            deployment: format!("m/{nth}").into(),
            verdict,
            reason: None,
            score: None,
            expected_ms: None,
            expected_errors: None,
            expected_usd: None,
            samples: None,
        };
        let candidates = vec![candidate(1, "not needed"), candidate(2, CHOSEN), candidate(3, "passed over")];
        let mut told = Told::from(&crate::record::tests::decision("a"));
        told.groups.push(ToldGroup {
            model: "m".into(),
            strategy: "weighted",
            attempts: Vec::new(),
            decisions: vec![ToldDecision { at_ms: 0.0, chosen: Some("m/2".into()), candidates }],
            waits: Vec::new(),
            ended: None,
        });
        assert!(serde_json::to_value(&told).unwrap().get("shortened").is_none());
        told.shorten();
        let told = serde_json::to_value(&told).unwrap();
        let left = &told["groups"][0]["decisions"][0]["candidates"];
        assert_eq!((&told["shortened"], left.as_array().unwrap().len()), (&true.into(), 1));
        assert_eq!(left[0]["deployment"], "m/2");
    }
}
