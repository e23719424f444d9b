//! Real exchanges: what was said in them is read, from whole answers and from streams cut anywhere.

use http::{HeaderMap, StatusCode};
use llm_testkit::is_complete;
use llm_types::chat::Part;
use llm_types::{ErrorKind, FinishKind, Op, Reply, Usage};
use serde_json::Value;

use super::{Client, Recording, decode, facts, gather, recordings, splice};
use crate::codec::{ClientCodec as _, Seen};
use crate::frame::split_event;

fn read(recording: &Recording) -> Option<Reply> {
    let response = &recording.response;
    let name = &recording.name;
    if response["status"] != 200 {
        return None;
    }
    Some(match response["sse"].as_str() {
        Some(sse) => gather([sse.as_bytes()]).unwrap_or_else(|error| panic!("{name}: {error}")),
        None => decode(&response["body"].to_string()).unwrap_or_else(|error| panic!("{name}: {error}")),
    })
}

fn named(name: &str) -> Reply {
    let recording = recordings().into_iter().find(|recording| recording.name == name);
    read(&recording.unwrap_or_else(|| panic!("no recording {name}"))).unwrap()
}

/// What the body of an answer says, read without the code under test.
fn expected(body: &Value) -> (String, Vec<(String, String, String)>, String) {
    let mut text = String::new();
    let mut calls = Vec::new();
    let mut thoughts = Vec::new();
    for item in body["output"].as_array().unwrap() {
        let word = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        match item["type"].as_str().unwrap() {
            "message" => {
                let parts = item["content"].as_array().unwrap().iter();
                text.extend(parts.filter_map(|part| part["text"].as_str()));
            }
            "function_call" => calls.push((word("call_id"), word("name"), word("arguments"))),
            "reasoning" => {
                let list = |name: &str| item[name].as_array().cloned().unwrap_or_default();
                let texts = if list("summary").is_empty() { list("content") } else { list("summary") };
                let texts: Vec<String> =
                    texts.iter().map(|part| part["text"].as_str().unwrap().to_owned()).collect();
                thoughts.push(texts.join("\n\n"));
            }
            _ => {}
        }
    }
    (text, calls, thoughts.concat())
}

/// The body that a recording ends with.
fn last_body(recording: &Recording) -> Value {
    let Some(sse) = recording.response["sse"].as_str() else {
        return recording.response["body"].clone();
    };
    let mut data =
        sse.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let last: Value = serde_json::from_str(data.next_back().unwrap()).unwrap();
    last["response"].clone()
}

#[test]
fn every_answer_is_read_as_it_was_said() {
    let mut read_ones = 0;
    for recording in recordings() {
        let Some(reply) = read(&recording) else { continue };
        let body = last_body(&recording);
        let name = &recording.name;
        let calls: Vec<_> = reply
            .tool_calls()
            .map(|call| (call.id.clone(), call.name.clone(), call.arguments.clone()))
            .collect();
        assert_eq!((reply.text(), calls, reply.reasoning()), expected(&body), "{name}");
        let usage = reply.usage.as_ref().unwrap();
        let count = |pointer: &str| body.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        assert_eq!(usage.prompt_tokens(), count("/usage/input_tokens"), "{name}");
        assert_eq!(usage.completion_tokens(), count("/usage/output_tokens"), "{name}");
        assert_eq!(usage.cache_read, count("/usage/input_tokens_details/cached_tokens"), "{name}");
        assert_eq!(usage.reasoning, count("/usage/output_tokens_details/reasoning_tokens"), "{name}");
        let finish = match (body["status"].as_str().unwrap(), reply.tool_calls().count()) {
            ("incomplete", _) => FinishKind::Length,
            (_, 0) => FinishKind::Stop,
            _ => FinishKind::ToolCalls,
        };
        assert_eq!(reply.finish(), Some(finish), "{name}");
        assert_eq!(reply.model, body["model"].as_str().unwrap(), "{name}");
        read_ones += 1;
    }
    assert!(!is_complete() || read_ones >= 28, "{read_ones}");
}

#[test]
fn any_cut_gives_the_same_answer() {
    for recording in recordings() {
        let Some(sse) = recording.response["sse"].as_str() else { continue };
        let whole = facts(&gather([sse.as_bytes()]).unwrap());
        for cut in (0..=sse.len()).step_by(31) {
            let (head, tail) = sse.as_bytes().split_at(cut);
            assert_eq!(facts(&gather([head, tail]).unwrap()), whole, "{} cut at {cut}", recording.name);
        }
        assert_eq!(facts(&gather(sse.as_bytes().chunks(1)).unwrap()), whole, "{}", recording.name);
    }
}

