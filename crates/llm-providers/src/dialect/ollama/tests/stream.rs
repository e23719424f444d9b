//! Streams, wherever they are cut.

use llm_types::chat::Part;
use llm_types::{ErrorKind, FinishKind};
use serde_json::json;

use super::*;
use crate::codec::Seen;

fn line(message: Value) -> Value {
    json!({"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": false})
}

fn end(reason: &str) -> Value {
    json!({"model": "m", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": reason,
        "prompt_eval_count": 10, "eval_count": 3})
}

fn all() -> Vec<Value> {
    let call =
        |name: &str| json!({"function": {"name": name, "arguments": {"a": "é"}}, "id": format!("id_{name}")});
    vec![
        line(json!({"role": "assistant", "content": "", "thinking": "Hm"})),
        line(json!({"role": "assistant", "content": "", "thinking": "m."})),
        line(json!({"role": "assistant", "content": "Se"})),
        line(json!({"role": "assistant", "content": "en: \u{1F34B}"})),
        line(json!({"role": "assistant", "content": "", "tool_calls": [call("f"), call("g")]})),
        end("stop"),
    ]
}

fn kinds(reply: &Reply) -> Vec<String> {
    let shown = |part: &Part| match part {
        Part::Reasoning(thoughts) => format!("thought {}", thoughts.text),
        Part::Text(text) => format!("text {}", text.text),
        Part::ToolCall(call) => format!("{} {} {}", call.id, call.name, call.arguments),
        other => panic!("{other:?}"),
    };
    reply.choices[0].parts.iter().map(shown).collect()
}

#[test]
fn every_cut_gives_the_same_answer() {
    let text = stream(&all());
    let whole = gather([text.as_bytes()], &Memo::default()).unwrap();
    assert_eq!(
        kinds(&whole),
        ["thought Hmm.", "text Seen: \u{1F34B}", "id_f f {\"a\":\"é\"}", "id_g g {\"a\":\"é\"}"]
    );
    assert_eq!((whole.finish(), whole.model.as_str()), (Some(FinishKind::ToolCalls), "m"));
    assert_eq!(whole.usage.as_ref().unwrap().total_tokens(), 13);
    for at in 0..=text.len() {
        let (before, after) = text.as_bytes().split_at(at);
        let cut = gather([before, after], &Memo::default()).unwrap();
        assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "cut at {at}");
    }
    let bytes = gather(text.as_bytes().chunks(1), &Memo::default()).unwrap();
    assert_eq!(format!("{bytes:?}"), format!("{whole:?}"));
    // The last line may lack its end.
    let unended = gather([text.trim_end().as_bytes()], &Memo::default()).unwrap();
    assert_eq!(format!("{unended:?}"), format!("{whole:?}"));
}

#[test]
fn half_of_a_pair_waits_for_the_other() {
    let text = "{\"message\":{\"content\":\"\\ud83c\"}}\n{\"message\":{\"content\":\"\\udf4b\"}}\n";
    let reply = gather([format!("{text}{}\n", end("stop")).as_bytes()], &Memo::default()).unwrap();
    assert_eq!(kinds(&reply), ["text \u{1F34B}"]);
}

#[test]
fn a_text_that_is_gone_on_with_is_streamed_too() {
    let lines = [
        json!({"model": "m", "response": "", "thinking": "T", "done": false}),
        json!({"model": "m", "response": "blue", "done": false}),
        json!({"model": "m", "response": "", "done": true, "done_reason": "length", "eval_count": 1}),
    ];
    let reply = gather([stream(&lines).as_bytes()], &Memo::default()).unwrap();
    assert_eq!(
        (kinds(&reply), reply.finish()),
        (vec!["thought T".into(), "text blue".into()], Some(FinishKind::Length))
    );
}

#[test]
fn a_stream_that_breaks_off_is_an_error() {
    let check = |lines: &[Value], kind: ErrorKind| {
        let error = gather([stream(lines).as_bytes()], &Memo::default()).unwrap_err();
        assert_eq!(error.kind, kind, "{lines:?}: {error}");
    };
    check(&all()[..5], ErrorKind::Connection);
    check(&[], ErrorKind::Connection);
    check(
        &[all()[0].clone(), json!({"error": "an error was encountered while running the model"})],
        ErrorKind::Internal,
    );
    check(&[all()[0].clone(), json!([1])], ErrorKind::UpstreamFormat);
    let mut half = stream(&all()[..5]);
    half.push_str("{\"done\":tr");
    assert_eq!(gather([half.as_bytes()], &Memo::default()).unwrap_err().kind, ErrorKind::Connection);
}

#[test]
fn a_tap_sees_content_errors_and_the_end() {
    let mut tap = Client.stream_tap(Op::Chat);
    assert!(matches!(tap.see(format!("{}\n", all()[0]).as_bytes()), Seen::Content));
    assert!(!tap.is_done());
    assert!(matches!(tap.see(format!("{}\n", end("stop")).as_bytes()), Seen::Done));
    assert_eq!(tap.usage().unwrap().output, 3);
    assert!(tap.is_done());
    let mut tap = Client.stream_tap(Op::Chat);
    assert!(matches!(tap.see(b"{\"error\":\"x\"}\n"), Seen::Failed(_)));
    assert!(matches!(tap.see(b"nonsense\n"), Seen::Error(_)));
}

#[test]
fn thoughts_between_tags_are_thoughts_wherever_they_are_cut() {
    let check = |content: &str, expect: &[&str]| {
        let cuts = (0..=content.len()).filter(|cut| content.is_char_boundary(*cut));
        for (before, after) in cuts.map(|cut| content.split_at(cut)) {
            let words = |words: &str| line(json!({"role": "assistant", "content": words}));
            let text = stream(&[words(before), words(after), end("stop")]);
            let reply = gather([text.as_bytes()], &Memo::default()).unwrap();
            assert_eq!(kinds(&reply), expect, "{before}|{after}");
            assert_eq!(reply.finish(), Some(FinishKind::Stop));
        }
    };
    check("\n<think>Hm. é</think>\nRed.", &["thought Hm. é", "text \nRed."]);
    check("<think>Hm </thi", &["thought Hm </thi"]);
    check("<thin", &["text <thin"]);
    check("Write </think> behind it.", &["text Write </think> behind it."]);
}

#[test]
fn probabilities_of_words_that_are_held_back_come_with_them() {
    let mut held = line(json!({"content": "<"}));
    held["logprobs"] = json!([{"token": "<", "logprob": -0.5}]);
    let mut next = line(json!({"content": "b>"}));
    next["logprobs"] = json!([{"token": "b>", "logprob": -0.25}]);
    for lines in [vec![held.clone(), next, end("stop")], vec![held, end("stop")]] {
        let text = stream(&lines);
        let reply = gather([text.as_bytes()], &Memo::default()).unwrap();
        let told = &reply.choices[0].logprobs.as_ref().unwrap().content;
        assert_eq!(told.len(), lines.len() - 1, "{told:?}");
        assert_eq!(told[0].token, "<");
    }
}
