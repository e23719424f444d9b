//! `llmctl explain`: why a request went where it went.

use http::Method;
use llm_providers::transport::ReqwestTransport;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::health::gateway;
use crate::args::ExplainArgs;
use crate::ask::ask;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// A request, as far as it is put into words here.
#[derive(Debug, Deserialize)]
struct Request {
    id: String,
    time: String,
    model: String,
    operation: String,
    stream: bool,
    deployment: Option<String>,
    attempts: usize,
    outcome: String,
    took_ms: f64,
    upstream_ms: f64,
    overhead_ms: f64,
    #[serde(default)]
    changes: String,
    groups: Vec<Group>,
    #[serde(default)]
    passed_over: Vec<PassedOver>,
    error: Option<Failed>,
    end: Option<End>,
    /// Only those that were chosen are among the candidates.
    #[serde(default)]
    shortened: bool,
}

#[derive(Debug, Deserialize)]
struct Group {
    model: String,
    strategy: String,
    attempts: Vec<Attempt>,
    decisions: Vec<Decision>,
    waits: Vec<Wait>,
    ended: Option<String>,
}

/// A model that was named as a fallback and not asked.
#[derive(Debug, Deserialize)]
struct PassedOver {
    model: String,
    fallback_of: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    deployment: String,
    because: String,
    at_ms: f64,
    took_ms: Option<f64>,
    #[serde(default)]
    lost: bool,
    error: Option<Failed>,
    broke_off: Option<Broke>,
}

/// An answer that had begun by then ended early.
#[derive(Debug, Deserialize)]
struct Broke {
    at_ms: f64,
    output_tokens: u64,
    error: Failed,
}

#[derive(Debug, Deserialize)]
struct Failed {
    status: u16,
    kind: String,
    message: String,
}

#[derive(Debug, Deserialize)]
struct Decision {
    at_ms: f64,
    candidates: Vec<Candidate>,
}

