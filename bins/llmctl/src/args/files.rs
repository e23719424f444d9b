//! The command line of what is about files and batches.

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs, Subcommand};

use super::Via;

/// Who keeps them.
#[derive(Debug, ClapArgs)]
pub(crate) struct KeeperArgs {
    /// The provider. With --gateway the gateway says which.
    #[arg(long, value_name = "NAME", default_value = "openai")]
    pub(crate) provider: String,

    #[command(flatten)]
    pub(crate) via: Via,
}

/// Which.
#[derive(Debug, ClapArgs)]
pub(crate) struct IdArgs {
    /// Its id.
    #[arg(value_name = "ID")]
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) keeper: KeeperArgs,
}

/// How much of a list.
#[derive(Debug, ClapArgs)]
pub(crate) struct PageArgs {
    /// The most that is listed, over as many pages as that takes.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) limit: u32,

    #[command(flatten)]
    pub(crate) keeper: KeeperArgs,
}

/// What to do with files.
#[derive(Debug, Subcommand)]
pub(crate) enum FilesCommand {
    /// Send a file.
    Upload {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// What it is for.
        #[arg(long, value_name = "WORD", default_value = "batch")]
        purpose: String,

        #[command(flatten)]
        keeper: KeeperArgs,
    },
    /// List the files.
    List(PageArgs),
    /// Show a file.
    Get(IdArgs),
    /// Print what a file holds, also one of a batch's answers.
    Content {
        #[command(flatten)]
        args: IdArgs,

        /// The requests of the batch, where making it said that its answers need them (Anthropic, without a gateway).
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
    },
    /// Delete a file.
    Delete(IdArgs),
}

/// What to do with batches.
#[derive(Debug, Subcommand)]
pub(crate) enum BatchesCommand {
    /// Have the requests of a file answered.
    #[command(group(ArgGroup::new("requests").required(true).args(["file", "input"])))]
    Create {
        /// The file of requests: the id of one that was sent before.
        #[arg(value_name = "FILE_ID")]
        file: Option<String>,

        /// The requests themselves, a line each: sent as a file first, or with the batch where no files are kept.
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,

        /// What the requests are.
        #[arg(long, value_name = "PATH", default_value = "/v1/chat/completions")]
        endpoint: String,

        /// The model, where the provider wants to know it beside the lines (Mistral, without a gateway), or no line
        /// names it.
        #[arg(long, value_name = "MODEL", default_value = "")]
        model: String,

        #[command(flatten)]
        keeper: KeeperArgs,
    },
    /// List the batches.
    List(PageArgs),
    /// Show how a batch stands.
    Get(IdArgs),
    /// Cancel a batch: what is answered by then stays.
    Cancel(IdArgs),
}
