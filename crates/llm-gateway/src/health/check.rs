//! One check: a real call, as small as can be, to one deployment.
//!
//! It goes through the deployment's own codec, address and key, so that an answer means what a request's would.
//! It is accounted for like any other call: the most that it can cost is reserved in the budgets of everything, of its
//! tag, of its model and of its provider. Where one of those has no money for it, it is left out, which says nothing of
//! the deployment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use llm_cost::Bound;
use llm_governance::{Facts, PriceBound, Refusal, RowOwner};
use llm_providers::codec::{Asked as Said, ClientCodec, DecodeCx, EncodeCx};
use llm_providers::target::Target;
use llm_providers::transport::{Progress, RequestBody, collect};
use llm_providers::{dialect, mock};
use llm_router::{Deployment, Group};
use llm_types::chat::{ChatRequest, Message};
use llm_types::{
    ApiError, Call, Changes, EmbedInput, EmbedRequest, ErrorKind, Op, Origin, Output, RerankRequest, Result,
    Usage,
};
use parking_lot::Mutex;

use crate::attempt::{Attempt, Delivery};
use crate::backend::Backend;
use crate::belief::Belief;
use crate::gateway::Gateway;
use crate::snapshot::Snapshot;
use crate::ticket::{Account, Ticket};
use crate::worst::{self, price};

/// The most that is read of an answer, in bytes.
const REPLY_LIMIT: usize = 4 * 1024 * 1024;
/// What the cost of checks is written down under.
const TAG: &str = "health-check";
/// The longest answers that are asked for, in tokens. Models that think find the first one too short.
const ANSWERS: [u64; 2] = [1, 16];

/// What a check has shown.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) at: SystemTime,
    pub(crate) took: Duration,
    /// What was asked for; `None`: nothing could be.
    pub(crate) op: Option<Op>,
    /// The model, as its provider names it.
    pub(crate) model: String,
    pub(crate) usage: Option<Usage>,
    pub(crate) error: Option<ApiError>,
    /// Why nobody was asked.
    pub(crate) skipped: Option<String>,
    /// How many requests the deployment had answered by then.
    pub(crate) successes: u64,
}

/// The last check of each deployment.
#[derive(Debug, Default)]
pub(crate) struct Checks(Mutex<HashMap<Key, Arc<Check>>>);

/// A deployment's id and its settings.
type Key = (Arc<str>, u64);

impl Checks {
    /// The last check of this deployment, with the settings it has.
    pub(crate) fn last(&self, deployment: &Deployment<Backend>) -> Option<Arc<Check>> {
        let key = (Arc::clone(&deployment.id), deployment.fingerprint);
        self.0.lock().get(&key).map(Arc::clone)
    }

    /// Gives the one before.
    fn note(&self, deployment: &Deployment<Backend>, check: &Arc<Check>) -> Option<Arc<Check>> {
        let key = (Arc::clone(&deployment.id), deployment.fingerprint);
        self.0.lock().insert(key, Arc::clone(check))
    }

    /// Forgets deployments that are not there any more.
    pub(crate) fn keep_only(&self, snapshot: &Snapshot) {
        let here = |id: &str, fingerprint| {
            let found = snapshot.router.deployment(id);
            let found = found.and_then(|(group, index)| group.get(index));
            found.is_some_and(|deployment| deployment.fingerprint == fingerprint)
        };
        self.0.lock().retain(|(id, fingerprint), _| here(id, *fingerprint));
    }
}

/// Checks one deployment and takes note of the outcome; `star` is what the `*` of its model stands for.
///
/// # Errors
/// When there is nothing that could be asked; says nothing about the deployment.
pub(crate) async fn check(
    gateway: &Gateway,
    group: &Group<Backend>,
    index: usize,
    star: Option<&str>,
    bound: Duration,
) -> Result<Arc<Check>> {
    let deployment =
        group.get(index).ok_or_else(|| ApiError::new(ErrorKind::NotFound, "there is no such deployment"))?;
    let started = Instant::now();
    let target = target(deployment, star)?;
    let (op, model) = match &target {
        Ok(target) => (Some(operation(target)?), target.model().to_owned()),
        Err(_) => (None, deployment.label.to_string()),
    };
    let result = match (target, op) {
        (Ok(target), Some(op)) => {
            let _under_way = deployment.begin();
            let name = name(group, deployment, star);
            let call = ask(gateway, (deployment, &target, &name), op);
            let late = || {
                let message = format!("no answer within {} s", bound.as_secs_f32());
                Err(Fault::Failed(ApiError::upstream(ErrorKind::Timeout, message)))
            };
            let mut result = tokio::time::timeout(bound, call).await.unwrap_or_else(|_| late());
            if let Err(Fault::Failed(error)) = &mut result {
                target.conceal(error);
                if error.origin == Origin::Upstream {
                    error.provider.get_or_insert_with(|| target.provider().to_owned());
                }
            }
            result
        }
        (Err(error), _) => Err(Fault::Failed(error)),
        (Ok(_), None) => Ok(None),
    };
    let now = Instant::now();
    let (usage, error, skipped) = match result {
        Ok(usage) => (usage, None, None),
        Err(Fault::Failed(error)) => (None, Some(error), None),
        Err(Fault::Skipped(why)) => (None, None, Some(format!("no check: {why}"))),
    };
    if skipped.is_none() {
        group.checked(index, error.as_ref().map_or(Ok(()), Err), now);
    }
    let took = now.saturating_duration_since(started);
    let successes = deployment.stats.counts().successes;
    let check = Arc::new(Check { at: SystemTime::now(), took, op, model, usage, error, skipped, successes });
    let before = gateway.checks().note(deployment, &check);
    tell(deployment, before.as_deref(), &check);
    Ok(check)
}

