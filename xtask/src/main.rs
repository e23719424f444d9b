//! The project's chores: `cargo xtask test|check|tidy|gen|catalogue|bench`.
//!
//! Rust and not shell, so that they work the same on a laptop, in CI and on a fresh machine, and can be
//! tested themselves.

mod bench;
mod catalogue;
mod check;
mod r#gen;
mod shell;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The project's chores.")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Installs what the tests need, builds the binaries and runs every test.
    Test,
    /// Formatting, lints, house rules, generated files, docs, dependencies.
    Check,
    /// The house rules that no linter knows: imports between crates, file sizes, dialect code.
    Tidy,
    /// Writes the generated files, or checks that they are fresh.
    Gen(r#gen::Args),
    /// Writes the price catalogue from a table of model facts.
    Catalogue(catalogue::Args),
    /// Measures the gateway against a bare proxy.
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let told = matches!(cli.chore, Chore::Test | Chore::Check);
    let result = Workspace::find().and_then(|workspace| {
        let result = run(&workspace, cli.chore);
        if let Err(error) = &result {
            shell::say(&format!("error: {error:#}"));
        }
        // Last of all, also after a failure: how the tests went.
        if told {
            test::summarise(&workspace)?;
        }
        Ok(result.is_ok())
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            shell::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(workspace: &Workspace, chore: Chore) -> anyhow::Result<()> {
    match chore {
        Chore::Test => test::run(workspace),
        Chore::Check => check::run(workspace),
        Chore::Tidy => tidy::run(workspace),
        Chore::Gen(args) => r#gen::run(workspace, &args),
        Chore::Catalogue(args) => catalogue::run(workspace, &args),
        Chore::Bench(args) => bench::run(args),
    }
}
