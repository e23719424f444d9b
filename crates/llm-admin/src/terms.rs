//! What an owner may do and spend, as the admin API writes it.

use std::sync::Arc;

use llm_governance::{
    Access, Budget, BudgetId, Limits, Mode, ModelLimits, Period, Scope, Terms, Window, Zone,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::form::{Field, Name, Range, Usd, ZoneText};

/// A budget, to be set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetForm {
    /// What may be spent in a window, in dollars.
    pub limit_usd: Usd,
    /// When it starts again.
    pub window: WindowWord,
    /// True (the default): never exceeded. False: it only tells.
    #[serde(default)]
    pub hard: Option<bool>,
    /// Where days end; UTC by default.
    #[serde(default)]
    pub time_zone: Option<ZoneText>,
    /// Models that may answer when the money for the one asked for is gone, the best first.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub fallbacks: Option<Vec<Name>>,
}

/// When a budget starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WindowWord {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
    /// Never.
    Total,
}

impl From<WindowWord> for Period {
    fn from(word: WindowWord) -> Self {
        match word {
            WindowWord::Day => Self::Day,
            WindowWord::Week => Self::Week,
            WindowWord::Month => Self::Month,
            WindowWord::Total => Self::Total,
        }
    }
}

impl From<Period> for WindowWord {
    fn from(period: Period) -> Self {
        match period {
            Period::Day => Self::Day,
            Period::Week => Self::Week,
            Period::Month => Self::Month,
            Period::Total => Self::Total,
        }
    }
}

/// Whether a budget refuses.
pub fn mode(hard: Option<bool>) -> Mode {
    if hard == Some(false) { Mode::Soft } else { Mode::Hard }
}

/// The names themselves.
#[must_use]
pub fn names(names: Vec<Name>) -> Vec<Arc<str>> {
    names.into_iter().map(|Name(name)| name).collect()
}

impl From<BudgetForm> for Budget {
    fn from(form: BudgetForm) -> Self {
        let BudgetForm { limit_usd, window, hard, time_zone, fallbacks } = form;
        let zone = time_zone.map_or(Zone::UTC, |ZoneText(zone)| zone);
        let fallbacks = names(fallbacks.unwrap_or_default());
        Self {
            limit: limit_usd.0,
            window: Window { period: window.into(), zone },
            mode: mode(hard),
            fallbacks,
        }
    }
}

/// Limits, to be set: what is left out stays, `null` lifts a limit.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsForm {
    /// Requests a minute.
    #[schemars(range(max = 100_000_000_000_u64))]
    pub rpm: Field<u64>,
    /// Tokens a minute, prompt and answer.
    #[schemars(range(max = 100_000_000_000_u64))]
    pub tpm: Field<u64>,
    /// Requests at once.
    pub parallel: Field<u32>,
}

impl LimitsForm {
    /// The limits with these changes.
    pub fn over(self, mut limits: Limits) -> Limits {
        let Self { rpm, tpm, parallel } = self;
        rpm.set(&mut limits.rpm);
        tpm.set(&mut limits.tpm);
        parallel.set(&mut limits.parallel);
        limits
    }
}

/// Limits of a model, to be set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelLimitsForm {
    /// The model, as clients call it; with `*` all whose names match, together.
    pub model: Name,
    /// Requests a minute.
    #[serde(default)]
    #[schemars(range(max = 100_000_000_000_u64))]
    pub rpm: Option<u64>,
    /// Tokens a minute, prompt and answer.
    #[serde(default)]
    #[schemars(range(max = 100_000_000_000_u64))]
    pub tpm: Option<u64>,
    /// Requests at once.
    #[serde(default)]
    pub parallel: Option<u32>,
}

impl From<ModelLimitsForm> for ModelLimits {
    fn from(form: ModelLimitsForm) -> Self {
        let ModelLimitsForm { model: Name(model), rpm, tpm, parallel } = form;
        Self { model, limits: Limits { rpm, tpm, parallel } }
    }
}

/// What may be done and spent, as far as it is to be changed.
#[derive(Debug, Default)]
pub struct TermsForm {
    /// Models that may be called.
    pub models: Field<Vec<Name>>,
    /// Routes that may be called.
    pub routes: Field<Vec<Name>>,
    /// Addresses that requests may come from.
    pub ip_ranges: Field<Vec<Range>>,
    /// What may be spent.
    pub budgets: Field<Vec<BudgetForm>>,
    /// How often.
    pub limits: Field<LimitsForm>,
    /// How often single models.
    pub model_limits: Field<Vec<ModelLimitsForm>>,
}

