//! What every source file keeps to.

use super::text::{code_only, line_at};
use super::{Problem, Source};

const LINES: usize = 500;

pub(super) fn check(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Source { path, text } = source;
    let lines = text.lines().count();
    if lines > LINES && !text.starts_with("// @generated") {
        problems.push(Problem::new(
            path,
            0,
            format!("has {lines} lines, the most is {LINES}: split it by concept"),
        ));
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !is_plain_comment(line));
    if !first.is_some_and(|line| line.starts_with("//!") || line.starts_with("#![doc")) {
        problems.push(Problem::new(path, 1, "has no `//!`: say what the module is for, then why it is so"));
    }
    let code = code_only(text);
    let mut forbid = |needle: &str, message: &str| {
        for (at, _) in code.match_indices(needle) {
            problems.push(Problem::new(path, line_at(&code, at), message));
        }
    };
    forbid("#[allow(", "use `#[expect(lint, reason = \"…\")]`, which tells when it is no longer needed");
    forbid("#![allow(", "use `#![expect(lint, reason = \"…\")]`, which tells when it is no longer needed");
    forbid("#[ignore", "a test that does not run proves nothing: make it run or remove it");
    problems
}

fn is_plain_comment(line: &str) -> bool {
    line.starts_with("//") && !line.starts_with("//!")
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        check(&source(path, text)).into_iter().map(|problem| (problem.line, problem.message)).collect()
    }

    #[test]
    fn a_file_opens_with_what_it_is_for() {
        let check = |text, good| assert_eq!(found("crates/a/src/b.rs", text).is_empty(), good, "{text}");
        check("//! Why.\nfn f() {}\n", true);
        check("// SPDX\n\n//! Why.\n", true);
        check("#![doc = include_str!(\"../README.md\")]\n", true);
        check("/// Not of the module.\nfn f() {}\n", false);
        check("use a::b;\n//! Late.\n", false);
        check("", false);
    }

    #[test]
    fn long_files_are_split() {
        let check = |path, lines: usize, good| {
            let text = format!("//! Why.\n{}", "a\n".repeat(lines - 1));
            assert_eq!(found(path, &text).is_empty(), good, "{path} {lines}");
        };
        check("crates/a/src/b.rs", 500, true);
        check("crates/a/src/b.rs", 501, false);
        check("bins/a/src/main.rs", 501, false);
        // Tests are read as often as what they test.
        check("crates/a/src/b/tests.rs", 501, false);
        check("tests/e2e/main.rs", 501, false);
        check("crates/a/examples/b.rs", 501, false);
        check("crates/a/src/b/tests.rs", 500, true);
    }

    #[test]
    fn nothing_is_allowed_or_ignored() {
        let check = |line: &str, good| {
            let text = format!("//! Why.\n{line}\n");
            let expect = if good { vec![] } else { vec![2] };
            let lines: Vec<_> = found("crates/a/src/b.rs", &text).into_iter().map(|(line, _)| line).collect();
            assert_eq!(lines, expect, "{line}");
        };
        check("#[expect(dead_code, reason = \"x\")]", true);
        check("#[allow(dead_code)]", false);
        check("#![allow(dead_code)]", false);
        check("#[ignore]", false);
        check("#[ignore = \"slow\"]", false);
        check("// #[ignore]", true);
        check("let s = \"#[ignore]\";", true);
    }
}
