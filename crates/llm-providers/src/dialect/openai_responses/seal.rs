//! What only another dialect's provider can read, carried in `encrypted_content` of a reasoning item.
//!
//! Signed thoughts of Anthropic and signatures of Gemini have to come back unchanged, and clients of the
//! Responses API send nothing back as faithfully as this member. So that it is told apart from what OpenAI
//! encrypted, and read by later versions of us, it says whose it is and what:
//!
//! ```text
//! sealed:<dialect>:v1.plain:
//! sealed:<dialect>:v1.thought.<first 8 hex digits of the SHA-256 of the thoughts>:<signature>
//! sealed:<dialect>:v1.redacted:<encrypted thoughts>
//! sealed:<dialect>:v1.call.<base64 of the call's id>:<signature of the call>
//! sealed:<dialect>:v1.text:<signature of the text before it>
//! sealed:<dialect>:v1.part.<base64 of the kind>:<base64 of the part's JSON>
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use llm_types::Dialect;
use llm_types::chat::{SEAL, Sealed};
use sha2::{Digest, Sha256};

/// What tells these from ids, which others put in their place.
const VERSION: &str = "v1.";

/// What is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carried {
    /// Nothing: the thoughts are shown in full, but not this API's own.
    Plain,
    /// The signature over thoughts with this digest.
    Thought { digest: String, signature: String },
    /// Encrypted thoughts.
    Redacted(String),
    /// The signature over the call with this id.
    Call { id: String, signature: String },
    /// The signature over the text before it.
    Text(String),
    /// A part that only its own dialect understands.
    Part { kind: String, json: String },
}

impl Carried {
    /// The signature over these thoughts.
    pub(super) fn thought(text: &str, signature: &str) -> Self {
        Self::Thought { digest: digest(text), signature: signature.to_owned() }
    }

    /// As it is written.
    pub(super) fn write(&self, dialect: Dialect) -> String {
        let (what, data) = match self {
            Self::Thought { digest, signature } => (format!("thought.{digest}"), signature),
            Self::Plain => ("plain".to_owned(), &String::new()),
            Self::Redacted(data) => ("redacted".to_owned(), data),
            Self::Call { id, signature } => (format!("call.{}", BASE64.encode(id)), signature),
            Self::Text(signature) => ("text".to_owned(), signature),
            Self::Part { kind, json } => (format!("part.{}", BASE64.encode(kind)), &BASE64.encode(json)),
        };
        Sealed { dialect, id: &format!("{VERSION}{what}"), data }.write()
    }

    /// Reads what [`Carried::write`] wrote; `None` for anything else.
    pub(super) fn read(text: &str) -> Option<(Dialect, Self)> {
        let Sealed { dialect, id: what, data } = Sealed::read(text)?;
        let what = what.strip_prefix(VERSION)?;
        let (kind, more) = what.split_once('.').unwrap_or((what, ""));
        let data = data.to_owned();
        let carried = match kind {
            "thought" => Self::Thought { digest: more.to_owned(), signature: data },
            "plain" => Self::Plain,
            "redacted" => Self::Redacted(data),
            "call" => Self::Call { id: decoded(more)?, signature: data },
            "text" => Self::Text(data),
            "part" => Self::Part { kind: decoded(more)?, json: decoded(&data)? },
            _ => return None,
        };
        Some((dialect, carried))
    }
}

/// What OpenAI encrypted, in the form in which the neutral reasoning carries it: with the item's id.
pub(super) fn own(id: &str, data: &str) -> String {
    Sealed { dialect: Dialect::OpenaiResponses, id, data }.write()
}

/// Id and data of what OpenAI encrypted; the text itself where it says nothing of an id.
pub(super) fn read_own(text: &str) -> (&str, &str) {
    match Sealed::read(text) {
        Some(Sealed { dialect: Dialect::OpenaiResponses, id, data }) => (id, data),
        _ => ("", text),
    }
}

/// Whether somebody sealed this, so that no provider of this dialect could read it.
pub(super) fn is_sealed(text: &str) -> bool {
    text.starts_with(SEAL)
}

/// Tells thoughts apart: a signature over other thoughts would be refused by its provider.
pub(super) fn digest(text: &str) -> String {
    let hash = Sha256::digest(text);
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(BASE64.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_carried_reads_back() {
        let all = [
            Carried::Plain,
            Carried::thought("hm. né", "Sig+/=:x"),
            Carried::Redacted("a:b/c==".to_owned()),
            Carried::Call { id: "call:1 ü".to_owned(), signature: "s.t".to_owned() },
            Carried::Text("s".to_owned()),
            Carried::Part { kind: "server_tool_use".to_owned(), json: r#"{"a":":"}"#.to_owned() },
        ];
        for carried in all {
            for dialect in [Dialect::Anthropic, Dialect::Gemini, Dialect::OpenaiChat] {
                assert_eq!(Carried::read(&carried.write(dialect)), Some((dialect, carried.clone())));
            }
        }
    }

    #[test]
    fn anything_else_is_not_ours() {
        let others = [
            "",
            "gAAAAABo",
            "sealed:",
            "sealed:anthropic:v1.thought",
            "sealed:nobody:v1.text:s",
            "sealed:gemini:v2.text:s",
            "sealed:gemini:v1.part.!:!",
            "sealed:gemini:v1.new:x",
        ];
        for text in others {
            assert_eq!(Carried::read(text), None, "{text}");
        }
        let own = own("rs_1", "gAAA:/");
        assert_eq!(read_own(&own), ("rs_1", "gAAA:/"));
        assert_eq!(read_own("gAAA"), ("", "gAAA"));
        assert_eq!(Carried::read(&own), None);
    }
}
