//! What other providers sign or encrypt, in the one place where clients of this dialect keep such things.
//!
//! They send a part back with its `thoughtSignature`, which they take for bytes: some write it in another
//! alphabet of base64 than they read. So whatever is not of this dialect goes in there as base64 of a text
//! that says whose it is ([`Sealed`]), and comes out of it as it was.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD};
use llm_types::chat::{Opaque, Part, Reasoning, Sealed};
use llm_types::{Dialect, Head};
use memchr::memmem;

/// What a sealed text begins with in base64: the letters that `sealed:` alone decides.
const SEAL_BASE64: &str = "c2VhbGVkO";

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// A signature over thoughts.
pub(super) fn signature(dialect: Dialect, text: &str) -> String {
    STANDARD.encode(&*Sealed::wrap(text, dialect))
}

/// Encrypted thoughts.
pub(super) fn redacted(dialect: Dialect, text: &str) -> String {
    STANDARD.encode(&*Sealed::wrap_redacted(text, dialect))
}

/// A part of another dialect.
pub(super) fn opaque(opaque: &Opaque) -> String {
    STANDARD.encode(Sealed::write_part(opaque))
}

/// What was sealed, as the part that it belongs to, with its words; `None`: it is this dialect's own signature.
pub(super) fn unseal(signature: &str, words: &str) -> Option<Part> {
    if !signature.starts_with(SEAL_BASE64) {
        return None;
    }
    let bytes = PLAIN.decode(signature.replace('-', "+").replace('_', "/")).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    if let Some(part) = Sealed::read_part(&text) {
        return Some(Part::Opaque(part));
    }
    let is_redacted = Sealed::read(&text)?.is_redacted();
    let (dialect, data) = Sealed::unwrap_text(&text)?;
    let data = Some(data.to_owned());
    let (signature, redacted) = if is_redacted { (None, data) } else { (data, None) };
    let origin = Some(dialect);
    Some(Part::Reasoning(Reasoning {
        text: words.to_owned(),
        signature,
        redacted,
        origin,
        ..Reasoning::default()
    }))
}

/// Whether a conversation may hold something sealed, which no provider may see.
pub(in super::super) fn has_seal(head: &Head) -> bool {
    let signed = ["thoughtSignature", "thought_signature"].iter().any(|key| head.mentions("contents", key));
    signed && head.get("contents").is_some_and(|json| memmem::find(json, SEAL_BASE64.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use llm_types::RawValue;

    use super::*;

    #[test]
    fn what_was_sealed_comes_out_as_it_was() {
        let texts = ["EqQBCgIYAhIM+/=", "gAAAA-_x", "?>?>~~~ü", "a:b", ""];
        for text in texts {
            let sealed = signature(Dialect::Anthropic, text);
            assert!(sealed.starts_with(SEAL_BASE64), "{sealed}");
            let url = sealed.replace('+', "-").replace('/', "_");
            for sealed in [sealed.as_str(), url.as_str(), url.trim_end_matches('=')] {
                let Some(Part::Reasoning(out)) = unseal(sealed, "w") else { panic!("{sealed}") };
                assert_eq!((out.text.as_str(), out.signature.as_deref()), ("w", Some(text)));
                assert_eq!((out.redacted, out.origin), (None, Some(Dialect::Anthropic)));
            }
        }
        let own = "sealed:openai_responses:rs_1:gAAA";
        let Some(Part::Reasoning(out)) = unseal(&signature(Dialect::OpenaiResponses, own), "") else {
            panic!("no thoughts")
        };
        assert_eq!((out.signature.as_deref(), out.origin), (Some(own), Some(Dialect::OpenaiResponses)));
        let Some(Part::Reasoning(out)) = unseal(&redacted(Dialect::Anthropic, "x"), "") else {
            panic!("no thoughts")
        };
        assert_eq!((out.signature, out.redacted.as_deref()), (None, Some("x")));
        let json = RawValue::from_string(r#"{"a":":"}"#.to_owned()).unwrap();
        let part = Opaque { dialect: Dialect::OpenaiResponses, kind: "item".to_owned(), json };
        let Some(Part::Opaque(out)) = unseal(&opaque(&part), "") else { panic!("no part") };
        assert_eq!((out.dialect, out.kind.as_str(), out.json.get()), (part.dialect, "item", part.json.get()));
    }

    #[test]
    fn other_signatures_are_left_alone() {
        for own in ["", "CpUBAdHtim9+sig=", "c2VhbGVkOg==", "c2VhbGVkO!!", "skip_thought_signature_validator"]
        {
            assert!(unseal(own, "").is_none(), "{own}");
        }
    }
}
