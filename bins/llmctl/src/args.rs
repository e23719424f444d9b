//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;

/// Calls AI models, lists them, and checks configurations of the gateway.
#[derive(Debug, Parser)]
#[command(name = "llmctl", version, after_help = crate::exit::HELP)]
pub(crate) struct Args {
    /// Print JSON instead of text and tables.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the models that can be called.
    Models(ModelsArgs),
    /// Check, describe and show configurations of the gateway.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the completions of a shell, to be sourced or installed.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// Where calls go: straight to a provider, or through a gateway.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct Via {
    /// Go through the gateway at this address, such as http://127.0.0.1:4000.
    #[arg(long, value_name = "URL")]
    pub(crate) gateway: Option<String>,

    /// The key. Default: the provider's environment variable; with --gateway GATEWAY_API_KEY, then
    /// GATEWAY_MASTER_KEY. Prefer the variables: other users of this machine can see a command line.
    #[arg(long, value_name = "KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
}

/// Which models to list.
#[derive(Debug, ClapArgs)]
pub(crate) struct ModelsArgs {
    /// List what this gateway serves instead of the providers whose key is in the environment.
    #[arg(long, value_name = "URL")]
    pub(crate) gateway: Option<String>,

    /// The gateway's key. Default: GATEWAY_API_KEY, then GATEWAY_MASTER_KEY.
    #[arg(long, value_name = "KEY", requires = "gateway")]
    pub(crate) key: Option<String>,
}

/// What to do with configurations.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check files and say everything that is wrong with them.
    Check {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Print the JSON Schema of the file, for editors.
    Schema,
    /// Print a configuration with every default filled in and secrets redacted.
    Show {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
