//! Whether the events of a stream come in the order that a front promises, with the right numbers.
//!
//! Clients build their state from them: an index that was not opened, or a text that ends otherwise than it
//! was told, is lost on them or ends them.

use std::collections::BTreeMap;

use llm_testkit::sse::json_events;
use serde_json::{Value, json};

use crate::front::Front;

/// What is wrong with the order of a clean stream.
pub(crate) fn disorder(front: &Front, stream: &str) -> Vec<String> {
    let events = json_events(stream);
    match front.name {
        "messages" => messages(&events),
        "responses" => responses(&events),
        "generateContent" => Vec::new(),
        _ => chat(&events),
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// A role first, one end per choice, nothing of a choice behind its end, and the usage last.
fn chat(events: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut ended = Vec::new();
    let mut counted = false;
    for (at, event) in events.iter().enumerate() {
        if counted {
            problems.push(format!("event {at} comes behind the usage"));
        }
        for choice in event["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64();
            if ended.contains(&index) {
                problems.push(format!("event {at} comes behind the end of choice {index:?}"));
            }
            ended.extend(choice["finish_reason"].is_string().then_some(index));
        }
        counted = event["usage"].is_object() && event["choices"] == json!([]);
    }
    problems
}

/// `message_start`, blocks one after the other, `message_delta`, `message_stop`.
fn messages(events: &[Value]) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut open, mut next): (Option<(Value, String)>, u64) = (None, 0);
    let mut stage = "message_start";
    for (at, event) in events.iter().enumerate() {
        let kind = text(event, "type");
        let right = match kind {
            "ping" => at > 0,
            "message_start" => stage == "message_start",
            "content_block_start" => {
                let right = stage == "blocks" && open.is_none() && event["index"] == next;
                open = Some((event["index"].clone(), text(&event["content_block"], "type").to_owned()));
                next += 1;
                right
            }
            "content_block_delta" => open.as_ref().is_some_and(|(index, block)| {
                let wanted: &[&str] = match block.as_str() {
                    "text" => &["text_delta", "citations_delta"],
                    "thinking" => &["thinking_delta", "signature_delta"],
                    "tool_use" | "server_tool_use" => &["input_json_delta"],
                    _ => &[],
                };
                *index == event["index"] && wanted.contains(&text(&event["delta"], "type"))
            }),
            "content_block_stop" => open.take().is_some_and(|(index, _)| index == event["index"]),
            "message_delta" => stage == "blocks" && open.is_none() && event["usage"].is_object(),
            "message_stop" => stage == "message_stop" && at + 1 == events.len(),
            _ => false,
        };
        if !right {
            problems.push(format!("event {at} is out of order: {event}"));
        }
        stage = match kind {
            "message_start" => "blocks",
            "message_delta" => "message_stop",
            _ => stage,
        };
    }
    problems
}

/// The items of a response in the making, and what was told of each.
#[derive(Default)]
struct Making {
    items: BTreeMap<u64, Item>,
    problems: Vec<String>,
}

#[derive(Default)]
struct Item {
    id: Value,
    /// What was told piece by piece, by the kind of the piece and the part's index.
    told: BTreeMap<(String, u64), String>,
    whole: Option<Value>,
}

fn responses(events: &[Value]) -> Vec<String> {
    let mut making = Making::default();
    let last = events.len().saturating_sub(1);
    for (at, event) in events.iter().enumerate() {
        let kind = text(event, "type");
        let place = match at {
            0 => kind == "response.created",
            1 => kind == "response.in_progress",
            at if at == last => matches!(kind, "response.completed" | "response.incomplete"),
            _ => event.get("response").is_none(),
        };
        if event["sequence_number"] != at || !place {
            making.problems.push(format!("event {at} is out of order: {event}"));
        }
        if event.get("output_index").is_some() {
            making.take(kind, event);
        }
    }
    let output = &events.last().unwrap_or(&Value::Null)["response"]["output"];
    let items: Vec<_> = making.items.values().map(|item| item.whole.clone().unwrap_or_default()).collect();
    if *output != json!(items) {
        making.problems.push(format!("the items are {items:?}, and the response has {output}"));
    }
    making.problems
}

impl Making {
    fn take(&mut self, kind: &str, event: &Value) {
        let index = event["output_index"].as_u64().unwrap_or(u64::MAX);
        let known = self.items.len() as u64;
        if kind == "response.output_item.added" {
            if index != known {
                self.problems.push(format!("item {index} is added after {known}"));
            }
            self.items.insert(index, Item { id: event["item"]["id"].clone(), ..Item::default() });
            return;
        }
        let Some(item) = self.items.get_mut(&index).filter(|item| item.whole.is_none()) else {
            return self.problems.push(format!("no open item: {event}"));
        };
        let id = event.get("item_id").or_else(|| event.pointer("/item/id"));
        if id != Some(&item.id) {
            self.problems.push(format!("of another item than {}: {event}", item.id));
        }
        if kind == "response.output_item.done" {
            item.whole = Some(event["item"].clone());
            return;
        }
        let part = event.get("content_index").or_else(|| event.get("summary_index"));
        let part = part.and_then(Value::as_u64).unwrap_or(0);
        if let Some(of) = kind.strip_suffix(".delta") {
            item.told.entry((of.to_owned(), part)).or_default().push_str(text(event, "delta"));
        } else if let Some(of) = kind.strip_suffix(".done") {
            let whole =
                ["text", "refusal", "arguments", "input"].iter().find_map(|name| event[*name].as_str());
            let told = item.told.get(&(of.to_owned(), part)).map(String::as_str).unwrap_or_default();
            if whole.is_some_and(|whole| whole != told) {
                self.problems.push(format!("{told:?} was told, and ends as {event}"));
            }
        }
    }
}

#[test]
fn a_missing_event_is_noticed() {
    for name in ["calls", "thinking", "text"] {
        let answer = crate::fixture::answers().into_iter().find(|answer| answer.name == name).unwrap();
        for front in
            crate::front::FRONTS.iter().filter(|front| ["messages", "responses"].contains(&front.name))
        {
            let events = answer.stream(front.name).unwrap();
            let stream = |without: Option<usize>| -> String {
                let kept = events.iter().enumerate().filter(|(at, _)| Some(*at) != without);
                kept.map(|(_, event)| String::from_utf8_lossy(event)).collect()
            };
            assert_eq!(disorder(front, &stream(None)), Vec::<String>::new(), "{name} {}", front.name);
            for (at, event) in events.iter().enumerate() {
                let event = String::from_utf8_lossy(event);
                let telling = ["event: ping", "_delta\ndata"].iter().any(|kind| event.contains(kind));
                let missed = stream(Some(at));
                let noticed = !disorder(front, &missed).is_empty() || !front.ends(&missed);
                // Messages do not say once more what they told.
                assert!(noticed || front.name == "messages" && telling, "{name}: without {event}");
            }
        }
    }
}
