//! One check: a real call, as small as can be, to one deployment.
//!
//! It goes through the deployment's own codec, address and key, so that an answer means what a request's would.
//! It is accounted for like any other call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use llm_governance::RowOwner;
use llm_providers::codec::{Asked, ClientCodec, DecodeCx, EncodeCx};
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

use crate::attempt::Attempt;
use crate::backend::Backend;
use crate::gateway::Gateway;
use crate::snapshot::Snapshot;
use crate::ticket::{Account, Ticket};

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
            let call = ask(gateway, (deployment, &target), op);
            let late = || {
                let message = format!("no answer within {} s", bound.as_secs_f32());
                Err(ApiError::upstream(ErrorKind::Timeout, message))
            };
            let mut result = tokio::time::timeout(bound, call).await.unwrap_or_else(|_| late());
            if let Err(error) = &mut result {
                target.conceal(error);
                if error.origin == Origin::Upstream {
                    error.provider.get_or_insert_with(|| target.provider().to_owned());
                }
            }
            result
        }
        (Err(error), _) => Err(error),
        (Ok(_), None) => Ok(None),
    };
    let now = Instant::now();
    group.checked(index, result.as_ref().map(|_| ()), now);
    let (usage, error) = match result {
        Ok(usage) => (usage, None),
        Err(error) => (None, Some(error)),
    };
    let took = now.saturating_duration_since(started);
    let successes = deployment.stats.counts().successes;
    let check = Arc::new(Check { at: SystemTime::now(), took, op, model, usage, error, successes });
    let before = gateway.checks().note(deployment, &check);
    tell(deployment, before.as_deref(), &check);
    Ok(check)
}

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
async fn ask(
    gateway: &Gateway,
    (deployment, target): (&Arc<Deployment<Backend>>, &Arc<Target>),
    op: Op,
) -> Result<Option<Usage>> {
    let mut refused = None;
    for tokens in ANSWERS {
        match send(gateway, (deployment, target), &call(op, target.model(), tokens)).await {
            Err(error) if op == Op::Chat && is_too_short(&error) => refused = Some(error),
            other => return other.map(|output| output.usage().cloned()),
        }
    }
    Err(refused.unwrap_or_else(|| ApiError::new(ErrorKind::Internal, "nothing was asked")))
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
    (deployment, target): (&Arc<Deployment<Backend>>, &Arc<Target>),
    call: &Call,
) -> Result<Output> {
    let op = call.op();
    let Some(codec) = dialect::client(target.dialect_for(op, None)) else {
        return mock::output(call);
    };
    let mut changes = Changes::default();
    let asked = Asked::of(op);
    let mut cx =
        EncodeCx { spec: target.spec(), model: target.model(), asked: &asked, changes: &mut changes };
    let wire = codec.encode(call, &mut cx)?;
    let memo = wire.memo.clone();
    let request = target.request(wire)?.map(RequestBody::from);
    let mut attempt = account(gateway, deployment, target).await?;
    let cx = DecodeCx { spec: target.spec(), model: target.model(), memo: &memo };
    match answer(gateway, (request, attempt.progress()), codec, op, &cx).await {
        Ok(output) => {
            attempt.names(output.model());
            // Nobody waits for the answer.
            let _ = attempt.settle(output.usage(), 0);
            Ok(output)
        }
        Err(error) => {
            attempt.fail(&error);
            Err(error)
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

/// A check costs a little, which is written down like everything else, under a tag of its own and on nobody's budget.
async fn account(
    gateway: &Gateway,
    deployment: &Arc<Deployment<Backend>>,
    target: &Arc<Target>,
) -> Result<Attempt> {
    if gateway.governance().is_idle() {
        return Ok(Attempt::free());
    }
    let account = Account {
        governance: Arc::clone(gateway.governance()),
        prices: Arc::clone(&gateway.snapshot().prices),
        request_id: uuid::Uuid::now_v7().simple().to_string().into(),
        model: target.model().into(),
        who: RowOwner::default(),
        tags: [Arc::from(TAG)].into_iter().collect(),
        body: 0,
        cache: llm_governance::RowCache::Bypass,
    };
    Ticket::new(account, None).attempt(deployment, target, None).await.map_err(|refusal| refusal.error)
}

/// Says what is new.
fn tell(deployment: &Deployment<Backend>, before: Option<&Check>, check: &Check) {
    let was_well = before.is_none_or(|before| before.error.is_none());
    let id = &*deployment.id;
    match &check.error {
        Some(error) if was_well => tracing::warn!(deployment = id, %error, "health check failed"),
        None if !was_well => tracing::info!(deployment = id, took = ?check.took, "health check passed again"),
        _ => {}
    }
}
