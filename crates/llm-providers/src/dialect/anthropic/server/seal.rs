//! What only another provider can read, on its way through a client of this API.
//!
//! Clients send signatures, encrypted thoughts and call ids back as they got them, perhaps to another
//! model. Anthropic's own pass unchanged. Those of another provider say whose they are ([`Sealed`]), so that
//! it gets them back and nobody else does:
//!
//! - a signature or encrypted thoughts: in their own place;
//! - a part that has no block here: as the data of `redacted_thinking`;
//! - the signature of a text, in a stream: as `redacted_thinking` behind the text, since no delta has room;
//! - the signature of a call: behind its id, `{id}__thought__{signature}`, as other gateways have it,
//!   because an id is what every client keeps. It stands there in the letters that ids may have.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use llm_types::Dialect;
use llm_types::chat::Sealed;

/// Stands for an id in the seal of a text's signature.
const OF_TEXT: &str = "text";
/// Before a signature that is base64, as other gateways have it.
const IN_ID: &str = "__thought__";
/// Before any other, as base64 of its bytes.
const ANY_IN_ID: &str = "__thoughts__";

/// A signature or encrypted thoughts as the client gets them.
pub(super) fn sealed(text: &str, upstream: Option<Dialect>) -> Cow<'_, str> {
    match upstream {
        None | Some(Dialect::Anthropic) => Cow::Borrowed(text),
        Some(dialect) => Sealed::wrap(text, dialect),
    }
}

/// Whose a text is that a client sends back, and the text.
pub(super) fn opened(text: &str) -> (Dialect, &str) {
    Sealed::unwrap_text(text).unwrap_or((Dialect::Anthropic, text))
}

/// The signature over the text before it, as the data of encrypted thoughts.
pub(super) fn of_text(signature: &str, upstream: Dialect) -> String {
    Sealed { dialect: upstream, id: OF_TEXT, data: signature }.write()
}

/// The signature over the text before it in such data.
pub(super) fn text_signature(data: &str) -> Option<&str> {
    Sealed::read(data).filter(|sealed| sealed.id == OF_TEXT).map(|sealed| sealed.data)
}

/// The id of a call with the provider's signature over it.
pub(super) fn signed_id(id: &str, signature: &str) -> String {
    let letters: String = signature.chars().filter(|c| *c != '=').map(to_id).collect();
    if restored(&letters).as_deref() == Some(signature) {
        return format!("{id}{IN_ID}{letters}");
    }
    format!("{id}{ANY_IN_ID}{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The id of a call, and the signature behind it.
pub(super) fn split_id(id: &str) -> (&str, Option<String>) {
    if let Some((id, letters)) = id.split_once(ANY_IN_ID) {
        let bytes = URL_SAFE_NO_PAD.decode(letters).ok();
        return (id, bytes.and_then(|bytes| String::from_utf8(bytes).ok()));
    }
    match id.split_once(IN_ID) {
        // One that is in other letters was put there by someone else, as it is.
        Some((id, letters)) => (id, restored(letters).or_else(|| Some(letters.to_owned()))),
        None => (id, None),
    }
}

fn to_id(c: char) -> char {
    match c {
        '+' => '-',
        '/' => '_',
        c => c,
    }
}

/// Base64 of its letters in an id, with the padding that follows from the length.
fn restored(letters: &str) -> Option<String> {
    if !letters.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        return None;
    }
    let padding = (4 - letters.len() % 4) % 4;
    let base64 = letters.chars().map(|c| match c {
        '-' => '+',
        '_' => '/',
        c => c,
    });
    Some(base64.chain(std::iter::repeat_n('=', padding)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_find_their_way_back() {
        let check = |upstream: Option<Dialect>, text: &str, client: &str, read: Dialect| {
            assert_eq!(sealed(text, upstream), client);
            assert_eq!(opened(client), (read, text));
        };
        check(None, "sig", "sig", Dialect::Anthropic);
        check(Some(Dialect::Anthropic), "a:b", "a:b", Dialect::Anthropic);
        check(Some(Dialect::Gemini), "a:b", "sealed:gemini::a:b", Dialect::Gemini);
        let own = "sealed:openai_responses:rs_1:gAAA";
        check(Some(Dialect::OpenaiResponses), own, own, Dialect::OpenaiResponses);
        assert_eq!(opened("sealed:nobody::x"), (Dialect::Anthropic, "sealed:nobody::x"));
    }

    #[test]
    fn a_text_s_signature_finds_its_way_back() {
        assert_eq!(of_text("a:b", Dialect::Gemini), "sealed:gemini:text:a:b");
        assert_eq!(text_signature("sealed:gemini:text:a:b"), Some("a:b"));
        for other in ["", "a:b", "sealed:gemini::a", "sealed:nobody:text:a"] {
            assert_eq!(text_signature(other), None, "{other}");
        }
    }

    #[test]
    fn ids_carry_signatures() {
        let signatures =
            ["abcd", "ab+/cd==", "A+b/c===", "ab+/cd", "ab-_", "SIG_A", "", "not base64!", "größe", "=a="];
        for signature in signatures {
            let id = signed_id("call_1", signature);
            assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)), "{id}");
            assert_eq!(split_id(&id), ("call_1", Some(signature.to_owned())), "{id}");
        }
        assert_eq!(signed_id("c", "ab+/cd=="), "c__thought__ab-_cd");
        assert_eq!(split_id("call_1"), ("call_1", None));
        assert_eq!(split_id("c__thought__ab+/cd=="), ("c", Some("ab+/cd==".to_owned())));
    }
}
