//! What calls are made with and a provider may repeat: taken out of its words, and never passed on.
//!
//! Some providers say the key that they refuse. It stands in an error's text, which is searched whole, or in bytes that
//! go on as they come: there a key may be cut anywhere, so that what may be its beginning waits for what follows
//! ([`Screen`]).

use std::fmt;

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

/// The signatures in a text: `Signature=` and 64 hexadecimal digits, whatever stands between them.
fn signatures(text: &str) -> impl Iterator<Item = String> {
    let digits = |rest: &str| rest.trim_start_matches(|c: char| !c.is_ascii_hexdigit()).to_owned();
    let behind = text.split("Signature").skip(1).map(digits);
    behind.filter_map(|rest| {
        let signature = rest.get(..64)?;
        signature.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| signature.to_owned())
    })
}

impl Target {
    /// Takes what calls are sent with out of a failure's words: some providers repeat the key they refuse.
    pub fn conceal(&self, error: &mut ApiError) {
        let mut conceal = |secret: &str| {
            if error.message.contains(secret) {
                error.message = error.message.replace(secret, CONCEALED);
            }
            let told =
                error.body.as_deref().map(String::from_utf8_lossy).filter(|body| body.contains(secret));
            if let Some(body) = told.map(|body| body.replace(secret, CONCEALED)) {
                error.body = Some(body.into());
            }
        };
        self.each_secret(&mut conceal);
        let Some(signer) = &self.signer else { return };
        signer.named(&mut conceal);
        // Amazon repeats the header that it cannot read, with what it was signed with.
        let body = error.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let found: Vec<String> = [&*error.message, &*body].into_iter().flat_map(signatures).collect();
        for signature in found {
            error.message = error.message.replace(&signature, CONCEALED);
            let told = error.body.as_deref().map(String::from_utf8_lossy);
            error.body = told.map(|body| body.replace(&signature, CONCEALED).into());
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