impl TermsForm {
    /// The terms with these changes.
    pub fn over(self, terms: &Terms) -> Arc<Terms> {
        let Self { models, routes, ip_ranges, budgets, limits, model_limits } = self;
        let Terms { access, limits: mut now, budgets: mut all, model_limits: mut of_models } = terms.clone();
        let Access { models: mut allowed, routes: mut allowed_routes, mut addresses } = access;
        models.map(names).put(&mut allowed);
        routes.map(names).put(&mut allowed_routes);
        ip_ranges.map(|ranges| ranges.into_iter().map(|Range(range)| range).collect()).put(&mut addresses);
        budgets.map(|forms| forms.into_iter().map(Budget::from).collect()).put(&mut all);
        match limits {
            Field::Absent => {}
            Field::Null => now = Limits::default(),
            Field::Given(form) => now = form.over(now),
        }
        model_limits.map(|forms| forms.into_iter().map(ModelLimits::from).collect()).put(&mut of_models);
        let access = Access { models: allowed, routes: allowed_routes, addresses };
        Arc::new(Terms { access, limits: now, budgets: all, model_limits: of_models })
    }
}

/// Limits as they are.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LimitsView {
    /// Requests a minute; `null`: no limit.
    rpm: Option<u64>,
    /// Tokens a minute; `null`: no limit.
    tpm: Option<u64>,
    /// Requests at once; `null`: no limit.
    parallel: Option<u32>,
}

impl From<Limits> for LimitsView {
    fn from(limits: Limits) -> Self {
        let Limits { rpm, tpm, parallel } = limits;
        Self { rpm, tpm, parallel }
    }
}

/// Limits of a model as they are.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ModelLimitsView {
    /// The model, or several by a `*`.
    model: String,
    #[serde(flatten)]
    limits: LimitsView,
}

/// A budget as it is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BudgetView {
    /// Its name for machines: scope, window and whether it is hard.
    pub id: String,
    /// What may be spent in a window, in dollars.
    pub limit_usd: String,
    /// When it starts again.
    pub window: WindowWord,
    /// Whether it refuses.
    pub hard: bool,
    /// Where days end.
    pub time_zone: String,
    /// Models that may answer when the money is gone.
    pub fallbacks: Vec<String>,
}

/// The name of an owner's budget.
pub fn budget_id(scope: &Scope, budget: &Budget) -> BudgetId {
    BudgetId { scope: scope.clone(), window: budget.window.clone(), mode: budget.mode }
}

impl BudgetView {
    /// A budget as it is.
    #[must_use]
    pub fn of(scope: &Scope, budget: &Budget) -> Self {
        let Budget { limit, window, mode, fallbacks } = budget;
        Self {
            id: budget_id(scope, budget).to_string(),
            limit_usd: dollars(*limit),
            window: window.period.into(),
            hard: *mode == Mode::Hard,
            time_zone: window.zone.name().to_owned(),
            fallbacks: texts(fallbacks),
        }
    }
}

/// What may be done and spent, as it is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TermsView {
    /// Models that may be called, `*` for anything; empty: all.
    models: Vec<String>,
    /// Routes that may be called, `*` for anything; empty: all.
    routes: Vec<String>,
    /// Addresses that requests may come from; empty: all.
    ip_ranges: Vec<String>,
    /// What may be spent.
    budgets: Vec<BudgetView>,
    /// How often.
    limits: LimitsView,
    /// How often single models, beside `limits`.
    model_limits: Vec<ModelLimitsView>,
}

impl TermsView {
    /// Terms as they are.
    #[must_use]
    pub fn of(scope: &Scope, terms: &Terms) -> Self {
        let Terms { access: Access { models, routes, addresses }, limits, budgets, model_limits } = terms;
        let of_model =
            |one: &ModelLimits| ModelLimitsView { model: one.model.to_string(), limits: one.limits.into() };
        Self {
            models: texts(models),
            routes: texts(routes),
            ip_ranges: addresses.iter().map(ToString::to_string).collect(),
            budgets: budgets.iter().map(|budget| BudgetView::of(scope, budget)).collect(),
            limits: (*limits).into(),
            model_limits: model_limits.iter().map(of_model).collect(),
        }
    }
}

/// Dollars and cents, and as many places more as there are.
pub fn dollars(amount: llm_types::PicoUsd) -> String {
    format!("{amount:.2}")
}

/// Names as texts.
#[must_use]
pub fn texts(names: &[Arc<str>]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}
