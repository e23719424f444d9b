//! The admin API, below `/admin/v1`, and `/health`: what operators look at and change while the gateway runs.
//!
//! A resource is a file here and a few rows of [`ROUTES`]. Errors have OpenAI's shape, as elsewhere. The master
//! key may do everything. Without one the gateway listens to this machine alone and asks for no key; then a
//! browser is the only stranger, and pages of other machines are refused.

mod config;
mod deployments;
mod estimate;
mod requests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::ORIGIN;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use llm_types::{ApiError, ErrorKind, Result};

use crate::body::ClientBody;
use crate::front::{Refused, decoded, not_by, serves};
use crate::gateway::Gateway;
use crate::principal::Right;
use crate::respond::Failed;
use crate::snapshot::Snapshot;
use crate::{health, intake};

/// The longest body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Something that can be asked or done.
#[derive(Debug, Clone, Copy)]
enum Action {
    Health,
    ListDeployments,
    GetDeployment,
    DrainDeployment,
    EnableDeployment,
    ProbeDeployment,
    GetConfig,
    ReloadConfig,
    ListRequests,
    GetRequest,
    Estimate,
}

/// A path: `head`, then an id and `tail` where it has one.
#[derive(Debug)]
struct Row {
    method: Method,
    head: &'static str,
    /// What follows the id; `None`: there is no id.
    tail: Option<&'static str>,
    action: Action,
}

const fn plain(method: Method, path: &'static str, action: Action) -> Row {
    Row { method, head: path, tail: None, action }
}

const fn with_id(method: Method, head: &'static str, tail: &'static str, action: Action) -> Row {
    Row { method, head, tail: Some(tail), action }
}

/// Every route; the first that fits wins. Ids may hold slashes, so those with something behind the id go first.
static ROUTES: &[Row] = &[
    plain(Method::GET, "/health", Action::Health),
    plain(Method::GET, "/admin/v1/deployments", Action::ListDeployments),
    with_id(Method::POST, "/admin/v1/deployments/", "/drain", Action::DrainDeployment),
    with_id(Method::POST, "/admin/v1/deployments/", "/enable", Action::EnableDeployment),
    with_id(Method::POST, "/admin/v1/deployments/", "/probe", Action::ProbeDeployment),
    with_id(Method::GET, "/admin/v1/deployments/", "", Action::GetDeployment),
    plain(Method::GET, "/admin/v1/config", Action::GetConfig),
    plain(Method::POST, "/admin/v1/config/reload", Action::ReloadConfig),
    plain(Method::GET, "/admin/v1/requests", Action::ListRequests),
    with_id(Method::GET, "/admin/v1/requests/", "", Action::GetRequest),
    plain(Method::POST, "/admin/v1/estimate", Action::Estimate),
];

impl Row {
    /// The id, where the path fits; empty where there is none.
    fn id<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        match self.tail {
            None => (path == self.head).then_some(Cow::Borrowed("")),
            Some(tail) => {
                let id = path.strip_prefix(self.head)?.strip_suffix(tail)?;
                (!id.is_empty()).then(|| decoded(id))
            }
        }
    }
}

/// A call of the admin API.
#[derive(Debug)]
pub(crate) struct Visit<'v> {
    pub(crate) gateway: &'v Arc<Gateway>,
    pub(crate) snapshot: &'v Arc<Snapshot>,
    /// Decoded; empty where the path has none.
    pub(crate) id: Cow<'v, str>,
    pub(crate) query: Option<&'v str>,
    /// Empty where nothing was sent.
    pub(crate) body: Bytes,
}

