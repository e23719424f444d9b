//! The admin API, below `/admin/v1`, and `/health`: what operators look at and change while the gateway runs.
//!
//! A resource is a file here and a few rows of the table in `route`. Errors have OpenAI's shape, as elsewhere. The master
//! key may do everything. Without one the gateway listens to this machine alone and asks for no key; then a
//! browser is the only stranger, and pages of other machines are refused.

mod attempts;
mod config;
mod deployments;
mod estimate;
mod litellm;
mod metrics;
mod parameter;
mod refusal;
mod requests;
mod route;

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::ORIGIN;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use llm_admin::parameter as parameters;
use llm_governance::KeyId;
use llm_types::{ApiError, ErrorKind, Result};
use parking_lot::Mutex;

pub(crate) use attempts::AttemptView;
pub(crate) use litellm::Lite;
pub(crate) use requests::{FeedbackForm, FeedbackView};
pub(crate) use route::{Action, owns, rows};

use self::refusal::Refusals;
use crate::body::ClientBody;
use crate::gateway::Gateway;
use crate::governance::Governance;
use crate::principal::Right;
use crate::respond::Failed;
use crate::snapshot::Snapshot;
use crate::{health, intake, openapi, respond};

/// The longest body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A call of the admin API; what `llmctl` calls as well, and the gateway that is called.
#[derive(Debug)]
pub(crate) struct Visit<'v> {
    pub(crate) gateway: &'v Arc<Gateway>,
    pub(crate) snapshot: &'v Arc<Snapshot>,
    /// Whose key calls, where it is one.
    caller: Option<KeyId>,
    /// Whether the caller may do all that there is; else it is asked about itself.
    administers: bool,
    inner: llm_admin::Visit<'v>,
}

impl<'v> Deref for Visit<'v> {
    type Target = llm_admin::Visit<'v>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl Visit<'_> {
    pub(crate) fn governance(&self) -> &Governance {
        self.gateway.governance()
    }
}

/// Answers a call.
///
/// # Errors
/// 401 without the key, 403 from a foreign page, 404 and 405, whatever the action fails with.
pub(crate) async fn run<B>(
    gateway: &Arc<Gateway>,
    snapshot: &Arc<Snapshot>,
    request: Request<B>,
    address: Option<IpAddr>,
) -> Result<Response<ClientBody>, Failed>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let path = request.uri().path().to_owned();
    let query = request.uri().query().map(str::to_owned);
    let principal = gateway.auth(snapshot, address).check(request.headers(), query.as_deref()).await?;
    if principal.right == Right::Open {
        refuse_pages(request.headers())?;
    }
    let administers = principal.administers();
    if !administers && !matches!(&*path, route::OPENAPI | route::KEY_INFO) {
        let message = "this key may not use the admin API: send the master key, or a key made with `admin`";
        let error = ApiError::new(ErrorKind::Permission, message).with_code("not_an_admin");
        turned_away(gateway, (request.method(), &path), &principal.name(), &error).await;
        return Err(error.into());
    }
    let (action, id) = route::find(request.method(), &path)?;
    // Read also where nothing is expected: what is left of it would be taken for the next request.
    let size = if action == Action::Estimate { snapshot.max_body } else { BODY_LIMIT };
    let bounds = intake::Bounds { size, deadline: Instant::now() + BODY_TIMEOUT };
    let read = intake::read(Box::new(request), bounds, gateway.memory()).await;
    let (_, body, _share) = read.map_err(|error| bounded(error, action))?;
    let registry = gateway.governance().registry();
    let inner = llm_admin::Visit { registry, id, query: query.as_deref(), body, by: principal.name() };
    let visit = Visit { gateway, snapshot, caller: principal.who.key_id(), administers, inner };
    let answer = act(&visit, action).await;
    log(&visit, action, answer.as_ref().err()).await;
    Ok(answer.map_err(plain)?)
}

/// That a body is too large, in words of this API: no setting gives it more room.
fn bounded(error: ApiError, action: Action) -> ApiError {
    if error.kind != ErrorKind::TooLarge || action == Action::Estimate {
        return error;
    }
    let message = format!(
        "the body is larger than {BODY_LIMIT} bytes, the most that the admin API reads: leave out what stays as it is, \
         or make the change in several calls"
    );
    ApiError::new(ErrorKind::TooLarge, message)
}

