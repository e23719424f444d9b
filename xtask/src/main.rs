//! The project chores.

mod bench;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures the gateway against a bare proxy.
    Bench(bench::Args),
}

fn main() -> anyhow::Result<()> {
    let Command::Bench(args) = Cli::parse().command;
    bench::run(args)
}
