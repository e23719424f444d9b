//! What the two halves of one call tell each other: what its encoder leaves for the decoder of its answer.

use std::sync::Arc;

use llm_types::chat::ToolCallKind;
use llm_types::{RerankDocument, TranscriptFormat, Usage, VectorEncoding};

use super::Follow;
use crate::dialect::openai_media;

/// What an encoder leaves for the decoder of the same call.
#[derive(Debug, Clone, Default)]
pub struct Memo {
    /// Tool names that had to be rewritten: as sent upstream, as the client knows them.
    pub tool_names: Vec<(String, String)>,
    /// A structured answer was asked for through this forced tool: its input is the answer's text.
    pub json_tool: Option<&'static str>,
    /// Custom tools that went out as functions, as the client knows them: calls of them hold free text.
    pub custom_tools: Vec<String>,
    /// What is to be done with an order of documents.
    pub ordering: Option<Arc<Ordering>>,
    /// What is asked of sound or pictures; `None`: neither is in question.
    pub media: Option<Arc<MediaMemo>>,
    /// How many tokens the prompt is taken to be, for answers that do not tell.
    pub prompt: Option<u64>,
    /// The answer has to be read and written anew, whatever else is in here.
    pub anew: bool,
    /// How the client wants the numbers of vectors that are passed on as they come; `None`: that is between it and the
    /// provider.
    pub vectors: Option<VectorEncoding>,
    /// How to go on where the first answer is not the last.
    pub follow: Option<&'static dyn Follow>,
}

/// What a request for sound, for pictures or for a transcript leaves for the reader of its answer.
#[derive(Debug, Clone, Default)]
pub struct MediaMemo {
    /// The answer has to be read and written anew.
    pub anew: bool,
    /// What the request itself tells of what it uses, for answers that say nothing of it.
    pub used: Usage,
    /// How the client wants a transcript written.
    pub format: TranscriptFormat,
    /// Whether it is translated.
    pub translated: bool,
    /// What is spoken, as far as the client said.
    pub language: Option<String>,
    /// The content type of the sound that is asked for.
    pub kind: &'static str,
    /// The client wants the bytes of pictures and not where they lie.
    pub bytes: bool,
}

/// What is done with an order of documents when it comes, because not every provider does it.
#[derive(Debug, Clone, Default)]
pub struct Ordering {
    /// How many of the best are wanted.
    pub top_n: Option<u32>,
    /// The documents of the request, where the answer is to repeat them.
    pub documents: Vec<RerankDocument>,
    /// The answer is not to repeat them.
    pub bare: bool,
}

impl Memo {
    /// Whether the answer has to be read and written anew, whoever asked.
    #[must_use]
    pub fn rewrites(&self) -> bool {
        self.anew
            || self.json_tool.is_some()
            || !self.tool_names.is_empty()
            || self.ordering.is_some()
            || self.media.as_ref().is_some_and(|media| media.anew)
    }

    /// Whether an answer has its vectors in another form than the client wants: not every provider heeds, or takes, a
    /// word about it. Its first vector tells.
    #[must_use]
    pub fn differs(&self, body: &[u8]) -> bool {
        let written = || openai_media::written(body);
        self.vectors.is_some_and(|wanted| written().is_some_and(|written| written != wanted))
    }

    /// What the request itself tells of what it uses.
    #[must_use]
    pub fn used(&self) -> Option<&Usage> {
        self.media.as_ref().map(|media| &media.used)
    }

    /// The name that the client gave to a tool.
    #[must_use]
    pub fn client_name<'a>(&'a self, sent: &'a str) -> &'a str {
        self.tool_names.iter().find(|(name, _)| name == sent).map_or(sent, |(_, name)| name)
    }

    /// The kind of the tool that the client knows by this name.
    #[must_use]
    pub fn call_kind(&self, name: &str) -> ToolCallKind {
        if self.custom_tools.iter().any(|custom| custom == name) {
            return ToolCallKind::Custom;
        }
        ToolCallKind::Function
    }
}
