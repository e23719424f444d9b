//! How much the model is to think, in the terms of its family.
//!
//! Claude takes a budget or an effort, as its generation has it, and excludes other options while it thinks; Nova,
//! Qwen and OpenAI's models take an effort under names of their own. All of it goes into the model's own body.

use llm_types::chat::{Effort, Limits, ReasoningOptions, Thinking};

use super::super::model::Thinks;
use super::super::wire::{Claude, ClaudeOutput, Fields, NovaReasoning};
use super::Encoder;
use super::message::Conversation;
use crate::dialect::anthropic::model::{Facts, Thinks as ClaudeThinks};
use crate::dialect::effort::{MIN_BUDGET, budget_of};

/// What is left for the answer when the caller sets no limit.
const ROOM: u64 = 4096;
/// The least that is left for the answer when a budget has to be cut.
const ANSWER: u64 = 256;

/// How the model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// It is not told.
    Unset,
    /// Not at all.
    Off,
    /// Up to so many tokens.
    Budget(u64),
    /// As much as it finds right.
    Adaptive,
    /// As hard as the effort says, in the family's own word.
    Hard,
}

/// What was settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    mode: Mode,
    effort: Option<Effort>,
    /// `maxTokens`
    pub(super) max_tokens: Option<u64>,
}

impl Plan {
    /// Whether Claude thinks, so that other options are excluded.
    pub(super) fn thinks(&self) -> bool {
        matches!(self.mode, Mode::Budget(_) | Mode::Adaptive)
    }
}

/// The effort that a budget means where none is taken.
fn effort_of(budget: u64) -> Effort {
    match budget {
        4096.. => Effort::High,
        2048.. => Effort::Medium,
        _ => Effort::Low,
    }
}

