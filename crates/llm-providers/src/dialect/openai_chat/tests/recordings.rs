//! Every recorded chat exchange, in both directions.

use http::{HeaderMap, StatusCode};
use llm_testkit::player::cuts;
use llm_testkit::{exchanges, is_complete};
use llm_types::chat::{Part, ToolCall};
use llm_types::{Op, ProviderSpec, Reply, ReplyBuilder, Usage};
use serde_json::{Map, Value};

use super::super::Client;
use super::{decode, gather, row, translate, write};
use crate::codec::{ClientCodec as _, ReplyCx, Seen};

struct Recording {
    name: String,
    provider: String,
    exchange: Value,
}

/// All recordings of this dialect.
fn recordings() -> Vec<Recording> {
    let all = exchanges("chat", &[]).into_iter().map(|(name, exchange)| Recording {
        name,
        provider: exchange["provider"].as_str().unwrap().to_owned(),
        exchange,
    });
    all.collect()
}

/// The row of the provider of a recording, as far as its quirks matter here.
fn spec(provider: &str) -> ProviderSpec {
    let quirks = match provider {
        "deepseek" | "zai" => "quirks = { rename = { thinking = \"thinking\" } }",
        "mistral" => {
            "quirks = { drop = [\"stream_options\"], rename = { max_completion_tokens = \"max_tokens\" } }"
        }
        "gemini" => "quirks = { reply = [\"reasoning_outside\"] }",
        "perplexity" | "huggingface" => "quirks = { reply = [\"think_tags\"] }",
        _ => "",
    };
    row(&format!("name = \"{provider}\"\n{quirks}"))
}

/// A request with everything equal written in one way: `null` is absent, a single text part is a string,
/// numbers are floats, a stream asks for its usage.
fn normal(body: &Value) -> Value {
    let mut body = clean(body);
    let object = body.as_object_mut().unwrap();
    let streams = object.get("stream") == Some(&Value::Bool(true));
    object.remove("stream_options");
    if !streams {
        object.remove("stream");
    }
    if object.get("tools").is_some_and(|tools| tools.as_array().unwrap().is_empty()) {
        object.remove("tools");
    }
    if let Some(Value::String(stop)) = object.get("stop").cloned() {
        object.insert("stop".into(), Value::Array(vec![stop.into()]));
    }
    // OpenAI refuses a schema without a name; Perplexity does without.
    if let Some(schema) = object.get_mut("response_format").and_then(|format| format.get_mut("json_schema")) {
        schema.as_object_mut().unwrap().entry("name").or_insert("response".into());
    }
    for message in object["messages"].as_array_mut().unwrap() {
        normal_message(message.as_object_mut().unwrap());
    }
    body
}

fn normal_message(message: &mut Map<String, Value>) {
    let only = |content: &Value| {
        let list = content.as_array()?;
        let text = list.first().filter(|_| list.len() == 1)?.as_object()?;
        (text.len() == 2).then(|| text.get("text").cloned()).flatten()
    };
    if let Some(text) = message.get("content").and_then(only) {
        message.insert("content".into(), text);
    }
    if message.contains_key("tool_calls") && message.get("content") == Some(&Value::from("")) {
        message.remove("content");
    }
}

fn clean(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name.clone(), clean(value))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(clean).collect()),
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        other => other.clone(),
    }
}

#[test]
fn requests_come_out_as_they_came_in() {
    for recording in recordings() {
        let body = &recording.exchange["request"]["body"];
        let (written, changes) = translate(&body.to_string(), &spec(&recording.provider));
        assert_eq!(normal(&written), normal(body), "{}", recording.name);
        // Messages of another role than the assistant's that carry `tool_calls: null` lose nothing.
        assert_eq!(changes, "", "{}", recording.name);
    }
}

#[test]
fn requests_that_are_spliced_and_written_anew_agree() {
    for recording in recordings() {
        let body = &recording.exchange["request"]["body"];
        let model = body["model"].as_str().unwrap();
        let spec = spec(&recording.provider);
        let text = body.to_string();
        let Some((spliced, changes)) = super::splice(&text, &spec, model) else {
            continue;
        };
        let spliced: Value = serde_json::from_str(&spliced).unwrap();
        let (written, _) = translate(&text, &spec);
        assert_eq!(normal(&spliced), normal(&written), "{}", recording.name);
        assert_eq!(changes, "", "{}", recording.name);
    }
}

