//! Reading Rust source as text, as far as the rules need it.

/// The text with comments and the contents of string literals blanked: same length in lines, so that line
/// numbers hold. Strings keep their quotes.
pub(super) fn code_only(text: &str) -> String {
    blank(text, Strings::Blank)
}

/// The text with comments blanked and strings kept.
pub(super) fn without_comments(text: &str) -> String {
    blank(text, Strings::Keep)
}

/// The text up to its own test module, which by custom comes last.
pub(super) fn before_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The line, from 1, of a position.
pub(super) fn line_at(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|byte| *byte == b'\n').count() + 1
}

/// Positions of `word` where it is not part of a longer name.
pub(super) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_name = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        !is_name(before) && !is_name(text.as_bytes().get(at + word.len()))
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Strings {
    Blank,
    Keep,
}

fn blank(text: &str, strings: Strings) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (taken, shown) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), false)
        } else if let Some(length) = raw_string(&out, rest).or_else(|| plain_string(rest)) {
            (length, strings == Strings::Keep)
        } else {
            (char_literal(rest).unwrap_or(next.len_utf8()), true)
        };
        let (piece, tail) = rest.split_at(taken);
        match (shown, piece.chars().next()) {
            (true, _) => out.push_str(piece),
            (false, Some('"' | 'r')) => {
                out.push('"');
                out.extend(piece.chars().filter(|c| *c == '\n'));
                out.push('"');
            }
            _ => out.extend(piece.chars().filter(|c| *c == '\n')),
        }
        rest = tail;
    }
    out
}

/// The length of a string literal that begins here.
fn plain_string(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 2),
            _ => {}
        }
    }
    Some(text.len())
}

/// The length of a raw string literal that begins here.
fn raw_string(before: &str, text: &str) -> Option<usize> {
    let in_name = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    let inner = text.strip_prefix('r').filter(|_| !in_name || before.ends_with('b'))?;
    let hashes = inner.len() - inner.trim_start_matches('#').len();
    let body = inner.trim_start_matches('#').strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

/// The length of a character literal that begins here; a lifetime is none.
fn char_literal(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let mut chars = inner.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        chars.next();
        return inner.char_indices().skip(2).find(|(_, c)| *c == '\'').map(|(at, _)| at + 2);
    }
    chars.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blanked() {
        let check = |text, expect, kept| {
            assert_eq!(code_only(text), expect, "{text}");
            assert_eq!(without_comments(text), kept, "{text}");
        };
        check("a // b\nc", "a \nc", "a \nc");
        check("a /* b\n */ c", "a \n c", "a \n c");
        check(r#"f("a // b")"#, r#"f("")"#, r#"f("a // b")"#);
        check(r#"f("a \" b", c)"#, r#"f("", c)"#, r#"f("a \" b", c)"#);
        check("f(r#\"a \" b\"#, c)", "f(\"\", c)", "f(r#\"a \" b\"#, c)");
        check(
            "match c { '\"' => 1, '\\'' => 2, _ => 3 } // x",
            "match c { '\"' => 1, '\\'' => 2, _ => 3 } ",
            "match c { '\"' => 1, '\\'' => 2, _ => 3 } ",
        );
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check("for r in x {}", "for r in x {}", "for r in x {}");
        check("\"a\nb\"", "\"\n\"", "\"a\nb\"");
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(words("Value JsonValue Values Value", "Value").collect::<Vec<_>>(), [0, 23]);
    }

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!([0, 1, 2, 3].map(|at| line_at("a\nb\n", at)), [1, 1, 2, 2]);
    }

    #[test]
    fn tests_come_last() {
        assert_eq!(before_tests("a\n#[cfg(test)]\nmod tests {\n}"), "a\n");
        assert_eq!(before_tests("a\n#[cfg(test)]\nmod tests;\nb"), "a\n#[cfg(test)]\nmod tests;\nb");
    }
}
