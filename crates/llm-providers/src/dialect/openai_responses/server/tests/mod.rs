//! The served half against upstreams of other dialects, whole and streamed.

mod reply;
mod request;
mod round;
mod stream;
mod turn;

use llm_types::{Call, Changes, Dialect, Op, Output, ProviderSpec};
use serde_json::{Value, json};

use super::Server;
use crate::codec::{Asked, DecodeCx, EncodeCx, Memo, ReplyCx, ServerCodec};
use crate::dialect::client;

/// A request of a client, without its conversation.
const REQUEST: &str = concat!(
    r#"{"model":"m","instructions":"Be brief.","temperature":0.5,"parallel_tool_calls":true,"#,
    r#""tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false}],"#,
    r#""previous_response_id":null,"input":"Hi"}"#
);

/// A provider of a dialect.
struct Upstream {
    spec: ProviderSpec,
    model: &'static str,
    memo: Memo,
}

impl Upstream {
    fn of(dialect: Dialect) -> Self {
        let model = match dialect {
            Dialect::Anthropic => "claude-sonnet-4-5",
            Dialect::Gemini => "gemini-3-flash-preview",
            _ => "gpt-4o",
        };
        let spec = ProviderSpec { name: dialect.to_string(), dialect, ..ProviderSpec::default() };
        Self { spec, model, memo: Memo::default() }
    }

    fn cx(&self) -> DecodeCx<'_> {
        DecodeCx { spec: &self.spec, model: self.model, memo: &self.memo }
    }

    fn reply_cx(&self) -> ReplyCx {
        ReplyCx {
            include_usage: true,
            model: "m".into(),
            id: "r1".into(),
            created: 7,
            upstream: Some(self.spec.dialect),
            request: REQUEST.into(),
            ..ReplyCx::default()
        }
    }

    /// What the provider gets of a request, and the changes.
    fn ask(&self, body: &Value) -> (Value, String) {
        let call: Call = Server.decode(body.to_string().as_bytes(), &Asked::default()).unwrap();
        let mut changes = Changes::default();
        let mut cx =
            EncodeCx { spec: &self.spec, model: self.model, asked: &Asked::default(), changes: &mut changes };
        let wire = client(self.spec.dialect).unwrap().encode(&call, &mut cx).unwrap();
        (serde_json::from_slice(&wire.body.to_bytes()).unwrap(), changes.header())
    }

    /// What a client gets of a stream that comes in these pieces; `Err`: it broke off.
    fn stream<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut decoder = client(self.spec.dialect).unwrap().decoder(Op::Chat, &self.cx());
        let mut encoder = Server.encoder(self.reply_cx());
        let mut out = Vec::new();
        let mut failed = None;
        for piece in pieces {
            if let Err(error) = decoder.feed(piece, &mut *encoder) {
                failed = Some(error);
                break;
            }
            out.extend_from_slice(&encoder.take());
        }
        match failed.map_or_else(|| decoder.finish(&mut *encoder), Err) {
            Ok(()) => encoder.finish(),
            Err(error) => encoder.fail(&error),
        }
        out.extend_from_slice(&encoder.take());
        String::from_utf8(out).unwrap()
    }

    /// What a client gets of a whole answer.
    fn whole(&self, body: &Value) -> Value {
        let codec = client(self.spec.dialect).unwrap();
        let output: Output = codec.decode(Op::Chat, body.to_string().as_bytes(), &self.cx()).unwrap();
        serde_json::from_slice(&Server.encode(&output, &self.reply_cx())).unwrap()
    }
}

/// The JSON events of a stream.
fn events(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect()
}

/// One line for each event: its type and what tells it apart.
fn short(stream: &str) -> String {
    let mut out = String::new();
    for event in events(stream) {
        let kind = event["type"].as_str().unwrap();
        out.push_str(&format!("{} {}", event["sequence_number"], kind.trim_start_matches("response.")));
        for (name, value) in event.as_object().unwrap() {
            match name.as_str() {
                "type" | "sequence_number" => {}
                "response" => {
                    let part = json!([value["status"], value["output"], value["usage"], value["error"]]);
                    out.push_str(&format!(" {part}"));
                }
                _ => out.push_str(&format!(" {name}={value}")),
            }
        }
        out.push('\n');
    }
    out
}

/// Asserts what every stream promises: dense numbers, events named as their type, items opened, filled and
/// closed in order, and a last object that holds exactly the items that were reported as done.
fn assert_sound(stream: &str) {
    let names: Vec<&str> = stream.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let events = events(stream);
    assert_eq!(names.len(), events.len());
    let mut done: Vec<Option<Value>> = Vec::new();
    let mut open: Vec<(Value, String)> = Vec::new();
    for (number, (event, name)) in events.iter().zip(names).enumerate() {
        assert_eq!(event["type"], *name);
        assert_eq!(event["sequence_number"], number);
        let kind = name.trim_start_matches("response.");
        let index = event["output_index"].as_u64().map(|index| usize::try_from(index).unwrap());
        match kind {
            "created" | "in_progress" => assert!(number < 2),
            "output_item.added" => {
                assert_eq!(index, Some(done.len()), "{event}");
                done.push(None);
                open.push((event["output_index"].clone(), event["item"]["id"].as_str().unwrap().to_owned()));
            }
            "output_item.done" => {
                let id = event["item"]["id"].as_str().unwrap();
                let at = open.iter().position(|(index, open)| *index == event["output_index"] && open == id);
                open.remove(at.unwrap_or_else(|| panic!("not open: {event}")));
                done[index.unwrap()] = Some(event["item"].clone());
            }
            "completed" | "incomplete" => {
                assert_eq!(number + 1, events.len());
                assert!(open.is_empty(), "{open:?}");
                let items: Vec<Value> = done.iter().map(|item| item.clone().unwrap()).collect();
                assert_eq!(event["response"]["output"], Value::Array(items));
                assert_eq!(event["response"]["status"], kind);
            }
            "failed" | "error" => {}
            _ => {
                let id = event["item_id"].as_str().unwrap();
                let is_open = |(index, open): &(Value, String)| *index == event["output_index"] && open == id;
                assert!(open.iter().any(is_open), "not open: {event}");
            }
        }
    }
}
