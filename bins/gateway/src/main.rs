//! The gateway binary: reads its arguments, builds a gateway and serves.
//!
//! Everything else is in `llm-gateway`; exit codes are in `exit.rs`.

mod args;
mod exit;
mod log;
mod memory;
mod run;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    memory::small_pages();
    memory::give_back_soon();
    let args = args::Args::parse();
    match run::run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("gateway: {failure}");
            failure.code()
        }
    }
}
