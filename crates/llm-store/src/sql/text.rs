//! Text as both databases take it.
//!
//! PostgreSQL has no zero byte in a text and no index entry of more than 2,700 bytes, and what is kept of a request
//! comes from clients: a row must not fail, or bloat a table, because of what somebody calls a model.

use std::sync::Arc;

use super::error::SqlError;

/// The longest name, in bytes.
pub(super) const LONGEST: usize = 256;

/// The text, without what a database does not take; most need nothing done.
pub(super) fn clean(text: &Arc<str>) -> Arc<str> {
    if text.len() <= LONGEST && !text.contains('\0') {
        return Arc::clone(text);
    }
    let mut kept = String::new();
    for letter in text.chars().map(|letter| if letter == '\0' { char::REPLACEMENT_CHARACTER } else { letter })
    {
        if kept.len() + letter.len_utf8() > LONGEST {
            break;
        }
        kept.push(letter);
    }
    kept.into()
}

/// Refuses a name that cannot be kept as it is.
pub(super) fn check(what: &'static str, text: &str) -> Result<(), SqlError> {
    let odd = text.chars().any(char::is_control);
    if text.len() > LONGEST || odd { Err(SqlError::Name { what, most: LONGEST }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_letters_and_has_no_zeros() {
        let check = |text: &str, expect: &str| assert_eq!(&*clean(&text.into()), expect);
        check("gpt-4o", "gpt-4o");
        check("a\0b", "a\u{fffd}b");
        check(&"ü".repeat(200), &"ü".repeat(128));
        check(&format!("a{}", "ü".repeat(200)), &format!("a{}", "ü".repeat(127)));
        check(&"\0".repeat(300), &"\u{fffd}".repeat(85));
    }
}