/// That the store fails, without the words of its database: they name hosts, statements and drivers, and are for the log.
fn plain(error: ApiError) -> ApiError {
    let source = error.source.as_deref().and_then(|source| source.downcast_ref());
    match source {
        Some(llm_governance::Error::Store(inner)) if inner.source().is_some() => {
            tracing::warn!(error = %inner, "the store fails");
            let message =
                "the store cannot be reached, or fails: try again in a moment; the gateway's log says why";
            ApiError::new(ErrorKind::Unavailable, message)
        }
        _ => error,
    }
}

async fn act(visit: &Visit<'_>, action: Action) -> Result<Response<ClientBody>> {
    match action {
        // That checks for itself, also without a gateway.
        Action::Kept(_) => {}
        Action::Lite(_) => parameters::names(visit.query, &action.parameters())?,
        _ => parameters::check(visit.query, &action.parameters())?,
    }
    match action {
        Action::Health => health::summary(visit).await,
        Action::Metrics => Ok(metrics::get(visit)),
        Action::OpenApi => Ok(respond::json(StatusCode::OK, openapi::document())),
        Action::ListDeployments => Ok(deployments::list(visit)),
        Action::GetDeployment => deployments::get(visit),
        Action::DrainDeployment => deployments::drain(visit, true),
        Action::EnableDeployment => deployments::drain(visit, false),
        Action::ProbeDeployment => deployments::probe(visit).await,
        Action::GetConfig => Ok(config::get(visit)),
        Action::ReloadConfig => config::reload(visit).await,
        Action::ListRequests => requests::any(visit).await,
        Action::GetRequest => requests::get(visit).await,
        Action::Feedback => requests::feedback(visit).await,
        Action::Estimate => estimate::run(visit).await,
        Action::Lite(what) => litellm::run(visit, what).await,
        Action::Kept(action) => {
            let llm_admin::Answer { status, body } = visit.run(action).await?;
            Ok(respond::json(status, body))
        }
    }
}

/// Writes to the audit log what no change has written there: what was refused, and what concerns no key or group.
async fn log(visit: &Visit<'_>, action: Action, error: Option<&ApiError>) {
    let Some(word) = action.word() else { return };
    if error.is_none() && action.is_change() {
        return;
    }
    visit.inner.log(word, |id| action.object(id), error).await;
}

static REFUSALS: LazyLock<Mutex<Refusals>> = LazyLock::new(Mutex::default);

/// Writes to the audit log that somebody is no administrator.
async fn turned_away(gateway: &Gateway, call: (&Method, &str), by: &str, error: &ApiError) {
    let Ok((action, id)) = route::find(call.0, call.1) else { return };
    if !REFUSALS.lock().may_note(by, Instant::now()) {
        return;
    }
    let visit = llm_admin::Visit {
        registry: gateway.governance().registry(),
        id,
        query: None,
        body: Bytes::new(),
        by: by.to_owned(),
    };
    let word = action.word().unwrap_or(if action == Action::ReloadConfig { "reload" } else { "read" });
    visit.log(word, |id| action.object(id), Some(error)).await;
}

/// Refuses calls that a page of another machine makes through the browser of somebody on this one.
fn refuse_pages(headers: &HeaderMap) -> Result<()> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let uri = origin.to_str().ok().and_then(|origin| origin.parse::<http::Uri>().ok());
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    if host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback()) {
        return Ok(());
    }
    let message = "pages of other machines may not call the admin API of a gateway without a master key: set \
                   auth.master_key";
    Err(ApiError::new(ErrorKind::Permission, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_pages_are_refused() {
        let check = |origin: &str, expect: bool| {
            let headers = HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap())]);
            assert_eq!(refuse_pages(&headers).is_ok(), expect, "{origin}");
        };
        check("http://localhost:3000", true);
        check("http://127.0.0.1:4000", true);
        check("http://[::1]:4000", true);
        check("https://evil.example", false);
        check("http://localhost.evil.example", false);
        check("null", false);
        assert!(refuse_pages(&HeaderMap::new()).is_ok());
    }
}
