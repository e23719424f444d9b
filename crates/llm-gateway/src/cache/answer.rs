//! Which answers are good enough for the next one who asks.
//!
//! Only those that are complete: not what a limit cut short, a filter stopped, a model refused or broke off, and no
//! failure that came with a 200. The answer is read for this as its client gets it, once for as long as it is kept.

use llm_providers::codec::{ClientCodec, DecodeCx, Memo};
use llm_types::chat::Part;
use llm_types::{Choice, Finish, FinishKind, Op, Output, ProviderSpec};

/// Whether a whole answer may be given to others.
pub(super) fn is_good(op: Op, codec: &dyn ClientCodec, body: &[u8]) -> bool {
    // Nothing that a row or a request adds matters for how an answer ended.
    let (spec, memo) = (ProviderSpec::default(), Memo::default());
    match codec.decode(op, body, &DecodeCx { spec: &spec, model: "", memo: &memo }) {
        Ok(Output::Chat(reply)) => !reply.choices.is_empty() && reply.choices.iter().all(is_complete),
        Ok(Output::Embed(embeddings)) => !embeddings.vectors.is_empty(),
        Ok(Output::Rerank(ranking)) => !ranking.results.is_empty(),
        Ok(Output::Moderation(moderation)) => !moderation.results.is_empty(),
        Ok(Output::Tokens(_)) => true,
        // Requests for these are not looked up.
        Ok(Output::Transcript(_) | Output::Speech(_) | Output::Images(_)) => false,
        Err(_) => false,
    }
}

fn is_complete(choice: &Choice) -> bool {
    let ended = choice.finish.as_ref().is_some_and(|Finish { kind, native, stop_sequence }| {
        // A word of the provider's own may say that there is more to come (`pause_turn`).
        let plain = native.is_none() || stop_sequence.is_some();
        matches!(kind, FinishKind::Stop | FinishKind::ToolCalls) && plain
    });
    let says = |part: &Part| !matches!(part, Part::Refusal(_));
    ended && !choice.parts.is_empty() && choice.parts.iter().all(says)
}

#[cfg(test)]
mod tests {
    use llm_providers::dialect;
    use llm_types::Dialect;

    use super::*;

    fn check(dialect: Dialect, op: Op, body: &str, expect: bool) {
        let codec = dialect::client(dialect).unwrap();
        assert_eq!(is_good(op, codec, body.as_bytes()), expect, "{dialect}: {body}");
    }

    #[test]
    fn a_conversation_must_be_complete() {
        let openai = |choice: &str, expect| {
            let body = format!(
                r#"{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{choice}]}}"#
            );
            check(Dialect::OpenaiChat, Op::Chat, &body, expect);
        };
        let text = r#""index":0,"message":{"role":"assistant","content":"Hi"}"#;
        openai(&format!(r#"{{{text},"finish_reason":"stop"}}"#), true);
        openai(&format!(r#"{{{text},"finish_reason":"length"}}"#), false);
        openai(&format!(r#"{{{text},"finish_reason":"content_filter"}}"#), false);
        openai(&format!(r#"{{{text},"finish_reason":"error"}}"#), false);
        openai(
            r#"{"index":0,"message":{"role":"assistant","content":null,"refusal":"No."},"finish_reason":"stop"}"#,
            false,
        );
        openai(r#"{"index":0,"message":{"role":"assistant","content":null},"finish_reason":"stop"}"#, false);
        openai(
            r#"{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}"#,
            true,
        );
        openai("", false);
        let two = format!(
            r#"{{{text},"finish_reason":"stop"}},{{"index":1,"message":{{"role":"assistant","content":"Ho"}},"finish_reason":"length"}}"#
        );
        openai(&two, false);
        let anthropic = |reason: &str, expect| {
            let body = format!(
                r#"{{"id":"m","type":"message","role":"assistant","model":"c","content":[{{"type":"text","text":"Hi"}}],"stop_reason":"{reason}","stop_sequence":null,"usage":{{"input_tokens":1,"output_tokens":1}}}}"#
            );
            check(Dialect::Anthropic, Op::Chat, &body, expect);
        };
        anthropic("end_turn", true);
        anthropic("max_tokens", false);
        anthropic("refusal", false);
        anthropic("pause_turn", false);
    }

    #[test]
    fn a_failure_is_no_answer() {
        for dialect in [Dialect::OpenaiChat, Dialect::Anthropic, Dialect::Gemini, Dialect::OpenaiResponses] {
            for body in ["", "{}", "null", "[]", r#"{"error":{"message":"no","type":"x"}}"#, "{\"choices\":"]
            {
                check(dialect, Op::Chat, body, false);
            }
        }
        check(Dialect::OpenaiMedia, Op::Embed, r#"{"object":"list","data":[]}"#, false);
        check(Dialect::Rerank, Op::Rerank, r#"{"results":[]}"#, false);
        check(Dialect::Rerank, Op::Rerank, r#"{"results":[{"index":0,"relevance_score":0.5}]}"#, true);
    }
}
