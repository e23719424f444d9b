//! What a call brought: one variant per kind of answer.

use crate::{Embeddings, Extra, Images, Moderation, Ranking, Reply, Speech, Transcript};

/// What a [`crate::Call`] brought.
#[derive(Debug, Clone)]
pub enum Output {
    /// A conversation turn.
    Chat(Box<Reply>),
    /// How many tokens a prompt is.
    Tokens(TokenCount),
    /// Vectors.
    Embed(Box<Embeddings>),
    /// Documents in their order.
    Rerank(Box<Ranking>),
    /// What was heard.
    Transcript(Box<Transcript>),
    /// What was said.
    Speech(Box<Speech>),
    /// Pictures.
    Images(Box<Images>),
    /// Whether content is against a policy.
    Moderation(Box<Moderation>),
}

impl Output {
    /// The conversation turn, if it is one.
    #[must_use]
    pub fn into_chat(self) -> Option<Reply> {
        match self {
            Self::Chat(reply) => Some(*reply),
            _ => None,
        }
    }

    /// The conversation turn, if it is one.
    #[must_use]
    pub fn as_chat(&self) -> Option<&Reply> {
        match self {
            Self::Chat(reply) => Some(reply),
            _ => None,
        }
    }

    /// The model that answered, as the provider names it; `None`: it names none.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        let name = match self {
            Self::Chat(reply) => &reply.model,
            Self::Tokens(_) | Self::Speech(_) => return None,
            Self::Embed(embeddings) => &embeddings.model,
            Self::Rerank(ranking) => &ranking.model,
            Self::Transcript(transcript) => &transcript.model,
            Self::Images(images) => &images.model,
            Self::Moderation(moderation) => &moderation.model,
        };
        Some(&**name).filter(|name| !name.is_empty())
    }

    /// What it used, where the provider says it. Counting tokens uses none.
    #[must_use]
    pub fn usage(&self) -> Option<&crate::Usage> {
        match self {
            Self::Chat(reply) => reply.usage.as_ref(),
            Self::Tokens(_) => None,
            Self::Embed(embeddings) => embeddings.usage.as_ref(),
            Self::Rerank(ranking) => ranking.usage.as_ref(),
            Self::Transcript(transcript) => transcript.usage.as_ref(),
            Self::Speech(speech) => speech.usage.as_ref(),
            Self::Images(images) => images.usage.as_ref(),
            Self::Moderation(moderation) => moderation.usage.as_ref(),
        }
    }
}

impl From<Reply> for Output {
    fn from(reply: Reply) -> Self {
        Self::Chat(Box::new(reply))
    }
}

/// How many tokens a prompt is.
#[derive(Debug, Clone, Default)]
pub struct TokenCount {
    /// All tokens of the prompt: messages, tools and media.
    pub input: u64,
    /// Those of them that are read from a cache, where the provider says it.
    pub cached: Option<u64>,
    /// Whether nobody counted: the number was worked out here, without the model's vocabulary.
    pub estimated: bool,
    /// Members that no field names.
    pub extra: Extra,
}
