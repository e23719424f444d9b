//! The commands, one file each.

mod admin;
mod answer;
mod chat;
mod complete;
mod completions;
mod config;
mod conform;
mod cost;
mod deployments;
mod embed;
mod explain;
mod files;
mod health;
mod man;
mod media;
mod models;
mod prices;
mod providers;
mod rerank;

use crate::args::Command;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Carries a command out.
pub(crate) fn run(command: Command, out: &mut Output) -> Result<Exit, Failure> {
    match command {
        Command::Chat(args) => wait(chat::run(&args, out)),
        Command::Complete(args) => wait(complete::run(&args, out)),
        Command::Embed(args) => wait(embed::run(&args, out)),
        Command::Rerank(args) => wait(rerank::run(&args, out)),
        Command::Transcribe(args) => wait(media::transcribe(&args, out)),
        Command::Speak(args) => wait(media::speak(&args, out)),
        Command::Image(args) => wait(media::image(&args, out)),
        Command::Moderate(args) => wait(media::moderate(&args, out)),
        Command::Files(command) => wait(files::files(&command, out)),
        Command::Batches(command) => wait(files::batches(&command, out)),
        Command::Conform(args) => wait(conform::run(&args, out)),
        Command::Models(args) => wait(models::run(args, out)),
        Command::Providers(args) => providers::run(&args, out),
        Command::Cost(args) => cost::run(&args, out),
        Command::Prices(command) => wait(prices::run(command, out)),
        Command::Health(args) => wait(health::run(&args, out)),
        Command::Deployments(command) => wait(deployments::run(&command, out)),
        Command::Keys(command) => wait(admin::keys(&command, out)),
        Command::Teams(command) => wait(admin::groups("teams", &command, out)),
        Command::Users(command) => wait(admin::groups("users", &command, out)),
        Command::Organisations(command) => wait(admin::groups("organisations", &command, out)),
        Command::Budgets(command) => wait(admin::budgets(&command, out)),
        Command::Limits(command) => wait(admin::limits(&command, out)),
        Command::Usage(args) => wait(admin::usage(&args, out)),
        Command::Audit(args) => wait(admin::audit(&args, out)),
        Command::Explain(args) => wait(explain::run(&args, out)),
        Command::Config(command) => config::run(command, out),
        Command::Man => man::run(out),
        Command::Completions { shell } => completions::run(shell, out),
    }
}

/// Runs what awaits: one thread is enough for one call.
fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
