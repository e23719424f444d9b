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

use super::{Of, Operation, Writer, json_of, of};
use crate::admin::{Action, AttemptView, FeedbackForm, FeedbackView, Lite, rows};

/// What an action takes and gives.
struct Words {
    tag: &'static str,
    summary: &'static str,
    body: Option<Of>,
    status: &'static str,
    /// `None`: an object that is not described further.
    answer: Option<Of>,
}

const fn words(tag: &'static str, summary: &'static str) -> Words {
    Words { tag, summary, body: None, status: "200", answer: None }
}

impl Words {
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
        let Words { tag, summary, body, status, answer } = describe(row.action);
        let query = row.action.parameters();
        let (path, names) = match row.tail {
            Some(tail) => (format!("{}{{id}}{tail}", row.head), vec!["id"]),
            None => (row.head.to_owned(), Vec::new()),
        };
        let body: Option<Value> = match row.action {
            Action::Estimate
            | Action::Lite(
                Lite::KeyGenerate
                | Lite::KeyUpdate
                | Lite::KeyDelete
                | Lite::KeyBlock
                | Lite::KeyUnblock
                | Lite::TeamNew,
            ) => Some(json!({ "type": "object", "additionalProperties": true })),
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
        Action::Health => words("operations", "How the models' deployments are."),
        Action::Metrics => {
            words("operations", "Budgets, refusals, alerts and rows, as Prometheus reads them.")
        }
        Action::ListDeployments => words("operations", "All deployments."),
        Action::GetDeployment => words("operations", "A deployment."),
        Action::DrainDeployment => words("operations", "Take a deployment out of service."),
        Action::EnableDeployment => words("operations", "Put a deployment back into service."),
        Action::ProbeDeployment => words("operations", "Ask a deployment for as little as can be asked."),
        Action::GetConfig => words("operations", "Which configuration is in place."),
        Action::ReloadConfig => words("operations", "Read the configuration file again."),
        Action::ListRequests => words("usage", "The latest requests.").gives(of::<RequestsView>),
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
        Kept::Usage => words("usage", "What was used and what it cost.").gives(of::<UsageView>),
        Kept::Audit => words("audit", "Who administered what.").gives(of::<ListView<AuditView>>),
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
        Lite::KeyInfo => word("A key, in LiteLLM's words."),
        Lite::KeyUpdate => word("Change a key, in LiteLLM's words."),
        Lite::KeyDelete => word("Take keys back, in LiteLLM's words."),
        Lite::KeyBlock => word("Block a key, in LiteLLM's words."),
        Lite::KeyUnblock => word("Let a key in again, in LiteLLM's words."),
        Lite::KeyList => word("Keys, in LiteLLM's words."),
        Lite::TeamNew => word("Make a team, in LiteLLM's words."),
        Lite::TeamInfo => word("A team, in LiteLLM's words."),
        Lite::SpendLogs => word("The attempts that were booked, in LiteLLM's words."),
    }
}

fn key(verb: Verb) -> Words {
    match verb {
        Verb::List => words("keys", "Keys.").gives(of::<ListView<KeyView>>),
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
    match verb {
        Verb::List => words("groups", "All of them.").gives(of::<ListView<GroupView>>),
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
        Verb::List => {
            words("limits", "Limits of everything, tags and models.").gives(of::<ListView<ScopedLimitsView>>)
        }
        Verb::Create => word("Make limits.").takes(of::<NewLimitsForm>).makes(),
        Verb::Update => word("Change limits.").takes(of::<LimitsPatch>),
        Verb::Delete => words("limits", "Take limits away.").gives(of::<DeletedView>),
        Verb::Get | Verb::Rotate | Verb::Block | Verb::Unblock | Verb::Release => word("Limits."),
    }
}

fn budget(verb: Verb) -> Words {
    match verb {
        Verb::List => words("budgets", "Budgets.").gives(of::<ListView<OwnedBudgetView>>),
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
