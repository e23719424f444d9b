//! Streams: read in any pieces, written anew, and watched.

use llm_types::{ErrorKind, Op};
use serde_json::{Value, json};

use super::super::{Client, Server};
use super::{gather, row};
use crate::codec::{ClientCodec as _, DecodeCx, Memo, ReplyCx, Seen, ServerCodec as _};

/// Two choices that take turns, half a surrogate pair, probabilities, usage behind the end.
const STREAM: &str = concat!(
    ": hello\n\n",
    "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":9,\"choices\":[{\"text\":\"a\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}],\"model\":\"m-1\"}\n\n",
    "data: {\"id\":\"cmpl-1\",\"created\":9,\"choices\":[{\"text\":\"b\\ud83d\",\"index\":1,\"logprobs\":{\"tokens\":[\"b\"],\"token_logprobs\":[-0.5],\"top_logprobs\":[{\"b\":-0.5}],\"text_offset\":[0]},\"finish_reason\":null}],\"model\":\"m-1\"}\n\n",
    "data: {\"id\":\"cmpl-1\",\"choices\":[{\"text\":\"\\ude00\",\"index\":1,\"finish_reason\":\"length\"}]}\n\n",
    "data: {\"id\":\"cmpl-1\",\"choices\":[{\"text\":\"\",\"index\":0,\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"cmpl-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n",
    "data: [DONE]\n\n",
);

#[test]
fn a_stream_is_the_same_in_any_pieces() {
    let whole = gather([STREAM.as_bytes()]).unwrap();
    assert_eq!((whole.text().as_str(), whole.choices.len()), ("a", 2));
    assert_eq!(llm_types::chat::Part::text_of(&whole.choices[1].parts), "b😀");
    assert_eq!(whole.usage.as_ref().unwrap().total_tokens(), 5);
    let whole = format!("{whole:?}");
    for cut in 0..=STREAM.len() {
        let (head, tail) = STREAM.as_bytes().split_at(cut);
        assert_eq!(format!("{:?}", gather([head, tail]).unwrap()), whole, "cut at {cut}");
    }
    assert_eq!(format!("{:?}", gather(STREAM.as_bytes().chunks(1)).unwrap()), whole);
}

fn restream(sse: &str, cx: ReplyCx) -> Vec<Value> {
    let memo = Memo::default();
    let mut decoder = Client.decoder(Op::Chat, &DecodeCx { spec: &row(""), model: "m", memo: &memo });
    let mut encoder = Server.encoder(cx);
    match decoder.feed(sse.as_bytes(), &mut *encoder).and_then(|_| decoder.finish(&mut *encoder)) {
        Ok(()) => encoder.finish(),
        Err(error) => encoder.fail(&error),
    }
    let out = encoder.take();
    let text = std::str::from_utf8(&out).unwrap();
    let lines = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
    lines.map(|data| serde_json::from_str(data).unwrap_or(json!(data))).collect()
}

#[test]
fn a_stream_is_written_as_clients_expect_it() {
    let events = restream(STREAM, ReplyCx { include_usage: true, ..ReplyCx::default() });
    let head = |choices: Value, usage: Value| json!({"id": "cmpl-1", "object": "text_completion", "created": 9, "model": "m-1", "choices": choices, "usage": usage});
    let piece = |index: u32, text: &str, logprobs: Value, finish: Value| {
        let choice = json!({"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish});
        head(json!([choice]), Value::Null)
    };
    let log_probs =
        json!({"tokens": ["b"], "token_logprobs": [-0.5], "top_logprobs": [{"b": -0.5}], "text_offset": [0]});
    let [.., usage, done] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        events[..events.len() - 2],
        [
            piece(0, "a", Value::Null, Value::Null),
            piece(1, "b", Value::Null, Value::Null),
            piece(1, "", log_probs, Value::Null),
            piece(1, "😀", Value::Null, Value::Null),
            piece(0, "", Value::Null, json!("stop")),
            piece(1, "", Value::Null, json!("length")),
        ]
    );
    assert_eq!((usage["choices"].clone(), usage["usage"]["total_tokens"].clone()), (json!([]), json!(5)));
    assert_eq!(*done, json!("[DONE]"));
    let unasked = restream(STREAM, ReplyCx::default());
    assert!(unasked.iter().all(|event| event.get("usage").is_none()), "{unasked:?}");
    assert_eq!(unasked.len(), events.len() - 1);
}

#[test]
fn a_stream_that_breaks_off_is_an_error() {
    let check = |sse: &str, kind: ErrorKind| {
        assert_eq!(gather([sse.as_bytes()]).unwrap_err().kind, kind, "{sse}");
        let events = restream(sse, ReplyCx::default());
        assert!(events.last().unwrap()["error"]["message"].is_string(), "{events:?}");
    };
    let before = STREAM.split_inclusive("\n\n").take(3).collect::<String>();
    check(&before, ErrorKind::Connection);
    check("", ErrorKind::Connection);
    check(
        &format!("{before}data: {{\"error\":{{\"message\":\"x\",\"type\":\"rate_limit_error\"}}}}\n\n"),
        ErrorKind::RateLimit,
    );
    check(&format!("{before}data: nonsense\n\n"), ErrorKind::UpstreamFormat);
    // Without `[DONE]`, but complete.
    let whole = STREAM.split_inclusive("\n\n").take(5).collect::<String>();
    assert!(gather([whole.as_bytes()]).is_ok());
}

#[test]
fn a_tap_sees_content_usage_and_the_end() {
    let mut tap = Client.stream_tap(Op::Chat);
    let mut seen = String::new();
    for event in STREAM.split_inclusive("\n\n") {
        seen.push(match tap.see(event.as_bytes()) {
            Seen::Quiet => 'q',
            Seen::Content => 'c',
            Seen::Usage => 'u',
            Seen::Error(error) | Seen::Failed(error) => panic!("{error}"),
            Seen::Done => 'd',
        });
        assert_eq!(tap.is_done(), seen.len() >= 5, "{seen}");
    }
    assert_eq!(seen, "qccccud");
    assert_eq!(tap.usage().unwrap().total_tokens(), 5);
    let mut tap = Client.stream_tap(Op::Chat);
    assert!(matches!(tap.see(b"data: <html>\n\n"), Seen::Error(_)));
    assert!(matches!(tap.see(b"data: {\"error\":{\"message\":\"x\"}}\n\n"), Seen::Error(_)));
    assert!(matches!(tap.see(b"event: error\ndata: {\"message\":\"x\"}\n\n"), Seen::Error(_)));
}
