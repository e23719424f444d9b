//! Thoughts that only their provider can read, on their way through clients of other dialects.
//!
//! A client gets them as a text that means nothing to it (a signature, encrypted data) and sends that text
//! back, perhaps to another model. Nothing but the text itself can say whose it is, so what leaves its own
//! dialect says so in front: the provider that made it gets it back, and no other is sent what it would
//! refuse.

use crate::Dialect;

/// What a sealed text begins with.
pub const SEAL: &str = "sealed:";

/// A text that is of one dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// Whose it is.
    pub dialect: Dialect,
    /// The provider's id of the thoughts; may be empty.
    pub id: &'a str,
    /// What the provider gave.
    pub data: &'a str,
}

impl<'a> Sealed<'a> {
    /// Takes such a text apart: `sealed:{dialect}:{id}:{data}`. `None`: it is somebody's own text.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let (dialect, rest) = text.strip_prefix(SEAL)?.split_once(':')?;
        let (id, data) = rest.split_once(':')?;
        Some(Self { dialect: Dialect::named(dialect)?, id, data })
    }

    /// The text that clients of other dialects get. An id that could not be told apart is left out.
    #[must_use]
    pub fn write(&self) -> String {
        let Self { dialect, id, data } = self;
        let id = if id.contains(':') { "" } else { id };
        format!("{SEAL}{dialect}:{id}:{data}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_says_whose_it_is() {
        let check = |id: &str, data: &str, expect: &str| {
            let text = Sealed { dialect: Dialect::OpenaiResponses, id, data }.write();
            let read = Sealed::read(&text).unwrap();
            assert_eq!((read.dialect, read.id, read.data), (Dialect::OpenaiResponses, expect, data));
        };
        check("rs_1", "gAAAA+/=", "rs_1");
        check("", "a:b:c", "");
        check("a:b", "x", "");
    }

    #[test]
    fn any_other_text_is_somebody_s_own() {
        for text in
            ["", "gAAAA", "sealed:", "sealed:openai_responses", "sealed:nobody:a:b", "Sealed:gemini::x"]
        {
            assert_eq!(Sealed::read(text), None, "{text}");
        }
    }
}
