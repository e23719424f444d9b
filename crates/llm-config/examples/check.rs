//! Checks a configuration file: `cargo run -p llm-config --example check -- config-examples/minimal.toml`.

use std::path::PathBuf;
use std::process::ExitCode;

use llm_config::{Config, Known, ProcessEnv, Style, render_all, show};

#[expect(clippy::print_stdout, reason = "the result of a command-line example")]
fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        println!("usage: check FILE");
        return ExitCode::from(2);
    };
    match Config::load(&path, &ProcessEnv, Known::default()) {
        Ok((config, warnings)) => {
            println!("{}{}", show(&config), render_all(&warnings, Style::Plain));
            ExitCode::SUCCESS
        }
        Err(report) => {
            println!("{}", report.render(Style::Coloured));
            ExitCode::FAILURE
        }
    }
}
