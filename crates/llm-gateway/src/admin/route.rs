//! The routes of the admin API: method, path, and what is asked or done there.

use std::borrow::Cow;

use http::Method;
use llm_admin::{Action as Kept, Row, plain, with_id};
use llm_types::{ApiError, ErrorKind};

use super::litellm::Lite;
use crate::front::{Refused, not_by, serves};

/// Something that can be asked or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Health,
    Metrics,
    OpenApi,
    ListDeployments,
    GetDeployment,
    DrainDeployment,
    EnableDeployment,
    ProbeDeployment,
    GetConfig,
    ReloadConfig,
    ListRequests,
    GetRequest,
    Feedback,
    Estimate,
    /// What `llmctl` does on a database as well.
    Kept(Kept),
    Lite(Lite),
}

/// Where metrics are.
const METRICS: &str = "/metrics";
/// Where the document is; every key may read it.
pub(crate) const OPENAPI: &str = "/openapi.json";
/// Where LiteLLM's tools ask about a key; every key may ask about itself.
pub(super) const KEY_INFO: &str = "/key/info";

impl Action {
    /// The word of the audit log for what changes something.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Self::DrainDeployment => Some("drain"),
            Self::EnableDeployment => Some("enable"),
            Self::ProbeDeployment => Some("probe"),
            Self::Feedback => Some("rate"),
            Self::Kept(kept) => kept.word(),
            Self::Lite(Lite::KeyGenerate | Lite::TeamNew) => Some("create"),
            Self::Lite(Lite::KeyUpdate) => Some("update"),
            Self::Lite(Lite::KeyDelete) => Some("delete"),
            Self::Lite(Lite::KeyBlock) => Some("block"),
            Self::Lite(Lite::KeyUnblock) => Some("unblock"),
            Self::Health
            | Self::Metrics
            | Self::OpenApi
            | Self::ListDeployments
            | Self::GetDeployment
            // Whoever reads it writes it down.
            | Self::ReloadConfig
            | Self::GetConfig
            | Self::ListRequests
            | Self::GetRequest
            | Self::Estimate
            | Self::Lite(Lite::KeyInfo | Lite::KeyList | Lite::TeamInfo | Lite::SpendLogs) => None,
        }
    }

    /// What it is about, in the words of the audit log.
    pub(super) fn object(self, id: &str) -> String {
        let kind = match self {
            Self::Lite(Lite::TeamNew | Lite::TeamInfo) => "team",
            Self::Lite(_) => "key",
            Self::Kept(kept) => kept.kind(),
            Self::ReloadConfig => return "config".to_owned(),
            Self::Feedback => "request",
            _ => "deployment",
        };
        if id.is_empty() { kind.to_owned() } else { format!("{kind}:{id}") }
    }

    /// Whether the log has it from the change that it makes.
    pub(super) fn is_change(self) -> bool {
        matches!(self, Self::Kept(_) | Self::Lite(_))
    }
}

/// The routes of this gateway alone; the first that fits wins. Ids may hold slashes, so those with something behind the id go first.
static ROUTES: &[&[Row<Action>]] = &[
    &[
        plain(Method::GET, "/health", Action::Health),
        plain(Method::GET, METRICS, Action::Metrics),
        plain(Method::GET, OPENAPI, Action::OpenApi),
        plain(Method::GET, "/admin/v1/deployments", Action::ListDeployments),
        with_id(Method::POST, "/admin/v1/deployments/", "/drain", Action::DrainDeployment),
        with_id(Method::POST, "/admin/v1/deployments/", "/enable", Action::EnableDeployment),
        with_id(Method::POST, "/admin/v1/deployments/", "/probe", Action::ProbeDeployment),
        with_id(Method::GET, "/admin/v1/deployments/", "", Action::GetDeployment),
        plain(Method::GET, "/admin/v1/config", Action::GetConfig),
        plain(Method::POST, "/admin/v1/config/reload", Action::ReloadConfig),
        plain(Method::GET, "/admin/v1/requests", Action::ListRequests),
        with_id(Method::POST, "/admin/v1/requests/", "/feedback", Action::Feedback),
        with_id(Method::GET, "/admin/v1/requests/", "", Action::GetRequest),
        plain(Method::POST, "/admin/v1/estimate", Action::Estimate),
    ],
    &[
        plain(Method::POST, "/key/generate", Action::Lite(Lite::KeyGenerate)),
        plain(Method::GET, KEY_INFO, Action::Lite(Lite::KeyInfo)),
        plain(Method::POST, "/key/update", Action::Lite(Lite::KeyUpdate)),
        plain(Method::POST, "/key/delete", Action::Lite(Lite::KeyDelete)),
        plain(Method::POST, "/key/block", Action::Lite(Lite::KeyBlock)),
        plain(Method::POST, "/key/unblock", Action::Lite(Lite::KeyUnblock)),
        plain(Method::GET, "/key/list", Action::Lite(Lite::KeyList)),
        plain(Method::POST, "/team/new", Action::Lite(Lite::TeamNew)),
        plain(Method::GET, "/team/info", Action::Lite(Lite::TeamInfo)),
        plain(Method::GET, "/spend/logs", Action::Lite(Lite::SpendLogs)),
    ],
];

