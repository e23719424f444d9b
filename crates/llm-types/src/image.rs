//! Pictures made from words, and from other pictures.

use crate::{Dialect, Extra, Op, Upload, Usage};

/// A request for pictures.
///
/// ```
/// use llm_types::ImageRequest;
/// let mut request = ImageRequest::new("a red circle on white");
/// request.size = Some("1024x1024".to_owned());
/// ```
#[derive(Debug, Clone, Default)]
pub struct ImageRequest {
    /// The model, as the client names it until it is set for a deployment.
    pub model: String,
    /// What is to be seen; of variations empty.
    pub prompt: String,
    /// How many; `None`: one.
    pub n: Option<u32>,
    /// Width and height in pixels, as `1024x1024`; `auto`.
    pub size: Option<String>,
    /// How much is done for it, in the words of the model.
    pub quality: Option<String>,
    /// `vivid` or `natural`.
    pub style: Option<String>,
    /// `transparent`, `opaque`, `auto`.
    pub background: Option<String>,
    /// `png`, `jpeg`, `webp`.
    pub output_format: Option<String>,
    /// Whether an address or base64 is wanted: `url`, `b64_json`.
    pub response_format: Option<String>,
    /// Who the caller's own user is.
    pub user: Option<String>,
    /// Whether pictures are wanted while they are made.
    pub stream: bool,
    /// The pictures to change or to vary; there are none where new ones are made.
    pub images: Vec<Upload>,
    /// Where the first of them is to be changed.
    pub mask: Option<Upload>,
    /// What is to be done.
    pub task: ImageTask,
    /// The dialect that `extra` members belong to.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}

/// What is done to get a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageTask {
    /// It is made from words.
    #[default]
    Make,
    /// Others are changed as words say.
    Edit,
    /// It is made like another one, without words.
    Vary,
}

impl ImageTask {
    /// The operation that it is.
    #[must_use]
    pub fn op(self) -> Op {
        match self {
            Self::Make => Op::Image,
            Self::Edit => Op::ImageEdit,
            Self::Vary => Op::ImageVariation,
        }
    }
}

impl ImageRequest {
    /// One picture, with everything left at the provider's defaults.
    #[must_use]
    pub fn new(prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), ..Self::default() }
    }
}

/// Pictures.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// The model that answered, as the provider names it; may be empty.
    pub model: String,
    /// Unix seconds; 0 where the provider does not say.
    pub created: u64,
    /// The pictures.
    pub data: Vec<MadeImage>,
    /// What it used; `None` where the provider does not say.
    pub usage: Option<Usage>,
    /// The dialect that `extra` members belong to.
    pub origin: Option<Dialect>,
    /// Members that no field names.
    pub extra: Extra,
}

/// A picture that was made.
#[derive(Debug, Clone, Default)]
pub struct MadeImage {
    /// The picture in base64.
    pub base64: Option<String>,
    /// Where it lies, for some time.
    pub url: Option<String>,
    /// What the model made of the prompt.
    pub revised_prompt: Option<String>,
    /// Members that no field names.
    pub extra: Extra,
}
