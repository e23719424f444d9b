//! What each generation of Claude can do.
//!
//! The API refuses with a 400 what a model does not know (a thinking budget, a temperature, an effort
//! level), and the rules change with every generation. They are one table, matched by a part of the
//! model's id, so that the ids of Bedrock, Vertex and OpenRouter find the same row.

use llm_types::chat::Effort;

/// How a model is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Thinks {
    /// It cannot.
    Never,
    /// By a budget in tokens.
    Budget,
    /// By a budget, or as much as it finds right.
    Either,
    /// As much as it finds right; a budget is refused.
    Adaptive,
    /// As [`Thinks::Adaptive`], and it cannot be switched off.
    Always,
}

/// Which sampling parameters a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Sampled {
    /// All of them.
    Free,
    /// Temperature or `top_p`, not both.
    Either,
    /// None; a temperature of 1 is tolerated.
    Refused,
}

/// What one generation can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) struct Facts {
    /// The most tokens of an answer; `None`: not known.
    pub(in crate::dialect) max_output: Option<u64>,
    /// Whether it takes `output_config.format` and `strict` tools.
    pub(in crate::dialect) json_schema: bool,
    /// How it is told to think.
    pub(in crate::dialect) thinks: Thinks,
    /// Which sampling parameters it takes.
    pub(in crate::dialect) sampled: Sampled,
    /// The highest level of `output_config.effort`; `None`: it does not know the field.
    pub(in crate::dialect) top_effort: Option<Effort>,
    /// Whether it knows the level `xhigh`.
    pub(in crate::dialect) xhigh: bool,
    /// Whether `effort` is a beta feature there.
    pub(in crate::dialect) effort_beta: bool,
    /// Whether thinking may be switched off only up to effort `high`.
    pub(in crate::dialect) off_up_to_high: bool,
    /// Whether the conversation may end with the start of the answer.
    pub(in crate::dialect) prefill: bool,
    /// Whether `system` turns may stand inside the conversation.
    pub(in crate::dialect) mid_system: bool,
    /// Whether a tool call may be forced.
    pub(in crate::dialect) forced_tool: bool,
}

/// What the API takes of every model when no `max_tokens` is given and the model is not known.
pub(in crate::dialect) const DEFAULT_MAX_TOKENS: u64 = 4096;

/// Claude 3 and older.
const OLD: Facts = Facts {
    max_output: Some(4096),
    json_schema: false,
    thinks: Thinks::Never,
    sampled: Sampled::Free,
    top_effort: None,
    xhigh: false,
    effort_beta: false,
    off_up_to_high: false,
    prefill: true,
    mid_system: false,
    forced_tool: true,
};
/// Claude 3.5.
const V3_5: Facts = Facts { max_output: Some(8192), ..OLD };
/// Sonnet 3.7 and Sonnet 4.
const SONNET_4: Facts = Facts { max_output: Some(64_000), thinks: Thinks::Budget, ..OLD };
/// Opus 4.
const OPUS_4: Facts = Facts { max_output: Some(32_000), ..SONNET_4 };
/// Opus 4.1.
const OPUS_4_1: Facts = Facts { json_schema: true, ..OPUS_4 };
/// Sonnet 4.5 and Haiku 4.5.
const V4_5: Facts = Facts { json_schema: true, sampled: Sampled::Either, ..SONNET_4 };
/// Opus 4.5.
const OPUS_4_5: Facts = Facts { top_effort: Some(Effort::High), effort_beta: true, ..V4_5 };
/// Opus 4.6 and Sonnet 4.6.
const V4_6: Facts = Facts {
    max_output: Some(128_000),
    thinks: Thinks::Either,
    sampled: Sampled::Free,
    top_effort: Some(Effort::Max),
    prefill: false,
    ..V4_5
};
/// Opus 4.7.
const OPUS_4_7: Facts = Facts { thinks: Thinks::Adaptive, sampled: Sampled::Refused, xhigh: true, ..V4_6 };
/// Opus 4.8 and Sonnet 5.
const V5: Facts = Facts { mid_system: true, ..OPUS_4_7 };
/// Opus 5, and whatever is newer than this table.
const OPUS_5: Facts = Facts { off_up_to_high: true, ..V5 };
/// Fable 5 and Mythos 5.
const ALWAYS: Facts = Facts { thinks: Thinks::Always, ..V5 };
/// Fable 5.1 and Mythos 5.1.
const ALWAYS_FREE: Facts = Facts { forced_tool: false, ..ALWAYS };
/// Another vendor's model behind an Anthropic-compatible endpoint.
const OTHER: Facts = Facts { max_output: None, thinks: Thinks::Budget, ..OLD };

