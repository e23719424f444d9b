//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// One API in front of every AI provider.
///
/// Without --config, --model or --demo it serves every `provider/model` whose key is in the environment.
///
/// Exit codes: 0 stopped in order, 2 wrong arguments, 3 the configuration is invalid, 4 the address
/// cannot be listened on, 1 anything else.
#[derive(Debug, Parser)]
#[command(name = "gateway", version)]
pub(crate) struct Args {
    /// The configuration file (TOML); `llmctl config schema` prints its schema.
    #[arg(long, short, value_name = "FILE", env = "GATEWAY_CONFIG", conflicts_with_all = ["model", "demo"])]
    pub(crate) config: Option<PathBuf>,

    /// Where to listen, in place of `server.listen`. Port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,

    /// Serves this model, e.g. `openai/gpt-4o` or `gpt-4o`, under the name given; may be repeated.
    #[arg(long, short, value_name = "MODEL", conflicts_with = "demo")]
    pub(crate) model: Vec<String>,

    /// Serves the built-in `mock/` models: no keys, no network.
    #[arg(long)]
    pub(crate) demo: bool,
}
