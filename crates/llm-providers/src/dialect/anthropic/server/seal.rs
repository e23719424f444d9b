//! What only another provider can read, on its way through a client of this API.
//!
//! Clients send signatures, encrypted thoughts and call ids back as they got them, perhaps to another
//! model. Anthropic's own pass unchanged. Those of another provider say whose they are, so that it gets
//! them back and nobody else does:
//!
//! - a signature or encrypted thoughts: `gateway:{dialect}:{text}`;
//! - a part that has no block here: `redacted_thinking` with `gateway-part:{dialect}:{kind}:{json}`;
//! - the signature of a call: behind its id, `{id}__thought__{signature}`, as other gateways have it,
//!   because an id is what every client keeps. Base64 stands there in the letters that ids may have.

use std::borrow::Cow;

use llm_types::chat::Opaque;
use llm_types::{Dialect, RawValue};

const TEXT: &str = "gateway:";
const PART: &str = "gateway-part:";
const IN_ID: &str = "__thought__";

/// What every text of this module but an id begins with.
pub(in super::super) const MARK: &str = "gateway";

fn dialect(name: &str) -> Option<Dialect> {
    serde_json::from_str(&format!("\"{name}\"")).ok()
}

/// A signature or encrypted thoughts as the client gets them.
pub(super) fn sealed(text: &str, upstream: Option<Dialect>) -> Cow<'_, str> {
    match upstream {
        None | Some(Dialect::Anthropic) => Cow::Borrowed(text),
        Some(dialect) => Cow::Owned(format!("{TEXT}{dialect}:{text}")),
    }
}

/// Whose a text is that a client sends back, and the text.
pub(super) fn opened(text: &str) -> (Dialect, &str) {
    let sealed = text.strip_prefix(TEXT).and_then(|rest| rest.split_once(':'));
    match sealed.and_then(|(name, text)| Some((dialect(name)?, text))) {
        Some(sealed) => sealed,
        None => (Dialect::Anthropic, text),
    }
}

/// A part of another dialect as the data of encrypted thoughts.
pub(super) fn carried(part: &Opaque) -> String {
    let Opaque { dialect, kind, json } = part;
    format!("{PART}{dialect}:{}:{json}", kind.replace(':', "_"))
}

/// The part in such data.
pub(super) fn part(data: &str) -> Option<Opaque> {
    let (name, rest) = data.strip_prefix(PART)?.split_once(':')?;
    let (kind, json) = rest.split_once(':')?;
    let json = RawValue::from_string(json.to_owned()).ok()?;
    Some(Opaque { dialect: dialect(name)?, kind: kind.to_owned(), json })
}

/// The id of a call with the provider's signature over it.
pub(super) fn signed_id(id: &str, signature: &str) -> String {
    let mut out = format!("{id}{IN_ID}");
    if signature.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte)) {
        out.extend(signature.chars().filter(|c| *c != '=').map(|c| match c {
            '+' => '-',
            '/' => '_',
            c => c,
        }));
    } else {
        out.push_str(signature);
    }
    out
}

/// The id of a call, and the signature behind it.
pub(super) fn split_id(id: &str) -> (&str, Option<String>) {
    let Some((id, signature)) = id.split_once(IN_ID) else {
        return (id, None);
    };
    if !signature.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        return (id, Some(signature.to_owned()));
    }
    let letters = signature.chars().map(|c| match c {
        '-' => '+',
        '_' => '/',
        c => c,
    });
    let padding = (4 - signature.len() % 4) % 4;
    (id, Some(letters.chain(std::iter::repeat_n('=', padding)).collect()))
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
        check(Some(Dialect::Gemini), "a:b", "gateway:gemini:a:b", Dialect::Gemini);
        assert_eq!(opened("gateway:nobody:x"), (Dialect::Anthropic, "gateway:nobody:x"));
    }

    #[test]
    fn parts_of_others_find_their_way_back() {
        let json = RawValue::from_string(r#"{"a":"b:c"}"#.to_owned()).unwrap();
        let opaque = Opaque { dialect: Dialect::Gemini, kind: "executableCode".to_owned(), json };
        let read = part(&carried(&opaque)).unwrap();
        assert_eq!(
            (read.dialect, read.kind, read.json.get()),
            (opaque.dialect, opaque.kind, opaque.json.get())
        );
        for data in ["", "abc", "gateway-part:gemini:x:{", "gateway-part:nobody:x:{}", "gateway:gemini:x"] {
            assert!(part(data).is_none(), "{data}");
        }
    }

    #[test]
    fn ids_carry_signatures() {
        for signature in ["abcd", "ab+/cd==", "ab+/cd", "not base64!"] {
            let id = signed_id("call_1", signature);
            let (plain, read) = split_id(&id);
            assert_eq!(plain, "call_1");
            // Padding follows from the length.
            let canonical = signature != "ab+/cd";
            assert_eq!(read.as_deref() == Some(signature), canonical, "{signature}");
        }
        assert!(signed_id("c", "ab+/cd==").bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
        assert_eq!(split_id("call_1"), ("call_1", None));
    }
}
