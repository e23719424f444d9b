//! The command line.

mod admin;
mod conform;
mod files;
mod media;
mod text;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use admin::{
    AuditArgs, BudgetsCommand, GroupsCommand, KeyArgs, KeysCommand, LimitsCommand, ListArgs, OneArgs,
    TermsArgs, UsageArgs,
};
pub(crate) use conform::ConformArgs;
pub(crate) use files::{BatchesCommand, FilesCommand, KeeperArgs, PageArgs};
pub(crate) use media::{ImageArgs, ModerateArgs, SpeakArgs, TranscribeArgs};
pub(crate) use text::{CompleteArgs, EmbedArgs};

/// Calls AI models, lists and prices them, checks configurations of the gateway and looks after it.
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
    /// Ask a model.
    Chat(Box<ChatArgs>),
    /// Go on with a text.
    Complete(CompleteArgs),
    /// Make vectors of texts.
    Embed(EmbedArgs),
    /// Order documents by how well they answer a query.
    Rerank(RerankArgs),
    /// Write down what is said.
    Transcribe(TranscribeArgs),
    /// Say a text.
    Speak(SpeakArgs),
    /// Make pictures, or change them.
    Image(ImageArgs),
    /// Tell whether a text is against a policy.
    Moderate(ModerateArgs),
    /// Send, list, read and delete the files that a provider keeps.
    #[command(subcommand)]
    Files(FilesCommand),
    /// Have files of requests answered within a day.
    #[command(subcommand)]
    Batches(BatchesCommand),
    /// Find out what an endpoint can do, by asking it.
    ///
    /// A small request for each feature: streams that end, tools, JSON by a schema, stop texts, usage, errors, … The exit code
    /// is 1 where an answer is wrong, or where something that is claimed (--claim) is refused or not seen.
    Conform(Box<ConformArgs>),
    /// List the models that can be called.
    Models(ModelsArgs),
    /// List the providers, what they offer, and whether their keys are set.
    Providers(ProvidersArgs),
    /// Say what a call costs, from counts of tokens or a prompt in a file, also across models.
    Cost(CostArgs),
    /// Look prices up.
    #[command(subcommand)]
    Prices(PricesCommand),
    /// Show how the deployments of a gateway are.
    Health(HealthArgs),
    /// Take deployments of a gateway out of service, put them back, try them.
    #[command(subcommand)]
    Deployments(DeploymentsCommand),
    /// Make, change and take back the keys of a gateway.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make, change and take away teams.
    #[command(subcommand)]
    Teams(GroupsCommand),
    /// Make, change and take away users.
    #[command(subcommand)]
    Users(GroupsCommand),
    /// Make, change and take away organisations.
    #[command(subcommand)]
    Organisations(GroupsCommand),
    /// Set budgets, see what is spent of them and when they will be used up.
    #[command(subcommand)]
    Budgets(BudgetsCommand),
    /// Set how often models, tags and everybody may ask.
    #[command(subcommand)]
    Limits(LimitsCommand),
    /// Show what was used and what it cost.
    Usage(UsageArgs),
    /// Show who administered what.
    Audit(AuditArgs),
    /// Tell why a request went where it went.
    Explain(ExplainArgs),
    /// Check, describe and show configurations of the gateway.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the manual page, in roff: `llmctl man > llmctl.1`.
    Man,
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

/// What to ask, and whom.
#[derive(Debug, ClapArgs)]
pub(crate) struct ChatArgs {
    /// The model: `provider/model`, a well-known name such as `gpt-4o`, or a name of the gateway's.
    #[arg(long, short, value_name = "MODEL")]
    pub(crate) model: String,

    /// What to say; `-`, or nothing with something piped in, reads standard input.
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: Option<String>,

    /// Print the answer as it comes.
    #[arg(long)]
    pub(crate) stream: bool,

    #[command(flatten)]
    pub(crate) via: Via,

    /// Instructions before the prompt.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,

    /// A picture to look at: a PNG, JPEG, GIF or WebP file, or an http(s) address; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Vec<String>,

    /// A tool to offer: a file with a tool, a list of tools, or a JSON Schema of the arguments that is
    /// named after the file; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) tool_schema: Vec<PathBuf>,

    /// How freely tokens are drawn.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) temperature: Option<f64>,

    /// The most tokens of the answer.
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_tokens: Option<u64>,
}

/// What to order, and by whom.
#[derive(Debug, ClapArgs)]
pub(crate) struct RerankArgs {
    /// The model: `provider/model`, a well-known name such as `rerank-v3.5`, or a name of the gateway's.
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    /// What the documents are to answer.
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) query: String,

    /// The documents. None: each line of standard input is one.
    #[arg(value_name = "DOC")]
    pub(crate) documents: Vec<String>,

    /// How many of the best to show. Default: all.
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub(crate) top_n: Option<u32>,

    #[command(flatten)]
    pub(crate) via: Via,
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

/// Which providers to list.
#[derive(Debug, ClapArgs)]
pub(crate) struct ProvidersArgs {
    /// Only those that can be called with what the environment holds.
    #[arg(long)]
    pub(crate) ready: bool,

