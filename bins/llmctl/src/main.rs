//! `llmctl`: ad-hoc calls, model lists, costs, configuration checks, the health of a gateway.
//!
//! Everything is in `cmd`; exit codes are in `exit.rs`.

mod args;
mod ask;
mod call;
mod cmd;
mod exit;
mod input;
mod known;
mod output;
mod print;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let mut out = output::Output::of_process(args.json);
    match cmd::run(args.command, &mut out) {
        Ok(code) => code.into(),
        Err(failure) => out.failure(&failure).into(),
    }
}
