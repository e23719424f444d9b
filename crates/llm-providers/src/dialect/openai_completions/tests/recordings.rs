//! Every recorded text completion, in both directions.

use http::{HeaderMap, StatusCode};
use llm_testkit::{exchanges, is_complete};
use llm_types::chat::Part;
use llm_types::{ErrorKind, Op};
use serde_json::Value;

use super::super::Client;
use super::{decode, encode, gather, read, write};
use crate::codec::{ClientCodec as _, ReplyCx};

/// The name and the exchange of each.
fn recordings() -> Vec<(String, Value)> {
    let out = exchanges("completions", &[]);
    assert!(!is_complete() || out.len() >= 4, "too few text completions: {}", out.len());
    out
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
    for (name, exchange) in recordings() {
        let mut body = exchange["request"]["body"].clone();
        let call = match (read(&body), name.contains("error")) {
            (Ok(call), _) => call,
            // A number that can be none is refused here already.
            (Err(error), true) => {
                assert_eq!(error.param.as_deref(), Some("max_tokens"), "{name}");
                continue;
            }
            (Err(error), false) => panic!("{name}: {error}"),
        };
        let (mut written, changes) = encode(&call).unwrap();
        for side in [&mut body, &mut written] {
            let members = side.as_object_mut().unwrap();
            members.remove("stream_options");
            members
                .retain(|name, value| name != "model" && !(name == "stream" && value == &Value::Bool(false)));
        }
        assert_eq!(clean(&written), clean(&body), "{name}");
        assert_eq!(changes, "", "{name}");
    }
}

#[test]
fn answers_are_read_and_written() {
    for (name, exchange) in recordings() {
        let response = &exchange["response"];
        let status =
            StatusCode::from_u16(u16::try_from(response["status"].as_u64().unwrap()).unwrap()).unwrap();
        if let Some(sse) = response["sse"].as_str() {
            let whole = gather([sse.as_bytes()]).unwrap();
            let events = sse.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
            let chunks = events.filter_map(|data| serde_json::from_str::<Value>(data).ok());
            let said: String =
                chunks.filter_map(|chunk| chunk["choices"][0]["text"].as_str().map(str::to_owned)).collect();
            assert_eq!(whole.text(), said, "{name}");
            assert!(!said.is_empty() && whole.finish().is_some(), "{name}");
            assert_eq!(format!("{:?}", gather(sse.as_bytes().chunks(1)).unwrap()), format!("{whole:?}"));
            continue;
        }
        let body = response["body"].to_string();
        if !status.is_success() {
            let error = Client.decode_error(status, &HeaderMap::new(), body.as_bytes());
            assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::BadRequest, Some("max_tokens")));
            continue;
        }
        let reply = decode(&body).unwrap();
        let tapped = Client.tap(Op::Chat, body.as_bytes()).unwrap();
        assert_eq!(reply.usage, tapped.usage, "{name}");
        let written = write(&reply, &ReplyCx::default());
        for pointer in [
            "/id",
            "/model",
            "/created",
            "/choices/0/text",
            "/choices/0/finish_reason",
            "/usage/prompt_tokens",
            "/usage/completion_tokens",
            "/usage/total_tokens",
            "/prompt",
        ] {
            assert_eq!(written.pointer(pointer), response["body"].pointer(pointer), "{name} {pointer}");
        }
        assert_eq!(written["object"], "text_completion");
        assert!(matches!(reply.choices[0].parts.as_slice(), [Part::Text(_)]), "{name}");
    }
}
