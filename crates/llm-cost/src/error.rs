//! Why prices cannot be read.

/// Why prices cannot be read or were refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A line of a catalogue is not readable.
    #[error("line {line} of the catalogue: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A price of a configuration makes no sense.
    #[error("price `{name}`: {reason}")]
    Price {
        /// Which one.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A price map is no JSON object of models.
    #[error("not a price map, which is a JSON object of models: {0}")]
    Map(#[source] serde_json::Error),
    /// A price map would lose what is known.
    #[error("the price map is refused: {0}")]
    Refused(String),
}
