//! No provider is compared by name.
//!
//! What is special about a provider is a column of the table, which a user can also set for a provider of
//! their own. The first `if provider == …` makes that untrue, and the three hundredth makes a mess.

use std::collections::BTreeSet;

use super::text::{before_tests, line_at, without_comments};
use super::{Problem, Source};

const TABLE: &str = "crates/llm-providers/src/";

/// The names in the provider table.
pub(super) fn providers(sources: &[Source]) -> BTreeSet<String> {
    let tables =
        sources.iter().filter(|source| source.path.starts_with(TABLE) && source.path.ends_with(".toml"));
    tables.flat_map(|table| table.text.lines().filter_map(name)).collect()
}

fn name(line: &str) -> Option<String> {
    let value = line.trim().strip_prefix("name")?.trim_start().strip_prefix('=')?.trim();
    let inner = value.strip_prefix('"')?;
    Some(inner.get(..inner.find('"')?)?.to_owned())
}

pub(super) fn check(source: &Source, providers: &BTreeSet<String>) -> Vec<Problem> {
    let product = source.path.starts_with("crates/") || source.path.starts_with("bins/");
    if !product || source.is_test() || source.path.starts_with("crates/llm-testkit/") {
        return Vec::new();
    }
    let code = without_comments(before_tests(&source.text));
    let mut problems = Vec::new();
    for provider in providers {
        let literal = format!("\"{provider}\"");
        for (at, _) in code.match_indices(&literal).filter(|(at, _)| compared(&code, *at, literal.len())) {
            let message = format!("compares with the provider `{provider}`: make it a column of the table");
            problems.push(Problem::new(&source.path, line_at(&code, at), message));
        }
    }
    problems
}

/// Whether the literal is one side of a comparison or a pattern of a match.
fn compared(code: &str, at: usize, length: usize) -> bool {
    let before = code.get(..at).unwrap_or_default().trim_end();
    let after = code.get(at + length..).unwrap_or_default().trim_start().trim_start_matches(')').trim_start();
    let is_operator = |text: &str| text.starts_with("==") || text.starts_with("!=") || text.starts_with("=>");
    before.ends_with("==")
        || before.ends_with("!=")
        || is_operator(after)
        || (after.starts_with('|') && !after.starts_with("||"))
        || (before.ends_with('|') && !before.ends_with("||"))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        let table =
            source("crates/llm-providers/src/table/providers.toml", "[[provider]]\nname = \"openai\" # x\n");
        check(&source(path, text), &providers(&[table])).len()
    }

    #[test]
    fn names_are_not_compared() {
        let check = |text, expect| assert_eq!(count("crates/llm-gateway/src/a.rs", text), expect, "{text}");
        check("if name == \"openai\" {}", 1);
        check("if name != \"openai\" {}", 1);
        check("if \"openai\" == name {}", 1);
        check("match name { \"openai\" => 1, _ => 2 }", 1);
        check("match name { \"x\" | \"openai\" => 1, _ => 2 }", 1);
        check("match name { Some(\"openai\") => 1, _ => 2 }", 1);
        check("match name { \"openai\" | \"x\" => 1, _ => 2 }", 1);
        check("let name = \"openai\";", 0);
        check("match x { A => \"openai\", _ => \"b\" }", 0);
        check("if ready(\"openai\") || late {}", 0);
        check("if name == \"other\" {}", 0);
        check("// if name == \"openai\"", 0);
        check("#[cfg(test)]\nmod tests {\n name == \"openai\"; }", 0);
    }

    #[test]
    fn tests_and_chores_may() {
        let text = "if name == \"openai\" {}";
        assert_eq!(count("crates/llm-gateway/src/a/tests.rs", text), 0);
        assert_eq!(count("tests/e2e/main.rs", text), 0);
        assert_eq!(count("xtask/src/a.rs", text), 0);
    }
}