/// Parts of model ids, `.` written as `-`; the first that matches decides.
const TABLE: &[(&[&str], &Facts)] = &[
    (&["fable-5-1", "mythos-5-1"], &ALWAYS_FREE),
    (&["fable-5", "mythos-5"], &ALWAYS),
    (&["opus-5"], &OPUS_5),
    (&["sonnet-5", "opus-4-8"], &V5),
    (&["opus-4-7"], &OPUS_4_7),
    (&["opus-4-6", "sonnet-4-6", "4-6-opus", "4-6-sonnet"], &V4_6),
    (&["opus-4-5", "4-5-opus"], &OPUS_4_5),
    (&["sonnet-4-5", "haiku-4-5", "4-5-sonnet", "4-5-haiku"], &V4_5),
    (&["opus-4-1", "4-1-opus"], &OPUS_4_1),
    (&["opus-4-0", "opus-4", "claude-4-opus"], &OPUS_4),
    (&["sonnet-4-0", "sonnet-4", "claude-4-sonnet", "3-7-sonnet"], &SONNET_4),
    (&["3-5-sonnet", "3-5-haiku"], &V3_5),
    (&["claude-3", "claude-2", "claude-v2", "claude-v1", "claude-instant"], &OLD),
];

/// What a model can do, by its id.
pub(in crate::dialect) fn facts(model: &str) -> &'static Facts {
    let id = model.to_ascii_lowercase().replace('.', "-");
    let row = TABLE.iter().find(|(names, _)| names.iter().any(|name| names_generation(&id, name)));
    match row {
        Some((_, facts)) => facts,
        None if id.contains("claude") => &OPUS_5,
        None => &OTHER,
    }
}

/// Whether `id` holds `name` and does not go on with a minor version: `opus-4` is neither in
/// `opus-4-9` nor in `opus-41`, but in `opus-4-20250514`.
fn names_generation(id: &str, name: &str) -> bool {
    id.match_indices(name).any(|(at, found)| {
        let rest = id.get(at + found.len()..).unwrap_or_default();
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let minor = rest.strip_prefix('-').map_or(0, digits);
        digits(rest) == 0 && !(1..=2).contains(&minor)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_host_find_their_row() {
        let check = |id: &str, expect: &Facts| assert_eq!(facts(id), expect, "{id}");
        check("claude-opus-4-20250514", &OPUS_4);
        check("claude-opus-4@20250514", &OPUS_4);
        check("us.anthropic.claude-sonnet-4-20250514-v1:0", &SONNET_4);
        check("claude-opus-4-1-20250805", &OPUS_4_1);
        check("us.anthropic.claude-sonnet-4-5-20250929-v1:0", &V4_5);
        check("claude-haiku-4-5", &V4_5);
        check("anthropic/claude-opus-4.5", &OPUS_4_5);
        check("claude-sonnet-4-6", &V4_6);
        check("claude-opus-4-7", &OPUS_4_7);
        check("claude-opus-4-8", &V5);
        check("claude-sonnet-5", &V5);
        check("claude-opus-5", &OPUS_5);
        check("claude-fable-5", &ALWAYS);
        check("claude-mythos-5-1", &ALWAYS_FREE);
        check("claude-3-7-sonnet-latest", &SONNET_4);
        check("claude-3-5-haiku-20241022", &V3_5);
        check("claude-3-haiku-20240307", &OLD);
        check("claude-3-opus-20240229", &OLD);
        check("claude-opus-4-9", &OPUS_5);
        check("claude-opus-6", &OPUS_5);
        check("claude-sonnet-5-5", &OPUS_5);
        check("kimi-k2", &OTHER);
    }

    #[test]
    fn generations_differ_where_the_api_does() {
        let check = |id: &str, max_output: u64, json_schema: bool, xhigh: bool| {
            let facts = facts(id);
            assert_eq!(
                (facts.max_output, facts.json_schema, facts.xhigh),
                (Some(max_output), json_schema, xhigh),
                "{id}"
            );
        };
        check("claude-opus-5", 128_000, true, true);
        check("claude-opus-4-6", 128_000, true, false);
        check("claude-sonnet-4-5", 64_000, true, false);
        check("claude-opus-4-1", 32_000, true, false);
        check("claude-sonnet-4-0", 64_000, false, false);
        check("claude-3-haiku-20240307", 4096, false, false);
    }
}
