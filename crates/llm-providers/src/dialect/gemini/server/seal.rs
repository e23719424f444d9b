//! What other providers sign or encrypt, in the one place where clients of this dialect keep such things.
//!
//! They send a part back with its `thoughtSignature`, which they take for bytes: some write it in another
//! alphabet of base64 than they read. So whatever is not of this dialect goes in there as base64 of a text
//! that says whose it is, and comes out of it as it was.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};
use llm_types::chat::Opaque;
use llm_types::{Dialect, Head, RawValue};
use memchr::memmem;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

/// What a sealed text begins with; its length is a multiple of three, so that base64 keeps it visible.
const MARK: &str = "llm-seal:";
/// The same in base64.
const MARK_BASE64: &[u8] = b"bGxtLXNlYWw6";

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// What another provider gave.
#[derive(Debug)]
pub(super) enum Sealed {
    /// A signature over thoughts.
    Signature(Dialect, String),
    /// Encrypted thoughts.
    Redacted(Dialect, String),
    /// A part that only that dialect understands.
    Opaque(Opaque),
}

/// A signature over thoughts.
pub(super) fn signature(dialect: Dialect, text: &str) -> String {
    seal('s', dialect, text)
}

/// Encrypted thoughts.
pub(super) fn redacted(dialect: Dialect, text: &str) -> String {
    seal('r', dialect, text)
}

/// A part of another dialect.
pub(super) fn opaque(opaque: &Opaque) -> String {
    let Opaque { dialect, kind, json } = opaque;
    seal('o', *dialect, &format!("{kind}:{}", json.get()))
}

fn seal(what: char, dialect: Dialect, text: &str) -> String {
    STANDARD.encode(format!("{MARK}{what}:{dialect}:{text}"))
}

/// What was sealed; `None`: it is this dialect's own signature.
pub(super) fn unseal(signature: &str) -> Option<Sealed> {
    if !signature.as_bytes().starts_with(MARK_BASE64) {
        return None;
    }
    let bytes = PLAIN.decode(signature.replace('-', "+").replace('_', "/")).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (what, rest) = text.strip_prefix(MARK)?.split_once(':')?;
    let (dialect, rest) = rest.split_once(':')?;
    let name: serde::de::value::StrDeserializer<'_, Error> = dialect.into_deserializer();
    let dialect = Dialect::deserialize(name).ok()?;
    match what {
        "s" => Some(Sealed::Signature(dialect, rest.to_owned())),
        "r" => Some(Sealed::Redacted(dialect, rest.to_owned())),
        "o" => {
            let (kind, json) = rest.split_once(':')?;
            let json = RawValue::from_string(json.to_owned()).ok()?;
            Some(Sealed::Opaque(Opaque { dialect, kind: kind.to_owned(), json }))
        }
        _ => None,
    }
}

/// Whether a conversation may hold something sealed, which no provider may see.
pub(in super::super) fn has_seal(head: &Head) -> bool {
    let signed = ["thoughtSignature", "thought_signature"].iter().any(|key| head.mentions("contents", key));
    signed && head.get("contents").is_some_and(|json| memmem::find(json, MARK_BASE64).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_comes_out_as_it_was() {
        let texts = ["EqQBCgIYAhIM+/=", "gAAAA-_x", "?>?>~~~ü", ""];
        for text in texts {
            let sealed = signature(Dialect::Anthropic, text);
            assert!(sealed.as_bytes().starts_with(MARK_BASE64), "{sealed}");
            let url = sealed.replace('+', "-").replace('/', "_");
            for sealed in [sealed.as_str(), url.as_str(), url.trim_end_matches('=')] {
                let Some(Sealed::Signature(Dialect::Anthropic, out)) = unseal(sealed) else {
                    panic!("{sealed}");
                };
                assert_eq!(out, text);
            }
        }
        let json = RawValue::from_string(r#"{"a":":"}"#.to_owned()).unwrap();
        let part = Opaque { dialect: Dialect::OpenaiResponses, kind: "item".to_owned(), json };
        let Some(Sealed::Opaque(out)) = unseal(&opaque(&part)) else { panic!("no part") };
        assert_eq!((out.dialect, out.kind.as_str(), out.json.get()), (part.dialect, "item", part.json.get()));
        assert!(matches!(
            unseal(&redacted(Dialect::Anthropic, "x")),
            Some(Sealed::Redacted(Dialect::Anthropic, data)) if data == "x"
        ));
    }

    #[test]
    fn other_signatures_are_left_alone() {
        for own in
            ["", "CpUBAdHtim9+sig=", "bGxtLXNlYWw6", "bGxtLXNlYWw6!!", "skip_thought_signature_validator"]
        {
            assert!(unseal(own).is_none(), "{own}");
        }
    }
}
