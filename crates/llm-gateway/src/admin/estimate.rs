//! `POST /admin/v1/estimate`: what a chat request would use and cost, at each deployment that could answer it.
//!
//! Nothing is sent. The same code counts, prices and bounds what requests do.

use std::sync::Arc;

use http::{Response, StatusCode};
use llm_cost::{Asked, Bound, Charge, Tariff};
use llm_providers::codec::{Asked as Wanted, ServerCodec as _};
use llm_providers::dialect::openai_chat;
use llm_router::{Deployment, Group};
use llm_types::{ApiError, Call, Dialect, ErrorKind, Head, Op, PicoUsd, Result, ServiceTier, Usage};
use serde::Serialize;

use super::Visit;
use crate::backend::Backend;
use crate::body::ClientBody;
use crate::snapshot::Snapshot;
use crate::{models, respond, tokens, worst};

#[derive(Serialize)]
struct Estimate {
    object: &'static str,
    /// As it was asked for.
    model: String,
    deployments: Vec<Candidate>,
}

/// What a deployment would take. Money is in USD.
#[derive(Serialize)]
struct Candidate {
    deployment: Arc<str>,
    provider: Arc<str>,
    /// The model, as its provider names it; `null`: no call can go out.
    model: Option<String>,
    input_tokens: u64,
    /// `counted` or `estimated`.
    tokens: &'static str,
    /// The longest answer.
    output_tokens: Option<u64>,
    /// The prompt alone.
    input_usd: Option<PicoUsd>,
    /// With the longest answer.
    longest_usd: Option<PicoUsd>,
    /// What no answer costs more than; `null`: nothing bounds it.
    bound: Option<BoundView>,
    /// Why there is no bound.
    unbounded: Option<String>,
    price: Option<PriceView>,
}

#[derive(Serialize)]
struct BoundView {
    usd: PicoUsd,
    /// Without any answer.
    fixed_usd: PicoUsd,
    /// For one further token of each answer.
    output_token_usd: PicoUsd,
    input_tokens: u64,
    output_tokens: u64,
    answers: u64,
}

#[derive(Serialize)]
struct PriceView {
    /// `deployment`, `configuration`, `map` or `catalogue`.
    source: &'static str,
    /// The entry of the catalogue.
    entry: Option<String>,
    /// A million tokens of a short prompt, and of its answer, discount and margin included.
    input_usd: Option<PicoUsd>,
    output_usd: Option<PicoUsd>,
}

/// Estimates a request in OpenAI's form.
///
/// # Errors
/// When the body is no chat request, or its model is not known.
pub(super) async fn run(visit: &Visit<'_>) -> Result<Response<ClientBody>> {
    let head = Head::scan(visit.body.clone())?;
    let wanted = Wanted { dialect: Some(Dialect::OpenaiChat), ..Wanted::of(Op::Chat) };
    let name = openai_chat::Server.peek(&head, &wanted)?.model;
    let call = openai_chat::Server.decode(&visit.body, &wanted)?;
    let found = visit.snapshot.router.find(&name).ok_or_else(|| models::unknown(visit.snapshot, &name))?;
    let (group, star) = (Arc::clone(found.group), found.star.map(str::to_owned));
    let (snapshot, body) = (Arc::clone(visit.snapshot), visit.body.len());
    // Counting takes its time: others wait for this thread.
    let estimate = move || Asking { snapshot: &snapshot, call: &call, body }.all(&group, star.as_deref());
    let deployments = tokio::task::spawn_blocking(estimate).await.map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the estimate did not come to its end").with_source(error)
    })??;
    let estimate = Estimate { object: "estimate", model: name, deployments };
    Ok(respond::value(StatusCode::OK, &estimate))
}

struct Asking<'a> {
    snapshot: &'a Snapshot,
    call: &'a Call,
    body: usize,
}

impl Asking<'_> {
    fn all(&self, group: &Group<Backend>, star: Option<&str>) -> Result<Vec<Candidate>> {
        group.deployments.iter().map(|deployment| self.candidate(deployment, star)).collect()
    }

    fn candidate(&self, deployment: &Deployment<Backend>, star: Option<&str>) -> Result<Candidate> {
        let target = deployment.target.target(star).ok();
        let model = target.as_ref().map(|target| target.model()).unwrap_or_default();
        let count = tokens::count(model, self.call, None)?;
        let provider = &deployment.target.provider;
        let asked = Asked { deployment: &deployment.id, provider, model, served: None, picture: None };
        let prices = &self.snapshot.prices;
        let Some(request) = self.call.conversation() else {
            return Err(ApiError::bad_request("only a conversation can be estimated"));
        };
        let facts = self.known(deployment, model);
        let worst = worst::of_chat(request, self.body, &facts).map_err(str::to_owned);
        let bound = worst.and_then(|worst| {
            let bound = prices.bound(&asked, &worst).ok_or_else(|| unpriced(provider, model))?;
            Ok(view(&bound, worst.input_tokens, worst.answers))
        });
        let output_tokens = request.limits.output_tokens().into_iter().chain(facts.max_output).min();
        let service = ServiceTier::of(request.delivery.service_tier.as_deref().unwrap_or_default());
        let answers = u64::from(request.output.n.unwrap_or(1).max(1));
        let cost = |output| -> Charge {
            prices.cost(&asked, &Usage { input: count.input, output, service, ..Usage::default() })
        };
        Ok(Candidate {
            deployment: Arc::clone(&deployment.id),
            provider: Arc::clone(provider),
            model: target.as_ref().map(|target| target.model().to_owned()),
            input_tokens: count.input,
            tokens: if count.estimated { "estimated" } else { "counted" },
            output_tokens,
            input_usd: cost(0).total(),
            longest_usd: output_tokens.and_then(|tokens| cost(tokens.saturating_mul(answers)).total()),
            unbounded: bound.as_ref().err().cloned(),
            bound: bound.ok(),
            price: prices.tariff(&asked).map(|tariff| price(&tariff)),
        })
    }

    /// What is known of the model, also where a request names it in place of a `*`.
    fn known(&self, deployment: &Deployment<Backend>, model: &str) -> llm_router::Facts {
        let mut facts = deployment.facts.clone();
        let entry = self.snapshot.prices.entry(&deployment.target.provider, model);
        facts.context_window = facts.context_window.or(entry.and_then(|entry| entry.context_window));
        facts.max_output = facts.max_output.or(entry.and_then(|entry| entry.max_output));
        facts
    }
}

fn unpriced(provider: &str, model: &str) -> String {
    format!("a price of `{provider}/{model}` is not known: set `price` of the deployment, or [[prices]]")
}

fn view(bound: &Bound, input_tokens: u64, answers: u64) -> BoundView {
    BoundView {
        usd: bound.total(),
        fixed_usd: bound.fixed,
        output_token_usd: bound.per_output_token,
        input_tokens,
        output_tokens: bound.output_tokens,
        answers,
    }
}

fn price(tariff: &Tariff<'_>) -> PriceView {
    let tokens = tariff.per_token();
    let million = |pico: PicoUsd| pico.saturating_mul(1_000_000);
    PriceView {
        source: tariff.source.name(),
        entry: tariff.found.map(|found| found.entry.model.to_string()),
        input_usd: tokens.map(|(input, ..)| million(input)),
        output_usd: tokens.map(|(_, output, _)| million(output)),
    }
}
