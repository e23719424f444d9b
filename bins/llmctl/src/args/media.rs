//! The command line of what is about sound, pictures and policies.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::Via;

/// What to write down, and by whom.
#[derive(Debug, ClapArgs)]
pub(crate) struct TranscribeArgs {
    /// The model: `provider/model`, a well-known name such as `whisper-1`, or a name of the gateway's.
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    /// The sound.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// What is spoken, such as `de`.
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) language: Option<String>,

    /// Words that lead the model: names, the text before.
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,

    /// How to write it: text, srt, vtt, json, verbose_json. Default: text, with --json json.
    #[arg(long, short, value_name = "FORMAT")]
    pub(crate) format: Option<String>,

    /// Write it in English, whatever is spoken.
    #[arg(long)]
    pub(crate) translate: bool,

    /// How freely words are drawn, from 0 to 1.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) temperature: Option<f64>,

    /// For what times are told beside the text, in verbose_json: word, segment; may be repeated.
    #[arg(long, value_name = "WORD")]
    pub(crate) granularity: Vec<String>,

    #[command(flatten)]
    pub(crate) via: Via,
}

/// What to say, and by whom.
#[derive(Debug, ClapArgs)]
pub(crate) struct SpeakArgs {
    /// The model: `provider/model`, a well-known name such as `tts-1`, or a name of the gateway's.
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    /// The text. None: standard input.
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,

    /// Whose voice it is, by its name or id. Default: alloy for OpenAI's own models, else the provider's.
    #[arg(long, value_name = "NAME")]
    pub(crate) voice: Option<String>,

    /// How it is to be said, in words.
    #[arg(long, value_name = "TEXT")]
    pub(crate) instructions: Option<String>,

    /// How fast, where 1 is the usual.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) speed: Option<f64>,

    /// How the sound is coded: mp3, opus, aac, flac, wav, pcm. Default: as the provider has it.
    #[arg(long, short, value_name = "FORMAT")]
    pub(crate) format: Option<String>,

    /// The file to write it to, as it comes; `-` is standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    pub(crate) via: Via,
}

/// What is to be seen, and by whom it is made.
#[derive(Debug, ClapArgs)]
pub(crate) struct ImageArgs {
    /// The model: `provider/model`, a well-known name such as `gpt-image-1`, or a name of the gateway's.
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    /// What is to be seen. None: standard input; with `--image` what is piped in, or no words, for edits that take none.
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: Option<String>,

    /// A picture to change. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Vec<PathBuf>,

    /// Where the first of them is to be changed: a picture that is transparent there.
    #[arg(long, value_name = "FILE", requires = "image")]
    pub(crate) mask: Option<PathBuf>,

    /// Make pictures like the one of `--image`, without words.
    #[arg(long, requires = "image", conflicts_with_all = ["prompt", "mask"])]
    pub(crate) vary: bool,

    /// Width and height, such as 1024x1024.
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: Option<String>,

    /// How much is done for it, in the words of the model.
    #[arg(long, value_name = "QUALITY")]
    pub(crate) quality: Option<String>,

    /// What is behind what is to be seen: `transparent`, `opaque` or `auto`.
    #[arg(long, value_name = "WORD")]
    pub(crate) background: Option<String>,

    /// How the picture is coded: `png`, `jpeg` or `webp`.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,

    /// How many.
    #[arg(long, short, value_name = "COUNT")]
    pub(crate) n: Option<u32>,

    /// A member of the provider's own, such as `search_prompt=hat` or `strength=0.4`. May be given several times.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,

    /// Ask for the pictures themselves, also of models that say where they lie.
    #[arg(long)]
    pub(crate) bytes: bool,

    /// The file to write it to; of several the second goes to `FILE-2`, and so on.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) via: Via,
}

/// What to look at, and by whom.
#[derive(Debug, ClapArgs)]
pub(crate) struct ModerateArgs {
    /// The model: `provider/model`, a well-known name such as `omni-moderation-latest`, or a name of the gateway's.
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,

    /// The text. None: standard input.
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,

    #[command(flatten)]
    pub(crate) via: Via,
}
