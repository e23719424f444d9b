//! This API on both sides, by the long way: what guards and seals make necessary must lose nothing.

use llm_types::{Changes, Dialect, Head, Op, ProviderSpec};
use serde_json::{Value, json};

use super::super::super::tests::recordings;
use super::{Server, Upstream, assert_sound, events};
use crate::codec::{Asked, ClientCodec as _, EncodeCx, ServerCodec as _};
use crate::dialect::openai_responses::Client;
use crate::dialect::openai_responses::seal::{Carried, read_own};
use crate::table::ProviderTable;

/// The request as it would go out, and the changes.
fn again(provider: &str, request: &Value) -> (Value, Vec<String>) {
    let call = Server.decode(request.to_string().as_bytes(), &Asked::default()).unwrap();
    let spec = ProviderTable::builtin().get(provider).unwrap();
    let mut changes = Changes::default();
    let model = request["model"].as_str().unwrap();
    let mut cx = EncodeCx { spec, model, asked: &Asked::default(), changes: &mut changes };
    let wire = Client.encode(&call, &mut cx).unwrap();
    let changes = changes.list().iter().map(|change| change.path.to_string()).collect();
    (serde_json::from_slice(&wire.body.to_bytes()).unwrap(), changes)
}

/// A request without what says nothing: defaults, ids and states of items, two ways to write one text.
fn normalised(request: &Value) -> Value {
    let mut all = request.clone();
    let object = all.as_object_mut().unwrap();
    let mut items = match object.remove("input") {
        Some(Value::String(text)) => vec![json!({"role": "user", "content": text})],
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    if let Some(Value::String(text)) = object.remove("instructions") {
        items.insert(0, json!({"role": "system", "content": text}));
    }
    items.retain(|item| item["content"] != "");
    object.insert("input".to_owned(), items.into_iter().map(item).collect());
    if let Some(Value::Array(words)) = object.get_mut("include") {
        words.retain(|word| word != "reasoning.encrypted_content");
    }
    for tool in object.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        tool.as_object_mut().unwrap().retain(|_, value| *value != "" && !value.is_null());
    }
    object.retain(|name, value| {
        !(value.is_null()
            || *value == json!([])
            || (name == "stream" && *value == false)
            || (name == "truncation" && *value == "disabled"))
    });
    all
}

fn item(mut item: Value) -> Value {
    let object = item.as_object_mut().unwrap();
    if object.contains_key("role") {
        object.remove("type");
        let kind = if object["role"] == "assistant" { "output_text" } else { "input_text" };
        if object["role"] == "developer" {
            object.insert("role".to_owned(), json!("system"));
        }
        if let Value::String(text) = &object["content"] {
            object.insert("content".to_owned(), json!([{"type": kind, "text": text}]));
        }
        for part in object["content"].as_array_mut().unwrap() {
            let part = part.as_object_mut().unwrap();
            part.retain(|name, value| *value != json!([]) && !(name == "detail" && *value == "auto"));
        }
    }
    if object.get("encrypted_content").is_none_or(Value::is_null) {
        object.remove("id");
    }
    object.retain(|name, value| {
        name != "status" && !value.is_null() && (name != "content" || *value != json!([]))
    });
    item
}

#[test]
fn requests_go_out_as_they_came() {
    for recording in recordings() {
        let provider = recording.name.split('/').next().unwrap();
        let (sent, changes) = again(provider, &recording.request);
        assert_eq!(normalised(&sent), normalised(&recording.request), "{}: {changes:?}", recording.name);
        assert_eq!(changes, Vec::<String>::new(), "{}", recording.name);
    }
}

#[test]
fn answers_come_as_they_were() {
    let upstream = Upstream::of(Dialect::OpenaiResponses);
    for recording in recordings() {
        let response = &recording.response;
        if response["status"] != 200 {
            continue;
        }
        let (got, expect) = match response["sse"].as_str() {
            None => (upstream.whole(&response["body"]), response["body"].clone()),
            Some(sse) => {
                let out = upstream.stream([sse.as_bytes()]);
                if !out.contains("response.failed") {
                    assert_sound(&out);
                }
                let last = |stream: &str| {
                    let all = events(&stream.replace("data: [DONE]", ""));
                    all.into_iter().rev().find(|event| event["response"].is_object()).unwrap()["response"]
                        .clone()
                };
                (last(&out), last(sse))
            }
        };
        // One recorded server says `complete`.
        let status = got["status"].as_str().unwrap();
        assert!(status.starts_with(expect["status"].as_str().unwrap()), "{}: {status}", recording.name);
        for name in ["id", "object", "model", "error", "incomplete_details"] {
            if expect.get(name).is_some_and(|value| !value.is_null()) {
                assert_eq!(got[name], expect[name], "{}: {name}", recording.name);
            }
        }
        // What is encrypted is encrypted anew for the last event of a stream.
        let streamed = response["sse"].is_string();
        let facts = |output| facts(output, streamed);
        assert_eq!(facts(&got["output"]), facts(&expect["output"]), "{}", recording.name);
        for name in ["input_tokens", "output_tokens", "total_tokens"] {
            assert_eq!(got["usage"][name], expect["usage"][name], "{}: {name}", recording.name);
        }
    }
}

/// What the items say.
fn facts(output: &Value, streamed: bool) -> Vec<String> {
    let mut out = Vec::new();
    for item in output.as_array().into_iter().flatten() {
        let kind = item["type"].as_str().unwrap();
        match kind {
            "message" => {
                for part in item["content"].as_array().unwrap() {
                    let text = part["text"].as_str().or(part["refusal"].as_str()).unwrap_or_default();
                    let sources = part["annotations"].as_array().map_or(0, Vec::len);
                    out.push(format!("{} {text} {sources}", part["type"]));
                }
            }
            "function_call" => {
                out.push(format!("{} {} {}", item["call_id"], item["name"], item["arguments"]));
            }
            "reasoning" => {
                let lists = [&item["summary"], &item["content"]].into_iter().filter_map(Value::as_array);
                let texts = lists.flatten().map(|part| part["text"].as_str().unwrap());
                let text = texts.collect::<Vec<_>>().join("\n\n");
                let encrypted = item["encrypted_content"].as_str().map(|text| read_own(text).1);
                let encrypted = encrypted.map(|text| if streamed { "..." } else { text });
                out.push(format!("reasoning {text} {encrypted:?}"));
            }
            _ => out.push(item.to_string()),
        }
    }
    out
}

#[test]
fn what_others_sealed_is_taken_out_for_openai() {
    let request = json!({"model": "gpt-5", "input": [
        {"role": "user", "content": "Hi"},
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": Carried::thought("Hm.", "Sig").write(Dialect::Anthropic)},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "And?"}]});
    let head = Head::scan(request.to_string().into()).unwrap();
    let spec = ProviderSpec { dialect: Dialect::OpenaiResponses, ..ProviderSpec::default() };
    let mut changes = Changes::default();
    let mut cx = EncodeCx { spec: &spec, model: "gpt-5", asked: &Asked::of(Op::Chat), changes: &mut changes };
    assert!(Client.splice(&head, &mut cx).unwrap().is_none(), "it cannot pass as it is");
    let (sent, changes) = again("openai", &request);
    assert!(!sent.to_string().contains("Sig"), "{sent}");
    assert_eq!(changes, ["messages[1].content[0].signature"]);
}
