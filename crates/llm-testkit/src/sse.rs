//! Reads a whole event stream, the simple way.

use serde_json::Value;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The `event:` field; empty where there is none.
    pub name: String,
    /// The `data:` lines, joined by a line end.
    pub data: String,
}

/// All events that have data. Lines may end in LF or CRLF; an event that the end cuts off counts too.
#[must_use]
pub fn events(text: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let (mut name, mut data) = (String::new(), Vec::new());
    for line in text.lines().chain(std::iter::once("")) {
        if line.is_empty() {
            if !data.is_empty() {
                events.push(Event { name: std::mem::take(&mut name), data: data.join("\n") });
            }
            name.clear();
            data.clear();
        } else if let Some(value) = field(line, "data") {
            data.push(value);
        } else if let Some(value) = field(line, "event") {
            name = value.to_owned();
        }
    }
    events
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let value = line.strip_prefix(name)?.strip_prefix(':')?;
    Some(value.strip_prefix(' ').unwrap_or(value))
}

/// The data of all events that are JSON: `[DONE]` is not among them. A stream of another kind is one object per line.
#[must_use]
pub fn json_events(text: &str) -> Vec<Value> {
    if text.starts_with('{') {
        return text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    }
    events(text).iter().filter_map(|event| serde_json::from_str(&event.data).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_comments_and_line_ends() {
        let text = ": hi\nevent: a\ndata: 1\ndata:2\n\nevent: lost\n\r\ndata: {\"x\":1}\r\n\r\ndata: [DONE]";
        let found = events(text);
        let shown: Vec<(&str, &str)> = found.iter().map(|e| (e.name.as_str(), e.data.as_str())).collect();
        assert_eq!(shown, [("a", "1\n2"), ("", "{\"x\":1}"), ("", "[DONE]")]);
        assert_eq!(json_events("{\"x\":1}\n{\"y\":").len(), 1);
        assert_eq!(json_events("data: {\"x\":1}\n\ndata: [DONE]\n\n"), [serde_json::json!({"x": 1})]);
    }
}
