//! Routes of the admin API.

use llm_admin::audit::AuditView;
use llm_admin::budgets::{BudgetPatch, NewBudgetForm, OwnedBudgetView, ReleasedView};
use llm_admin::groups::{GroupForm, GroupView};
use llm_admin::keys::{DeletedView, KeyForm, KeyView, RotateForm};
use llm_admin::limits::{LimitsPatch, NewLimitsForm, ScopedLimitsView};
use llm_admin::page::ListView;
use llm_admin::usage::UsageView;
use llm_admin::{Action as Kept, Verb};
use serde_json::{Value, json};

use super::{Kind, Of, Operation, Parameter, Writer, json_of, of};
use crate::admin::{Action, AttemptView, FeedbackForm, FeedbackView, Lite, rows};

const fn text(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, kind: Kind::Text }
}

const fn moment(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, kind: Kind::Moment }
}

const LIMIT: Parameter = Parameter { name: "limit", about: "At most so many.", kind: Kind::Count };
const CURSOR: Parameter = text("cursor", "`next_cursor` of the page before.");
const FROM: Parameter = moment("from", "Not before.");
const TO: Parameter = moment("to", "Before.");
const SOURCE: Parameter = Parameter {
    name: "source",
    about: "The latest decisions, or the attempts that were booked.",
    kind: Kind::Words(&["decisions", "usage"]),
};

/// What an action takes and gives.
struct Words {
    tag: &'static str,
    summary: &'static str,
    query: Vec<Parameter>,
    body: Option<Of>,
    status: &'static str,
    /// `None`: an object that is not described further.
    answer: Option<Of>,
}

const fn words(tag: &'static str, summary: &'static str) -> Words {
    Words { tag, summary, query: Vec::new(), body: None, status: "200", answer: None }
}

impl Words {
    fn asks(mut self, query: &[Parameter]) -> Self {
        self.query = query.to_vec();
        self
    }

    fn takes(mut self, body: Of) -> Self {
        self.body = Some(body);
        self
    }

    fn gives(mut self, answer: Of) -> Self {
        self.answer = Some(answer);
        self
    }

    fn makes(mut self) -> Self {
        self.status = "201";
        self
    }
}

pub(super) fn write(writer: &mut Writer) {
    for row in rows() {
        let Words { tag, summary, query, body, status, answer } = describe(row.action);
        let (path, names) = match row.tail {
            Some(tail) => (format!("{}{{id}}{tail}", row.head), vec!["id"]),
            None => (row.head.to_owned(), Vec::new()),
        };
        let body: Option<Value> = match row.action {
            Action::Estimate
            | Action::Lite(Lite::KeyGenerate | Lite::KeyUpdate | Lite::KeyDelete | Lite::TeamNew) => {
                Some(json!({ "type": "object", "additionalProperties": true }))
            }
            _ => body.map(|of| writer.body(of)),
        };
        let answer = answer.map_or_else(|| json!({}), |of| writer.answer(of));
        let place = path.trim_start_matches("/admin/v1/").trim_start_matches('/');
        let id = format!("{}_{}", row.method.as_str().to_ascii_lowercase(), place.replace(['/', '.'], "_"))
            .replace(['{', '}'], "");
        let answer = match row.action {
            Action::Metrics => json!({ "text/plain": { "schema": { "type": "string" } } }),
            _ => json_of(answer),
        };
        writer.add(
            &path,
            &row.method,
            Operation { id, tag, summary, path: names, query, body, status, answer },
        );
    }
}

