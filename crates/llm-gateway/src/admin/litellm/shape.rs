//! LiteLLM's shapes of a key and a team.

use llm_admin::form::moment_text;
use llm_admin::terms::texts;
use llm_admin::{Registry, refused};
use llm_governance::{Group, Key, Limits, Mode, Now, Scope, Terms};
use llm_types::{PicoUsd, Result};
use serde_json::{Map, Value, json};

use super::budget::duration;

/// The member of a team's metadata that keeps what LiteLLM's tools said of its members.
pub(super) const ROLES: &str = "members_with_roles";

/// An amount as a JSON number: LiteLLM's tools count in floats.
pub(super) fn number(amount: PicoUsd) -> Value {
    serde_json::from_str(&amount.to_string()).unwrap_or(Value::Null)
}

fn noted(metadata: Option<&str>) -> Value {
    metadata.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({}))
}

/// What keys and teams have in common.
async fn common(governance: &Registry, scope: &Scope, terms: &Terms) -> Result<Map<String, Value>> {
    let spent = governance.reports().spent(scope).await.map_err(refused)?;
    let budget = |mode| terms.budgets.iter().find(|budget| budget.mode == mode);
    let hard = budget(Mode::Hard);
    let ends = hard.map(|budget| budget.window.span(Now::read().wall).end);
    let ends = ends.filter(|end| *end != jiff::Timestamp::MAX).map(|end| end.to_string());
    let Limits { rpm, tpm, parallel } = terms.limits;
    let mut shape = Map::new();
    shape.insert("spend".to_owned(), number(spent));
    shape.insert("max_budget".to_owned(), json!(hard.map(|budget| number(budget.limit))));
    shape.insert("soft_budget".to_owned(), json!(budget(Mode::Soft).map(|budget| number(budget.limit))));
    shape.insert("budget_duration".to_owned(), json!(hard.and_then(duration)));
    shape.insert("budget_reset_at".to_owned(), json!(ends));
    shape.insert("models".to_owned(), json!(texts(&terms.access.models)));
    shape.insert("allowed_routes".to_owned(), json!(texts(&terms.access.routes)));
    shape.insert("rpm_limit".to_owned(), json!(rpm));
    shape.insert("tpm_limit".to_owned(), json!(tpm));
    shape.insert("max_parallel_requests".to_owned(), json!(parallel));
    let by_model = |pick: fn(&Limits) -> Option<u64>| {
        let counts = terms
            .model_limits
            .iter()
            .filter_map(|one| Some((one.model.to_string(), json!(pick(&one.limits)?))));
        counts.collect::<Map<String, Value>>()
    };
    shape.insert("model_rpm_limit".to_owned(), by_model(|limits| limits.rpm).into());
    shape.insert("model_tpm_limit".to_owned(), by_model(|limits| limits.tpm).into());
    let windows = terms.budgets.iter().filter(|budget| budget.mode == Mode::Hard).map(|budget| {
        let end = budget.window.span(Now::read().wall).end;
        let end = (end != jiff::Timestamp::MAX).then(|| end.to_string());
        json!({ "budget_duration": duration(budget), "max_budget": number(budget.limit), "reset_at": end })
    });
    shape.insert("budget_limits".to_owned(), windows.collect());
    // Members of LiteLLM's that say nothing here, for whoever reads them all.
    for (name, value) in [
        ("model_max_budget", json!({})),
        ("model_spend", json!({})),
        ("litellm_budget_table", Value::Null),
        ("object_permission", Value::Null),
        ("updated_at", Value::Null),
    ] {
        shape.insert(name.to_owned(), value);
    }
    Ok(shape)
}

/// A key.
pub(super) async fn key(governance: &Registry, key: &Key) -> Result<Map<String, Value>> {
    let mut shape = common(governance, &Scope::Key(key.id), &key.terms).await?;
    let more = key.more.as_deref();
    let members = [
        ("token", json!(key.hash.to_string())),
        ("token_id", json!(key.hash.to_string())),
        ("key_name", json!(format!("sk-...{}", key.hint))),
        ("key_alias", json!(more.and_then(|more| more.name.as_deref()))),
        ("created_at", json!(key.id.made_at().map(|at| at.to_string()))),
        ("expires", json!(key.expires_at.map(moment_text))),
        ("user_id", json!(key.user.as_deref())),
        ("team_id", json!(key.team.as_deref())),
        ("organization_id", json!(key.organisation.as_deref())),
        ("metadata", noted(more.and_then(|more| more.metadata.as_deref()))),
        ("tags", json!(texts(key.tags()))),
        ("blocked", json!(key.blocked)),
        ("aliases", json!({})),
        ("config", json!({})),
        ("permissions", json!({})),
        ("key_type", json!(if key.admin { "management" } else { "default" })),
        ("allowed_cache_controls", json!([])),
        ("soft_budget_cooldown", json!(false)),
        ("budget_id", Value::Null),
        ("created_by", Value::Null),
        ("updated_by", Value::Null),
    ];
    shape.extend(members.map(|(name, value)| (name.to_owned(), value)));
    Ok(shape)
}

/// A team.
pub(super) async fn team(governance: &Registry, id: &str, group: &Group) -> Result<Map<String, Value>> {
    let mut shape = common(governance, &Scope::Team(id.into()), &group.terms).await?;
    let mut metadata = noted(group.metadata.as_deref());
    let roles = metadata.as_object_mut().and_then(|metadata| metadata.remove(ROLES));
    let members = [
        ("team_id", json!(id)),
        ("team_alias", json!(group.name.as_deref())),
        ("organization_id", json!(group.organisation.as_deref())),
        ("metadata", metadata),
        ("blocked", json!(group.blocked)),
        ("members_with_roles", roles.unwrap_or_else(|| json!([]))),
        ("admins", json!([])),
        ("members", json!([])),
        ("team_member_permissions", json!([])),
        ("model_id", Value::Null),
        ("litellm_model_table", Value::Null),
        ("created_at", Value::Null),
    ];
    shape.extend(members.map(|(name, value)| (name.to_owned(), value)));
    Ok(shape)
}