    /// Only those that offer this operation, such as `embed`, `rerank` or `transcribe`.
    #[arg(long, value_name = "NAME")]
    pub(crate) operation: Option<String>,
}

/// Which call to price.
#[derive(Debug, ClapArgs)]
pub(crate) struct CostArgs {
    /// The model: `provider/model`, or a well-known name such as `gpt-4o`.
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    /// Tokens of the prompt, cached ones included.
    #[arg(long, value_name = "COUNT", required_unless_present = "file", conflicts_with = "file")]
    pub(crate) input: Option<u64>,

    /// A prompt whose tokens are counted: exactly for OpenAI's families, else estimated; `-` reads standard
    /// input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Tokens of the answer, thinking included.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) output: u64,

    /// How many of the prompt's tokens come from the provider's cache.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) cached: u64,

    /// How many of the prompt's tokens are written to the cache.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) cache_write: u64,

    /// How many of the answer's tokens are thinking.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) reasoning: u64,

    /// The provider's tier of service.
    #[arg(long, value_name = "TIER", value_parser = ["standard", "flex", "priority", "batch"], default_value = "standard")]
    pub(crate) tier: String,

    /// Other models to compare with.
    #[arg(long, value_name = "MODEL,…", value_delimiter = ',')]
    pub(crate) compare: Vec<String>,

    /// A price map, as `llmctl prices update` writes it, to be laid over the built-in prices.
    #[arg(long, value_name = "FILE")]
    pub(crate) map: Option<PathBuf>,
}

/// What to do with prices.
#[derive(Debug, Subcommand)]
pub(crate) enum PricesCommand {
    /// Show what is known of a model: limits, abilities, every price.
    Show {
        /// The model: `provider/model`, or a well-known name such as `gpt-4o`.
        #[arg(value_name = "MODEL")]
        model: String,

        /// A price map, as `llmctl prices update` writes it, to be laid over the built-in prices.
        #[arg(long, value_name = "FILE")]
        map: Option<PathBuf>,

        /// Print the prices as comma-separated values.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
    },
    /// Fetch newer prices, in LiteLLM's format, and write them to a file that a configuration can name:
    /// `[price_map] source = "prices.json"`.
    ///
    /// A map that would lose half of the known models, or their prices, is refused and nothing is written.
    Update {
        /// Where they are: a file, or an http(s) address.
        #[arg(long, value_name = "FILE|URL", default_value = LITELLM)]
        from: String,

        /// Where they go.
        #[arg(long, value_name = "FILE", default_value = "prices.json")]
        out: PathBuf,
    },
}

/// Where LiteLLM keeps its prices.
const LITELLM: &str =
    "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json";

/// A gateway, and what opens it.
#[derive(Debug, ClapArgs)]
pub(crate) struct At {
    /// The gateway's address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4000")]
    pub(crate) gateway: String,

    /// The gateway's master key. Default: GATEWAY_API_KEY, then GATEWAY_MASTER_KEY.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

/// A gateway, or the database behind it.
#[derive(Debug, ClapArgs)]
pub(crate) struct Kept {
    #[command(flatten)]
    pub(crate) at: At,

    /// Go straight to this database, whether its gateways run or not: sqlite:FILE or postgres://…. They take changes
    /// over within a second. What they have reserved, and rows still in their journals, are not seen.
    #[arg(long, value_name = "URL", conflicts_with_all = ["gateway", "key", "config"])]
    pub(crate) database: Option<String>,

    /// Go straight to the database that `[store]` of this configuration names; what the file defines is shown too, and
    /// not changed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["gateway", "key"])]
    pub(crate) config: Option<PathBuf>,
}

/// Which request.
#[derive(Debug, ClapArgs)]
pub(crate) struct ExplainArgs {
    /// The request's id: the answer's header `x-gateway-request-id`.
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) at: At,
}

/// How the deployments are to be shown.
#[derive(Debug, ClapArgs)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    pub(crate) at: At,

    /// Show it again and again, until interrupted; with --json one line each time.
    #[arg(long, short)]
    pub(crate) watch: bool,

    /// With --watch: seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600), requires = "watch")]
    pub(crate) every: u64,
}

/// What to do with a deployment.
#[derive(Debug, Subcommand)]
pub(crate) enum DeploymentsCommand {
    /// Take it out of service. Requests under way go on; until `enable`, or a restart of the gateway.
    Drain {
        /// Its id, as `llmctl health` shows it.
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Put it back into service.
    Enable {
        /// Its id, as `llmctl health` shows it.
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Ask it for a token, also when it is drained. An answer ends a cooldown.
    Probe {
        /// Its id, as `llmctl health` shows it.
        id: String,
        /// The model to ask, in place of the `*` of a wildcard.
        #[arg(long, value_name = "MODEL")]
        model: Option<String>,
        #[command(flatten)]
        at: At,
    },
}

/// What to do with configurations.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check files and say everything that is wrong with them.
    ///
    /// Variables and secrets that are not set here, and providers without a key, are warnings: the gateway may
    /// run elsewhere. With --strict warnings are errors, for a check where it will run.
    Check {
        /// Take warnings for errors.
        #[arg(long)]
        strict: bool,
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