fn describe(action: Action) -> Words {
    match action {
        Action::Health => words("operations", "How the models' deployments are.")
            .asks(&[text("model", "Of this model alone."), text("check", "Whether to ask them.")]),
        Action::Metrics => {
            words("operations", "Budgets, refusals, alerts and rows, as Prometheus reads them.")
        }
        Action::ListDeployments => words("operations", "All deployments."),
        Action::GetDeployment => words("operations", "A deployment."),
        Action::DrainDeployment => words("operations", "Take a deployment out of service."),
        Action::EnableDeployment => words("operations", "Put a deployment back into service."),
        Action::ProbeDeployment => words("operations", "Ask a deployment for as little as can be asked.")
            .asks(&[text("model", "In place of the `*` of its model.")]),
        Action::GetConfig => words("operations", "Which configuration is in place."),
        Action::ReloadConfig => words("operations", "Read the configuration file again."),
        Action::ListRequests => {
            let about = "All that are named must hold.";
            let only = ["request_id", "key_id", "team_id", "user_id", "organisation_id", "model", "provider"];
            let only = only.map(|name| text(name, about));
            let all: Vec<_> = [LIMIT, CURSOR, SOURCE, FROM, TO].into_iter().chain(only).collect();
            words("usage", "The latest requests.").asks(&all).gives(of::<RequestsView>)
        }
        Action::GetRequest => words("usage", "Why a request went where it went."),
        Action::Feedback => words("usage", "Note what somebody thought of an answer.")
            .takes(of::<FeedbackForm>)
            .gives(of::<FeedbackView>),
        Action::Estimate => words("usage", "What a chat request would cost."),
        Action::OpenApi => words("operations", "This document."),
        Action::Kept(kept) => describe_kept(kept),
        Action::Lite(what) => lite(what),
    }
}

fn describe_kept(action: Kept) -> Words {
    match action {
        Kept::Usage => {
            let by = text(
                "group_by",
                "Some of day, hour, model, served, provider, deployment, key, team, user, organisation, tag, with commas.",
            );
            let only = ["model", "provider", "deployment", "key", "team", "user", "organisation", "tag"];
            let only = only.map(|name| text(name, "Of this alone."));
            let all: Vec<_> = [FROM, TO, by].into_iter().chain(only).collect();
            words("usage", "What was used and what it cost.").asks(&all).gives(of::<UsageView>)
        }
        Kept::Audit => words("audit", "Who administered what.")
            .asks(&[
                LIMIT,
                CURSOR,
                FROM,
                TO,
                text("object", "Of this alone."),
                text("actor", "By this one alone."),
            ])
            .gives(of::<ListView<AuditView>>),
        Kept::Keys(verb) => key(verb),
        Kept::Groups(_, verb) => group(verb),
        Kept::Budgets(verb) => budget(verb),
        Kept::Limits(verb) => limits(verb),
    }
}

/// Decisions or attempts.
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
#[serde(untagged)]
enum RequestsView {
    Attempts(ListView<AttemptView>),
    Decisions { object: String, data: Vec<serde_json::Map<String, Value>> },
}

/// LiteLLM's routes, which are described where they come from.
fn lite(what: Lite) -> Words {
    let word = |summary| words("litellm", summary);
    match what {
        Lite::KeyGenerate => word("Make a key, in LiteLLM's words."),
        Lite::KeyInfo => word("A key, in LiteLLM's words.").asks(&[text("key", "Its secret, hash or id.")]),
        Lite::KeyUpdate => word("Change a key, in LiteLLM's words."),
        Lite::KeyDelete => word("Take keys back, in LiteLLM's words."),
        Lite::KeyList => word("Keys, in LiteLLM's words.").asks(
            &["page", "size", "team_id", "user_id", "key_alias"].map(|name| text(name, "As in LiteLLM.")),
        ),
        Lite::TeamNew => word("Make a team, in LiteLLM's words."),
        Lite::TeamInfo => word("A team, in LiteLLM's words.").asks(&[text("team_id", "Its id.")]),
        Lite::SpendLogs => word("The attempts that were booked, in LiteLLM's words.").asks(
            &["api_key", "user_id", "team_id", "request_id", "start_date", "end_date"]
                .map(|name| text(name, "As in LiteLLM.")),
        ),
    }
}

