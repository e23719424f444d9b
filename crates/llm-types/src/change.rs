//! What an encoder dropped or altered.
//!
//! Translation is honest: whatever a provider cannot take is recorded here, and reaches the client
//! (`x-gateway-changes`), the log and the trace; in strict mode it is refused instead.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Left out: the provider has no counterpart.
    Dropped,
    /// Sent in another form that may not mean quite the same.
    Altered,
}

/// One field that did not reach the provider as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it is in the client's request, e.g. `messages[2].name`.
    pub path: Cow<'static, str>,
    /// What happened to it.
    pub action: Action,
    /// Why, as a lowercase fragment.
    pub why: Cow<'static, str>,
}

/// The changes of one request. At most [`Changes::LIMIT`] are kept; further ones are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    list: Vec<Change>,
    more: usize,
}

impl Changes {
    /// How many changes are kept in full.
    pub const LIMIT: usize = 64;
    /// The longest header value that [`Changes::header`] builds, in bytes.
    const HEADER_LIMIT: usize = 2048;

    /// Records that a field was left out.
    pub fn dropped(&mut self, path: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) {
        self.push(Change { path: path.into(), action: Action::Dropped, why: why.into() });
    }

    /// Records that a field was sent in another form.
    pub fn altered(&mut self, path: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) {
        self.push(Change { path: path.into(), action: Action::Altered, why: why.into() });
    }

    /// Records a change, once.
    pub fn push(&mut self, change: Change) {
        if self.list.contains(&change) {
            return;
        }
        if self.list.len() < Self::LIMIT {
            self.list.push(change);
        } else {
            self.more += 1;
        }
    }

    /// The recorded changes in order.
    #[must_use]
    pub fn list(&self) -> &[Change] {
        &self.list
    }

    /// Whether everything reached the provider as it was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a field was left out (an altered one still reached the provider).
    #[must_use]
    pub fn any_dropped(&self) -> bool {
        self.list.iter().any(|change| change.action == Action::Dropped)
    }

    /// Takes over what such a line says, as a gateway sends it. What is not understood is left out.
    pub fn read_header(&mut self, line: &str) {
        for item in line.split("; ") {
            let (action, rest) = match item.split_once(' ') {
                Some(("dropped", rest)) => (Action::Dropped, rest),
                Some(("altered", rest)) => (Action::Altered, rest),
                _ => continue,
            };
            let (path, why) = rest.split_once(" (").unwrap_or((rest, ""));
            let why = why.strip_suffix(')').unwrap_or(why).to_owned();
            self.push(Change { path: path.to_owned().into(), action, why: why.into() });
        }
    }

    /// One line of visible ASCII for `x-gateway-changes`:
    /// `dropped seed (not supported by anthropic); altered max_tokens (…)`.
    #[must_use]
    pub fn header(&self) -> String {
        let mut line = String::new();
        let mut left = self.more;
        for (index, change) in self.list.iter().enumerate() {
            let action = match change.action {
                Action::Dropped => "dropped",
                Action::Altered => "altered",
            };
            let item = format!("{action} {} ({})", change.path, change.why);
            if line.len() + item.len() > Self::HEADER_LIMIT {
                left += self.list.len() - index;
                break;
            }
            if !line.is_empty() {
                line.push_str("; ");
            }
            line.extend(item.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }));
        }
        if left > 0 {
            let _ = write!(line, "; and {left} more");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_one_bounded_ascii_line() {
        let mut changes = Changes::default();
        changes.dropped("seed", "not supported by anthropic");
        changes.dropped("seed", "not supported by anthropic");
        changes.altered("größe\n", "renamed");
        assert_eq!(changes.header(), "dropped seed (not supported by anthropic); altered gr??e? (renamed)");
        let mut read = Changes::default();
        read.read_header(&changes.header());
        assert_eq!(read.header(), changes.header());
        read.read_header("; and 3 more; nonsense");
        assert_eq!(read.list().len(), 2);
        for i in 0..200 {
            changes.dropped(format!("member_{i}_{}", "x".repeat(60)), "no counterpart");
        }
        let header = changes.header();
        assert!(header.len() < 2100, "{}", header.len());
        assert!(header.ends_with(" more"), "{header}");
    }
}
