//! What calls are made with and a provider may repeat: taken out of its words, and never passed on.
//!
//! Some providers say the key that they refuse. It stands in an error's text, which is searched whole, or in bytes that
//! go on as they come: there a key may be cut anywhere, so that what may be its beginning waits for what follows
//! ([`Screen`]).

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use llm_types::ApiError;

use super::Target;
use crate::url::Base;

/// What stands in place of a secret.
const CONCEALED: &str = "[redacted]";
/// What is shorter is a word and not a secret.
const SHORTEST: usize = 8;
/// Members of a query that say which API is meant: error texts need them.
const OPEN: [&str; 5] = ["api-version", "version", "alt", "deployment", "model"];

/// What an address holds that may be a key, as it is sent and as it is meant.
pub(super) fn of_address(base: &Base) -> Vec<String> {
    let mut out = Vec::new();
    for (name, value) in base.pairs().filter(|(name, _)| !OPEN.contains(name)) {
        // Where it has no name, all of it may be one.
        let sent = if value.is_empty() { name } else { value };
        let meant = percent_encoding::percent_decode_str(sent).decode_utf8_lossy();
        for text in [sent, &*meant] {
            if text.len() >= SHORTEST && !out.iter().any(|known| known == text) {
                out.push(text.to_owned());
            }
        }
    }
    // One may be part of the other: the longer goes first.
    out.sort_by_key(|text| std::cmp::Reverse(text.len()));
    out
}

/// What a header's value may have that is a key: what follows its scheme, and each word of it, for a header of one's own
/// need not have a scheme.
fn secrets(value: &str) -> impl Iterator<Item = &str> {
    let rest = value.split_once(' ').map(|(_, rest)| rest).filter(|rest| rest.contains(' '));
    rest.into_iter().chain(value.split(' ')).filter(|secret| secret.len() >= SHORTEST)
}

/// The digits of a signature.
const SIGNATURE: usize = 64;

/// The signatures in a text: `Signature=` and 64 hexadecimal digits, whatever stands between them.
fn signatures(text: &str) -> impl Iterator<Item = &str> {
    let digits = |rest: &'_ str| rest.find(|c: char| c.is_ascii_hexdigit());
    let behind = text.split("Signature").skip(1);
    behind.filter_map(move |rest| {
        let signature = rest.get(digits(rest)?..)?.get(..SIGNATURE)?;
        signature.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(signature)
    })
}

/// Where signatures stand that are known by their digits.
fn signed(text: &str, known: &HashSet<String>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for run in text.split(|c: char| !c.is_ascii_hexdigit()) {
        let is_known = |at: &usize| run.get(*at..at + SIGNATURE).is_some_and(|one| known.contains(one));
        let last = run.len().checked_sub(SIGNATURE);
        let places = last.into_iter().flat_map(|last| (0..=last).filter(is_known));
        found.extend(places.map(|at| start + at..start + at + SIGNATURE));
        // What is no digit may be longer than a byte.
        let behind = text.get(start + run.len()..).and_then(|rest| rest.chars().next());
        start += run.len() + behind.map_or(0, char::len_utf8);
    }
    found
}

