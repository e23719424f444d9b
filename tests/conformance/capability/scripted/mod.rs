//! Providers that are scripted after their references, for the operations beside conversations.
//!
//! Each form of a wire API is a function that looks at a request, says what of it is not as it is documented, and answers
//! in the documented form. Which provider has which form is a line of [`lines::LINES`].

mod lines;
mod messages;
mod pictures;
mod ranked;
mod responses;
mod sound;
mod text;
mod vectors;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_config::Deployment;
use llm_conform::{Feature, Limits, Verdict, ask};
use llm_governance::UsageRow;
use llm_providers::Client;
use llm_providers::table::ProviderTable;
use llm_testkit::{Received, Script, Upstream};
use llm_types::{Op, Secret};
use serde_json::{Value, json};

use super::reference::{GATEWAY, client};
use super::{Mark, Matrix};
use crate::lab::{KEY, Lab, deployment, reported};

/// What a provider answers, or what of the request it does not know.
pub(super) type Form = fn(&Received) -> Result<Script, String>;

/// A provider, one of its operations, and how it is asked there.
pub(super) struct Line {
    /// `provider/model`.
    model: &'static str,
    op: Op,
    form: Form,
    /// Features that its reference does not have.
    without: &'static [&'static str],
}

/// Whether a provider is asked for an operation, so that it is known what of it there is.
pub(super) fn asks(provider: &str, op: Op) -> bool {
    lines::LINES.iter().any(|line| line.op == op && line.provider() == provider)
}

impl Line {
    fn provider(&self) -> &'static str {
        self.model.split_once('/').map_or(self.model, |(provider, _)| provider)
    }
}

/// Asks every provider for what its reference has. What is wrong with what came.
pub(super) async fn run(lab: &Lab, matrix: &mut Matrix) -> Vec<String> {
    let client = client(lab);
    let mut problems = Vec::new();
    for line in lines::LINES {
        // An answer that is late belongs to its own line.
        let upstream = Upstream::start().unwrap();
        let wrong = Arc::new(Mutex::new(Vec::new()));
        let (form, heard) = (line.form, Arc::clone(&wrong));
        upstream.on("/*", move |request| {
            form(request).unwrap_or_else(|why| {
                heard.lock().unwrap().push(format!("{} {}: {why}", request.method, request.target));
                Script::status(500).json_body(&json!({"error": {"message": why}}))
            })
        });
        let mut deployment = placed(deployment(line.model));
        if line.provider() == "huggingface" && line.op == Op::Rerank {
            // An endpoint of one's own: its router orders nothing.
            deployment.api_base = Some("https://endpoint.example".to_owned());
        }
        lab.deploy(deployment, upstream.addr());
        for feature in llm_conform::of(line.op).filter(|feature| !line.without.contains(&feature.name)) {
            let _ = lab.booked();
            let mut verdict = played(lab, &client, &upstream, feature).await;
            if verdict == Verdict::Passed && feature.name == "usage" && BOOKED.contains(&line.op) {
                verdict = booked(lab, line.op).await;
            }
            let what = format!("{} {} {}", line.model, line.op, feature.name);
            let faults = std::mem::take(&mut *wrong.lock().unwrap());
            match verdict {
                Verdict::Passed if faults.is_empty() => {
                    matrix.note(line.provider(), (line.op, feature.name), Mark::Reference);
                }
                Verdict::Refused(_) if faults.is_empty() => {}
                verdict => problems.push(format!("{what}: {} {faults:?}", verdict.why())),
            }
        }
        let _ = lab.booked();
    }
    // What is said of a kept answer goes along.
    for provider in lines::UNTOLD {
        matrix.note(provider, (Op::Responses, "state"), Mark::Declared);
    }
    problems
}

/// Of whom it is also seen that what was used is booked as the provider told it.
const BOOKED: [Op; 3] = [Op::Responses, Op::Messages, Op::ImageVariation];