/// Whether a path is answered here, be it with 404.
pub(crate) fn owns(path: &str) -> bool {
    path == "/health" || path.starts_with("/admin/v1/")
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
    let principal = gateway.auth(snapshot, address).check(request.headers(), query.as_deref())?;
    if principal.right == Right::Open {
        refuse_pages(request.headers())?;
    }
    if !principal.administers() {
        let message = "this key may not use the admin API: send the master key, or a key made with `admin`";
        return Err(ApiError::new(ErrorKind::Permission, message).with_code("not_an_admin").into());
    }
    let (action, id) = find(request.method(), &path)?;
    // Read also where nothing is expected: what is left of it would be taken for the next request.
    let size = if matches!(action, Action::Estimate) { snapshot.max_body } else { BODY_LIMIT };
    let bounds = intake::Bounds { size, deadline: Instant::now() + BODY_TIMEOUT };
    let (_, body, _share) = intake::read(request, bounds, gateway.memory()).await?;
    let visit = Visit { gateway, snapshot, id, query: query.as_deref(), body };
    let answer = match action {
        Action::Health => health::summary(&visit).await?,
        Action::ListDeployments => deployments::list(&visit),
        Action::GetDeployment => deployments::get(&visit)?,
        Action::DrainDeployment => deployments::drain(&visit, true)?,
        Action::EnableDeployment => deployments::drain(&visit, false)?,
        Action::ProbeDeployment => deployments::probe(&visit).await?,
        Action::GetConfig => config::get(&visit),
        Action::ReloadConfig => config::reload(&visit).await?,
        Action::ListRequests => requests::list(&visit)?,
        Action::GetRequest => requests::get(&visit)?,
        Action::Estimate => estimate::run(&visit).await?,
    };
    Ok(answer)
}

fn find<'p>(method: &Method, path: &'p str) -> Result<(Action, Cow<'p, str>), Refused> {
    let mut allow = None;
    for row in ROUTES {
        let Some(id) = row.id(path) else { continue };
        if serves(&row.method, method) {
            return Ok((row.action, id));
        }
        allow.get_or_insert_with(|| row.method.clone());
    }
    let error = match &allow {
        Some(own) => not_by(method, path, own),
        None => {
            let message = format!("nothing is served at {method} {path}");
            ApiError::new(ErrorKind::NotFound, message).with_code("not_found")
        }
    };
    Err(Refused { error, front: None, allow })
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
    fn paths_lead_to_actions_and_ids_may_hold_slashes() {
        let check = |method, path, expect: &str| {
            let found = match find(&method, path) {
                Ok((action, id)) => format!("{action:?} {id}"),
                Err(refused) => format!("{:?} {:?}", refused.error.kind, refused.allow),
            };
            assert_eq!(found.trim(), expect, "{method} {path}");
        };
        check(Method::GET, "/admin/v1/deployments", "ListDeployments");
        check(Method::HEAD, "/admin/v1/deployments", "ListDeployments");
        check(Method::GET, "/admin/v1/deployments/smart/1", "GetDeployment smart/1");
        check(Method::GET, "/admin/v1/deployments/smart%2F1", "GetDeployment smart/1");
        check(Method::POST, "/admin/v1/deployments/smart/1/drain", "DrainDeployment smart/1");
        check(Method::POST, "/admin/v1/deployments/openai%2F%2A/1/probe", "ProbeDeployment openai/*/1");
        check(Method::POST, "/admin/v1/deployments/main/enable", "EnableDeployment main");
        check(Method::POST, "/admin/v1/deployments", "MethodNotAllowed Some(GET)");
        check(Method::GET, "/admin/v1/deployments/main/drain", "GetDeployment main/drain");
        check(Method::DELETE, "/admin/v1/deployments/main/drain", "MethodNotAllowed Some(POST)");
        check(Method::POST, "/admin/v1/deployments//drain", "MethodNotAllowed Some(GET)");
        check(Method::POST, "/admin/v1/config/reload", "ReloadConfig");
        check(Method::GET, "/admin/v1/requests", "ListRequests");
        check(Method::GET, "/admin/v1/requests/0190", "GetRequest 0190");
        check(Method::GET, "/admin/v1/nothing", "NotFound None");
        assert!(owns("/admin/v1/nothing") && owns("/health"));
        assert!(!owns("/admin/v10/config") && !owns("/health/live"));
    }

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
