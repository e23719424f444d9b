//! How much the model is to think, in the terms of its generation.
//!
//! Older models take a budget in tokens, newer ones decide themselves and take an effort level, and each
//! refuses the other's form with a 400. Thinking also excludes other options; where a request holds
//! both, thinking wins, because it is what the answer is judged by.

use llm_types::Dialect;
use llm_types::chat::{Effort, Limits, ReasoningOptions, Thinking};

use super::super::model::{DEFAULT_MAX_TOKENS, Facts, Thinks};
use super::super::wire;
use super::encoder::Encoder;
use super::message::Conversation;
use crate::dialect::effort::{MIN_BUDGET, budget_of};

/// What is left for the answer when the caller sets no limit.
const ROOM: u64 = 4096;
/// The least that is left for the answer when a budget has to be cut.
const ANSWER: u64 = 256;

/// How the model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It is not told.
    Unset,
    /// Not at all.
    Off,
    /// Up to so many tokens.
    Budget(u64),
    /// As much as it finds right.
    Adaptive,
}

/// What was settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// How the model is told to think.
    pub(super) mode: Mode,
    /// `output_config.effort`.
    pub(super) effort: Option<Effort>,
    /// `max_tokens`.
    pub(super) max_tokens: u64,
}

impl Plan {
    /// Whether the model thinks, so that other options are excluded.
    pub(super) fn thinks(&self) -> bool {
        matches!(self.mode, Mode::Budget(_) | Mode::Adaptive)
    }

    /// The wire form; `display` says how thoughts are shown.
    pub(super) fn thinking<'r>(&self, display: Option<&'r str>) -> Option<wire::Thinking<'r>> {
        let (kind, budget_tokens) = match self.mode {
            Mode::Unset => return None,
            Mode::Off => ("disabled", None),
            Mode::Budget(tokens) => ("enabled", Some(tokens)),
            Mode::Adaptive => ("adaptive", None),
        };
        let display = display.filter(|_| self.thinks()).map(Into::into);
        Some(wire::Thinking { kind: Some(kind.into()), budget_tokens, display, ..wire::Thinking::default() })
    }
}

/// The effort level that a budget means on models that do not take budgets.
fn effort_of(budget: u64, facts: &Facts) -> Effort {
    match budget {
        8192.. if facts.xhigh => Effort::XHigh,
        4096.. => Effort::High,
        2048.. => Effort::Medium,
        _ => Effort::Low,
    }
}

