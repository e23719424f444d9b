//! When an answer begins.

use llm_types::Event;

/// Whether an event is content, at which an answer's head goes out: a non-empty delta, a tool call or
/// another part that is whole at its start, or the end of a choice.
#[must_use]
pub fn is_content(event: &Event<'_>) -> bool {
    use llm_types::{Delta, PartStart};
    match event {
        Event::PartStart { start, .. } => {
            matches!(start, PartStart::ToolCall { .. } | PartStart::Image { .. } | PartStart::Opaque(_))
        }
        Event::Delta { delta, .. } => match delta {
            Delta::Text(text)
            | Delta::Reasoning(text)
            | Delta::Signature(text)
            | Delta::Redacted(text)
            | Delta::ToolArgs(text)
            | Delta::Refusal(text)
            | Delta::Data(text)
            | Delta::Transcript(text) => !text.is_empty(),
            Delta::Citation(_) | Delta::LogProbs(_) => true,
            Delta::ExpiresAt(_) | Delta::Extra(_) => false,
        },
        Event::Finish { .. } => true,
        Event::Start(_)
        | Event::PartEnd { .. }
        | Event::Usage(_)
        | Event::Error(_)
        | Event::Opaque { .. } => false,
    }
}
