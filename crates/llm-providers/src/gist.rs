//! What a request is like, from a shallow look: for choosing who is to answer.
//!
//! Nothing here is exact and nothing depends on it but the choice. A guess that is wrong costs a cache hit at
//! a provider, or an attempt; so a dialect looks for the words that its requests have, and reads no further.

use std::borrow::Cow;

use llm_types::{Capabilities, Head};
use memchr::memmem;

/// What a request is like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gist<'h> {
    /// The longest answer it allows, in tokens.
    pub max_output: Option<u64>,
    /// The conversation it belongs to, as the client calls it.
    pub session: Option<Cow<'h, [u8]>>,
    /// The beginning of its prompt, which other requests may share.
    pub prompt: &'h [u8],
}

/// How much a request asks for in ways that its neutral form does not say: what a bound of its cost needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// How many prompts are answered.
    pub prompts: u64,
    /// How many answers are written to each, also when fewer come back.
    pub answers: u64,
    /// How long an answer is at most where the request does not say it, by its dialect.
    pub unset_output: Option<u64>,
    /// The answer comes later, and elsewhere: what it used is not told here.
    pub background: bool,
}

impl Default for Extent {
    fn default() -> Self {
        Self { prompts: 1, answers: 1, unset_output: None, background: false }
    }
}

/// Shorter instructions are not worth keeping apart from the conversation, in bytes.
const LONG: usize = 4096;

/// Where a dialect has what a gist is made of.
pub(crate) struct Places {
    /// The members with the conversation's beginning: long instructions first, then the turns.
    pub(crate) prompt: &'static [&'static str],
    /// The members that bound the answer.
    pub(crate) max_output: &'static [&'static str],
    /// The members with tools.
    pub(crate) tools: &'static [&'static str],
    /// Keys and texts that stand in a prompt that uses something; an empty text: the key alone says it.
    pub(crate) uses: &'static [(&'static str, &'static str, Capabilities)],
}

impl Places {
    /// What a request in this dialect uses of a model.
    pub(crate) fn uses(&self, head: &Head) -> Capabilities {
        let given = |name: &&str| given(head, name);
        let mut capabilities = Capabilities::NONE;
        if self.tools.iter().any(|name| given(name).is_some()) {
            capabilities = capabilities.and(Capabilities::TOOLS);
        }
        for name in self.prompt {
            let Some(prompt) = head.get(name) else { continue };
            for (key, text, used) in self.uses {
                // The keys were noted when the body was read; a text has to be looked for.
                let there = || text.is_empty() || memmem::find(prompt, text.as_bytes()).is_some();
                if !capabilities.has(*used) && head.mentions(name, key) && there() {
                    capabilities = capabilities.and(*used);
                }
            }
        }
        capabilities
    }

    /// What a request in this dialect is like.
    pub(crate) fn gist<'h>(&self, head: &'h Head) -> Gist<'h> {
        let (last, before) =
            self.prompt.split_last().map_or((None, &[][..]), |(last, all)| (Some(last), all));
        let long = before.iter().filter_map(|name| head.get(name)).find(|json| json.len() >= LONG);
        Gist {
            // Which of two counts is the provider's business; neither is left out.
            max_output: self.max_output.iter().filter_map(|name| number(given(head, name)?)).max(),
            session: None,
            prompt: long.or_else(|| head.get(last?)).unwrap_or_default(),
        }
    }
}

/// A member that says something.
fn given<'h>(head: &'h Head, name: &str) -> Option<&'h [u8]> {
    head.get(name).filter(|json| *json != b"null" && *json != b"[]")
}

/// What a request in text alone may hold, so that nothing of it is dearer than text: no tools, no marks for a cache,
/// one answer in the usual tier, and nothing that only its provider knows.
pub(crate) struct Plain {
    /// The members with the prompt.
    pub(crate) prompt: &'static [&'static str],
    /// The keys that objects in the prompt may have.
    pub(crate) keys: &'static [&'static str],
    /// The other members, which make no request dearer.
    pub(crate) members: &'static [&'static str],
}