impl<'r> Encoder<'r, '_> {
    /// Settles thinking, effort and `maxTokens`, which depend on each other.
    pub(super) fn plan(
        &mut self,
        options: &ReasoningOptions,
        limits: &Limits,
        conversation: &Conversation<'_>,
    ) -> Plan {
        let ReasoningOptions { effort, thinking, summary: _ } = options;
        let path = if thinking.is_some() { "thinking" } else { "reasoning_effort" };
        let max_tokens = self.output_limit(limits);
        let plan = |mode, effort| Plan { mode, effort, max_tokens };
        if thinking.is_none() && effort.is_none() {
            return plan(Mode::Unset, None);
        }
        match self.model.thinks {
            Thinks::Claude(facts) => {
                let (mode, level) = self.claude(*thinking, *effort, facts);
                let level = level.and_then(|level| self.fit(level, facts));
                self.allowed(mode, level, max_tokens, (conversation, path))
            }
            Thinks::Never | Thinks::Always | Thinks::Unknown => {
                const WHY: &str = "this model is not told how to think";
                let always = self.model.thinks == Thinks::Always;
                if thinking.is_some_and(|thinking| always || thinking != Thinking::Disabled) {
                    self.changes.dropped("thinking", WHY);
                }
                if effort.is_some_and(|effort| always || effort != Effort::None) {
                    self.changes.dropped("reasoning_effort", WHY);
                }
                plan(Mode::Unset, None)
            }
            Thinks::Nova | Thinks::Effort | Thinks::Qwen => {
                let level = match thinking {
                    None => *effort,
                    Some(Thinking::Disabled) => Some(Effort::None),
                    Some(Thinking::Enabled { budget_tokens: Some(tokens) }) => {
                        self.changes.altered("thinking", "this model takes an effort in place of a budget");
                        Some(effort.unwrap_or_else(|| effort_of(*tokens)))
                    }
                    Some(Thinking::Enabled { budget_tokens: None } | Thinking::Adaptive) => {
                        Some(effort.unwrap_or(Effort::Medium))
                    }
                };
                plan(Mode::Hard, level)
            }
        }
    }

    /// The plan in the words of the family.
    pub(super) fn thinking(&mut self, plan: &Plan, options: &'r ReasoningOptions, fields: &mut Fields<'r>) {
        let ReasoningOptions { effort: _, thinking: _, summary } = options;
        if summary.is_some() && self.model.facts().is_none() {
            self.changes.dropped("reasoning.summary", "this model does not say how thoughts are shown");
        }
        let effort = plan.effort;
        match (plan.mode, self.model.thinks) {
            (Mode::Hard, Thinks::Nova) => self.nova(effort, fields),
            (Mode::Hard, Thinks::Qwen) => {
                let word = match effort {
                    None | Some(Effort::None) => return,
                    Some(Effort::Minimal | Effort::Low) => "low",
                    Some(_) => "high",
                };
                self.rounded(effort, word);
                fields.reasoning_config.get_or_insert_with(|| word.into());
            }
            (Mode::Hard, _) => {
                let word = match effort {
                    None => return,
                    Some(Effort::None) => {
                        self.changes.dropped("reasoning_effort", "this model cannot stop thinking");
                        return;
                    }
                    Some(Effort::Minimal | Effort::Low) => "low",
                    Some(Effort::Medium) => "medium",
                    Some(_) => "high",
                };
                self.rounded(effort, word);
                fields.reasoning_effort.get_or_insert_with(|| word.into());
            }
            (mode, _) => self.claude_fields(mode, effort, summary.as_deref(), fields),
        }
    }

    fn nova(&mut self, effort: Option<Effort>, fields: &mut Fields<'r>) {
        let word = match effort {
            None | Some(Effort::None) => return,
            Some(Effort::Minimal | Effort::Low) => "low",
            Some(Effort::Medium) => "medium",
            Some(_) => "high",
        };
        self.rounded(effort, word);
        fields.reasoning_nova.get_or_insert_with(|| NovaReasoning {
            kind: Some("enabled".into()),
            effort: Some(word.into()),
            ..NovaReasoning::default()
        });
    }

    /// Records that another level is sent than was asked for.
    fn rounded(&mut self, asked: Option<Effort>, sent: &str) {
        if let Some(asked) = asked.filter(|asked| asked.name() != sent) {
            let why = format!("{} does not know `{}`: `{sent}` is sent", self.named, asked.name());
            self.changes.altered("reasoning_effort", why);
        }
    }

    fn claude_fields(
        &mut self,
        mode: Mode,
        effort: Option<Effort>,
        summary: Option<&'r str>,
        fields: &mut Fields<'r>,
    ) {
        let (kind, budget_tokens) = match mode {
            Mode::Budget(tokens) => (Some("enabled"), Some(tokens)),
            Mode::Adaptive => (Some("adaptive"), None),
            Mode::Off => (Some("disabled"), None),
            Mode::Unset | Mode::Hard => (None, None),
        };
        let shown = summary.filter(|word| matches!(*word, "summarized" | "omitted"));
        let shown = shown.filter(|_| mode == Mode::Adaptive);
        if summary.is_some() && shown.is_none() && self.model.facts().is_some() {
            self.changes.dropped("reasoning.summary", "Claude shows its thoughts as it finds right");
        }
        if let Some(kind) = kind {
            if fields.thinking.is_some() {
                self.changes.dropped("thinking", "`additionalModelRequestFields.thinking` is given as well");
            } else {
                let display = shown.map(Into::into);
                fields.thinking =
                    Some(Claude { kind: Some(kind.into()), budget_tokens, display, ..Claude::default() });
            }
        }
        if let Some(effort) = effort
            && fields.output_config.is_none()
        {
            fields.output_config =
                Some(ClaudeOutput { effort: Some(effort.name().into()), ..ClaudeOutput::default() });
        }
    }

    fn claude(
        &mut self,
        thinking: Option<Thinking>,
        effort: Option<Effort>,
        facts: &Facts,
    ) -> (Mode, Option<Effort>) {
        use ClaudeThinks as T;
        let level = effort.filter(|effort| *effort != Effort::None && facts.top_effort.is_some());
        let mode = match (thinking, facts.thinks) {
            (None, thinks) => return self.by_effort(effort, thinks),
            (Some(Thinking::Disabled), T::Never) => Mode::Unset,
            (Some(Thinking::Disabled), T::Always) => {
                self.changes.dropped("thinking", "this model cannot stop thinking");
                Mode::Unset
            }
            (Some(Thinking::Disabled), _) => Mode::Off,
            (Some(_), T::Never) => {
                self.changes.dropped("thinking", "this model does not think");
                Mode::Unset
            }
            (Some(Thinking::Enabled { budget_tokens }), T::Budget) => {
                Mode::Budget(budget_tokens.unwrap_or_else(|| budget_of(effort.unwrap_or(Effort::Medium))))
            }
            (Some(Thinking::Enabled { budget_tokens: Some(tokens) }), T::Either) => Mode::Budget(tokens),
            (Some(Thinking::Enabled { budget_tokens: Some(tokens) }), T::Adaptive | T::Always) => {
                self.changes.altered("thinking", "this model takes an effort level in place of a budget");
                return (Mode::Adaptive, level.or_else(|| Some(effort_of(tokens))));
            }
            (Some(Thinking::Adaptive), T::Budget) => {
                self.changes.altered("thinking", "this model takes a budget only");
                Mode::Budget(budget_of(effort.unwrap_or(Effort::Medium)))
            }
            (Some(Thinking::Adaptive | Thinking::Enabled { budget_tokens: None }), _) => Mode::Adaptive,
        };
        if effort.is_some() && level.is_none() {
            self.changes.dropped("reasoning_effort", "`thinking` is given as well");
        }
        (mode, level)
    }

    fn by_effort(&mut self, effort: Option<Effort>, thinks: ClaudeThinks) -> (Mode, Option<Effort>) {
        use ClaudeThinks as T;
        match (effort, thinks) {
            (None, _) | (Some(Effort::None), T::Never | T::Budget) => (Mode::Unset, None),
            (Some(Effort::None), T::Either | T::Adaptive) => (Mode::Off, None),
            (Some(Effort::None), T::Always) => {
                self.changes.dropped("reasoning_effort", "this model cannot stop thinking");
                (Mode::Unset, None)
            }
            (Some(_), T::Never) => {
                self.changes.dropped("reasoning_effort", "this model does not think");
                (Mode::Unset, None)
            }
            (Some(effort), T::Budget) => (Mode::Budget(budget_of(effort)), None),
            (Some(effort), T::Either | T::Adaptive | T::Always) => (Mode::Adaptive, Some(effort)),
        }
    }

    /// The nearest level that the model knows.
    fn fit(&mut self, level: Effort, facts: &Facts) -> Option<Effort> {
        let top = facts.top_effort?;
        let fit = match level {
            Effort::None => return None,
            Effort::Minimal => Effort::Low,
            Effort::XHigh if !facts.xhigh => Effort::High,
            level => level.min(top),
        };
        self.rounded(Some(level), fit.name());
        Some(fit)
    }

    fn output_limit(&mut self, limits: &Limits) -> Option<u64> {
        // Where the answer ends by its words is an option of its own.
        let Limits { max_tokens, max_completion_tokens, stop: _ } = limits;
        if let (Some(older), Some(newer)) = (max_tokens, max_completion_tokens)
            && older != newer
        {
            self.changes.dropped("max_tokens", "max_completion_tokens is given as well");
        }
        let limit = limits.output_tokens()?;
        if limit == 0 {
            self.changes.altered("max_tokens", "bedrock takes 1 at least");
        }
        Some(limit.max(1))
    }

    /// What the conversation and the bound on the answer leave of Claude's thinking.
    fn allowed(
        &mut self,
        mode: Mode,
        effort: Option<Effort>,
        given: Option<u64>,
        (conversation, path): (&Conversation<'_>, &'static str),
    ) -> Plan {
        let Mode::Budget(asked) = mode else {
            return Plan { mode, effort, max_tokens: given };
        };
        let unset = Plan { mode: Mode::Unset, effort, max_tokens: given };
        if conversation.lacks_thoughts() {
            self.changes.dropped(path, "the last tool calls came without thoughts to go on from");
            return unset;
        }
        if conversation.is_prefilled() {
            self.changes.dropped(path, "a model that thinks cannot go on from a begun answer");
            return unset;
        }
        let wanted = asked.max(MIN_BUDGET);
        let max_tokens = given.unwrap_or_else(|| wanted.saturating_add(ROOM));
        let left = max_tokens.saturating_sub(wanted);
        // A budget that the caller chose stands as long as the service takes it.
        let fits = left >= ANSWER || (left > 0 && path == "thinking");
        if !fits && max_tokens < MIN_BUDGET + ANSWER {
            self.changes.dropped(path, "max_tokens leaves no room for 1024 tokens of thoughts and an answer");
            return unset;
        }
        let budget = if fits { wanted } else { wanted.min(MIN_BUDGET.max(max_tokens / 2)) };
        if budget != wanted || (path == "thinking" && budget != asked) {
            let why =
                format!("the budget is {budget}: it must be 1024 at least and leave room in max_tokens");
            self.changes.altered(path, why);
        }
        Plan { mode: Mode::Budget(budget), effort, max_tokens: Some(max_tokens) }
    }
}
