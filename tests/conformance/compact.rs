//! JSON for people: whatever fits on a line stands on one.

use std::fmt::Write as _;

use serde_json::Value;

/// The longest line.
const WIDTH: usize = 118;

/// Writes a value so that it can be read in a snapshot.
pub(crate) fn compact(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, 0, &mut out);
    out
}

fn write(value: &Value, indent: usize, lead: usize, out: &mut String) {
    let line = one_line(value);
    let fits = indent * 2 + lead + line.chars().count() <= WIDTH;
    match value {
        Value::Object(members) if !fits && !members.is_empty() => {
            out.push_str("{\n");
            let last = members.len() - 1;
            for (at, (name, value)) in members.iter().enumerate() {
                _ = write!(out, "{:1$}{2}: ", "", (indent + 1) * 2, Value::from(name.as_str()));
                write(value, indent + 1, name.len() + 4, out);
                out.push_str(if at == last { "\n" } else { ",\n" });
            }
            _ = write!(out, "{:1$}}}", "", indent * 2);
        }
        Value::Array(items) if !fits && !items.is_empty() => {
            out.push_str("[\n");
            let last = items.len() - 1;
            for (at, value) in items.iter().enumerate() {
                _ = write!(out, "{:1$}", "", (indent + 1) * 2);
                write(value, indent + 1, 0, out);
                out.push_str(if at == last { "\n" } else { ",\n" });
            }
            _ = write!(out, "{:1$}]", "", indent * 2);
        }
        _ => out.push_str(&line),
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let name = Value::from(name.as_str());
                format!("{name}: {}", one_line(value))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// Ids that were made up, numbered in the order in which they come: the same one gets the same number.
pub(crate) fn settled(text: &str) -> String {
    let (mut out, mut known) = (String::new(), Vec::<&str>::new());
    for (at, word) in text.split('"').enumerate() {
        if at > 0 {
            out.push('"');
        }
        match word.split_once('_').filter(|(prefix, rest)| is_made_up(prefix, rest)) {
            Some((prefix, rest)) => {
                let number = known.iter().position(|one| *one == rest).unwrap_or_else(|| {
                    known.push(rest);
                    known.len() - 1
                });
                _ = write!(out, "{prefix}_MADE_UP_{}", number + 1);
            }
            None => out.push_str(word),
        }
    }
    out
}

/// What the tests' providers name is short.
fn is_made_up(prefix: &str, rest: &str) -> bool {
    let known = ["call", "toolu", "msg", "resp", "fc", "rs", "ctc", "req"].contains(&prefix);
    known && rest.len() >= 12 && rest.chars().all(|c| c.is_ascii_alphanumeric())
}