impl Plain {
    /// Whether this is one; a request with anything else is not.
    pub(crate) fn fits(&self, head: &Head) -> bool {
        head.members().iter().all(|member| {
            let name = member.name();
            self.members.contains(&name)
                || (self.prompt.contains(&name) && head.mentions_only(name, self.keys))
        })
    }
}

/// A whole number, also one that is written with a point or a power; what is in between is rounded up.
pub(crate) fn number(json: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(json).ok()?;
    text.parse().ok().or_else(|| whole(text.parse().ok()?))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not negative, and `as` saturates"
)]
fn whole(number: f64) -> Option<u64> {
    (number >= 0.0).then(|| number.ceil() as u64)
}

/// The inside of a string without escapes.
pub(crate) fn string(json: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inside = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!inside.is_empty() && !inside.contains(&b'\\')).then_some(Cow::Borrowed(inside))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use llm_types::Dialect;

    use super::*;
    use crate::codec::Asked;
    use crate::dialect::server;

    /// What the front of a dialect makes of a body.
    fn check(dialect: Dialect, body: &str, uses: Capabilities, max_output: Option<u64>, rest: (&str, &str)) {
        let head = Head::scan(Bytes::from(body.to_owned())).unwrap();
        let asked = Asked::of(llm_types::Op::Chat);
        let codec = server(dialect).unwrap();
        let gist = codec.gist(&head, &asked);
        assert_eq!((codec.uses(&head, &asked), gist.max_output), (uses, max_output), "{body}");
        let (session, prompt) = rest;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(gist.session.as_deref().map(text).unwrap_or_default(), session, "{body}");
        assert!(text(gist.prompt).starts_with(prompt), "{body}");
    }

    #[test]
    fn every_front_tells_what_a_request_is_like() {
        use Capabilities as C;
        use Dialect as D;
        let check = |dialect, body: &str, uses, max, rest| check(dialect, body, uses, max, rest);
        check(
            D::OpenaiChat,
            r#"{"model":"m","messages":[{"role":"user","content":"\"image_url\""}]}"#,
            C::NONE,
            None,
            ("", r#"[{"role":"user""#),
        );
        check(
            D::OpenaiChat,
            r#"{"max_tokens":5,"max_completion_tokens":7,"tools":[{}],"prompt_cache_key":"s1","messages":[{"content":[{"type":"image_url","image_url":{}}]}]}"#,
            C::TOOLS.and(C::IMAGE_INPUT),
            Some(7),
            ("s1", "[{"),
        );
        check(
            D::OpenaiChat,
            r#"{"max_tokens":7000,"max_completion_tokens":1e1,"messages":[]}"#,
            C::NONE,
            Some(7000),
            ("", "[]"),
        );
        check(
            D::OpenaiChat,
            r#"{"max_tokens":10,"max_completion_tokens":1e4,"messages":[]}"#,
            C::NONE,
            Some(10_000),
            ("", "[]"),
        );
        check(
            D::OpenaiChat,
            r#"{"tools":[],"metadata":{"session_id":"s2"},"messages":[]}"#,
            C::NONE,
            None,
            ("s2", "[]"),
        );
        check(
            D::Anthropic,
            r#"{"max_tokens":9,"metadata":{"user_id":"user_1_account__session_s3"},"messages":[{"content":[{"type":"image","source":{}},{"type":"document","source":{}}]}]}"#,
            C::IMAGE_INPUT.and(C::FILE_INPUT),
            Some(9),
            ("s3", "[{"),
        );
        let long = format!(r#"{{"messages":[],"system":"{}"}}"#, "x".repeat(LONG));
        check(D::Anthropic, &long, C::NONE, None, ("", "\"xxx"));
        check(
            D::OpenaiResponses,
            r#"{"max_output_tokens":3,"input":[{"type":"input_image","image_url":"u"}],"tools":[{"type":"function"}]}"#,
            C::TOOLS.and(C::IMAGE_INPUT),
            Some(3),
            ("", "[{"),
        );
        check(
            D::Gemini,
            r#"{"generationConfig":{"maxOutputTokens":4},"contents":[{"parts":[{"inlineData":{"mimeType":"image/png"}}]}]}"#,
            C::IMAGE_INPUT,
            Some(4),
            ("", "[{"),
        );
    }
}
