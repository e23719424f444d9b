//! `llmctl deployments`: taking a deployment out of service and back, and trying it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::health::{gateway, order, told};
use crate::args::{At, DeploymentsCommand};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Carries the order out.
pub(crate) async fn run(command: &DeploymentsCommand, out: &mut Output) -> Result<Exit, Failure> {
    match command {
        DeploymentsCommand::Drain { id, at } => set(at, id, "drain", out).await,
        DeploymentsCommand::Enable { id, at } => set(at, id, "enable", out).await,
        DeploymentsCommand::Probe { id, model, at } => probe(at, id, model.as_deref(), out).await,
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

async fn set(at: &At, id: &str, what: &str, out: &mut Output) -> Result<Exit, Failure> {
    let deployment = order(&gateway(at)?, &format!("/deployments/{}/{what}", encoded(id))).await?;
    match out.json {
        true => out.json(&deployment)?,
        false => told(&deployment, out)?,
    }
    Ok(Exit::Ok)
}

async fn probe(at: &At, id: &str, model: Option<&str>, out: &mut Output) -> Result<Exit, Failure> {
    let query = model.map(|model| format!("?model={}", encoded(model))).unwrap_or_default();
    let probed = order(&gateway(at)?, &format!("/deployments/{}/probe{query}", encoded(id))).await?;
    let answered = probed.get("ok").and_then(Value::as_bool).unwrap_or(false);
    if out.json {
        out.json(&probed)?;
    } else if answered {
        let ms = probed.get("took_ms").and_then(Value::as_u64).unwrap_or_default();
        writeln!(out.out, "{id}: answered in {ms} ms")?;
    } else {
        let message = probed.pointer("/error/message").and_then(Value::as_str).unwrap_or("no reason given");
        writeln!(out.out, "{id}: failed: {message}")?;
    }
    Ok(if answered { Exit::Ok } else { Exit::Failed })
}
