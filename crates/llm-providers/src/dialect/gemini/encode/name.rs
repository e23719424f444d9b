//! Names of functions in the alphabet that the provider takes.
//!
//! Letters, digits and `_ . : -`, at most 64, a letter or `_` first. Other names are rewritten, the
//! same way for the whole request, and put back in the answer.

use std::borrow::Cow;
use std::collections::HashSet;

use llm_types::Str;
use llm_types::chat::{Message, Part, Tooling};

const LIMIT: usize = 64;

/// The names of one request.
#[derive(Debug)]
pub(super) struct Names<'a> {
    taken: HashSet<Cow<'a, str>>,
    /// As the client knows it, as sent.
    rewritten: Vec<(&'a str, String)>,
}

impl<'a> Names<'a> {
    /// Knows all names that need no rewriting, so that a rewritten one never meets one of them.
    pub(super) fn new(tooling: &'a Tooling, messages: &'a [Message]) -> Self {
        let tools = tooling.tools.iter().filter_map(|tool| tool.name());
        let parts = messages.iter().flat_map(|message| &message.parts);
        let calls = parts.filter_map(|part| match part {
            Part::ToolCall(call) => Some(call.name.as_str()),
            _ => None,
        });
        let taken = tools.chain(calls).filter(|name| is_valid(name)).map(Cow::Borrowed).collect();
        Self { taken, rewritten: Vec::new() }
    }

    /// The name as it is sent.
    pub(super) fn sent(&mut self, name: &'a str) -> Str<'a> {
        if is_valid(name) {
            return Str::from(name);
        }
        if let Some((_, sent)) = self.rewritten.iter().find(|(client, _)| *client == name) {
            return Str::from(sent.clone());
        }
        let base = rewrite(name);
        let mut sent = base.clone();
        let mut number = 2_usize;
        while !self.taken.insert(Cow::Owned(sent.clone())) {
            let suffix = format!("_{number}");
            sent = base.chars().take(LIMIT - suffix.len()).chain(suffix.chars()).collect();
            number += 1;
        }
        self.rewritten.push((name, sent.clone()));
        Str::from(sent)
    }

    /// The rewritten names: as sent, as the client knows them.
    pub(super) fn rewritten(self) -> Vec<(String, String)> {
        self.rewritten.into_iter().map(|(client, sent)| (sent, client.to_owned())).collect()
    }
}

fn is_valid(name: &str) -> bool {
    name.len() <= LIMIT && name.starts_with(is_first) && name.chars().all(is_inner)
}

fn is_first(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_inner(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-')
}

fn rewrite(name: &str) -> String {
    let first = if name.starts_with(is_first) { "" } else { "_" };
    let rest = name.chars().map(|c| if is_inner(c) { c } else { '_' });
    first.chars().chain(rest).take(LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_types::chat::Tool;

    #[test]
    fn names_are_rewritten_once_and_never_meet() {
        let long = "x".repeat(70);
        let other = format!("{long}y");
        let tools: Vec<Tool> = ["a/b", "a_b", "9", "", &long, &other, "ok.name:v-1"]
            .into_iter()
            .map(|name| Tool::function(name, "", None))
            .collect();
        let tooling = Tooling { tools, ..Tooling::default() };
        let mut names = Names::new(&tooling, &[]);
        let sent: Vec<String> =
            tooling.tools.iter().map(|tool| names.sent(tool.name().unwrap()).into_string()).collect();
        let cut = "x".repeat(64);
        let second = format!("{}_2", "x".repeat(62));
        assert_eq!(sent, ["a_b_2", "a_b", "_9", "_", &cut, &second, "ok.name:v-1"]);
        assert_eq!(names.sent("a/b").as_str(), "a_b_2");
        assert!(sent.iter().all(|name| is_valid(name)));
        assert_eq!(names.rewritten().len(), 5);
    }
}
