//! The routes of the admin API: method, path, and what is asked or done there.

use std::borrow::Cow;

use http::Method;
use llm_types::{ApiError, ErrorKind};

use super::groups::Kind;
use super::litellm::Lite;
use crate::front::{Refused, decoded, not_by, serves};

/// Something that can be asked or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Health,
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
    Keys(Verb),
    Groups(Kind, Verb),
    Budgets(Verb),
    Limits(Verb),
    Usage,
    Audit,
    Lite(Lite),
}

/// Where the document is; every key may read it.
pub(crate) const OPENAPI: &str = "/openapi.json";

/// What is done with one of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    List,
    Create,
    Get,
    Update,
    Delete,
    Rotate,
    Block,
    Unblock,
}

impl Action {
    /// The word of the audit log for what changes something.
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Self::DrainDeployment => Some("drain"),
            Self::EnableDeployment => Some("enable"),
            Self::ReloadConfig => Some("reload"),
            Self::Keys(verb) | Self::Groups(_, verb) | Self::Budgets(verb) | Self::Limits(verb) => {
                verb.word()
            }
            Self::Lite(Lite::KeyGenerate | Lite::TeamNew) => Some("create"),
            Self::Lite(Lite::KeyUpdate) => Some("update"),
            Self::Lite(Lite::KeyDelete) => Some("delete"),
            Self::Health
            | Self::OpenApi
            | Self::ListDeployments
            | Self::GetDeployment
            | Self::ProbeDeployment
            | Self::GetConfig
            | Self::ListRequests
            | Self::GetRequest
            | Self::Feedback
            | Self::Estimate
            | Self::Usage
            | Self::Audit
            | Self::Lite(Lite::KeyInfo | Lite::KeyList | Lite::TeamInfo | Lite::SpendLogs) => None,
        }
    }

    /// What it is about, in the words of the audit log.
    pub(super) fn object(self, id: &str) -> String {
        let kind = match self {
            Self::Lite(Lite::TeamNew | Lite::TeamInfo) => "team",
            Self::Keys(_) | Self::Lite(_) => "key",
            Self::Groups(kind, _) => kind.name(),
            Self::Budgets(_) => "budget",
            Self::Limits(_) => "limits",
            Self::ReloadConfig => return "config".to_owned(),
            _ => "deployment",
        };
        if id.is_empty() { kind.to_owned() } else { format!("{kind}:{id}") }
    }

    /// Whether the log has it from the change that it makes.
    pub(super) fn is_change(self) -> bool {
        matches!(self, Self::Keys(_) | Self::Groups(..) | Self::Budgets(_) | Self::Limits(_) | Self::Lite(_))
    }
}

impl Verb {
    fn word(self) -> Option<&'static str> {
        match self {
            Self::List | Self::Get => None,
            Self::Create => Some("create"),
            Self::Update => Some("update"),
            Self::Delete => Some("delete"),
            Self::Rotate => Some("rotate"),
            Self::Block => Some("block"),
            Self::Unblock => Some("unblock"),
        }
    }
}

/// A path: `head`, then an id and `tail` where it has one.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) method: Method,
    pub(crate) head: &'static str,
    /// What follows the id; `None`: there is no id.
    pub(crate) tail: Option<&'static str>,
    pub(crate) action: Action,
}

const fn plain(method: Method, path: &'static str, action: Action) -> Row {
    Row { method, head: path, tail: None, action }
}

const fn with_id(method: Method, head: &'static str, tail: &'static str, action: Action) -> Row {
    Row { method, head, tail: Some(tail), action }
}

/// The routes of a group.
const fn group(list: &'static str, head: &'static str, kind: Kind) -> [Row; 7] {
    [
        plain(Method::GET, list, Action::Groups(kind, Verb::List)),
        plain(Method::POST, list, Action::Groups(kind, Verb::Create)),
        with_id(Method::POST, head, "/block", Action::Groups(kind, Verb::Block)),
        with_id(Method::POST, head, "/unblock", Action::Groups(kind, Verb::Unblock)),
        with_id(Method::GET, head, "", Action::Groups(kind, Verb::Get)),
        with_id(Method::PATCH, head, "", Action::Groups(kind, Verb::Update)),
        with_id(Method::DELETE, head, "", Action::Groups(kind, Verb::Delete)),
    ]
}