impl<'r> Encoder<'r, '_> {
    /// Settles thinking, effort and `max_tokens`, which depend on each other.
    pub(super) fn plan(
        &mut self,
        options: &ReasoningOptions,
        limits: &Limits,
        conversation: &Conversation<'_>,
    ) -> Plan {
        let ReasoningOptions { effort, thinking, summary: _ } = options;
        let path = if thinking.is_some() { "thinking" } else { "reasoning_effort" };
        let (mode, level) = match thinking {
            Some(thinking) => self.told(*thinking, *effort),
            None => self.by_effort(*effort),
        };
        let effort = level.and_then(|level| self.fit(level));
        let given = self.output_limit(limits);
        let mode = self.allowed(mode, conversation, path);
        let (mode, max_tokens) = match mode {
            Mode::Budget(tokens) => self.budget(tokens, given, path),
            mode => (mode, given.or(self.facts.max_output).unwrap_or(DEFAULT_MAX_TOKENS)),
        };
        let above = effort.is_some_and(|effort| effort > Effort::High);
        if mode == Mode::Off && above && self.facts.off_up_to_high {
            self.changes.altered("reasoning_effort", "without thinking this model goes up to `high`");
            return Plan { mode, effort: Some(Effort::High), max_tokens };
        }
        Plan { mode, effort, max_tokens }
    }

    /// How thoughts are shown.
    pub(super) fn display(&mut self, summary: Option<&'r str>, plan: &Plan) -> Option<&'r str> {
        if !plan.thinks() {
            if summary.is_some() {
                self.changes.dropped("reasoning.summary", "the model is not asked to think");
            }
            return None;
        }
        match summary {
            Some("omitted" | "summarized") => summary,
            // Newer models show nothing unless asked; the clients of other APIs expect to see thoughts.
            None | Some("auto") if plan.mode == Mode::Adaptive && self.origin != Some(Dialect::Anthropic) => {
                Some("summarized")
            }
            None => None,
            Some("auto") => Some("summarized"),
            Some(_) => {
                self.changes.altered("reasoning.summary", "anthropic knows summarized and omitted only");
                Some("summarized")
            }
        }
    }

    /// The caller's own word on thinking, made to fit the model.
    fn told(&mut self, thinking: Thinking, effort: Option<Effort>) -> (Mode, Option<Effort>) {
        let facts = self.facts;
        let level = effort.filter(|effort| *effort != Effort::None && facts.top_effort.is_some());
        let as_budget = thinking == Thinking::Adaptive && facts.thinks == Thinks::Budget;
        if effort.is_some() && level.is_none() && !as_budget {
            self.changes.dropped("reasoning_effort", "`thinking` says how much to think");
        }
        let mode = match (thinking, facts.thinks) {
            (Thinking::Disabled, Thinks::Always) => {
                self.changes.dropped("thinking", "this model cannot stop thinking");
                Mode::Unset
            }
            (Thinking::Disabled, Thinks::Never) => Mode::Unset,
            (Thinking::Disabled, _) => Mode::Off,
            (_, Thinks::Never) => {
                self.changes.dropped("thinking", "this model does not think");
                Mode::Unset
            }
            (Thinking::Enabled { budget_tokens }, Thinks::Budget) => {
                Mode::Budget(budget_tokens.unwrap_or_else(|| budget_of(Effort::Medium)))
            }
            (Thinking::Enabled { budget_tokens: Some(tokens) }, Thinks::Either) => Mode::Budget(tokens),
            (Thinking::Enabled { budget_tokens: Some(tokens) }, Thinks::Adaptive | Thinks::Always) => {
                self.changes.altered("thinking", "this model takes an effort level in place of a budget");
                return (Mode::Adaptive, level.or_else(|| Some(effort_of(tokens, facts))));
            }
            (Thinking::Adaptive, Thinks::Budget) => {
                self.changes.altered("thinking", "this model takes a budget only");
                Mode::Budget(budget_of(effort.unwrap_or(Effort::Medium)))
            }
            (Thinking::Adaptive, _) | (Thinking::Enabled { budget_tokens: None }, _) => Mode::Adaptive,
        };
        (mode, level)
    }

    fn by_effort(&mut self, effort: Option<Effort>) -> (Mode, Option<Effort>) {
        match (effort, self.facts.thinks) {
            (None, _) => (Mode::Unset, None),
            // A client of this API switches thinking itself; effort is about the answer as well.
            (Some(effort), _) if self.origin == Some(Dialect::Anthropic) => {
                if self.facts.top_effort.is_none() {
                    self.changes.dropped("output_config.effort", "this model does not know it");
                }
                (Mode::Unset, Some(effort))
            }
            (Some(Effort::None), Thinks::Never | Thinks::Budget) => (Mode::Unset, None),
            (Some(Effort::None), Thinks::Either | Thinks::Adaptive) => (Mode::Off, None),
            (Some(Effort::None), Thinks::Always) => {
                self.changes.dropped("reasoning_effort", "this model cannot stop thinking");
                (Mode::Unset, None)
            }
            (Some(_), Thinks::Never) => {
                self.changes.dropped("reasoning_effort", "this model does not think");
                (Mode::Unset, None)
            }
            (Some(effort), Thinks::Budget) => (Mode::Budget(budget_of(effort)), None),
            (Some(effort), Thinks::Either | Thinks::Adaptive | Thinks::Always) => {
                (Mode::Adaptive, Some(effort))
            }
        }
    }

    /// The nearest level that the model knows.
    fn fit(&mut self, level: Effort) -> Option<Effort> {
        let top = self.facts.top_effort?;
        let fit = match level {
            Effort::None => return None,
            Effort::Minimal => Effort::Low,
            Effort::XHigh if !self.facts.xhigh => Effort::High,
            level => level.min(top),
        };
        if fit != level {
            self.changes.altered(
                "reasoning_effort",
                format!("{} does not know `{}`: `{}` is sent", self.model, level.name(), fit.name()),
            );
        }
        Some(fit)
    }

    fn output_limit(&mut self, limits: &Limits) -> Option<u64> {
        let Limits { max_tokens, max_completion_tokens, stop: _ } = limits;
        if let (Some(older), Some(newer)) = (max_tokens, max_completion_tokens)
            && older != newer
        {
            self.changes.dropped("max_tokens", "max_completion_tokens is given as well");
        }
        let limit = limits.output_tokens()?;
        if limit == 0 {
            self.changes.altered("max_tokens", "anthropic takes 1 at least");
        }
        Some(limit.max(1))
    }

    /// Whether the conversation lets the model think at all.
    fn allowed(&mut self, mode: Mode, conversation: &Conversation<'_>, path: &'static str) -> Mode {
        let Mode::Budget(_) = mode else {
            return mode;
        };
        if conversation.lacks_thoughts() {
            self.changes.dropped(path, "the last tool calls came without thoughts to go on from");
            return Mode::Unset;
        }
        if conversation.is_prefilled() {
            self.changes.dropped(path, "a model that thinks cannot go on from a begun answer");
            return Mode::Unset;
        }
        mode
    }

    /// A budget and the output limit around it.
    fn budget(&mut self, asked: u64, given: Option<u64>, path: &'static str) -> (Mode, u64) {
        let top = self.facts.max_output.unwrap_or(u64::MAX);
        let wanted = asked.max(MIN_BUDGET);
        let max_tokens = given.unwrap_or_else(|| wanted.saturating_add(ROOM).min(top));
        let left = max_tokens.saturating_sub(wanted);
        // A budget that the caller chose stands as long as the API takes it.
        let fits = left >= ANSWER || (left > 0 && path == "thinking");
        if !fits && max_tokens < MIN_BUDGET + ANSWER {
            self.changes.dropped(path, "max_tokens leaves no room for 1024 tokens of thoughts and an answer");
            return (Mode::Unset, max_tokens);
        }
        let budget = if fits { wanted } else { wanted.min(MIN_BUDGET.max(max_tokens / 2)) };
        if budget != wanted {
            self.changes
                .altered(path, format!("the budget is {budget}: the answer needs room in max_tokens"));
        } else if path == "thinking" && budget != asked {
            self.changes.altered(path, format!("the budget is {budget}: 1024 at least"));
        }
        (Mode::Budget(budget), max_tokens)
    }
}