/// What must be the same however an answer came.
fn facts(reply: &Reply) -> String {
    // What the provider bills is for our own books: it is not written for clients.
    let usage = reply.usage.clone().map(|usage| Usage { stated: None, ..usage });
    let mut out = format!("{:?} {usage:?}\n", reply.model);
    for choice in &reply.choices {
        let text = Part::text_of(&choice.parts);
        out +=
            &format!("{}: {text:?} {:?}\n", choice.index, choice.finish.as_ref().map(|finish| finish.kind));
        for part in &choice.parts {
            match part {
                Part::ToolCall(ToolCall { name, arguments, kind, .. }) => {
                    out += &format!("  call {name} {arguments} {kind:?}\n");
                }
                Part::Reasoning(reasoning) => out += &format!("  thought {:?}\n", reasoning.text),
                Part::Refusal(refusal) => out += &format!("  refusal {:?}\n", refusal.text),
                _ => {}
            }
        }
    }
    out
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn whole_answers_are_read_and_written() {
    let mut seen = 0;
    for recording in recordings() {
        let response = &recording.exchange["response"];
        let (200, Some(body)) = (response["status"].as_u64().unwrap(), response.get("body")) else {
            continue;
        };
        seen += 1;
        let name = &recording.name;
        let spec = spec(&recording.provider);
        let reply = decode(&body.to_string(), &spec).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (choice, wire) in reply.choices.iter().zip(body["choices"].as_array().unwrap()) {
            let message = &wire["message"];
            let content = word(&message["content"]);
            let unthought = if content.starts_with("<think>") { "" } else { content };
            let answer = content.split_once("</think>").map_or(unthought, |(_, answer)| answer);
            assert_eq!(Part::text_of(&choice.parts), answer, "{name}");
            let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
            let got: Vec<_> = choice
                .parts
                .iter()
                .filter_map(|part| match part {
                    Part::ToolCall(call) => Some((call.name.as_str(), call.arguments.as_str())),
                    _ => None,
                })
                .collect();
            let expect: Vec<_> = calls
                .iter()
                .map(|call| (word(&call["function"]["name"]), word(&call["function"]["arguments"])))
                .collect();
            assert_eq!(got, expect, "{name}");
        }
        let usage = reply.usage.as_ref().unwrap_or_else(|| panic!("{name}: no usage"));
        // Mistral counts sound beside the prompt.
        let sound = body["usage"]["prompt_tokens_details"]["audio_tokens"].as_u64();
        let beside = sound.filter(|_| recording.provider == "mistral").unwrap_or(0);
        let prompt = body["usage"]["prompt_tokens"].as_u64().unwrap() + beside;
        assert_eq!(usage.prompt_tokens(), prompt, "{name}");
        if recording.provider == "gemini" || recording.provider == "xai" {
            assert_eq!(usage.total_tokens(), body["usage"]["total_tokens"].as_u64().unwrap(), "{name}");
        } else {
            let completion = body["usage"]["completion_tokens"].as_u64().unwrap();
            assert_eq!(usage.completion_tokens(), completion, "{name}");
        }
        let again = write(&reply, &ReplyCx::default());
        let reread = decode(&again.to_string(), &super::plain()).unwrap();
        assert_eq!(facts(&reread), facts(&reply), "{name}");
        let body = body.to_string();
        let tapped = Client.tap(Op::Chat, body.as_bytes()).unwrap();
        if recording.provider != "gemini" {
            assert_eq!(tapped.usage, reply.usage, "{name}");
        }
    }
    assert!(!is_complete() || seen > 40, "{seen}");
}

#[test]
fn streams_are_read_wherever_they_are_cut() {
    for recording in recordings() {
        let Some(sse) = recording.exchange["response"]["sse"].as_str() else {
            continue;
        };
        let name = &recording.name;
        let spec = spec(&recording.provider);
        let bytes = sse.as_bytes();
        let whole = gather([bytes], &spec).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(whole.usage.is_some() || !sse.contains("\"usage\":{"), "{name}");
        assert!(whole.choices.iter().all(|choice| choice.finish.is_some()), "{name}");
        let expect = facts(&whole);
        assert_eq!(facts(&gather(bytes.chunks(1), &spec).unwrap()), expect, "{name}");
        for cut in cuts(bytes, 400) {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(facts(&gather([a, b], &spec).unwrap()), expect, "{name} cut at {cut}");
        }
        let cx = ReplyCx { include_usage: true, ..ReplyCx::default() };
        let again = super::restream(sse, &spec, cx);
        assert!(again.ends_with("data: [DONE]\n\n"), "{name}");
        assert_eq!(facts(&gather([again.as_bytes()], &super::plain()).unwrap()), expect, "{name}");
        tapped(name, bytes, &whole);
    }
}

fn tapped(name: &str, bytes: &[u8], whole: &Reply) {
    let mut tap = Client.stream_tap(Op::Chat);
    let mut rest = bytes;
    let mut content = false;
    while let Some((event, after)) = crate::frame::split_event(rest) {
        rest = after;
        match tap.see(event) {
            Seen::Content => content = true,
            Seen::Error(error) | Seen::Failed(error) => panic!("{name}: {error}"),
            Seen::Quiet | Seen::Usage | Seen::Done => {}
        }
    }
    assert!(content && tap.is_done(), "{name}");
    assert_eq!(tap.usage(), whole.usage.as_ref(), "{name}");
}

#[test]
fn cut_streams_are_errors() {
    for recording in recordings() {
        let Some(sse) = recording.exchange["response"]["sse"].as_str() else {
            continue;
        };
        let spec = spec(&recording.provider);
        let Some(end) = sse.find("\"finish_reason\":\"") else { continue };
        // The event that holds the first finish reason is cut in two.
        let mut decoder = Client.decoder(
            Op::Chat,
            &crate::codec::DecodeCx { spec: &spec, model: "m", memo: &crate::codec::Memo::default() },
        );
        let mut builder = ReplyBuilder::default();
        let _ = decoder.feed(&sse.as_bytes()[..end], &mut builder).unwrap();
        let error = decoder.finish(&mut builder).unwrap_err();
        assert_eq!(error.kind, llm_types::ErrorKind::Connection, "{}", recording.name);
    }
}

#[test]
fn errors_are_read() {
    for recording in recordings() {
        let response = &recording.exchange["response"];
        let status =
            StatusCode::from_u16(u16::try_from(response["status"].as_u64().unwrap()).unwrap()).unwrap();
        let Some(body) = response.get("body").filter(|_| !status.is_success()) else {
            continue;
        };
        let error = Client.decode_error(status, &HeaderMap::new(), body.to_string().as_bytes());
        let said = body["error"]["message"].as_str().or(body["detail"].as_str()).unwrap();
        assert_eq!(error.message, said, "{}", recording.name);
        assert_eq!(error.upstream_status, Some(status), "{}", recording.name);
    }
}
