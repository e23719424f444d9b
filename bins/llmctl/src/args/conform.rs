//! The command line of `llmctl conform`.

use clap::Args as ClapArgs;

use super::Via;

/// Whom to ask for what it can do.
#[derive(Debug, ClapArgs)]
pub(crate) struct ConformArgs {
    /// The model: `provider/model`, a well-known name such as `gpt-4o`, or a name of the gateway's.
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    /// Where the provider's API is, in place of its usual address. A name that belongs to no
    /// provider of the table is then asked in OpenAI's words (`…/v1`); any other in its provider's, and with its key.
    #[arg(long, value_name = "URL", conflicts_with = "gateway")]
    pub(crate) api_base: Option<String>,

    #[command(flatten)]
    pub(crate) via: Via,

    /// The operations to ask for: chat, responses, messages, count_tokens, completion, embed, rerank, transcribe, translate,
    /// speech, image, image_edit, image_variation, moderate, batch, realtime.
    #[arg(long, short, value_name = "NAME,…", value_delimiter = ',', default_value = "chat")]
    pub(crate) operation: Vec<String>,

    /// Only these features.
    #[arg(long, short, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) feature: Vec<String>,

    /// What the endpoint is said to do: a feature of these that is refused or not seen is a failure too.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) claim: Vec<String>,

    /// How long one feature may take, in seconds: a call, a batch, a session.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,

    /// Print nothing but the row that belongs into a table such as docs/capabilities.md, in Markdown: a table for each
    /// operation. Otherwise it comes last.
    #[arg(long, conflicts_with_all = ["json", "dry_run"])]
    pub(crate) row: bool,

    /// Say what would be asked and what it can cost, and ask nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
