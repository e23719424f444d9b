//! The rule, piece by piece, and against what providers reported.

use llm_testkit::{exchanges, is_complete};
use llm_types::chat::{Image, ToolCall, ToolResult};
use llm_types::{Dialect, Op};
use serde_json::Value;

use super::*;
use crate::codec::Asked;
use crate::dialect::server;

#[test]
fn texts_are_counted_by_their_letters() {
    let check = |words: &str, prose: u64, dense: u64| {
        let got = (text(words, Text::Prose), text(words, Text::Json));
        assert_eq!(got, (prose, dense), "{words}");
    };
    check("", 0, 0);
    check("a", 1, 1);
    check("twelve chars", 3, 4);
    check("привет", 3, 3);
    check("世界", 2, 2);
    check("한국어", 3, 3);
    check("カナ", 2, 2);
    check("😀", 2, 2);
    check("né", 1, 1);
}

#[test]
fn every_part_has_its_rule() {
    let check = |part: Part, expect: u64| assert_eq!(super::part(&part), expect, "{part:?}");
    let base64 = |media_type: &str, bytes: &[u8]| {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        Media::Base64 { media_type: media_type.to_owned(), data }
    };
    let file = |media| {
        Part::File(File { media, filename: None, media_type: None, cache: None, extra: Extra::default() })
    };
    check(Part::text("12345678"), 2);
    check(Part::Image(Image::new(Media::FileId("f".to_owned()))), 1000);
    check(file(Media::Text("12345678".to_owned())), 2);
    check(file(base64("text/plain", b"12345678")), 2);
    check(file(base64("application/pdf", b"/Type /Pages /Type /Page x /Type/Page\n")), 4000);
    check(file(base64("application/pdf", b"compressed")), 2000);
    check(file(Media::Url("https://a.example".to_owned())), 2000);
    let call = ToolCall { name: "abc".into(), arguments: "{\"a\":1}".into(), ..ToolCall::default() };
    check(Part::ToolCall(call), 8 + 1 + 3);
    check(Part::ToolResult(ToolResult { parts: vec![Part::text("1234")], ..ToolResult::default() }), 5);
    check(Part::Audio(Audio { media: Some(base64("audio/mp3", &[0; 1000])), ..Audio::default() }), 3);
}

#[test]
fn a_prompt_is_the_sum_of_its_pieces() {
    let mut request = ChatRequest::new([Message::user("12345678")]);
    assert_eq!(prompt(&request), 3 + 4 + 2);
    request.tooling.tools = vec![Tool::function("abc", "1234", None)];
    assert_eq!(prompt(&request), 9 + 8 + 1 + 1);
    let counted = count(&Call::CountTokens(Box::new(request))).unwrap();
    assert_eq!((counted.input, counted.estimated), (19, true));
}

/// What a provider says that a recorded prompt was.
fn reported(answer: &Value) -> Option<u64> {
    let usage = answer.get("usage").unwrap_or(answer);
    let count = |name: &str| usage[name].as_u64();
    let cached =
        count("cache_read_input_tokens").unwrap_or(0) + count("cache_creation_input_tokens").unwrap_or(0);
    count("prompt_tokens").or_else(|| Some(count("input_tokens")? + cached))
}

#[test]
fn recorded_prompts_come_to_about_what_their_providers_say() {
    let (mut seen, mut close) = (0, 0);
    let kinds = [
        ("messages", "anthropic", Dialect::Anthropic),
        ("count_tokens", "anthropic", Dialect::Anthropic),
        ("chat", "openai", Dialect::OpenaiChat),
    ];
    for (kind, provider, dialect) in kinds {
        for (name, all) in exchanges(kind, &[provider]) {
            // Pictures and files at an address have no size here, sound is counted by the second, and to
            // tools Anthropic adds some hundred tokens of its own.
            let features = all["features"].to_string();
            let odd = ["vision", "document", "audio", "tool_choice", "structured"];
            if odd.iter().any(|word| features.contains(word)) {
                continue;
            }
            let Some(expect) = reported(&all["response"]["body"]) else { continue };
            let asked = Asked::of(if kind == "count_tokens" { Op::CountTokens } else { Op::Chat });
            let body = all["request"]["body"].to_string();
            let call = server(dialect).unwrap().decode(body.as_bytes(), &asked).unwrap();
            let got = count(&call).unwrap().input;
            // What our own exchanges were counted as is made up.
            assert!(
                !is_complete() || (expect <= 2 * got && got <= 2 * expect),
                "{name}: {got}, not {expect}"
            );
            seen += 1;
            close += u32::from(4 * got >= 3 * expect && 4 * got <= 5 * expect);
        }
    }
    assert!(!is_complete() || (seen >= 8 && 2 * close >= seen), "{close} of {seen}");
}
