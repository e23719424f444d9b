//! What only one provider can read, on its way through clients of other dialects.
//!
//! A client gets a signature, encrypted thoughts or a part of another dialect as a text that means nothing
//! to it, and sends that text back, perhaps to another model. Nothing but the text itself can say whose it
//! is, so what leaves its own dialect says so in front: the provider that made it gets it back, and no other
//! is sent what it would refuse. All fronts write the one form:
//!
//! ```text
//! sealed:<dialect>:<id, or what it is>:<data>
//! ```

use std::borrow::Cow;

use super::{Opaque, Reasoning};
use crate::{Dialect, RawValue};

/// What a sealed text begins with.
pub const SEAL: &str = "sealed:";
/// Stands for the id of encrypted thoughts where a client's wire cannot tell them from a signature.
const REDACTED: &str = "redacted";
/// Stands before the kind of a part, in the place of an id.
const PART: &str = "part.";

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

    /// A signature or encrypted thoughts of this dialect, as clients of others get them. What is sealed
    /// already stays as it is.
    #[must_use]
    pub fn wrap(text: &'a str, dialect: Dialect) -> Cow<'a, str> {
        match Sealed::read(text) {
            Some(_) => Cow::Borrowed(text),
            None => Cow::Owned(Sealed { dialect, id: "", data: text }.write()),
        }
    }

    /// Encrypted thoughts of this dialect, for clients whose wire has one place for these and signatures.
    #[must_use]
    pub fn wrap_redacted(text: &'a str, dialect: Dialect) -> Cow<'a, str> {
        match Sealed::read(text) {
            Some(_) => Cow::Borrowed(text),
            None => Cow::Owned(Sealed { dialect, id: REDACTED, data: text }.write()),
        }
    }

    /// Whose a text is that a client sends back, and the text in the form in which [`Reasoning`] holds it:
    /// with its seal where the id belongs to it. `None`: it is somebody's own text.
    #[must_use]
    pub fn unwrap_text(text: &'a str) -> Option<(Dialect, &'a str)> {
        let Sealed { dialect, id, data } = Sealed::read(text)?;
        let bare = id.is_empty() || id == REDACTED;
        Some((dialect, if bare && dialect != Dialect::OpenaiResponses { data } else { text }))
    }

    /// Whether these are encrypted thoughts by [`Sealed::wrap_redacted`].
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.id == REDACTED
    }

    /// A part of another dialect as such a text.
    #[must_use]
    pub fn write_part(part: &Opaque) -> String {
        let Opaque { dialect, kind, json } = part;
        let id = format!("{PART}{}", kind.replace(':', "_"));
        Sealed { dialect: *dialect, id: &id, data: json.get() }.write()
    }

    /// The part in such a text.
    #[must_use]
    pub fn read_part(text: &str) -> Option<Opaque> {
        let Sealed { dialect, id, data } = Sealed::read(text)?;
        let kind = id.strip_prefix(PART)?.to_owned();
        Some(Opaque { dialect, kind, json: RawValue::from_string(data.to_owned()).ok()? })
    }
}

impl Reasoning {
    /// The dialect whose provider alone can read what is signed or encrypted here, where that is known.
    #[must_use]
    pub fn sealed_by(&self) -> Option<Dialect> {
        let texts = [&self.signature, &self.redacted].into_iter().flatten();
        let says = texts.filter_map(|text| Sealed::read(text)).map(|sealed| sealed.dialect).next();
        says.or(self.origin)
    }

    /// Whether a provider of this dialect can read the signature and the encryption.
    #[must_use]
    pub fn is_readable_by(&self, dialect: Dialect) -> bool {
        self.sealed_by().is_none_or(|origin| origin == dialect)
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

    #[test]
    fn a_text_is_sealed_once_and_comes_out_as_it_was() {
        for text in ["", "sig", "a:b", "Sig+/=="] {
            let sealed = Sealed::wrap(text, Dialect::Gemini);
            assert_eq!(sealed, format!("sealed:gemini::{text}"));
            assert_eq!(Sealed::wrap(&sealed, Dialect::Anthropic), sealed);
            assert_eq!(Sealed::unwrap_text(&sealed), Some((Dialect::Gemini, text)));
            let redacted = Sealed::wrap_redacted(text, Dialect::Anthropic);
            assert!(Sealed::read(&redacted).unwrap().is_redacted());
            assert_eq!(Sealed::unwrap_text(&redacted), Some((Dialect::Anthropic, text)));
            assert_eq!(Sealed::unwrap_text(text), None);
        }
        // Its id belongs to it.
        let own = "sealed:openai_responses:rs_1:gAAA";
        assert_eq!(Sealed::unwrap_text(own), Some((Dialect::OpenaiResponses, own)));
    }

    #[test]
    fn parts_of_others_find_their_way_back() {
        let json = RawValue::from_string(r#"{"a":"b:c"}"#.to_owned()).unwrap();
        let part = Opaque { dialect: Dialect::Gemini, kind: "executableCode".to_owned(), json };
        let text = Sealed::write_part(&part);
        assert_eq!(text, r#"sealed:gemini:part.executableCode:{"a":"b:c"}"#);
        let read = Sealed::read_part(&text).unwrap();
        assert_eq!((read.dialect, read.kind, read.json.get()), (part.dialect, part.kind, part.json.get()));
        for data in
            ["", "abc", "sealed:gemini:part.x:{", "sealed:nobody:part.x:{}", "sealed:gemini::x", "part.x:{}"]
        {
            assert!(Sealed::read_part(data).is_none(), "{data}");
        }
    }
}