/// The text without what stands in these places; `None`: there is nothing to be taken out.
fn concealed(text: &str, mut places: Vec<Range<usize>>) -> Option<String> {
    if places.is_empty() {
        return None;
    }
    places.sort_by_key(|place| (place.start, std::cmp::Reverse(place.end)));
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for place in places {
        // One may be part of another, or begin within it.
        if place.start >= at {
            out.push_str(text.get(at..place.start).unwrap_or_default());
            out.push_str(CONCEALED);
        }
        at = at.max(place.end);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    Some(out)
}

impl Target {
    /// Takes what calls are sent with out of a failure's words: some providers repeat the key they refuse. However much
    /// there is of it, a text is written anew once.
    pub fn conceal(&self, error: &mut ApiError) {
        let body = error.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let (mut in_message, mut in_body) = (Vec::new(), Vec::new());
        let mut find = |secret: &str| {
            let places = |text: &str| {
                let starts = memchr::memmem::find_iter(text.as_bytes(), secret.as_bytes());
                starts.map(|start| start..start + secret.len()).collect::<Vec<_>>()
            };
            in_message.extend(places(&error.message));
            in_body.extend(places(&body));
        };
        self.each_secret(&mut find);
        if let Some(signer) = &self.signer {
            signer.named(&mut find);
            // Amazon repeats the header that it cannot read, with what it was signed with.
            let known = [&*error.message, &*body].into_iter().flat_map(signatures).map(str::to_owned);
            let known: HashSet<String> = known.collect();
            in_message.extend(signed(&error.message, &known));
            in_body.extend(signed(&body, &known));
        }
        let body = concealed(&body, in_body);
        if let Some(message) = concealed(&error.message, in_message) {
            error.message = message;
        }
        if let Some(body) = body {
            error.body = Some(body.into());
        }
    }

    /// Whether a text repeats a key that is sent to the provider.
    #[must_use]
    pub fn repeats_secret(&self, text: &[u8]) -> bool {
        let mut found = false;
        self.each_secret(|secret| found |= memchr::memmem::find(text, secret.as_bytes()).is_some());
        found
    }

    /// How many bytes at the end of a text may be the beginning of a key.
    fn may_go_on(&self, text: &[u8]) -> usize {
        let mut most = 0;
        self.each_secret(|secret| {
            let secret = secret.as_bytes();
            let longest = text.len().min(secret.len().saturating_sub(1));
            let ends = |length: &usize| secret.get(..*length).is_some_and(|start| text.ends_with(start));
            most = most.max((1..=longest).rev().find(ends).unwrap_or(0));
        });
        most
    }

    // The key that signs a call is not sent with it and cannot be repeated.
    fn each_secret(&self, mut see: impl FnMut(&str)) {
        let values = self.headers.values().filter(|value| value.is_sensitive());
        let texts = values.filter_map(|value| value.to_str().ok());
        texts.flat_map(secrets).for_each(&mut see);
        self.in_address.iter().map(String::as_str).for_each(&mut see);
        if let Some(signer) = &self.signer {
            signer.sent(&mut see);
        }
        if let Some(tokens) = &self.tokens {
            tokens.sent(&mut see);
        }
    }
}

/// Looks for keys in what comes in chunks, wherever it is cut.
#[derive(Default)]
pub struct Screen {
    /// May be the beginning of a key.
    held: Bytes,
}

impl fmt::Debug for Screen {
    /// Without what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("held", &self.held.len()).finish()
    }
}

impl Screen {
    /// What may go on of all that came until now; may be empty. `None`: `target` repeats a key, and nothing more may.
    pub fn pass(&mut self, target: &Target, chunk: Bytes) -> Option<Bytes> {
        let held = std::mem::take(&mut self.held);
        let mut bytes = if held.is_empty() { chunk } else { [held, chunk].concat().into() };
        if target.repeats_secret(&bytes) {
            return None;
        }
        let kept = target.may_go_on(&bytes);
        self.held = bytes.split_off(bytes.len() - kept);
        Some(bytes)
    }

    /// What still waits, once nothing follows.
    pub fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_anew_once() {
        let check = |text: &str, places: &[Range<usize>], expect: Option<&str>| {
            assert_eq!(concealed(text, places.to_vec()).as_deref(), expect, "{text} {places:?}");
        };
        check("a key", &[], None);
        check("a key", &[2..5, 2..5], Some("a [redacted]"));
        check("key key", &[4..7, 0..3], Some("[redacted] [redacted]"));
        // The longer goes first, and what begins within one ends with it.
        check("abcdef", &[0..2, 0..4], Some("[redacted]ef"));
        check("abcdef", &[0..4, 2..5], Some("[redacted]f"));
        let known = HashSet::from(["ab".repeat(32)]);
        let text = format!("ä{0} x{0}ü {0}0", "ab".repeat(32));
        let found = signed(&text, &known);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(concealed(&text, found).as_deref(), Some("ä[redacted] x[redacted]ü [redacted]0"));
    }

    #[test]
    fn a_key_may_stand_in_any_word_of_a_header() {
        let check = |value, expect: &[&str]| assert_eq!(secrets(value).collect::<Vec<_>>(), expect);
        check("Bearer sk-0123456789", &["sk-0123456789"]);
        check("sk-0123456789", &["sk-0123456789"]);
        check("sk-0123456789 tenant-0123", &["sk-0123456789", "tenant-0123"]);
        check(
            "Digest user=0123456789 key=9876543210",
            &["user=0123456789 key=9876543210", "user=0123456789", "key=9876543210"],
        );
        check("short", &[]);
    }
}
