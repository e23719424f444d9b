//! Speech to text (`POST /audio/transcriptions`, `/audio/translations`): forms with a file.
//!
//! The file is never copied: the form that a provider gets is written anew around the client's own bytes. In which
//! of the forms a transcript is written (`json`, `text`, `srt`, `verbose_json`, `vtt`) is the provider's business
//! where it has them (`transcripts` of its row); what it has not is written here.

mod client;
pub(in crate::dialect) mod server;
#[cfg(test)]
mod tests;
mod wire;
mod within;
pub(in crate::dialect) mod write;

pub use client::Client;
pub use server::Server;

pub(in crate::dialect) use client::heard;

/// Fields that OpenAI alone knows: others are not told of them.
pub(in crate::dialect) const OPENAI_FIELDS: [&str; 8] = [
    "include[]",
    "chunking_strategy",
    "known_speaker_names[]",
    "known_speaker_references[]",
    "languages[]",
    "keywords[]",
    "user",
    "hotwords",
];