#[test]
fn a_stream_that_ends_early_is_a_failure() {
    for recording in recordings() {
        let Some(sse) = recording.response["sse"].as_str() else { continue };
        let (mut rest, mut at, mut ended) = (sse.as_bytes(), 0, false);
        while let Some((event, after)) = split_event(rest) {
            let kinds = [&b"\"response.completed\""[..], b"\"response.incomplete\""];
            ended |= kinds.iter().any(|kind| memchr::memmem::find(event, kind).is_some());
            at += event.len();
            rest = after;
            let result = gather([sse.as_bytes().get(..at).unwrap()]);
            let failed = result.as_ref().err().map(|error| error.kind);
            assert_eq!(failed, (!ended).then_some(ErrorKind::Connection), "{} at {at}", recording.name);
        }
        assert!(ended, "{}", recording.name);
    }
}

#[test]
fn a_tap_sees_usage_content_and_the_end() {
    for recording in recordings() {
        let Some(reply) = read(&recording) else { continue };
        let name = &recording.name;
        let Some(sse) = recording.response["sse"].as_str() else {
            let body = recording.response["body"].to_string();
            let tapped = Client.tap(Op::Chat, body.as_bytes()).unwrap();
            assert_eq!(tapped.usage, reply.usage, "{name}");
            continue;
        };
        let mut tap = Client.stream_tap(Op::Chat);
        let (mut rest, mut quiet, mut content) = (sse.as_bytes(), 0, 0);
        while let Some((event, after)) = split_event(rest) {
            rest = after;
            match tap.see(event) {
                Seen::Quiet if content == 0 => quiet += 1,
                Seen::Quiet => {}
                Seen::Content => content += 1,
                Seen::Done => assert!(tap.is_done()),
                seen @ (Seen::Usage | Seen::Error(_) | Seen::Failed(_)) => panic!("{name}: {seen:?}"),
            }
        }
        assert!(tap.is_done(), "{name}");
        assert_eq!(tap.usage(), reply.usage.as_ref(), "{name}");
        // `created` and `in_progress` are no content, so that another deployment can take over.
        assert!(quiet >= 2 && content > 0, "{name}: {quiet} {content}");
    }
}

#[test]
fn a_body_of_this_dialect_goes_through_but_for_its_model() {
    for recording in recordings() {
        let body = recording.request.to_string();
        let model = recording.request["model"].as_str().unwrap();
        let (sent, changes) = splice(&body, &super::plain(), model).unwrap();
        assert_eq!((sent, &*changes), (body, ""), "{}", recording.name);
    }
}

#[test]
fn failures_are_put_in_their_classes() {
    if !is_complete() {
        return;
    }
    let check = |name: &str, kind: ErrorKind, words: &str| {
        let recording = recordings().into_iter().find(|recording| recording.name == name).unwrap();
        let status = u16::try_from(recording.response["status"].as_u64().unwrap()).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let body = recording.response["body"].to_string();
        let error = Client.decode_error(status, &HeaderMap::new(), body.as_bytes());
        assert_eq!(error.kind, kind, "{name}: {error}");
        assert!(error.message.contains(words), "{name}: {error}");
    };
    check("openai/responses-error-400-4c6efe", ErrorKind::NotFound, "does not exist");
    check("openai/responses-error-401-b3365e", ErrorKind::Auth, "Incorrect API key");
    check("deepseek/responses-error-400-tool-result-d8af73", ErrorKind::BadRequest, "No tool output found");
    check("xai/responses-error-400-4616fa", ErrorKind::BadRequest, "Incorrect API key");
}

#[test]
fn what_only_the_provider_reads_is_kept() {
    if !is_complete() {
        return;
    }
    let reply = named("azure/responses-stream-reasoning-bf1e48");
    let Part::Reasoning(thoughts) = &reply.choices[0].parts[0] else { panic!("{reply:?}") };
    let seal = thoughts.signature.as_deref().unwrap();
    assert!(seal.starts_with("sealed:openai_responses:rs_082ac2a5"), "{seal}");
    assert!(seal.contains(":gAAAAABqhb8a"), "{seal}");
    // OpenRouter's comes behind the text it belongs to.
    let reply = named("openrouter/responses-stream-basic-d276a8");
    let [Part::Text(text), Part::Reasoning(thoughts)] = &*reply.choices[0].parts else { panic!("{reply:?}") };
    assert_eq!(text.text, "Yes, this streaming response is working perfectly.");
    assert_eq!(
        thoughts.signature.as_deref(),
        Some("sealed:openai_responses:rs_REDACTED_1:encrypted_content_REDACTED_1")
    );
    assert_eq!(thoughts.extra.get("format").map(|raw| raw.get()), Some("\"google-gemini-v1\""));
}

#[test]
fn searches_are_counted_and_their_sources_told() {
    if !is_complete() {
        return;
    }
    let reply = named("openai/responses-citations-hosted-tools-reasoning-4ee59a");
    let usage = Usage { input: 8236, output: 40, reasoning: 34, queries: 1, ..Usage::default() };
    assert_eq!(reply.usage, Some(usage));
    let [Part::Opaque(search), Part::Text(_), Part::Citation(source)] = &*reply.choices[0].parts else {
        panic!("{reply:?}")
    };
    assert_eq!(search.kind, "web_search_call");
    assert!(source.url.as_deref().unwrap().starts_with("https://www.britannica.com/"));
    assert_eq!((source.start, source.end), (Some(77), Some(162)));
}
