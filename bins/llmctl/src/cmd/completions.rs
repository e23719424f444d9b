//! `llmctl completions SHELL`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Args;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Prints the completions of a shell.
pub(crate) fn run(shell: Shell, out: &mut Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "llmctl", &mut script);
    out.out.write_all(&script)?;
    Ok(Exit::Ok)
}