/// Why a check brought no answer.
#[derive(Debug)]
enum Fault {
    /// Of the deployment.
    Failed(ApiError),
    /// There was no money for it.
    Skipped(ApiError),
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

/// The model's name, as clients ask for it.
fn name(group: &Group<Backend>, deployment: &Deployment<Backend>, star: Option<&str>) -> Arc<str> {
    if !group.name.contains('*') {
        return Arc::clone(&group.name);
    }
    let sample = deployment.target.sample();
    star.or(sample.as_deref())
        .map_or_else(|| Arc::clone(&group.name), |star| group.name.replacen('*', star, 1).into())
}

/// A deployment that is checked, where it is called, and the name of its model.
type Asked<'c> = (&'c Arc<Deployment<Backend>>, &'c Arc<Target>, &'c Arc<str>);

/// Where the call goes; the inner error is the deployment's own fault.
fn target(deployment: &Deployment<Backend>, star: Option<&str>) -> Result<Result<Arc<Target>>> {
    let backend = &deployment.target;
    let sample = match star {
        None if backend.is_wildcard() => Some(backend.sample().ok_or_else(|| {
            let message = "this deployment is for many models: name one with ?model=NAME, without what stands \
                           before the `*`";
            ApiError::bad_request(message).with_param("model")
        })?),
        _ => None,
    };
    Ok(backend.target(star.or(sample.as_deref())))
}

/// What is asked for.
///
/// # Errors
/// When the model offers nothing that costs next to nothing.
fn operation(target: &Target) -> Result<Op> {
    let offers = |op| target.spec().offers(op, target.model());
    // The table knows what a provider offers, and only names tell what a model does.
    let name = target.model().to_ascii_lowercase();
    let vectors = name.contains("embed");
    if offers(Op::Rerank) && name.contains("rerank") {
        return Ok(Op::Rerank);
    }
    match (offers(Op::Chat), offers(Op::Embed)) {
        (_, true) if vectors => Ok(Op::Embed),
        (true, _) => Ok(Op::Chat),
        (false, true) => Ok(Op::Embed),
        (false, false) => {
            let message = format!("`{}` offers nothing that a check could ask for", target.model());
            Err(ApiError::bad_request(message))
        }
    }
}

/// Asks, with a longer answer where the shortest is refused.
async fn ask(gateway: &Gateway, asked: Asked<'_>, op: Op) -> std::result::Result<Option<Usage>, Fault> {
    let mut refused = None;
    for tokens in ANSWERS {
        match send(gateway, asked, (&call(op, asked.1.model(), tokens), tokens)).await {
            Err(Fault::Failed(error)) if op == Op::Chat && is_too_short(&error) => refused = Some(error),
            other => return other.map(|output| output.usage().cloned()),
        }
    }
    Err(refused.unwrap_or_else(|| ApiError::new(ErrorKind::Internal, "nothing was asked")).into())
}

fn is_too_short(error: &ApiError) -> bool {
    matches!(error.kind, ErrorKind::BadRequest | ErrorKind::UnsupportedParam | ErrorKind::Unprocessable)
}

fn call(op: Op, model: &str, tokens: u64) -> Call {
    let mut call = match op {
        Op::Embed => Call::Embed(Box::new(EmbedRequest {
            inputs: vec![EmbedInput::text("hi")],
            ..EmbedRequest::default()
        })),
        Op::Rerank => Call::Rerank(Box::new(RerankRequest::new("hi", ["hi"]))),
        _ => {
            let mut request = ChatRequest::new([Message::user("hi")]);
            request.limits.max_completion_tokens = Some(tokens);
            request.into()
        }
    };
    call.set_model(model);
    call
}

