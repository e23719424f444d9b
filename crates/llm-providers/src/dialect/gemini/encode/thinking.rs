//! How much the model is told to think.
//!
//! Gemini 2.5 takes a budget in tokens, Gemini 3 a level, and neither takes both
//! (<https://ai.google.dev/gemini-api/docs/thinking>). Anthropic's terms say whether to think and at
//! what budget; where the model knows levels only, the level still comes from `reasoning_effort`.

use llm_types::Str;
use llm_types::chat::{Effort, ReasoningOptions, Thinking as Asked};

use super::{Cx, wire};
use crate::dialect::gemini::model::Thinking;

const EFFORT: &str = "reasoning_effort";
const THINKING: &str = "thinking";
const BUDGET: &str = "thinking.budget_tokens";
/// "As much as you find right."
const DYNAMIC: i64 = -1;

/// Fills `thinkingConfig`, unless the caller wrote it in this dialect's own terms.
pub(super) fn thinking<'a>(
    options: &ReasoningOptions,
    config: &mut wire::GenerationConfig<'a>,
    cx: &mut Cx<'_>,
) {
    let ReasoningOptions { effort, thinking, summary } = options;
    if cx.own {
        return own(options, config);
    }
    if config.thinking_config.is_some() {
        for (path, set) in [
            (EFFORT, effort.is_some()),
            (THINKING, thinking.is_some()),
            ("reasoning.summary", summary.is_some()),
        ] {
            if set {
                cx.changes.dropped(path, "generation_config says it already");
            }
        }
        return;
    }
    let mut out = match cx.model.thinking {
        Thinking::None => none(*effort, *thinking, cx),
        Thinking::Budget { minimal, least } => budget(*effort, *thinking, Budgets { minimal, least }, cx),
        Thinking::Level { least } => level(*effort, *thinking, least, cx),
    };
    shown(summary.as_deref(), &mut out, cx);
    config.thinking_config = out;
}

/// What a client of this dialect asked for, as it asked for it.
fn own<'a>(options: &ReasoningOptions, config: &mut wire::GenerationConfig<'a>) {
    let ReasoningOptions { effort, thinking, summary } = options;
    let budget = thinking.map(|thinking| match thinking {
        Asked::Disabled => 0,
        Asked::Adaptive | Asked::Enabled { budget_tokens: None } => DYNAMIC,
        Asked::Enabled { budget_tokens: Some(tokens) } => i64::try_from(tokens).unwrap_or(i64::MAX),
    });
    let out = wire::ThinkingConfig {
        include_thoughts: summary.as_deref().map(|word| word != "omitted"),
        thinking_budget: budget.map(wire::Whole),
        thinking_level: effort.map(|effort| Str::from(effort.name())),
        ..wire::ThinkingConfig::default()
    };
    let set = effort.is_some() || thinking.is_some() || summary.is_some();
    if set {
        config.thinking_config.get_or_insert(out);
    }
}

/// Whether thoughts are shown.
fn shown(summary: Option<&str>, out: &mut Option<wire::ThinkingConfig<'_>>, cx: &mut Cx<'_>) {
    const PATH: &str = "reasoning.summary";
    let Some(word) = summary else { return };
    if cx.model.thinking == Thinking::None {
        cx.changes.dropped(PATH, cx.not_taken());
        return;
    }
    let off = out.as_ref().is_some_and(|config| config.include_thoughts == Some(false));
    if !off {
        out.get_or_insert_default().include_thoughts = Some(word != "omitted");
    }
    if !matches!(word, "auto" | "summarized" | "omitted") {
        cx.changes.altered(PATH, "gemini shows summaries or nothing");
    }
}

fn none<'a>(
    effort: Option<Effort>,
    thinking: Option<Asked>,
    cx: &mut Cx<'_>,
) -> Option<wire::ThinkingConfig<'a>> {
    if effort.is_some_and(|effort| effort != Effort::None) {
        cx.changes.dropped(EFFORT, cx.not_taken());
    }
    if thinking.is_some_and(|thinking| thinking != Asked::Disabled) {
        cx.changes.dropped(THINKING, cx.not_taken());
    }
    None
}

