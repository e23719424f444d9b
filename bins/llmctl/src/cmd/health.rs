//! `llmctl health`: how the deployments of a gateway are, once or live.

use std::time::Duration;

use http::Method;
use llm_providers::transport::{ReqwestTransport, Transport};
use llm_types::ApiError;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::args::{At, HealthArgs};
use crate::ask::ask;
use crate::exit::{Exit, Failure};
use crate::input::gateway::Gateway;
use crate::output::Output;

/// How much of a reason is shown, in characters.
const REASON: usize = 80;

#[derive(Deserialize)]
struct List {
    data: Vec<Box<RawValue>>,
}

/// A deployment, as far as the table shows it.
#[derive(Debug, Deserialize)]
struct Deployment {
    id: String,
    group: String,
    model: String,
    healthy: bool,
    reason: Option<String>,
    state: String,
    left_ms: Option<u64>,
    in_flight: u64,
    counts: Counts,
    latency_ms: Latency,
    headroom: f64,
}

#[derive(Debug, Deserialize)]
struct Counts {
    successes: u64,
    failures: u64,
}

#[derive(Debug, Deserialize)]
struct Latency {
    first_token: Option<f64>,
    whole: Option<f64>,
}

#[derive(Deserialize)]
struct Config {
    refused: Option<Refused>,
    #[serde(default)]
    restart_needed: Vec<String>,
}

#[derive(Deserialize)]
struct Refused {
    message: String,
}

/// Shows the deployments.
pub(crate) async fn run(args: &HealthArgs, out: &mut Output) -> Result<Exit, Failure> {
    let gateway = gateway(&args.at)?;
    let transport = ReqwestTransport::new()?;
    look(&gateway, &transport, args.watch, out).await?;
    if !args.watch {
        return Ok(Exit::Ok);
    }
    loop {
        tokio::time::sleep(Duration::from_secs(args.every)).await;
        if !out.json {
            out.start_over()?;
        }
        // A gateway that is away for a moment comes back.
        if let Err(failure) = look(&gateway, &transport, true, out).await {
            match failure {
                Failure::Call(error) => writeln!(out.err, "llmctl: {error}")?,
                other => return Err(other),
            }
        }
    }
}

/// The gateway of the arguments.
pub(crate) fn gateway(at: &At) -> Result<Gateway, Failure> {
    let env = |name: &str| std::env::var(name).ok();
    Gateway::new(&at.gateway, at.key.clone(), &env).map_err(Failure::Usage)
}

/// Shows everything once.
async fn look(
    gateway: &Gateway,
    transport: &dyn Transport,
    again: bool,
    out: &mut Output,
) -> Result<(), Failure> {
    let base = gateway.admin_base();
    let list: List = ask(gateway, transport, Method::GET, &format!("{base}/deployments")).await?;
    if out.json {
        return if again { out.json_line(&list.data) } else { out.json(&list.data) };
    }
    let deployments = list.data.iter().map(|raw| serde_json::from_str::<Deployment>(raw.get()));
    let deployments = deployments.collect::<Result<Vec<_>, _>>()?;
    let config: Config = ask(gateway, transport, Method::GET, &format!("{base}/config")).await?;
    show(&deployments, out)?;
    let well = deployments.iter().filter(|deployment| deployment.healthy).count();
    writeln!(out.err, "{well} of {} deployments healthy", deployments.len())?;
    if let Some(Refused { message }) = config.refused {
        writeln!(out.err, "the newest configuration was refused, the one before stays in place:\n{message}")?;
    }
    if !config.restart_needed.is_empty() {
        writeln!(out.err, "changed, but only after a restart: {}", config.restart_needed.join(", "))?;
    }
    Ok(())
}

fn show(deployments: &[Deployment], out: &mut Output) -> Result<(), Failure> {
    let header = [
        "DEPLOYMENT",
        "GROUP",
        "MODEL",
        "STATE",
        "LEFT",
        "RUNNING",
        "OK",
        "FAILED",
        "FIRST TOKEN",
        "WHOLE",
        "HEADROOM",
        "REASON",
    ];
    let row = |one: &Deployment| {
        [
            one.id.clone(),
            one.group.clone(),
            one.model.clone(),
            one.state.clone(),
            one.left_ms.map(|ms| format!("{}s", ms.div_ceil(1000))).unwrap_or_default(),
            one.in_flight.to_string(),
            one.counts.successes.to_string(),
            one.counts.failures.to_string(),
            one.latency_ms.first_token.map(time).unwrap_or_default(),
            one.latency_ms.whole.map(time).unwrap_or_default(),
            format!("{:.0}%", one.headroom * 100.0),
            one.reason.as_deref().map(short).unwrap_or_default(),
        ]
    };
    out.table(header, deployments.iter().map(row).collect())
}

fn time(ms: f64) -> String {
    if ms < 1000.0 { format!("{ms:.0}ms") } else { format!("{:.1}s", ms / 1000.0) }
}

/// On one line, and not too long.
fn short(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    match line.char_indices().nth(REASON) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// What the gateway tells of one deployment, and a line about it.
pub(crate) fn told(deployment: &Value, out: &mut Output) -> Result<(), Failure> {
    let word = |name: &str| deployment.get(name).and_then(Value::as_str).unwrap_or_default();
    Ok(writeln!(out.out, "{}: {}", word("id"), word("state"))?)
}

/// Orders something of the admin API.
pub(crate) async fn order(gateway: &Gateway, path: &str) -> Result<Value, ApiError> {
    let url = format!("{}{path}", gateway.admin_base());
    ask(gateway, &ReqwestTransport::new()?, Method::POST, &url).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::output;

    #[test]
    fn a_deployment_is_a_row() {
        let text = r#"{"id": "smart/1", "group": "smart", "model": "openai/gpt-4o", "healthy": false,
            "reason": "429 slow down\nand more", "state": "open", "left_ms": 4100, "in_flight": 2,
            "counts": {"successes": 7, "failures": 1, "refusals": 0}, "headroom": 0.25,
            "latency_ms": {"first_token": 412.4, "whole": 2345.0, "per_output_token": null}, "new": 1}"#;
        let (mut out, shown, _) = output(false);
        show(&[serde_json::from_str(text).unwrap()], &mut out).unwrap();
        let shown = shown.text();
        let words: Vec<_> = shown.lines().last().unwrap().split_whitespace().collect();
        let expect = "smart/1 smart openai/gpt-4o open 5s 2 7 1 412ms 2.3s 25% 429 slow down";
        assert_eq!(words.join(" "), expect);
    }

    #[test]
    fn long_reasons_are_cut() {
        assert_eq!(short(&"ö".repeat(500)).chars().count(), REASON + 1);
        assert_eq!(short("brief"), "brief");
    }
}
