//! What was found out as rows of docs/capabilities.md, one table for each operation.

use llm_conform::{Finding, Verdict};

/// A table in Markdown: the features that were asked for, and what `model` makes of them.
pub(super) fn markdown(model: &str, findings: &[Finding]) -> String {
    let mut tables = Vec::new();
    for of_op in findings.chunk_by(|one, next| one.op == next.op) {
        let names: Vec<&str> = of_op.iter().map(|one| one.feature).collect();
        let words: Vec<&str> = of_op.iter().map(|one| word(&one.verdict)).collect();
        tables.push(format!(
            "| provider | {} |\n|---|{}\n| {} | {} |\n",
            names.join(" | "),
            "---|".repeat(names.len()),
            model.replace('|', "\\|"),
            words.join(" | "),
        ));
    }
    tables.join("\n")
}

/// The page's words where it has one: an answer of a live endpoint is as good as a recorded one.
fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "**passed**",
        Verdict::Refused(_) => "–",
        Verdict::Failed(_) | Verdict::Unseen(_) => verdict.name(),
    }
}