/// Whether it was booked what the forms tell.
async fn booked(lab: &Lab, op: Op) -> Verdict {
    let rows = lab.booked_soon().await;
    let told = |row: &UsageRow| match op {
        Op::ImageVariation => row.usage.units.images == 2,
        Op::Messages => {
            reported(row).is_some_and(|usage| (usage.input, usage.cache_read, usage.output) == (12, 3, 5))
        }
        _ => reported(row).is_some_and(|usage| usage.total_tokens() == 17),
    };
    match rows.as_slice() {
        [row] if told(row) => Verdict::Passed,
        rows => Verdict::Failed(
            format!("booked as {:?}", rows.iter().map(|row| &row.usage).collect::<Vec<_>>()).into(),
        ),
    }
}

/// Whether a client that wants base64 gets it: ours reads numbers as well.
async fn packed(lab: &Lab) -> Verdict {
    let asked = json!({"model": "m", "input": ["a harbour", "a mountain"], "encoding_format": "base64"});
    let answer = lab.post("/v1/embeddings", &asked).await;
    let shown: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match shown.pointer("/data/1/embedding") {
        Some(Value::String(text)) if STANDARD.decode(text).is_ok_and(|bytes| bytes.len() >= 32) => {
            Verdict::Passed
        }
        _ => Verdict::Failed(format!("no base64: {shown}").into()),
    }
}

async fn played(lab: &Lab, client: &Client, upstream: &Upstream, feature: &Feature) -> Verdict {
    let name = format!("{GATEWAY}/m");
    if feature.op == Op::Speech && feature.name == "stream" {
        return sound::held_back(client, &name, upstream).await;
    }
    match ask(client, &name, feature, Limits::default()).await {
        Ok(finding) if finding.verdict == Verdict::Passed && feature.name == "base64" => packed(lab).await,
        Ok(finding)
            if finding.verdict == Verdict::Passed && matches!(feature.name, "as_text" | "srt" | "vtt") =>
        {
            sound::in_form(client, &name, feature).await
        }
        Ok(finding) => finding.verdict,
        Err(error) => Verdict::Failed(error.to_string().into()),
    }
}

/// Puts a model in place whose calls end at a scripted provider.
pub(super) fn deploy_at(lab: &Lab, model: &str, upstream: SocketAddr) {
    lab.deploy(placed(deployment(model)), upstream);
}

/// A deployment with what its provider wants to be told of where it is.
pub(super) fn placed(mut deployment: Deployment) -> Deployment {
    let (spec, _) = llm_providers::name::resolve(ProviderTable::builtin(), &deployment.model).unwrap();
    let open = |base: &String| !base.contains('{');
    match spec.name.as_str() {
        "azure" => {
            deployment.api_base = Some("https://resource.openai.azure.com".to_owned());
            deployment.api_version = Some("2024-10-21".to_owned());
        }
        "azure_ai" => deployment.api_base = Some("https://resource.services.ai.azure.com".to_owned()),
        "vertex_ai" => {
            (deployment.project, deployment.location) = (Some("p".to_owned()), Some("global".to_owned()));
        }
        "watsonx" => {
            // What is a token already is not exchanged for one.
            deployment.api_key = Some(Secret::new(format!("eyJ.{KEY}")));
            deployment.api_base = Some("https://us-south.ml.cloud.ibm.com".to_owned());
            deployment.project = Some("p".to_owned());
        }
        "cloudflare" => {
            deployment.api_base = Some("https://api.cloudflare.com/client/v4/accounts/a/ai/v1".to_owned());
        }
        "databricks" => {
            deployment.api_base = Some("https://w.cloud.databricks.com/serving-endpoints".to_owned());
        }
        "snowflake" => {
            deployment.api_base = Some("https://a.snowflakecomputing.com/api/v2/cortex/v1".to_owned());
        }
        "bedrock" | "sagemaker" | "sagemaker_chat" => deployment.region = Some("us-east-1".to_owned()),
        name if !spec.api_base.as_ref().is_some_and(open) => {
            deployment.api_base = Some(format!("https://{}.example/v1", name.replace('_', "-")));
        }
        _ => {}
    }
    deployment
}

/// The word that a member must be.
fn must(right: bool, why: impl Into<String>) -> Result<(), String> {
    if right { Ok(()) } else { Err(why.into()) }
}