/// Every route; the first that fits wins. Ids may hold slashes, so those with something behind the id go first.
static ROUTES: &[&[Row]] = &[
    &[
        plain(Method::GET, "/health", Action::Health),
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
        plain(Method::GET, "/admin/v1/usage", Action::Usage),
        plain(Method::GET, "/admin/v1/audit", Action::Audit),
        plain(Method::GET, "/admin/v1/keys", Action::Keys(Verb::List)),
        plain(Method::POST, "/admin/v1/keys", Action::Keys(Verb::Create)),
        with_id(Method::POST, "/admin/v1/keys/", "/rotate", Action::Keys(Verb::Rotate)),
        with_id(Method::POST, "/admin/v1/keys/", "/block", Action::Keys(Verb::Block)),
        with_id(Method::POST, "/admin/v1/keys/", "/unblock", Action::Keys(Verb::Unblock)),
        with_id(Method::GET, "/admin/v1/keys/", "", Action::Keys(Verb::Get)),
        with_id(Method::PATCH, "/admin/v1/keys/", "", Action::Keys(Verb::Update)),
        with_id(Method::DELETE, "/admin/v1/keys/", "", Action::Keys(Verb::Delete)),
        plain(Method::GET, "/admin/v1/budgets", Action::Budgets(Verb::List)),
        plain(Method::POST, "/admin/v1/budgets", Action::Budgets(Verb::Create)),
        with_id(Method::GET, "/admin/v1/budgets/", "", Action::Budgets(Verb::Get)),
        with_id(Method::PATCH, "/admin/v1/budgets/", "", Action::Budgets(Verb::Update)),
        with_id(Method::DELETE, "/admin/v1/budgets/", "", Action::Budgets(Verb::Delete)),
        plain(Method::GET, "/admin/v1/limits", Action::Limits(Verb::List)),
        plain(Method::POST, "/admin/v1/limits", Action::Limits(Verb::Create)),
        with_id(Method::GET, "/admin/v1/limits/", "", Action::Limits(Verb::Get)),
        with_id(Method::PATCH, "/admin/v1/limits/", "", Action::Limits(Verb::Update)),
        with_id(Method::DELETE, "/admin/v1/limits/", "", Action::Limits(Verb::Delete)),
    ],
    &[
        plain(Method::POST, "/key/generate", Action::Lite(Lite::KeyGenerate)),
        plain(Method::GET, "/key/info", Action::Lite(Lite::KeyInfo)),
        plain(Method::POST, "/key/update", Action::Lite(Lite::KeyUpdate)),
        plain(Method::POST, "/key/delete", Action::Lite(Lite::KeyDelete)),
        plain(Method::GET, "/key/list", Action::Lite(Lite::KeyList)),
        plain(Method::POST, "/team/new", Action::Lite(Lite::TeamNew)),
        plain(Method::GET, "/team/info", Action::Lite(Lite::TeamInfo)),
        plain(Method::GET, "/spend/logs", Action::Lite(Lite::SpendLogs)),
    ],
    &group("/admin/v1/teams", "/admin/v1/teams/", Kind::Team),
    &group("/admin/v1/users", "/admin/v1/users/", Kind::User),
    &group("/admin/v1/organisations", "/admin/v1/organisations/", Kind::Organisation),
];

/// Every route.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    ROUTES.iter().flat_map(|rows| rows.iter())
}

/// Whether a path is answered here, be it with 404.
pub(crate) fn owns(path: &str) -> bool {
    const BELOW: [&str; 4] = ["/admin/v1/", "/key/", "/team/", "/spend/"];
    path == "/health" || path == OPENAPI || BELOW.iter().any(|below| path.starts_with(below))
}

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

/// What is asked or done there, and the id in the path.
pub(super) fn find<'p>(method: &Method, path: &'p str) -> Result<(Action, Cow<'p, str>), Refused> {
    let mut allow: Vec<&str> = Vec::new();
    for row in rows() {
        let Some(id) = row.id(path) else { continue };
        if serves(&row.method, method) {
            return Ok((row.action, id));
        }
        allow.push(row.method.as_str());
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
        check(Method::POST, "/admin/v1/keys", "Keys(Create)");
        check(Method::POST, "/admin/v1/keys/key_1/rotate", "Keys(Rotate) key_1");
        check(Method::PUT, "/admin/v1/keys/key_1", "MethodNotAllowed Some(\"GET, PATCH, DELETE\")");
        check(Method::PATCH, "/admin/v1/teams/a%2Fb", "Groups(Team, Update) a/b");
        check(Method::POST, "/admin/v1/teams/a/rotate", "MethodNotAllowed Some(\"GET, PATCH, DELETE\")");
        check(Method::PATCH, "/admin/v1/teams/a/block", "MethodNotAllowed Some(\"POST\")");
        check(Method::PATCH, "/admin/v1/teams/a%2Fblock", "Groups(Team, Update) a/block");
        check(Method::POST, "/key/generate", "Lite(KeyGenerate)");
        check(Method::DELETE, "/admin/v1/keys", "MethodNotAllowed Some(\"GET, POST\")");
        check(Method::DELETE, "/admin/v1/budgets/team:a/day/hard", "Budgets(Delete) team:a/day/hard");
        check(Method::PATCH, "/admin/v1/limits/model:openai/gpt-4o", "Limits(Update) model:openai/gpt-4o");
        assert!(owns("/admin/v1/nothing") && owns("/health"));
        assert!(!owns("/admin/v10/config") && !owns("/health/live"));
    }
}
