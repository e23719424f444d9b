//! The words in which a row says how its provider differs.

use serde::Deserialize;

/// What messages have to respect at a provider of the `openai_chat` dialect, and other bodies of OpenAI's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageQuirk {
    /// `developer` is not known: send `system`.
    DeveloperToSystem,
    /// Neither `system` nor `developer` is known: send `user`.
    SystemToUser,
    /// Content must be a string where it is text only.
    FlattenContent,
    /// Empty tool arguments must be `{}`.
    EmptyArguments,
    /// Tool call ids must be nine letters and digits.
    ShortToolIds,
    /// Tool call ids must have at most 40 characters: others' are longer.
    BoundedToolIds,
    /// Reasoning goes back as `reasoning_content`.
    ReplayReasoning,
    /// Reasoning goes back as `reasoning`.
    ReplayReasoningField,
    /// Reasoning goes back as `reasoning_details`, unchanged.
    ReplayReasoningDetails,
    /// Reasoning goes back as content parts of type `thinking`.
    ThinkingParts,
    /// `name` is known on tool messages only.
    NameOnToolsOnly,
    /// `strict` is not known in tools.
    ToolsWithoutStrict,
    /// `additionalProperties` is refused in the parameters of tools.
    ToolsWithoutAdditionalProperties,
    /// `cache_control` is understood on parts, messages and tools.
    CacheControl,
    /// Calls of tools without their reasoning are refused: a blank stands for what was lost.
    FillReasoning,
    /// User and assistant must take turns: neighbours of one role become one message.
    Alternate,
    /// Members of an answer that a client echoes (`annotations`, `refusal: null`, …) are refused.
    NoEchoes,
    /// No single tool can be chosen: it goes alone, with `tool_choice` `required`.
    ChoiceWithoutNames,
    /// `response_format` knows `json_object` only: a schema goes into an instruction.
    JsonObjectOnly,
    /// Sound to be written down goes within JSON and not as a file of a form.
    SoundInJson,
    /// What `thinking` is told needs a budget: one that fits the effort is.
    ThinkingBudget,
    /// Inputs of requests for vectors may be pictures: `{"image": …}`, by an address or in base64.
    PictureInputs,
}

/// What requests to order documents have to respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RerankQuirk {
    /// Documents are texts: objects are written as text.
    TextsOnly,
}

/// The form of a request to order documents, and of its answer, where it is not Cohere's: named after where the
/// documents stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RerankForm {
    /// `inputs` with a text each, scores in `results` (watsonx).
    Inputs,
    /// `passages` with a text each, scores in `rankings` (NVIDIA's NIM).
    Passages,
    /// `documents`, and in `queries` one for each of them; `scores` in their order (DeepInfra).
    Queries,
    /// `records` with names of their own (Google's ranking API).
    Records,
    /// `sources`, and a model by its ARN (Amazon Bedrock).
    Sources,
}

/// What a name of a model with commas means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelLists {
    /// Models that are asked in turn until one answers; one with `!` in front is left out (Helicone).
    InTurn,
    /// Models that are all asked, whose answers are a list that nobody here reads: such a name is refused (LiteLLM).
    Refused,
}

/// How the size of a picture is said where it is not `size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageSize {
    /// As proportions in `aspect_ratio`: `16:9`.
    AspectRatio,
    /// As the numbers `width` and `height`.
    WidthHeight,
}

/// How pictures to be changed are sent where it is not as files of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageEditForm {
    /// Within JSON, in `image` or `images` with a `url` each (xAI).
    Json,
    /// Within the JSON of a request for new ones, in `image_url` or `reference_images` (Together).
    Reference,
    /// As a file of a form, by paths that are named after what is done, each picture with a `strength` (Recraft).
    ImageToImage,
}

/// How a model is named where calls go whose name here begins with who runs it: `RUNNER/ORG/NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunnerForm {
    /// Who runs it stands behind the name: `ORG/NAME:RUNNER`.
    Behind,
    /// Who runs it is left out: `ORG/NAME`.
    Unsaid,
}

impl RunnerForm {
    /// The model as it is named there; `None`: it names nobody who runs it.
    #[must_use]
    pub fn name(self, model: &str) -> Option<String> {
        let (runner, name) = model.split_once('/').filter(|(_, name)| name.contains('/'))?;
        Some(match self {
            Self::Behind => format!("{name}:{runner}"),
            Self::Unsaid => name.to_owned(),
        })
    }
}

/// How answers of a provider of the `openai_chat` dialect differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyQuirk {
    /// Fields or events differ in a way that OpenAI's clients trip over: answers are decoded and
    /// written anew.
    Normalize,
    /// `completion_tokens` leaves reasoning out.
    ReasoningOutside,
    /// Thoughts stand in the text between `<think>` and `</think>`.
    ThinkTags,
    /// Vectors in base64 are signed bytes.
    Int8Vectors,
    /// A stream comes in pieces within Amazon's binary messages.
    PayloadParts,
}
