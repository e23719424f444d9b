//! What queries of this gateway's own routes may have, beside those that `llm-admin` knows.

use llm_admin::parameter::{CURSOR, FROM, Kind, LIMIT, Parameter, TO, text};

use super::attempts::NARROW;
use super::litellm::Lite;
use super::route::Action;

const SOURCE: Parameter = Parameter {
    name: "source",
    about: "The latest decisions, or the attempts that were booked.",
    kind: Kind::Words(&["decisions", "usage"]),
};

const fn flag(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, kind: Kind::Flag }
}

impl Action {
    /// What its query may have.
    pub(crate) fn parameters(self) -> Vec<Parameter> {
        match self {
            Self::Health => {
                vec![text("model", "Of this model alone."), flag("check", "Whether to ask them.")]
            }
            Self::ProbeDeployment => vec![text("model", "In place of the `*` of its model.")],
            Self::ListRequests => {
                let only = NARROW.map(|name| match name {
                    "from" => FROM,
                    "to" => TO,
                    "failed" => flag(name, "Failures alone."),
                    name => text(name, "All that are named must hold."),
                });
                [vec![LIMIT, CURSOR, SOURCE], only.to_vec()].concat()
            }
            Self::Kept(kept) => kept.parameters(),
            Self::Lite(what) => lite(what),
            Self::Metrics
            | Self::OpenApi
            | Self::ListDeployments
            | Self::GetDeployment
            | Self::DrainDeployment
            | Self::EnableDeployment
            | Self::GetConfig
            | Self::ReloadConfig
            | Self::GetRequest
            | Self::Feedback
            | Self::Estimate => Vec::new(),
        }
    }
}

/// Those of LiteLLM's that there are here. Its tools send empty ones, which say nothing.
fn lite(what: Lite) -> Vec<Parameter> {
    let all = |names: &[&'static str]| names.iter().map(|name| text(name, "As in LiteLLM.")).collect();
    match what {
        Lite::KeyInfo => vec![text("key", "Its secret, hash or id; the caller's own by default.")],
        Lite::KeyList => all(&[
            "page",
            "size",
            "team_id",
            "user_id",
            "organization_id",
            "key_alias",
            "key_hash",
            "return_full_object",
            "include_team_keys",
            "include_created_by_keys",
            "sort_by",
            "sort_order",
        ]),
        Lite::TeamInfo => vec![text("team_id", "Its id.")],
        Lite::SpendLogs => {
            all(&["api_key", "user_id", "team_id", "request_id", "start_date", "end_date", "summarize"])
        }
        Lite::KeyGenerate
        | Lite::KeyUpdate
        | Lite::KeyDelete
        | Lite::KeyBlock
        | Lite::KeyUnblock
        | Lite::TeamNew => Vec::new(),
    }
}
