//! The parts of a message, of a tool's output, and of reasoning.

use llm_types::{Str, wire_struct};
use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::{Count, Lossy, Raw, by_kind};

wire_struct! {
    /// `input_text`; also `text` and `summary_text`, `reasoning_text` in reasoning.
    pub(in super::super) struct TextPart<'a> {
        kind as "type": Str<'a>,
        text: Lossy<'a>,
    }
}

wire_struct! {
    /// `input_image`: an address (`https:` or `data:`), or the id of a file.
    pub(in super::super) struct InputImage<'a> {
        kind as "type": Str<'a>,
        image_url: Str<'a>,
        file_id: Str<'a>,
        detail: Str<'a>,
    }
}

wire_struct! {
    /// `input_file`: an id, an address, or the data as a `data:` URL with a name.
    pub(in super::super) struct InputFile<'a> {
        kind as "type": Str<'a>,
        file_id: Str<'a>,
        file_url: Str<'a>,
        file_data: Str<'a>,
        filename: Str<'a>,
    }
}

wire_struct! {
    /// `input_audio`.
    pub(in super::super) struct InputAudio<'a> {
        kind as "type": Str<'a>,
        input_audio: Sound<'a>,
    }
}

wire_struct! {
    /// Sound: base64 and `wav` or `mp3`.
    pub(in super::super) struct Sound<'a> {
        data: Str<'a>,
        format: Str<'a>,
    }
}

wire_struct! {
    /// `output_text`: what the model wrote.
    pub(in super::super) struct OutputText<'a> {
        kind as "type": Str<'a>,
        text: Lossy<'a>,
        annotations: Vec<Raw<'a>>,
        logprobs: Vec<Token<'a>>,
    }
}

wire_struct! {
    /// `refusal`.
    pub(in super::super) struct RefusalPart<'a> {
        kind as "type": Str<'a>,
        refusal: Lossy<'a>,
    }
}

wire_struct! {
    /// One token with its log probability.
    pub(in super::super) struct Token<'a> {
        token: Lossy<'a>,
        logprob: f64,
        bytes: Vec<u8>,
        top_logprobs: Vec<Token<'a>>,
    }
}

wire_struct! {
    /// A source of a text: `url_citation`, `file_citation`, `container_file_citation`, `file_path`.
    pub(in super::super) struct Annotation<'a> {
        kind as "type": Str<'a>,
        start_index: Count,
        end_index: Count,
        url: Lossy<'a>,
        title: Lossy<'a>,
        file_id: Str<'a>,
        filename: Lossy<'a>,
        container_id: Str<'a>,
        index: Count,
    }
}

/// One part.
#[derive(Debug)]
pub(in super::super) enum Part<'a> {
    /// `input_text`, and `text` as some clients write it.
    InputText(TextPart<'a>),
    /// `input_image`
    InputImage(InputImage<'a>),
    /// `input_file`
    InputFile(InputFile<'a>),
    /// `input_audio`
    InputAudio(InputAudio<'a>),
    /// `output_text`
    OutputText(OutputText<'a>),
    /// `refusal`
    Refusal(RefusalPart<'a>),
    /// `reasoning_text`, which some providers put into messages.
    ReasoningText(TextPart<'a>),
    /// Any other, as it came.
    Other(Str<'a>, Raw<'a>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        by_kind(deserializer, |kind, raw| {
            let text = raw.get();
            Ok(match kind.as_str() {
                "input_text" | "text" => Self::InputText(serde_json::from_str(text)?),
                "input_image" => Self::InputImage(serde_json::from_str(text)?),
                "input_file" => Self::InputFile(serde_json::from_str(text)?),
                "input_audio" => Self::InputAudio(serde_json::from_str(text)?),
                "output_text" => Self::OutputText(serde_json::from_str(text)?),
                "refusal" => Self::Refusal(serde_json::from_str(text)?),
                "reasoning_text" => Self::ReasoningText(serde_json::from_str(text)?),
                _ => Self::Other(kind, raw.into()),
            })
        })
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::InputText(part) | Self::ReasoningText(part) => part.serialize(serializer),
            Self::InputImage(part) => part.serialize(serializer),
            Self::InputFile(part) => part.serialize(serializer),
            Self::InputAudio(part) => part.serialize(serializer),
            Self::OutputText(part) => part.serialize(serializer),
            Self::Refusal(part) => part.serialize(serializer),
            Self::Other(_, raw) => raw.serialize(serializer),
        }
    }
}
