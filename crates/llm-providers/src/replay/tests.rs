//! A replayed answer gathers into itself.

use llm_types::chat::{LogProbs, Opaque, TokenLogProb, ToolCallKind};
use llm_types::{Finish, FinishKind, RawValue, ReplyBuilder, Usage};

use super::*;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn reply() -> Reply {
    let mut extra = Extra::default();
    extra.set("x", raw("1"));
    let token = TokenLogProb { token: "a".to_owned(), logprob: -0.5, ..TokenLogProb::default() };
    let parts = vec![
        Part::Reasoning(Reasoning {
            text: "let me think about it".to_owned(),
            signature: Some("sig".to_owned()),
            redacted: Some("enc".to_owned()),
            origin: None,
            extra: extra.clone(),
        }),
        Part::Text(Text {
            signature: Some("s2".to_owned()),
            extra: extra.clone(),
            ..Text::new("Grüße, 世界 und 😀!")
        }),
        Part::Citation(Citation { url: Some("https://a.example".to_owned()), ..Citation::default() }),
        Part::Citation(Citation { url: Some("https://b.example".to_owned()), ..Citation::default() }),
        Part::ToolCall(ToolCall {
            id: "call_1".to_owned(),
            name: "f".to_owned(),
            arguments: r#"{"city":"Paris"}"#.to_owned(),
            kind: ToolCallKind::Function,
            ..ToolCall::default()
        }),
        Part::Image(Image::new(Media::Base64 {
            media_type: "image/png".to_owned(),
            data: "AAAA".to_owned(),
        })),
        Part::Audio(Audio {
            id: Some("aud".to_owned()),
            media: Some(Media::Base64 { media_type: String::new(), data: "BBBB".to_owned() }),
            transcript: Some("hello there".to_owned()),
            expires_at: Some(7),
            ..Audio::default()
        }),
        Part::Opaque(Opaque { dialect: Dialect::Anthropic, kind: "k".to_owned(), json: raw(r#"{"a":1}"#) }),
    ];
    let finish =
        Finish { kind: FinishKind::ToolCalls, native: Some("tool_use".to_owned()), stop_sequence: None };
    Reply {
        id: "id-1".to_owned(),
        model: "m".to_owned(),
        created: Some(5),
        choices: vec![
            Choice {
                index: 0,
                parts,
                finish: Some(finish),
                logprobs: Some(LogProbs { content: vec![token], refusal: Vec::new() }),
                extra: extra.clone(),
                ..Choice::default()
            },
            Choice {
                index: 1,
                parts: vec![Part::Refusal(Refusal { text: "I will not.".to_owned() })],
                finish: Some(FinishKind::Stop.into()),
                ..Choice::default()
            },
        ],
        usage: Some(Usage { input: 3, output: 4, ..Usage::default() }),
        service_tier: Some("default".to_owned()),
        system_fingerprint: Some("fp".to_owned()),
        origin: Some(Dialect::Anthropic),
        extra,
    }
}

#[test]
fn a_replayed_answer_gathers_into_itself() {
    let reply = reply();
    let mut builder = ReplyBuilder::default();
    assert!(replay(&reply, &mut builder).is_continue());
    assert_eq!(format!("{:#?}", builder.finish().unwrap()), format!("{reply:#?}"));
}

#[test]
fn texts_are_cut_into_at_least_five_pieces_of_whole_characters() {
    let check = |text: &str, least: usize| {
        let list: Vec<&str> = pieces(text).collect();
        assert_eq!(list.concat(), text);
        assert!(list.len() >= least, "{text}: {list:?}");
        assert!(
            list.iter().all(|piece| !piece.is_empty() && piece.chars().count() <= PIECE_CHARS),
            "{list:?}"
        );
    };
    check("", 0);
    check("abc", 3);
    check("abcde", 5);
    check("Grüße", 5);
    check("世界😀世界😀世界", 5);
    check(&"word ".repeat(1000), 200);
}

#[test]
fn nothing_follows_a_break() {
    let mut seen = 0;
    let mut sink = |_: Event<'_>| {
        seen += 1;
        if seen == 4 { Flow::Break(()) } else { Flow::Continue(()) }
    };
    assert!(replay(&reply(), &mut sink).is_break());
    assert_eq!(seen, 4);
}
