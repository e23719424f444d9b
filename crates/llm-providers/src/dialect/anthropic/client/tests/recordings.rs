//! Real exchanges with Anthropic: requests must come out the same, answers must be read right.
//!
//! They lie in `LLM_RECORDINGS`, by default `../shared/recordings` beside the workspace.

use http::{HeaderMap, HeaderName, StatusCode};
use llm_testkit::{exchanges, is_complete};
use llm_types::chat::ChatRequest;
use llm_types::{ErrorKind, FinishKind, Op, Reply};
use serde_json::{Map, Value, json};

use super::{Client, decode, encode, gather, summary};
use crate::codec::{Asked, ClientCodec, Memo, Seen, ServerCodec};
use crate::dialect::anthropic::Server;
use crate::frame::split_event;

struct Recording {
    name: String,
    request: Value,
    status: u16,
    headers: HeaderMap,
    /// A whole answer.
    body: Option<Value>,
    /// A streamed one.
    sse: Option<String>,
}

fn recordings() -> Vec<Recording> {
    let mut out = Vec::new();
    for (name, mut all) in exchanges("messages", &["anthropic"]) {
        let mut response = all["response"].take();
        let headers = response["headers"].as_object().unwrap().iter().map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, value.as_str().unwrap().parse().unwrap())
        });
        out.push(Recording {
            name,
            request: all["request"]["body"].take(),
            status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
            headers: headers.collect(),
            sse: response["sse"].as_str().map(str::to_owned),
            body: Some(response["body"].take()).filter(|body| !body.is_null()),
        });
    }
    assert!(!is_complete() || out.len() >= 10, "only {} recordings", out.len());
    out
}

/// The same request in one spelling: strings as one text block, defaults left out.
fn normal(mut body: Value) -> Value {
    let blocks = |content: &mut Value| {
        if let Value::String(text) = content {
            *content = json!([{"type": "text", "text": text}]);
        }
    };
    let object = body.as_object_mut().unwrap();
    if object.get("stream") == Some(&Value::Bool(false)) {
        object.remove("stream");
    }
    object.get_mut("system").map(blocks);
    for message in object["messages"].as_array_mut().unwrap() {
        blocks(&mut message["content"]);
        for block in message["content"].as_array_mut().unwrap() {
            if block["type"] == "tool_result" {
                blocks(&mut block["content"]);
            }
        }
    }
    for tool in object.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        tool.as_object_mut().unwrap().entry("type").or_insert_with(|| json!("custom"));
    }
    body
}

/// The neutral form of a recorded request.
fn neutral(body: &Value) -> ChatRequest {
    let call = Server.decode(body.to_string().as_bytes(), &Asked::default()).unwrap();
    call.conversation().unwrap().clone()
}

#[test]
fn requests_come_out_as_they_were_recorded() {
    for recording in recordings() {
        let request = neutral(&recording.request);
        let sent = encode(&request, recording.request["model"].as_str().unwrap());
        assert_eq!(normal(sent.body.clone()), normal(recording.request.clone()), "{}", recording.name);
        assert!(sent.changes.is_empty(), "{}: {:?}", recording.name, sent.changes);
    }
}

#[test]
fn stored_files_ask_for_their_beta() {
    let source = json!({"type": "file", "file_id": "file_011"});
    let content = json!([{"type": "document", "source": source}, {"type": "text", "text": "Sum it up."}]);
    let written = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}]});
    let recordings = recordings();
    let file = recordings.iter().find(|recording| recording.name.contains("stream-document"));
    assert!(!is_complete() || file.is_some());
    let request = neutral(file.map_or(&written, |file| &file.request));
    assert_eq!(encode(&request, "claude-sonnet-4-6").betas(), Some("files-api-2025-04-14"));
}

/// What an answer must come to, by its recorded JSON.
fn check_reply(name: &str, reply: &Reply, message: &Value) {
    assert_eq!(reply.id, message["id"], "{name}");
    assert_eq!(reply.model, message["model"], "{name}");
    let blocks = message["content"].as_array().unwrap();
    let texts: String = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
    assert_eq!(reply.text(), texts, "{name}");
    let calls: Vec<(String, String, Value)> = reply
        .tool_calls()
        .map(|call| (call.id.clone(), call.name.clone(), serde_json::from_str(&call.arguments).unwrap()))
        .collect();
    let expect: Vec<(String, String, Value)> = blocks
        .iter()
        .filter(|block| block["type"] == "tool_use")
        .map(|block| {
            let text = |name: &str| block[name].as_str().unwrap().to_owned();
            (text("id"), text("name"), block["input"].clone())
        })
        .collect();
    assert_eq!(calls, expect, "{name}");
    let finish = reply.choices[0].finish.as_ref().unwrap();
    let kind = match message["stop_reason"].as_str().unwrap() {
        "end_turn" | "stop_sequence" => FinishKind::Stop,
        "max_tokens" => FinishKind::Length,
        "tool_use" => FinishKind::ToolCalls,
        other => panic!("{name}: {other}"),
    };
    assert_eq!(finish.kind, kind, "{name}");
    assert_eq!(finish.stop_sequence.as_deref(), message["stop_sequence"].as_str(), "{name}");
    let usage = reply.usage.as_ref().unwrap();
    let count = |name: &str| message["usage"][name].as_u64().unwrap();
    assert_eq!(usage.input, count("input_tokens"), "{name}");
    assert_eq!(usage.cache_read, count("cache_read_input_tokens"), "{name}");
    assert_eq!(usage.cache_write(), count("cache_creation_input_tokens"), "{name}");
    assert_eq!(usage.completion_tokens(), count("output_tokens"), "{name}");
    let thinking = message["usage"]["output_tokens_details"]["thinking_tokens"].as_u64();
    assert_eq!(usage.reasoning, thinking.unwrap_or_default(), "{name}");
}

