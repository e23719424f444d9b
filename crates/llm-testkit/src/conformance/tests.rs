//! Requests and replies in OpenAI's terms, derived from recordings.

use super::*;
use crate::expect::Usage;

fn own(id: &str) -> Recording {
    Recordings::own().unwrap().find(id).unwrap_or_else(|| panic!("no fixture {id}")).clone()
}

#[test]
fn a_chat_recording_is_its_own_request() {
    let recording = own("own-openai-chat-basic-system");
    assert_eq!(openai_request_for(&recording).as_ref(), recording.request.json());
    assert_eq!(convert(&recording).unwrap().inexact, Vec::<&str>::new());
}

#[test]
fn the_same_conversation_converts_to_the_same_request() {
    // The three fixtures of a feature were written to say the same, model and ids aside.
    let check = |name: [&str; 3], features: &[&str]| {
        let [openai, anthropic, gemini] = [("openai", name[0]), ("anthropic", name[1]), ("gemini", name[2])]
            .map(|(provider, name)| openai_request_for(&own(&format!("own-{provider}-{name}"))).unwrap());
        for feature in features {
            assert_eq!(normalise(&anthropic[feature]), normalise(&openai[feature]), "anthropic {feature}");
            assert_eq!(normalise(&gemini[feature]), normalise(&openai[feature]), "gemini {feature}");
        }
    };
    check(
        ["chat-basic-system", "messages-basic-cache-system", "generatecontent-basic-system"],
        &["messages", "temperature"],
    );
    let tools = "parallel-tool-calls-tool-call-tools";
    check(
        [&format!("chat-{tools}"), &format!("messages-{tools}"), &format!("generatecontent-{tools}")],
        &["messages", "tools", "tool_choice"],
    );
}

#[test]
fn tool_results_keep_their_call() {
    let check = |id: &str, call: &str, result: &str| {
        let request = openai_request_for(&own(id)).unwrap();
        assert_eq!(request["messages"][1]["tool_calls"][0]["id"], call, "{id}");
        assert_eq!(request["messages"][1]["tool_calls"][0]["function"]["name"], "next_tide", "{id}");
        assert_eq!(
            request["messages"][2],
            json!({"role": "tool", "tool_call_id": call, "content": result}),
            "{id}"
        );
    };
    let result = r#"{"at":"06:12"}"#;
    check("own-openai-chat-multi-turn-tool-result-tools", "call_own1", result);
    check("own-anthropic-messages-multi-turn-tool-result-tools", "toolu_own1", result);
    check("own-gemini-generatecontent-multi-turn-tool-result-tools", "call_0", result);
}

#[test]
fn options_find_their_place() {
    let anthropic = openai_request_for(&own("own-anthropic-messages-stream-reasoning")).unwrap();
    assert_eq!(anthropic["thinking"], json!({"type": "enabled", "budget_tokens": 1024}));
    assert_eq!((&anthropic["stream"], &anthropic["max_tokens"]), (&json!(true), &json!(2048)));
    assert_eq!(anthropic["stream_options"]["include_usage"], true);
    let gemini = openai_request_for(&own("own-gemini-generatecontent-basic-system")).unwrap();
    assert_eq!((&gemini["model"], &gemini["max_tokens"]), (&json!("gemini-2.5-flash"), &json!(64)));
}

#[test]
fn what_openai_can_not_say_is_listed() {
    let check = |draft: Draft, expect: &[&str]| assert_eq!(draft.inexact, expect);
    let anthropic = json!({"top_k": 4, "tools": [{"type": "web_search_20250305", "name": "web_search"}], "messages": [
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "y"}]}]});
    check(
        from_messages::convert(&anthropic),
        &["top_k", "a tool that runs at the provider", "thinking in the history"],
    );
    let gemini =
        json!({"contents": [], "cachedContent": "c", "tools": [{"googleSearch": {}, "codeExecution": null}]});
    check(from_gemini::convert(&gemini), &["a tool that runs at the provider", "cached content"]);
}

#[test]
fn every_recording_of_a_chat_is_a_case() {
    let set = Recordings::load().unwrap();
    let cases = Case::all(&set);
    let known = ["chat", "messages", "responses", "generateContent", "chat_v2", "ollama_chat", "converse"];
    let chats = |operation: &str| known.contains(&operation);
    assert_eq!(cases.len(), set.iter().filter(|recording| chats(&recording.operation)).count());
    for case in &cases {
        let name = &case.recording;
        let messages = case.request["messages"].as_array().unwrap_or_else(|| panic!("{name}: no messages"));
        assert!(!messages.is_empty(), "{name}");
        for message in messages {
            let (content, calls) = (message.get("content"), message.get("tool_calls"));
            assert!(content.is_some_and(|c| !c.is_null()) || calls.is_some(), "{name}: empty {message}");
            assert_ne!(message["tool_call_id"], "call_unknown", "{name}");
        }
        assert!(case.request["model"].is_string() || case.recording.provider == "azure", "{name}: no model");
        assert_eq!(case.request_for("m")["model"], "m", "{name}");
    }
}

#[test]
fn an_answer_is_compared_with_the_recording() {
    let case = Case::new(&own("own-anthropic-messages-stream-basic")).unwrap();
    let chunks = [
        json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Yellow — “jaune” 🍋"}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 22, "completion_tokens": 10, "total_tokens": 32,
            "prompt_tokens_details": {"cached_tokens": 8}}}),
    ];
    let stream: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    let answer = facts_of_openai_reply(format!("{stream}data: [DONE]\n\n").as_bytes());
    assert_eq!(case.facts.differences(&answer), Vec::<String>::new());
    assert_eq!(answer.usage, Some(Usage { prompt: 22, completion: 10, total: 32, cached: 8, reasoning: 0 }));
    let cut = facts_of_openai_reply(format!("data: {}\n\n", chunks[0]).as_bytes());
    assert_eq!(case.facts.differences(&cut).len(), 2, "finish and usage are missing");
}