fn key(verb: Verb) -> Words {
    let only = ["team_id", "user_id", "organisation_id", "name"].map(|name| text(name, "Of this alone."));
    let page: Vec<_> = [LIMIT, CURSOR].into_iter().chain(only).collect();
    match verb {
        Verb::List => words("keys", "Keys.").asks(&page).gives(of::<ListView<KeyView>>),
        Verb::Create => words("keys", "Make a key; the answer shows it once.")
            .takes(of::<KeyForm>)
            .gives(of::<KeyView>)
            .makes(),
        Verb::Get | Verb::Release => words("keys", "A key, with what it has spent.").gives(of::<KeyView>),
        Verb::Update => words("keys", "Change a key.").takes(of::<KeyForm>).gives(of::<KeyView>),
        Verb::Delete => words("keys", "Take a key back.").gives(of::<DeletedView>),
        Verb::Rotate => {
            words("keys", "Give a key another secret.").takes(of::<RotateForm>).gives(of::<KeyView>)
        }
        Verb::Block => words("keys", "Turn a key away.").gives(of::<KeyView>),
        Verb::Unblock => words("keys", "Let a key in again.").gives(of::<KeyView>),
    }
}

fn group(verb: Verb) -> Words {
    let only = ["organisation_id", "name"].map(|name| text(name, "Of this alone."));
    let page: Vec<_> = [LIMIT, CURSOR].into_iter().chain(only).collect();
    match verb {
        Verb::List => words("groups", "All of them.").asks(&page).gives(of::<ListView<GroupView>>),
        Verb::Create => words("groups", "Make one.").takes(of::<GroupForm>).gives(of::<GroupView>).makes(),
        Verb::Get | Verb::Rotate | Verb::Release => {
            words("groups", "One, with what it has spent.").gives(of::<GroupView>)
        }
        Verb::Update => words("groups", "Change one.").takes(of::<GroupForm>).gives(of::<GroupView>),
        Verb::Delete => words("groups", "Take one away.").gives(of::<DeletedView>),
        Verb::Block => words("groups", "Turn one away, with its keys.").gives(of::<GroupView>),
        Verb::Unblock => words("groups", "Let one in again.").gives(of::<GroupView>),
    }
}

fn limits(verb: Verb) -> Words {
    let word = |summary| words("limits", summary).gives(of::<ScopedLimitsView>);
    match verb {
        Verb::List => words("limits", "Limits of everything, tags and models.")
            .asks(&[LIMIT, CURSOR])
            .gives(of::<ListView<ScopedLimitsView>>),
        Verb::Create => word("Make limits.").takes(of::<NewLimitsForm>).makes(),
        Verb::Update => word("Change limits.").takes(of::<LimitsPatch>),
        Verb::Delete => words("limits", "Take limits away.").gives(of::<DeletedView>),
        Verb::Get | Verb::Rotate | Verb::Block | Verb::Unblock | Verb::Release => word("Limits."),
    }
}

fn budget(verb: Verb) -> Words {
    let page = [LIMIT, CURSOR, text("scope", "Of this owner alone.")];
    match verb {
        Verb::List => words("budgets", "Budgets.").asks(&page).gives(of::<ListView<OwnedBudgetView>>),
        Verb::Create => {
            words("budgets", "Make a budget.").takes(of::<NewBudgetForm>).gives(of::<OwnedBudgetView>).makes()
        }
        Verb::Update => {
            words("budgets", "Change a budget.").takes(of::<BudgetPatch>).gives(of::<OwnedBudgetView>)
        }
        Verb::Delete => words("budgets", "Take a budget away.").gives(of::<DeletedView>),
        Verb::Release => {
            words("budgets", "Give back what killed gateways may have spent, where it was not spent.")
                .gives(of::<ReleasedView>)
        }
        Verb::Get | Verb::Rotate | Verb::Block | Verb::Unblock => {
            words("budgets", "A budget, with what is spent.").gives(of::<OwnedBudgetView>)
        }
    }
}
