//! `cargo xtask gen`: files that are written by the code they describe.
//!
//! They are committed, so that they can be read without building, and `--check` fails when one is stale.

mod crates;
mod providers;

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use crate::shell::{self, say};
use crate::workspace::Workspace;

/// One generated file.
type Generator = fn(&Workspace) -> anyhow::Result<String>;

/// Every generated file: path from the root, and who writes it.
const FILES: &[(&str, Generator)] = &[
    ("docs/crates.md", crates::markdown),
    ("docs/providers.md", providers::markdown),
    ("docs/config.schema.json", |_| Ok(llm_config::schema())),
];

/// What `cargo xtask gen` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail when a file is stale.
    #[arg(long)]
    check: bool,

    /// Write docs/capabilities.md too, from a run of the conformance suite.
    #[arg(long, conflicts_with = "check")]
    capabilities: bool,
}

/// Writes the files, or checks them.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    if args.check {
        return check(workspace);
    }
    for (path, text) in stale(workspace)? {
        let file = workspace.root.join(path);
        fs::create_dir_all(file.parent().unwrap_or(&workspace.root))?;
        fs::write(&file, text).with_context(|| format!("writing {path}"))?;
        say(&format!("wrote {path}"));
    }
    if args.capabilities {
        let suite = "test --workspace --test conformance capability";
        shell::run(workspace.cargo(suite).env("LLM_CAPABILITIES", "write"))?;
    }
    Ok(())
}

/// Fails when a file is not what would be written now.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let stale: Vec<_> = stale(workspace)?.into_iter().map(|(path, _)| path).collect();
    if !stale.is_empty() {
        bail!("{} is stale: run `cargo xtask gen` and commit", stale.join(", "));
    }
    Ok(())
}

fn stale(workspace: &Workspace) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut stale = Vec::new();
    for (path, generate) in FILES {
        let text = generate(workspace).with_context(|| format!("generating {path}"))?;
        if !is_fresh(&workspace.root.join(path), &text) {
            stale.push((*path, text));
        }
    }
    Ok(stale)
}

/// Line ends may differ: a checkout may have changed them.
fn is_fresh(file: &Path, text: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|found| found.lines().eq(text.lines()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_is_about_content() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.md");
        assert!(!is_fresh(&file, "a\n"), "missing");
        fs::write(&file, "a\r\n").unwrap();
        assert!(is_fresh(&file, "a\n"));
        assert!(!is_fresh(&file, "b\n"));
    }
}