#[test]
fn whole_answers_are_read() {
    let mut seen = 0;
    for recording in recordings().into_iter().filter(|recording| recording.status == 200) {
        let Some(body) = recording.body else {
            continue;
        };
        let reply = decode(&body.to_string(), &Memo::default()).unwrap();
        check_reply(&recording.name, &reply, &body);
        let body = body.to_string();
        let tapped = Client.tap(Op::Chat, body.as_bytes()).unwrap();
        assert_eq!(tapped.usage, reply.usage, "{}", recording.name);
        seen += 1;
    }
    assert!(!is_complete() || seen >= 5, "{seen}");
}

#[test]
fn errors_are_classified() {
    let mut seen = 0;
    for recording in recordings().into_iter().filter(|recording| recording.status >= 400) {
        let body = recording.body.unwrap();
        let status = StatusCode::from_u16(recording.status).unwrap();
        let error = Client.decode_error(status, &recording.headers, body.to_string().as_bytes());
        let kind = match recording.status {
            401 => ErrorKind::Auth,
            404 => ErrorKind::NotFound,
            429 => ErrorKind::RateLimit,
            529 => ErrorKind::Overloaded,
            _ => ErrorKind::BadRequest,
        };
        assert_eq!(error.kind, kind, "{}", recording.name);
        assert_eq!(error.message, body["error"]["message"], "{}", recording.name);
        seen += 1;
    }
    assert!(!is_complete() || seen >= 2, "{seen}");
}

/// The message that a stream sends, put together from its JSON.
fn message_of(stream: &str) -> Value {
    let mut message = Value::Null;
    let mut inputs: Map<String, Value> = Map::new();
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event: Value = serde_json::from_str(data).unwrap();
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                message["content"].as_array_mut().unwrap().push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let index = event["index"].to_string();
                let block =
                    &mut message["content"][usize::try_from(event["index"].as_u64().unwrap()).unwrap()];
                let delta = &event["delta"];
                if let Some(more) = delta["text"].as_str() {
                    block["text"] = json!(block["text"].as_str().unwrap().to_owned() + more);
                }
                if let Some(more) = delta["partial_json"].as_str() {
                    let input = inputs.entry(index).or_insert_with(|| json!(""));
                    *input = json!(input.as_str().unwrap().to_owned() + more);
                    block["input"] = serde_json::from_str(input.as_str().unwrap()).unwrap_or(json!({}));
                }
            }
            "message_delta" => {
                for (name, value) in event["delta"].as_object().unwrap() {
                    message[name] = value.clone();
                }
                for (name, value) in event["usage"].as_object().unwrap() {
                    message["usage"][name] = value.clone();
                }
            }
            _ => {}
        }
    }
    message
}

fn streams() -> Vec<(String, String)> {
    let streams: Vec<_> =
        recordings().into_iter().filter_map(|recording| Some((recording.name, recording.sse?))).collect();
    assert!(!is_complete() || streams.len() >= 5, "{}", streams.len());
    streams
}

#[test]
fn streams_are_read_wherever_they_are_cut() {
    for (name, stream) in streams() {
        let memo = Memo::default();
        let bytes = stream.as_bytes();
        let whole = gather([bytes], &memo).unwrap();
        check_reply(&name, &whole, &message_of(&stream));
        let expect = summary(&whole);
        assert_eq!(summary(&gather(bytes.chunks(1), &memo).unwrap()), expect, "{name}");
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(summary(&gather([head, tail], &memo).unwrap()), expect, "{name} cut at {cut}");
        }
        // Line ends of proxies.
        let crlf = stream.replace('\n', "\r\n");
        assert_eq!(summary(&gather([crlf.as_bytes()], &memo).unwrap()), expect, "{name} with CRLF");
    }
}

#[test]
fn a_stream_cut_short_is_never_a_clean_end() {
    for (name, stream) in streams() {
        let whole = stream.trim_end().len();
        let boundaries = stream.match_indices("\n\n").map(|(at, _)| at + 2).filter(|at| *at < whole);
        let mut seen = 0;
        for end in std::iter::once(0).chain(boundaries) {
            let error = gather([&stream.as_bytes()[..end]], &Memo::default()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Connection, "{name} cut at {end}");
            assert!(error.message.contains("ended before it was complete"), "{error}");
            seen += 1;
        }
        assert!(seen > 3, "{name}");
        // Inside an event it is no different.
        for end in 0..whole - 1 {
            let error = gather([&stream.as_bytes()[..end]], &Memo::default()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Connection, "{name} cut at {end}");
        }
    }
}

#[test]
fn a_tap_sees_what_the_decoder_sees() {
    for (name, stream) in streams() {
        let mut tap = Client.stream_tap(Op::Chat);
        let mut rest = stream.as_bytes();
        let (mut content, mut done) = (0, 0);
        while let Some((event, after)) = split_event(rest) {
            rest = after;
            assert!(!tap.is_done(), "{name}");
            match tap.see(event) {
                Seen::Content => content += 1,
                Seen::Done => done += 1,
                Seen::Quiet => {}
                seen @ (Seen::Usage | Seen::Error(_) | Seen::Failed(_)) => panic!("{name}: {seen:?}"),
            }
        }
        assert!(tap.is_done() && done == 1 && content >= 2, "{name}: {content} {done}");
        let reply = gather([stream.as_bytes()], &Memo::default()).unwrap();
        assert_eq!(tap.usage(), reply.usage.as_ref(), "{name}");
    }
}