#[derive(Debug, Clone, Copy)]
struct Budgets {
    minimal: u32,
    least: u32,
}

fn budget<'a>(
    effort: Option<Effort>,
    thinking: Option<Asked>,
    budgets: Budgets,
    cx: &mut Cx<'_>,
) -> Option<wire::ThinkingConfig<'a>> {
    let by_effort = |cx: &mut Cx<'_>| effort.map(|effort| tokens(effort, budgets, cx));
    let least = i64::from(budgets.least);
    let (show, tokens) = match thinking {
        Some(Asked::Disabled) => {
            overruled(effort, cx);
            if least > 0 {
                cx.changes.altered(THINKING, at_least(least));
            }
            (false, Some(least))
        }
        Some(Asked::Enabled { budget_tokens: Some(asked) }) => {
            overruled(effort, cx);
            let asked = i64::try_from(asked).unwrap_or(i64::MAX);
            if asked < least {
                cx.changes.altered(BUDGET, at_least(least));
            }
            (true, Some(asked.max(least)))
        }
        Some(Asked::Enabled { budget_tokens: None }) => (true, by_effort(cx)),
        Some(Asked::Adaptive) => (true, Some(by_effort(cx).unwrap_or(DYNAMIC))),
        None => (effort? != Effort::None, by_effort(cx)),
    };
    Some(wire::ThinkingConfig {
        include_thoughts: Some(show),
        thinking_budget: tokens.map(wire::Whole),
        ..wire::ThinkingConfig::default()
    })
}

fn tokens(effort: Effort, budgets: Budgets, cx: &mut Cx<'_>) -> i64 {
    match effort {
        Effort::None => {
            if budgets.least > 0 {
                cx.changes.altered(EFFORT, at_least(i64::from(budgets.least)));
            }
            i64::from(budgets.least)
        }
        Effort::Minimal => i64::from(budgets.minimal),
        Effort::Low => 1024,
        Effort::Medium => 2048,
        Effort::High => 4096,
        Effort::XHigh | Effort::Max => {
            cx.changes.altered(EFFORT, "sent as high");
            4096
        }
    }
}

fn level<'a>(
    effort: Option<Effort>,
    thinking: Option<Asked>,
    least: &'static str,
    cx: &mut Cx<'_>,
) -> Option<wire::ThinkingConfig<'a>> {
    let by_effort = |cx: &mut Cx<'_>| effort.map(|effort| word(effort, least, cx));
    let (show, level) = match thinking {
        Some(Asked::Disabled) => {
            overruled(effort, cx);
            cx.changes.altered(THINKING, format!("{} thinks at least at level {least}", cx.name));
            (false, Some(least))
        }
        Some(Asked::Enabled { budget_tokens }) => {
            if budget_tokens.is_some() {
                cx.changes.dropped(BUDGET, format!("{} takes levels, not budgets", cx.name));
            }
            (true, by_effort(cx))
        }
        Some(Asked::Adaptive) => (true, by_effort(cx)),
        None => (effort? != Effort::None, by_effort(cx)),
    };
    Some(wire::ThinkingConfig {
        include_thoughts: Some(show),
        thinking_level: level.map(Str::from),
        ..wire::ThinkingConfig::default()
    })
}

fn word(effort: Effort, least: &'static str, cx: &mut Cx<'_>) -> &'static str {
    match effort {
        Effort::None => {
            cx.changes.altered(EFFORT, format!("{} thinks at least at level {least}", cx.name));
            least
        }
        Effort::Minimal => {
            if least != "minimal" {
                cx.changes.altered(EFFORT, format!("sent as {least}"));
            }
            least
        }
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh | Effort::Max => {
            cx.changes.altered(EFFORT, "sent as high");
            "high"
        }
    }
}

fn overruled(effort: Option<Effort>, cx: &mut Cx<'_>) {
    if effort.is_some() {
        cx.changes.dropped(EFFORT, "thinking says it already");
    }
}

fn at_least(tokens: i64) -> String {
    format!("the model thinks with at least {tokens} tokens")
}
