//! Facts read off recorded answers.

use serde_json::json;

use super::*;
use crate::Recordings;

fn own(name: &str) -> Facts {
    let set = Recordings::own().unwrap();
    let recording = set.iter().find(|recording| recording.to_string() == name);
    facts(recording.unwrap_or_else(|| panic!("no fixture {name}"))).unwrap()
}

fn call(harbour: &str, day: Option<u8>) -> ToolCall {
    let mut arguments = json!({"harbour": harbour});
    if let Some(day) = day {
        arguments["day"] = json!(day);
    }
    ToolCall { name: "next_tide".into(), arguments }
}

fn usage(prompt: u64, completion: u64, cached: u64, reasoning: u64) -> Option<Usage> {
    Some(Usage { prompt, completion, total: prompt + completion, cached, reasoning })
}

#[test]
fn texts() {
    let check = |name: &str, text: &str, usage: Option<Usage>| {
        let facts = own(name);
        assert_eq!(facts.choices.len(), 1, "{name}");
        assert_eq!((facts.choices[0].text.as_str(), facts.usage), (text, usage), "{name}");
        assert_eq!(facts.choices[0].finish.as_deref(), Some("stop"), "{name}");
    };
    check("openai/chat-basic-system", "Yellow — “jaune” in French. 🍋", usage(22, 11, 16, 0));
    check("openai/chat-stream-basic", "Yellow — “jaune” 🍋.", usage(22, 9, 0, 0));
    check("anthropic/messages-basic-cache-system", "Yellow — “jaune” in French. 🍋", usage(41, 12, 30, 0));
    check("anthropic/messages-stream-basic", "Yellow — “jaune” 🍋", usage(22, 10, 8, 0));
    check("gemini/generatecontent-basic-system", "Yellow — “jaune” in French. 🍋", usage(13, 11, 0, 0));
    check("gemini/generatecontent-stream-basic", "Yellow — “jaune” 🍋", usage(9, 7, 0, 0));
}

#[test]
fn tool_calls() {
    let check = |name: &str, text: &str, calls: [ToolCall; 2]| {
        let choice = own(name).choices.remove(0);
        assert_eq!((choice.text.as_str(), choice.tool_calls), (text, calls.to_vec()), "{name}");
        assert_eq!(choice.finish.as_deref(), Some("tool_calls"), "{name}");
    };
    let whole = || [call("Brest", Some(1)), call("Cork", Some(1))];
    let streamed = || [call("Brest", None), call("Cork", Some(2))];
    check("openai/chat-parallel-tool-calls-tool-call-tools", "", whole());
    check("openai/chat-stream-parallel-tool-calls-tool-call-tools", "", streamed());
    check("anthropic/messages-parallel-tool-calls-tool-call-tools", "I will look both up.", whole());
    check("anthropic/messages-stream-parallel-tool-calls-tool-call-tools", "Looking both up.", streamed());
    check("gemini/generatecontent-parallel-tool-calls-tool-call-tools", "", whole());
    let gemini = own("gemini/generatecontent-stream-parallel-tool-calls-reasoning-tool-call-tools");
    assert_eq!(gemini.choices[0].tool_calls, [call("Brest", Some(1)), call("Cork", Some(2))]);
    assert_eq!(gemini.choices[0].reasoning, "Two harbours.");
    assert_eq!(gemini.usage, usage(70, 48, 0, 14));
}

#[test]
fn thinking() {
    let check = |name: &str, thinking: &str| {
        let choice = own(name).choices.remove(0);
        assert_eq!((choice.reasoning.as_str(), choice.text.as_str()), (thinking, "Yellow."), "{name}");
    };
    check("anthropic/messages-reasoning", "Lemons turn from green to yellow.");
    check("anthropic/messages-stream-reasoning", "Lemons turn yellow.");
    check("gemini/generatecontent-reasoning", "Lemons turn yellow.");
    let mistral = json!({"choices": [{"index": 0, "finish_reason": "stop", "delta": {"content": [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "ok"}]}}]});
    let facts = openai_chat(format!("data: {mistral}\n\ndata: [DONE]\n\n").as_bytes());
    assert_eq!((facts.choices[0].reasoning.as_str(), facts.choices[0].text.as_str()), ("hm", "ok"));
}

#[test]
fn errors() {
    let check = |name: &str, message: &str| assert_eq!(own(name).error.as_deref(), Some(message), "{name}");
    check("openai/chat-error-429", "Rate limit reached for requests per minute. Try again in 2s.");
    check("anthropic/messages-error-529", "Overloaded");
    check(
        "gemini/generatecontent-error-400",
        "Unable to submit request because it must have a text parameter.",
    );
    let in_stream = b"event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"Overloaded\"}}\n\n";
    assert_eq!(anthropic_messages(in_stream).error.as_deref(), Some("Overloaded"));
}

#[test]
fn gemini_refusals_and_counts() {
    let blocked = [
        json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}}),
    ];
    let facts = gemini::facts(&blocked);
    assert_eq!(facts.choices[0].finish.as_deref(), Some("content_filter"));
    assert_eq!(facts.usage, usage(4, 0, 0, 0));
    let inside = json!({"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 9, "thoughtsTokenCount": 5, "totalTokenCount": 13}});
    assert_eq!(gemini::facts(&[inside]).usage, usage(4, 9, 0, 5));
}

#[test]
fn every_recording_of_a_chat_states_something() {
    for recording in &Recordings::load().unwrap() {
        let Some(facts) = facts(recording) else { continue };
        if !recording.response.is_success() {
            assert!(facts.error.is_some_and(|message| !message.is_empty()), "{recording}");
            continue;
        }
        assert_eq!(facts.error, None, "{recording}");
        let first = facts.choices.first().unwrap_or_else(|| panic!("{recording}: no choice"));
        // Snowflake leaves the finish reason empty.
        assert_eq!(first.finish.is_some(), recording.provider != "snowflake", "{recording}: finish");
        assert_eq!(first.tool_calls.is_empty(), !recording.has("tool_call"), "{recording}: {first:?}");
        for call in facts.choices.iter().flat_map(|choice| &choice.tool_calls) {
            // The token limit may cut arguments in the middle.
            let whole = call.arguments.is_object() || recording.has("length");
            assert!(!call.name.is_empty() && whole, "{recording}: {call:?}");
        }
        let usage = facts.usage.unwrap_or_else(|| panic!("{recording}: no usage"));
        // One source had emptied the counts of a recording.
        let emptied = recording.operation == "responses" && usage.total == 0;
        // What a guardrail stops costs no tokens.
        let guarded = recording.operation == "converse" && recording.has("refusal");
        assert!(usage.prompt > 0 || emptied || guarded, "{recording}: {usage:?}");
    }
}

#[test]
fn differences_are_named() {
    let expect = own("openai/chat-basic-system");
    assert_eq!(expect.differences(&expect), Vec::<String>::new());
    let mut actual = expect.clone();
    actual.choices[0].finish = None;
    actual.usage = None;
    let found = expect.differences(&actual);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("choice 0: finish: expected Some(\"stop\")"), "{found:?}");
}
