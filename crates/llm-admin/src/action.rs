//! What can be asked or done, and the routes where it is.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::groups::Kind;

/// Something that can be asked or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// With keys.
    Keys(Verb),
    /// With teams, users, organisations.
    Groups(Kind, Verb),
    /// With budgets.
    Budgets(Verb),
    /// With limits of everything, tags and models.
    Limits(Verb),
    /// What was used.
    Usage,
    /// Who administered what.
    Audit,
}

/// What is done with one of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Shows them.
    List,
    /// Makes one.
    Create,
    /// Shows one.
    Get,
    /// Changes one.
    Update,
    /// Takes one away.
    Delete,
    /// Gives one another secret.
    Rotate,
    /// Turns one away.
    Block,
    /// Lets one in again.
    Unblock,
    /// Gives what is unknown back to one.
    Release,
}

impl Verb {
    /// The word of the audit log for what changes something.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::List | Self::Get => None,
            Self::Create => Some("create"),
            Self::Update => Some("update"),
            Self::Delete => Some("delete"),
            Self::Rotate => Some("rotate"),
            Self::Block => Some("block"),
            Self::Unblock => Some("unblock"),
            Self::Release => Some("release_unknown"),
        }
    }
}

impl Action {
    /// The word of the audit log for what changes something.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Keys(verb) | Self::Groups(_, verb) | Self::Budgets(verb) | Self::Limits(verb) => {
                verb.word()
            }
            Self::Usage | Self::Audit => None,
        }
    }

    /// What kind of thing it is about, in the words of the audit log.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Keys(_) => "key",
            Self::Groups(kind, _) => kind.name(),
            Self::Budgets(_) => "budget",
            Self::Limits(_) => "limits",
            Self::Usage => "usage",
            Self::Audit => "audit",
        }
    }
}

/// A path: `head`, then an id and `tail` where it has one.
#[derive(Debug, Clone)]
pub struct Row<A> {
    /// By which it is served.
    pub method: Method,
    /// The path, or what stands before the id.
    pub head: &'static str,
    /// What follows the id; `None`: there is no id.
    pub tail: Option<&'static str>,
    /// What is asked or done there.
    pub action: A,
}

/// A path without an id.
pub const fn plain<A: Copy>(method: Method, path: &'static str, action: A) -> Row<A> {
    Row { method, head: path, tail: None, action }
}

/// A path with an id.
pub const fn with_id<A: Copy>(method: Method, head: &'static str, tail: &'static str, action: A) -> Row<A> {
    Row { method, head, tail: Some(tail), action }
}

impl<A> Row<A> {
    /// The id, where the path fits; empty where there is none.
    #[must_use]
    pub fn id<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        match self.tail {
            None => (path == self.head).then_some(Cow::Borrowed("")),
            Some(tail) => {
                let id = path.strip_prefix(self.head)?.strip_suffix(tail)?;
                (!id.is_empty()).then(|| percent_decode_str(id).decode_utf8_lossy())
            }
        }
    }
}

/// The routes of a group.
const fn group(list: &'static str, head: &'static str, kind: Kind) -> [Row<Action>; 7] {
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
static ROUTES: &[&[Row<Action>]] = &[
    &[
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
        with_id(Method::POST, "/admin/v1/budgets/", "/release_unknown", Action::Budgets(Verb::Release)),
        with_id(Method::GET, "/admin/v1/budgets/", "", Action::Budgets(Verb::Get)),
        with_id(Method::PATCH, "/admin/v1/budgets/", "", Action::Budgets(Verb::Update)),
        with_id(Method::DELETE, "/admin/v1/budgets/", "", Action::Budgets(Verb::Delete)),
        plain(Method::GET, "/admin/v1/limits", Action::Limits(Verb::List)),
        plain(Method::POST, "/admin/v1/limits", Action::Limits(Verb::Create)),
        with_id(Method::GET, "/admin/v1/limits/", "", Action::Limits(Verb::Get)),
        with_id(Method::PATCH, "/admin/v1/limits/", "", Action::Limits(Verb::Update)),
        with_id(Method::DELETE, "/admin/v1/limits/", "", Action::Limits(Verb::Delete)),
    ],
    &group("/admin/v1/teams", "/admin/v1/teams/", Kind::Team),
    &group("/admin/v1/users", "/admin/v1/users/", Kind::User),
    &group("/admin/v1/organisations", "/admin/v1/organisations/", Kind::Organisation),
];

/// Every route.
pub fn rows() -> impl Iterator<Item = &'static Row<Action>> {
    ROUTES.iter().flat_map(|rows| rows.iter())
}

/// What is asked or done there, and the id in the path.
#[must_use]
pub fn find<'p>(method: &Method, path: &'p str) -> Option<(Action, Cow<'p, str>)> {
    rows().filter(|row| row.method == method).find_map(|row| Some((row.action, row.id(path)?)))
}
