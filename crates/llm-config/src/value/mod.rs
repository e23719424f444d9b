//! How single values are written in the file.
//!
//! Each submodule is one notation: a `parse` whose error is a fragment that can stand behind a caret, a
//! `write` that gives the shortest form back, and a type for `#[schemars(with)]` whose `format` lets the
//! document walk find the notation. The fields themselves stay plain (`std::time::Duration`, `usize`,
//! `SocketAddr`), so that nobody who uses a [`crate::Config`] has to unwrap anything.

pub mod duration;
pub mod listen;
pub mod redis_url;
pub mod secret;
pub mod size;
pub mod store_url;
pub mod usd;
pub mod word;

/// Why a text in a notation cannot be read; `None`: it can, or the notation is not known here.
pub(crate) fn problem(format: &str, text: &str) -> Option<String> {
    match format {
        duration::FORMAT => duration::parse(text).err(),
        size::FORMAT => size::parse(text).err(),
        listen::FORMAT => listen::parse(text).err(),
        usd::FORMAT => usd::parse(text).err(),
        _ => None,
    }
}

/// What a notation is, for "expected …".
pub(crate) fn expected(format: &str) -> Option<&'static str> {
    match format {
        duration::FORMAT => Some("a duration with its unit, such as \"30s\""),
        size::FORMAT => Some("a size with its unit, such as \"32MiB\""),
        listen::FORMAT => Some("an address and port, such as \"127.0.0.1:4000\""),
        usd::FORMAT => Some("dollars in quotes, such as \"25.00\""),
        _ => None,
    }
}

/// The schema of a string in one notation.
fn text_schema(format: &str, pattern: Option<&str>, example: &str) -> schemars::Schema {
    let mut schema = schemars::json_schema!({ "type": "string", "format": format, "examples": [example] });
    if let Some(pattern) = pattern {
        schema.insert("pattern".to_owned(), pattern.into());
    }
    schema
}