#[derive(Debug, Deserialize)]
struct Candidate {
    deployment: String,
    verdict: String,
    reason: Option<String>,
    score: Option<f64>,
    expected_ms: Option<f64>,
    expected_errors: Option<f64>,
    expected_usd: Option<f64>,
    samples: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Wait {
    at_ms: f64,
    pause_ms: f64,
    why: String,
    deployment: Option<String>,
}

#[derive(Debug, Deserialize)]
struct End {
    took_ms: f64,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    broke_off: Option<String>,
    #[serde(default)]
    continued_by: Vec<String>,
    #[serde(default)]
    groups: Vec<Group>,
}

/// What lies closer together is one moment, in milliseconds.
const MOMENT_MS: f64 = 1.0;

/// Explains one request.
pub(crate) async fn run(args: &ExplainArgs, out: &mut Output) -> Result<Exit, Failure> {
    let gateway = gateway(&args.at)?;
    let id = utf8_percent_encode(&args.id, NON_ALPHANUMERIC);
    let url = format!("{}/requests/{id}", gateway.admin_base());
    let told: Value = ask(&gateway, &ReqwestTransport::new()?, Method::GET, &url).await?;
    if out.json {
        out.json(&told)?;
    } else {
        explain(&serde_json::from_value(told)?, out)?;
    }
    Ok(Exit::Ok)
}

fn explain(request: &Request, out: &mut Output) -> Result<(), Failure> {
    let Request { id, time, model, operation, stream, .. } = request;
    let streamed = if *stream { ", streamed" } else { "" };
    writeln!(out.out, "{id}  {time}  {operation} of `{model}`{streamed}")?;
    let by = request.deployment.as_deref().map(|id| format!(" by {id}")).unwrap_or_default();
    writeln!(
        out.out,
        "{}{by} after {} attempt{} in {}: {} at upstreams, {} here",
        request.outcome,
        request.attempts,
        if request.attempts == 1 { "" } else { "s" },
        ms(request.took_ms),
        ms(request.upstream_ms),
        ms(request.overhead_ms),
    )?;
    if !request.changes.is_empty() {
        writeln!(out.out, "changes: {}", request.changes)?;
    }
    for group in &request.groups {
        told(group, out)?;
    }
    for PassedOver { model, fallback_of, reason } in &request.passed_over {
        writeln!(out.out, "fallback `{model}` of `{fallback_of}` passed over: {reason}")?;
    }
    if request.shortened {
        writeln!(out.out, "\nthere were too many candidates to keep those that were not chosen")?;
    }
    if let Some(Failed { status, kind, message }) = &request.error {
        writeln!(out.out, "\nthe client was told: {status} {kind}: {message}")?;
    }
    if let Some(End { took_ms, input_tokens, output_tokens, broke_off, continued_by, groups }) = &request.end
    {
        let tokens = |tokens: &Option<u64>| tokens.map_or("?".to_owned(), |tokens| tokens.to_string());
        let (input, output) = (tokens(input_tokens), tokens(output_tokens));
        writeln!(out.out, "\nended after {}: {input} tokens in, {output} out", ms(*took_ms))?;
        for id in continued_by {
            writeln!(out.out, "  continued by {id}")?;
        }
        if let Some(reason) = broke_off {
            writeln!(out.out, "  broke off: {reason}")?;
        }
        if !groups.is_empty() {
            writeln!(out.out, "\nso that somebody goes on with it:")?;
        }
        for group in groups {
            told(group, out)?;
        }
    }
    Ok(())
}

/// What was done in one group.
fn told(group: &Group, out: &mut Output) -> Result<(), Failure> {
    writeln!(out.out, "\nmodel `{}`, {}", group.model, group.strategy)?;
    attempts(group, out)?;
    let mut shown: Option<(f64, Vec<[String; 9]>)> = None;
    for decision in &group.decisions {
        let rows: Vec<_> = decision.candidates.iter().map(row).collect();
        let at = decision.at_ms;
        // Several looks at one moment say the same.
        let is_same = |(before, known): &(f64, Vec<_>)| at - before < MOMENT_MS && *known == rows;
        if shown.as_ref().is_some_and(is_same) {
            continue;
        }
        writeln!(out.out, "\n  candidates at {}", ms(at))?;
        out.table(
            ["", "DEPLOYMENT", "VERDICT", "SCORE", "EXPECTED", "ERRORS", "USD", "SAMPLES", "WHY"],
            rows.clone(),
        )?;
        shown = Some((at, rows));
    }
    for Wait { at_ms, pause_ms, why, deployment } in &group.waits {
        let whom = deployment.as_deref().unwrap_or("nobody");
        writeln!(out.out, "  waited {} at {} before {whom}: {why}", ms(*pause_ms), ms(*at_ms))?;
    }
    if let Some(ended) = group.ended.as_deref().filter(|ended| *ended != "answered") {
        writeln!(out.out, "  ended: {ended}")?;
    }
    Ok(())
}

fn attempts(group: &Group, out: &mut Output) -> Result<(), Failure> {
    for (index, attempt) in group.attempts.iter().enumerate() {
        let Attempt { deployment, because, at_ms, took_ms, lost, error, broke_off } = attempt;
        let took = took_ms.map_or_else(|| "is under way".to_owned(), ms);
        let what = match error {
            Some(Failed { status, kind, message }) => format!("{status} {kind}: {message}"),
            None if *lost => "another one was faster".to_owned(),
            None if took_ms.is_none() => "no answer yet".to_owned(),
            None => "answered".to_owned(),
        };
        writeln!(out.out, "  {}. {deployment} at {} ({because}), {took}: {what}", index + 1, ms(*at_ms))?;
        if let Some(Broke { at_ms, output_tokens, error: Failed { status, kind, message } }) = broke_off {
            let at = ms(*at_ms);
            writeln!(
                out.out,
                "     broke off at {at} after about {output_tokens} tokens: {status} {kind}: {message}"
            )?;
        }
    }
    Ok(())
}

fn row(candidate: &Candidate) -> [String; 9] {
    let Candidate { deployment, verdict, reason, score, expected_ms, expected_errors, expected_usd, samples } =
        candidate;
    [
        " ".to_owned(),
        deployment.clone(),
        verdict.clone(),
        score.map(figure).unwrap_or_default(),
        expected_ms.map(ms).unwrap_or_default(),
        expected_errors.map(|share| format!("{:.1} %", share * 100.0)).unwrap_or_default(),
        expected_usd.map(figure).unwrap_or_default(),
        samples.map(|samples| samples.to_string()).unwrap_or_default(),
        reason.clone().unwrap_or_default(),
    ]
}

/// To four digits, however small.
fn figure(figure: f64) -> String {
    let is_tiny = figure.abs() < 1e-3 && figure.abs() > 0.0;
    if is_tiny { format!("{figure:.3e}") } else { format!("{figure:.4}") }
}

fn ms(time: f64) -> String {
    match time {
        time if time < 10.0 => format!("{time:.2} ms"),
        time if time < 10_000.0 => format!("{time:.0} ms"),
        time => format!("{:.1} s", time / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::output;

    #[test]
    fn small_figures_are_told_apart() {
        assert_eq!([2.4e-6, 3e-6, 0.0, 1.25].map(figure), ["2.400e-6", "3.000e-6", "0.0000", "1.2500"]);
    }

    #[test]
    fn a_failure_is_told_with_its_attempts() {
        let text = r#"{"id": "01", "time": "2026-11-21T10:00:00.000Z", "model": "smart", "operation": "chat",
            "stream": true, "attempts": 1, "outcome": "failed", "took_ms": 31.5, "upstream_ms": 30.0,
            "overhead_ms": 1.5, "error": {"status": 503, "kind": "unavailable", "message": "down"},
            "groups": [{"model": "smart", "strategy": "weighted", "ended": "no further retry is allowed",
                "attempts": [{"deployment": "smart/1", "because": "the strategy chose it", "at_ms": 0.1,
                    "waited_ms": 0, "took_ms": 30, "error": {"status": 503, "kind": "unavailable", "message": "down"}}],
                "decisions": [{"at_ms": 0.1, "chosen": "smart/1", "candidates": [
                    {"deployment": "smart/1", "verdict": "chosen", "score": 0.5},
                    {"deployment": "smart/2", "verdict": "passed over", "reason": "cools down for another 3.0 s"}]}],
                "waits": [{"at_ms": 31, "pause_ms": 250, "why": "backoff", "deployment": "smart/1"}]}]}"#;
        let (mut out, shown, _) = output(false);
        explain(&serde_json::from_str(text).unwrap(), &mut out).unwrap();
        let shown = shown.text();
        for words in [
            "chat of `smart`, streamed",
            "failed after 1 attempt in 32 ms: 30 ms at upstreams, 1.50 ms here",
            "1. smart/1 at 0.10 ms (the strategy chose it), 30 ms: 503 unavailable: down",
            "cools down for another 3.0 s",
            "waited 250 ms at 31 ms before smart/1: backoff",
            "ended: no further retry is allowed",
            "the client was told: 503 unavailable: down",
        ] {
            assert!(shown.contains(words), "no `{words}` in {shown}");
        }
    }

    #[test]
    fn each_answer_that_broke_off_is_told_with_its_cause() {
        let text = r#"{"id": "01", "time": "2026-11-21T10:00:00.000Z", "model": "smart", "operation": "chat",
            "stream": true, "deployment": "smart/2", "attempts": 2, "outcome": "answered", "took_ms": 90.0,
            "upstream_ms": 30.0, "overhead_ms": 1.5,
            "groups": [{"model": "smart", "strategy": "weighted", "ended": "answered", "decisions": [], "waits": [],
                "attempts": [{"deployment": "smart/1", "because": "the strategy chose it", "at_ms": 0.1,
                    "waited_ms": 0, "took_ms": 30, "broke_off": {"at_ms": 45.0, "output_tokens": 7,
                        "error": {"status": 502, "kind": "unavailable", "message": "reset"}}}]}],
            "end": {"took_ms": 90.0, "continued_by": ["smart/2"]}}"#;
        let (mut out, shown, _) = output(false);
        explain(&serde_json::from_str(text).unwrap(), &mut out).unwrap();
        let shown = shown.text();
        for words in [
            "answered by smart/2 after 2 attempts",
            "broke off at 45 ms after about 7 tokens: 502 unavailable: reset",
            "continued by smart/2",
        ] {
            assert!(shown.contains(words), "no `{words}` in {shown}");
        }
    }

    #[test]
    fn what_is_the_same_at_one_moment_is_shown_once() {
        let decision = |at_ms: f64, reason: &str| -> Decision {
            let text = format!(
                r#"{{"at_ms": {at_ms}, "candidates": [{{"deployment": "m/1", "verdict": "passed over", "reason": "{reason}"}}]}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let group = Group {
            model: "m".to_owned(),
            strategy: "weighted".to_owned(),
            attempts: Vec::new(),
            decisions: vec![
                decision(0.1, "is drained"),
                decision(0.11, "is drained"),
                decision(0.12, "is drained"),
                decision(0.13, "is full"),
                decision(50.0, "is full"),
            ],
            waits: Vec::new(),
            ended: None,
        };
        let (mut out, shown, _) = output(false);
        told(&group, &mut out).unwrap();
        assert_eq!(shown.text().matches("candidates at").count(), 3, "{}", shown.text());
    }

    #[test]
    fn what_a_strategy_expects_is_told() {
        let text = r#"{"deployment": "smart/1", "verdict": "chosen", "score": 1.25, "expected_ms": 812.5,
            "expected_errors": 0.0625, "expected_usd": 0.0125, "samples": 32}"#;
        let group = Group {
            model: "smart".to_owned(),
            strategy: "adaptive".to_owned(),
            attempts: Vec::new(),
            decisions: vec![Decision { at_ms: 0.1, candidates: vec![serde_json::from_str(text).unwrap()] }],
            waits: Vec::new(),
            ended: None,
        };
        let (mut out, shown, _) = output(false);
        told(&group, &mut out).unwrap();
        let shown = shown.text();
        let words = |name: &str| {
            let line = shown.lines().find(|line| line.contains(name)).unwrap();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let head = ["DEPLOYMENT", "VERDICT", "SCORE", "EXPECTED", "ERRORS", "USD", "SAMPLES", "WHY"];
        assert_eq!(words("DEPLOYMENT"), head);
        let row = ["smart/1", "chosen", "1.2500", "812", "ms", "6.2", "%", "0.0125", "32"];
        assert_eq!(words("smart/1"), row);
    }
}