async fn send(
    gateway: &Gateway,
    asked: Asked<'_>,
    (call, tokens): (&Call, u64),
) -> std::result::Result<Output, Fault> {
    let (op, target) = (call.op(), asked.1);
    let Some(codec) = dialect::client(target.dialect_for(op, None)) else {
        return Ok(mock::output(call)?);
    };
    let mut changes = Changes::default();
    let said = Said::of(op);
    let mut cx = EncodeCx { spec: target.spec(), model: target.model(), asked: &said, changes: &mut changes };
    let wire = codec.encode(call, &mut cx)?;
    let memo = wire.memo.clone();
    let size = wire.body.len();
    let request = target.request(wire)?.map(RequestBody::from);
    let mut attempt = account(gateway, asked, (call, size, tokens)).await?;
    let cx = DecodeCx { spec: target.spec(), model: target.model(), memo: &memo };
    match answer(gateway, (request, attempt.progress()), codec, op, &cx).await {
        Ok(output) => {
            attempt.names(output.model());
            // Nobody waits for the answer.
            let belief = Belief::within(target.model_name(), None);
            let _ = attempt.settle(output.usage().filter(|usage| belief.holds(usage)), 0);
            Ok(output)
        }
        Err(error) => {
            attempt.fail(&error);
            Err(error.into())
        }
    }
}

async fn answer(
    gateway: &Gateway,
    (request, progress): (http::Request<RequestBody>, Option<&Progress>),
    codec: &dyn ClientCodec,
    op: Op,
    cx: &DecodeCx<'_>,
) -> Result<Output> {
    let (head, body) = gateway.transport().send_watched(request, progress).await?.into_parts();
    let body = collect(body, REPLY_LIMIT).await?;
    if !head.status.is_success() {
        return Err(codec.decode_error(head.status, &head.headers, &body));
    }
    codec.decode(op, &body, cx)
}

/// A check costs a little, which is written down like everything else, under a tag of its own.
async fn account(
    gateway: &Gateway,
    (deployment, target, name): Asked<'_>,
    (call, size, tokens): (&Call, usize, u64),
) -> std::result::Result<Attempt, Fault> {
    let governance = gateway.governance();
    if governance.is_idle() {
        return Ok(Attempt::free());
    }
    let (snapshot, tags) = (gateway.snapshot(), [Arc::from(TAG)]);
    let facts = Facts { model: name, alias_of: None, route: "", tags: &tags, tokens: 0, bound: None };
    let skipped = |refusal: Refusal| Fault::Skipped(refusal.error);
    let grant = governance.enter_unasked(&facts).map_err(skipped)?;
    let account = Account {
        governance: Arc::clone(governance),
        prices: Arc::clone(&snapshot.prices),
        request_id: uuid::Uuid::now_v7().simple().to_string().into(),
        model: Arc::clone(name),
        who: RowOwner::default(),
        tags: tags.into_iter().collect(),
        body: 0,
        cache: llm_governance::RowCache::Bypass,
    };
    let mut ticket = Ticket::new(account, grant);
    let provider = &deployment.target.provider;
    let bound = match ticket.pays(provider) {
        true => bound(&snapshot, (deployment, target), (call, size, tokens)),
        false => None,
    };
    let attempt = ticket.attempt(deployment, target, bound).await;
    Ok(attempt.map_err(|refusal| skipped(*refusal))?.delivered(Delivery::Whole))
}

/// The most that a check can cost; `None`: nothing bounds it.
fn bound(
    snapshot: &Snapshot,
    (deployment, target): (&Deployment<Backend>, &Target),
    (call, size, tokens): (&Call, usize, u64),
) -> Option<PriceBound> {
    if deployment.target.searches_unasked(target) {
        return None;
    }
    let (provider, model) = (&*deployment.target.provider, target.model());
    let facts = price::lengths(snapshot, (provider, model), &deployment.facts);
    let worst = match call {
        Call::Embed(request) => worst::of_embedding(request, size, &facts).ok()?,
        Call::Rerank(request) => worst::of_rerank(request, size),
        _ => worst::of_text(size, Some(tokens), &facts).ok()?,
    };
    let asked = llm_cost::Asked { deployment: &deployment.id, provider, model, served: None, picture: None };
    let Bound { fixed, per_output_token, output_tokens } = price::bound(snapshot, &asked, &worst)?;
    Some(PriceBound { fixed, per_output_token, output_tokens, clamp_to: None })
}

/// Says what is new.
fn tell(deployment: &Deployment<Backend>, before: Option<&Check>, check: &Check) {
    let was_well = before.is_none_or(|before| before.error.is_none());
    let id = &*deployment.id;
    if let Some(why) = &check.skipped {
        if before.is_none_or(|before| before.skipped.is_none()) {
            tracing::warn!(deployment = id, why, "health check left out");
        }
        return;
    }
    match &check.error {
        Some(error) if was_well => tracing::warn!(deployment = id, %error, "health check failed"),
        None if !was_well => tracing::info!(deployment = id, took = ?check.took, "health check passed again"),
        _ => {}
    }
}
