//! `cargo xtask check`: everything that can be said without running the program.
//!
//! All steps run even when one fails, so that one run tells everything there is to mend.

use std::process::Command;

use anyhow::bail;

use crate::shell::{self, say};
use crate::workspace::Workspace;
use crate::{r#gen, tidy};

/// Crates that must not be in a build of the codecs alone: they are sans-I/O.
const NOT_IN_CODECS: [&str; 3] = ["tokio", "reqwest", "hyper"];

type Step = fn(&Workspace) -> anyhow::Result<()>;

const STEPS: &[(&str, Step)] = &[
    ("formatting", |workspace| shell::run(&mut workspace.cargo("fmt --all --check"))),
    ("tidy", tidy::run),
    ("generated files", r#gen::check),
    ("lints", |workspace| {
        shell::run(&mut workspace.cargo("clippy --workspace --all-targets --all-features -- -D warnings"))
    }),
    ("docs", |workspace| {
        let mut command = workspace.cargo("doc --workspace --all-features --no-deps");
        shell::run(command.env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("codecs without I/O", codecs),
    ("dependencies", deny),
];

/// Runs all checks.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for (name, step) in STEPS {
        if let Err(error) = step(workspace) {
            say(&format!("{name}: {error:#}"));
            failed.push(*name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    say(&format!("{} checks passed", STEPS.len()));
    Ok(())
}

fn codecs(workspace: &Workspace) -> anyhow::Result<()> {
    // AWS's signing crates link a part of tokio that starts no runtime; what else needs one is found all the same.
    let tree = "tree -p llm-providers --no-default-features -e normal --prefix none --format {lib} \
                --prune aws-sigv4 --prune aws-credential-types --prune aws-smithy-runtime-api";
    let tree = shell::output(&mut workspace.cargo(tree))?;
    let found: Vec<_> =
        NOT_IN_CODECS.into_iter().filter(|name| tree.lines().any(|line| line == *name)).collect();
    if !found.is_empty() {
        bail!("llm-providers without features still needs {}: put them behind a feature", found.join(", "));
    }
    Ok(())
}

fn deny(workspace: &Workspace) -> anyhow::Result<()> {
    if !shell::works(Command::new("cargo-deny").arg("--version")) {
        say("cargo-deny is not installed: licences and advisories were not checked");
        return Ok(());
    }
    shell::run(&mut workspace.cargo("deny --all-features check"))
}
