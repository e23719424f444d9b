//! The text that diagnostics point into.
//!
//! Secrets are blotted out before anything is rendered: a key that stands in the file as it is must not
//! reach a terminal's scrollback or a CI log because something on its line is wrong.

use std::ops::Range;

/// Words in a member's name that make its value one to hide where nothing else says what it is.
const SECRET_WORDS: [&str; 6] = ["key", "secret", "token", "password", "credential", "auth"];

/// One configuration text under the name it is reported by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    name: String,
    text: String,
}

/// What stands behind the `?` of each address: some carry keys there.
fn queries(text: &str) -> Vec<Range<usize>> {
    let addresses = text.match_indices("://").filter_map(|(at, _)| {
        let rest = text.get(at..)?;
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')).unwrap_or(rest.len());
        let query = rest.get(..end)?.find('?')? + 1;
        Some(at + query..at + end)
    });
    addresses.collect()
}

impl Source {
    /// `hidden` are the byte ranges that hold secrets.
    pub(crate) fn new(name: &str, text: &str, hidden: &[Range<usize>]) -> Self {
        let queries = queries(text);
        let hidden: Vec<_> = hidden.iter().chain(&queries).collect();
        let text = text
            .char_indices()
            .flat_map(|(at, c)| {
                let hide =
                    !matches!(c, '"' | '\'' | '\n' | '\r') && hidden.iter().any(|range| range.contains(&at));
                let (c, times) = if hide { ('*', c.len_utf8()) } else { (c, 1) };
                std::iter::repeat_n(c, times)
            })
            .collect();
        Self { name: name.to_owned(), text }
    }

    /// A text that cannot be parsed, so that only its words tell where the secrets are.
    pub(crate) fn unparsed(name: &str, text: &str) -> Self {
        let mut hidden = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let lower = line.to_ascii_lowercase();
            let word = SECRET_WORDS.iter().filter_map(|word| lower.find(word)).min();
            let sign = word.and_then(|at| Some(at + lower.get(at..)?.find('=')?));
            if let Some(sign) = sign {
                hidden.push(start + sign + 1..start + line.len());
            }
            start += line.len();
        }
        Self::new(name, text, &hidden)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    pub(crate) fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }
}

/// Whether a member's name says that its value is a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_of_addresses_are_blotted_out() {
        let source = Source::new("a", "a = \"http://h/p?key=x\" # or ws://h\nb = 'x?y'", &[]);
        assert_eq!(source.text(), "a = \"http://h/p?*****\" # or ws://h\nb = 'x?y'");
    }

    #[test]
    fn positions_count_from_one_in_characters() {
        let source = Source::new("f", "a\nüb\n", &[]);
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(2), (2, 1));
        assert_eq!(source.position(4), (2, 2));
        assert_eq!(source.position(99), (3, 1));
    }

    #[test]
    fn secrets_are_blotted_out_and_nothing_moves() {
        let text = "api_key = \"sk-ü\" # x";
        let source = Source::new("f", text, &[10..12, 12..16]);
        assert_eq!(source.text(), "api_key = \"*****\" # x");
        assert_eq!(source.text().len(), text.len());
        let source = Source::unparsed("f", "a = 1\n[auth]\nx = [{ api_key = \"sk\", \nb = 2");
        assert_eq!(source.text(), "a = 1\n[auth]\nx = [{ api_key =*\"**\"**\nb = 2");
    }
}
