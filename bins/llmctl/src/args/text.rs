//! The command line of what is made of a text alone: its continuation, its vector.

use clap::{Args as ClapArgs, ValueEnum};
use llm_types::VectorEncoding;

use super::Via;

/// What to make vectors of, and by whom.
#[derive(Debug, ClapArgs)]
pub(crate) struct EmbedArgs {
    /// The model: `provider/model`, a well-known name such as `text-embedding-3-small`, or a name of the gateway's.
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    /// The texts, one vector each. None: each line of standard input is one.
    #[arg(value_name = "TEXT")]
    pub(crate) texts: Vec<String>,

    /// The length of the vectors, where the model lets one choose.
    #[arg(long, value_name = "COUNT")]
    pub(crate) dimensions: Option<u32>,

    /// What the vectors are for, in the words of the model: `query`, `document`, `search_query`.
    #[arg(long, value_name = "WORD")]
    pub(crate) input_type: Option<String>,

    /// How the numbers are written: as a list, or as base64 of little-endian 32-bit numbers.
    #[arg(long, value_name = "FORM", default_value = "float")]
    pub(crate) encoding: Encoding,

    #[command(flatten)]
    pub(crate) via: Via,
}

/// How the numbers of a vector are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    /// A list.
    Float,
    /// Base64.
    Base64,
}

impl From<Encoding> for VectorEncoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Float => Self::Float,
            Encoding::Base64 => Self::Base64,
        }
    }
}

/// What to go on with, and by whom.
#[derive(Debug, ClapArgs)]
pub(crate) struct CompleteArgs {
    /// The model: `provider/model`, a well-known name, or a name of the gateway's. One that only chats is sent the text
    /// as a message.
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    /// The text; `-`, or nothing with something piped in, reads standard input.
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: Option<String>,

    /// Print what comes as it comes.
    #[arg(long)]
    pub(crate) stream: bool,

    /// What is to stand behind what the model adds. For text models that fill gaps.
    #[arg(long, value_name = "TEXT")]
    pub(crate) suffix: Option<String>,

    /// The most tokens to add.
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_tokens: Option<u64>,

    /// How freely tokens are drawn.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) temperature: Option<f64>,

    /// A text to stop before; may be repeated.
    #[arg(long, value_name = "TEXT")]
    pub(crate) stop: Vec<String>,

    #[command(flatten)]
    pub(crate) via: Via,
}