/// Every route.
pub(crate) fn rows() -> impl Iterator<Item = Row<Action>> {
    let kept = llm_admin::rows().map(|row| Row {
        method: row.method.clone(),
        head: row.head,
        tail: row.tail,
        action: Action::Kept(row.action),
    });
    ROUTES.iter().flat_map(|rows| rows.iter().cloned()).chain(kept)
}

/// Whether a path is answered here, be it with 404.
pub(crate) fn owns(path: &str) -> bool {
    const BELOW: [&str; 4] = ["/admin/v1/", "/key/", "/team/", "/spend/"];
    matches!(path, "/health" | METRICS | OPENAPI) || BELOW.iter().any(|below| path.starts_with(below))
}

/// What is asked or done there, and the id in the path.
pub(super) fn find<'p>(method: &Method, path: &'p str) -> Result<(Action, Cow<'p, str>), Refused> {
    let mut allow: Vec<String> = Vec::new();
    for row in rows() {
        let Some(id) = row.id(path) else { continue };
        if serves(&row.method, method) {
            return Ok((row.action, id));
        }
        allow.push(row.method.as_str().to_owned());
        // An order is no part of an id: `…/keys/a/rotate` is the order, whatever the method.
        if row.tail.is_some_and(|tail| !tail.is_empty()) && row.action.is_change() {
            break;
        }
    }
    let error = match allow.is_empty() {
        false => not_by(method, path, &allow.join(", ")),
        true => {
            let message = format!("nothing is served at {method} {path}");
            ApiError::new(ErrorKind::NotFound, message).with_code("not_found")
        }
    };
    Err(Refused { error, front: None, allow: (!allow.is_empty()).then(|| allow.join(", ")) })
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
        check(Method::POST, "/admin/v1/deployments", "MethodNotAllowed Some(\"GET\")");
        check(Method::GET, "/admin/v1/deployments/main/drain", "GetDeployment main/drain");
        check(Method::DELETE, "/admin/v1/deployments/main/drain", "MethodNotAllowed Some(\"POST, GET\")");
        check(Method::POST, "/admin/v1/deployments//drain", "MethodNotAllowed Some(\"GET\")");
        check(Method::POST, "/admin/v1/config/reload", "ReloadConfig");
        check(Method::GET, "/admin/v1/requests", "ListRequests");
        check(Method::GET, "/admin/v1/requests/0190", "GetRequest 0190");
        check(Method::POST, "/admin/v1/requests/0190/feedback", "Feedback 0190");
        check(Method::GET, "/admin/v1/nothing", "NotFound None");
        check(Method::POST, "/admin/v1/keys", "Kept(Keys(Create))");
        check(Method::POST, "/admin/v1/keys/key_1/rotate", "Kept(Keys(Rotate)) key_1");
        check(Method::PUT, "/admin/v1/keys/key_1", "MethodNotAllowed Some(\"GET, PATCH, DELETE\")");
        check(Method::PATCH, "/admin/v1/teams/a%2Fb", "Kept(Groups(Team, Update)) a/b");
        check(Method::POST, "/admin/v1/teams/a/rotate", "MethodNotAllowed Some(\"GET, PATCH, DELETE\")");
        check(Method::PATCH, "/admin/v1/teams/a/block", "MethodNotAllowed Some(\"POST\")");
        check(Method::PATCH, "/admin/v1/teams/a%2Fblock", "Kept(Groups(Team, Update)) a/block");
        check(Method::POST, "/key/generate", "Lite(KeyGenerate)");
        check(Method::DELETE, "/admin/v1/keys", "MethodNotAllowed Some(\"GET, POST\")");
        check(Method::DELETE, "/admin/v1/budgets/team:a/day/hard", "Kept(Budgets(Delete)) team:a/day/hard");
        check(
            Method::PATCH,
            "/admin/v1/limits/model:openai/gpt-4o",
            "Kept(Limits(Update)) model:openai/gpt-4o",
        );
        assert!(owns("/admin/v1/nothing") && owns("/health"));
        assert!(!owns("/admin/v10/config") && !owns("/health/live"));
    }
}
