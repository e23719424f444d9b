//! What a client gets of a stream, and what it is counted with.

use llm_providers::codec::{ClientCodec as _, ServerCodec as _};
use llm_providers::dialect::openai_chat;
use llm_providers::frame::split_event;
use llm_types::Op;

use super::*;

const ANSWER: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
const FINISH: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}";

/// What a client gets of a stream, and what it is counted with.
fn pass(stream: &str, usage: UsageEvent) -> (Result<()>, String, Option<u64>) {
    let mut relay = Relay::pass(openai_chat::Client.stream_tap(Op::Chat), usage);
    relay.feed(Bytes::from(stream.to_owned())).unwrap();
    let ended = relay.finish();
    let again = relay.finish();
    assert_eq!(ended.is_ok(), again.is_ok(), "a second end says the same");
    let mut text = String::new();
    while let Some(bytes) = relay.pop() {
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    (ended, text, relay.usage().map(|usage| usage.output))
}

#[test]
fn a_last_event_without_its_blank_line_is_read_and_passed() {
    for end in ["", "\n", "\r\n", "\n\n"] {
        let stream = format!("{ANSWER}{FINISH}{USAGE}{end}");
        let (ended, text, counted) = pass(&stream, UsageEvent::Wanted);
        assert!(ended.is_ok(), "{end:?}");
        assert!(text.contains(USAGE) && text.ends_with('\n'), "{end:?}: {text}");
        assert!(split_event(text.get(text.find(USAGE).unwrap()..).unwrap().as_bytes()).is_some());
        assert_eq!(counted, Some(4), "{end:?}");
        let (ended, text, counted) = pass(&stream, UsageEvent::Withheld);
        assert!(ended.is_ok());
        assert_eq!((text, counted), (format!("{ANSWER}{FINISH}"), Some(4)), "{end:?}");
    }
    let (ended, text, _) = pass(&format!("{ANSWER}{}", FINISH.trim_end()), UsageEvent::Wanted);
    assert!(ended.is_ok());
    assert_eq!(text, format!("{ANSWER}{FINISH}"));
}

#[test]
fn a_translated_stream_ends_once() {
    let spec = llm_types::ProviderSpec::default();
    let memo = llm_providers::codec::Memo::default();
    let cx = llm_providers::codec::DecodeCx { spec: &spec, model: "m", memo: &memo };
    let decoder = openai_chat::Client.decoder(Op::Chat, &cx);
    let encoder = openai_chat::Server.encoder(llm_providers::codec::ReplyCx::default());
    let mut relay = Relay::translate(decoder, encoder);
    // Nothing but the end, and no `[DONE]`.
    relay.feed(Bytes::from(FINISH)).unwrap();
    relay.finish().unwrap();
    relay.finish().unwrap();
    let mut text = String::new();
    while let Some(bytes) = relay.pop() {
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    assert_eq!(text.matches("[DONE]").count(), 1, "{text}");
}

#[test]
fn whoever_goes_on_is_counted_for_its_own_part() {
    let spec = llm_types::ProviderSpec::default();
    let memo = llm_providers::codec::Memo::default();
    let cx = llm_providers::codec::DecodeCx { spec: &spec, model: "m", memo: &memo };
    let decoder = || openai_chat::Client.decoder(Op::Chat, &cx);
    let encoder = openai_chat::Server.encoder(llm_providers::codec::ReplyCx::default());
    let mut relay = Relay::translate(decoder(), encoder).keeping();
    let output = |usage: Option<&Usage>| usage.map(|usage| usage.output);
    relay.feed(Bytes::from(format!("{ANSWER}{ANSWER}{USAGE}\n\n"))).unwrap();
    assert_eq!((output(relay.usage()), output(relay.spent()), relay.facts.pieces), (Some(4), Some(4), 2));
    relay.go_on(decoder());
    assert_eq!((output(relay.usage()), output(relay.spent()), relay.facts.pieces), (Some(4), None, 0));
    relay.feed(Bytes::from(format!("{ANSWER}{USAGE}\n\n{FINISH}"))).unwrap();
    assert_eq!((output(relay.usage()), output(relay.spent())), (Some(8), Some(4)), "the client sees the sum");
}

#[test]
fn half_an_event_is_not_passed() {
    for cut in 1..USAGE.len() {
        let stream = format!("{ANSWER}{FINISH}{}", USAGE.get(..cut).unwrap());
        let (ended, text, counted) = pass(&stream, UsageEvent::Wanted);
        assert!(ended.is_ok(), "the answer was complete");
        assert_eq!((text, counted), (format!("{ANSWER}{FINISH}"), None), "{cut}");
    }
    for cut in 1..FINISH.len() - 2 {
        let (ended, text, _) = pass(&format!("{ANSWER}{}", FINISH.get(..cut).unwrap()), UsageEvent::Wanted);
        assert!(ended.is_err(), "{cut}");
        assert_eq!(text, ANSWER);
    }
    let error = "data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}";
    let (ended, text, _) = pass(&format!("{ANSWER}{error}"), UsageEvent::Wanted);
    assert_eq!((ended.unwrap_err().message.as_str(), text.as_str()), ("no", ANSWER));
}
