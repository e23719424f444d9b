//! What the families of models behind Converse take, as data.
//!
//! The service passes a request on to the model's own format, and what that has no place for is a
//! ValidationException. The facts are those of the vendor's table of supported features
//! (docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html) and of
//! the recordings. Names are read by what they hold, so that `us.anthropic.claude-…`, an ARN of a profile and a
//! bare id find the same row.

use crate::dialect::anthropic::model::{self as claude, Facts};
use crate::dialect::think::{self, Tags};

/// How a family is told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinks {
    /// It is not.
    Never,
    /// It always does.
    Always,
    /// In Claude's terms, as its generation takes them.
    Claude(&'static Facts),
    /// `reasoningConfig` with an effort.
    Nova,
    /// `reasoning_effort`.
    Effort,
    /// `reasoning_config`: low or high.
    Qwen,
    /// The name does not say what model it is.
    Unknown,
}

/// Whether a family marks places up to which the prompt is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caches {
    /// It does not.
    Never,
    /// For five minutes.
    Plainly,
    /// For as long as the mark says.
    Timed,
}

/// Which thoughts a family takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thoughts {
    /// None.
    Dropped,
    /// Those that are signed or encrypted.
    Signed,
    /// All.
    Any,
}

/// What a user's turn with results of tools may hold beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// Anything.
    Anything,
    /// Nothing.
    Nothing,
}

/// What one family takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    /// How it is told to think.
    pub(super) thinks: Thinks,
    /// Whether it takes a `toolChoice`.
    pub(super) choice: bool,
    /// Whether it holds to JSON Schema by itself.
    pub(super) structured: bool,
    /// Whether it caches prompts where it is told.
    pub(super) caches: Caches,
    /// Which thoughts go back to it.
    pub(super) thoughts: Thoughts,
    /// Whether a conversation may begin with the model.
    pub(super) assistant_first: bool,
    /// What may stand beside results of tools.
    pub(super) beside: Beside,
    /// Whether pictures may stand in the result of a tool.
    pub(super) pictures_in_results: bool,
    /// Whether documents may stand in the result of a tool.
    pub(super) documents_in_results: bool,
    /// Whether results of tools are JSON, and no text.
    pub(super) json_results: bool,
    /// Whether it takes the status of a result.
    pub(super) status: bool,
    /// Whether its pictures and videos may be at an S3 address.
    pub(super) s3: bool,
    /// The system tool that searches the web.
    pub(super) search: Option<&'static str>,
    /// The most texts that end an answer.
    pub(super) stops: usize,
}

const OTHER: Model = Model {
    thinks: Thinks::Never,
    choice: false,
    structured: false,
    caches: Caches::Never,
    thoughts: Thoughts::Dropped,
    assistant_first: false,
    beside: Beside::Anything,
    pictures_in_results: false,
    documents_in_results: false,
    json_results: false,
    status: true,
    s3: false,
    search: None,
    stops: 2500,
};
const NOVA: Model = Model {
    choice: true,
    caches: Caches::Plainly,
    pictures_in_results: true,
    s3: true,
    search: Some("nova_grounding"),
    ..OTHER
};
const NOVA_2: Model = Model { thinks: Thinks::Nova, ..NOVA };
const LLAMA: Model =
    Model { beside: Beside::Nothing, pictures_in_results: true, documents_in_results: true, ..OTHER };
const MISTRAL: Model =
    Model { beside: Beside::Nothing, documents_in_results: true, json_results: true, ..OTHER };
const MISTRAL_LARGE: Model = Model { choice: true, ..MISTRAL };
const WRITER: Model = Model { beside: Beside::Nothing, status: false, ..OTHER };
const DEEPSEEK_R1: Model = Model { thinks: Thinks::Always, thoughts: Thoughts::Any, ..OTHER };
const DEEPSEEK: Model = Model { thinks: Thinks::Effort, thoughts: Thoughts::Any, ..OTHER };
const QWEN: Model = Model { thinks: Thinks::Qwen, assistant_first: true, ..OTHER };
const GPT: Model = Model { thinks: Thinks::Effort, ..OTHER };
const MOONSHOT: Model = Model { thinks: Thinks::Always, choice: true, assistant_first: true, ..OTHER };
const ZAI: Model = Model { choice: true, structured: true, assistant_first: true, ..OTHER };
/// A profile of the user's own, a tuned model: the client knows what it is, so little is left out.
const UNKNOWN: Model = Model {
    thinks: Thinks::Unknown,
    choice: true,
    caches: Caches::Timed,
    thoughts: Thoughts::Signed,
    assistant_first: true,
    pictures_in_results: true,
    documents_in_results: true,
    s3: true,
    ..OTHER
};

/// Parts of names and what they mean; the first that is found counts.
const TABLE: &[(&str, Model)] = &[
    ("amazon.nova-2", NOVA_2),
    ("amazon.nova", NOVA),
    ("amazon.titan", OTHER),
    ("meta.llama", LLAMA),
    ("mistral.mistral-large", MISTRAL_LARGE),
    ("mistral.", MISTRAL),
    ("writer.", WRITER),
    ("deepseek.r1", DEEPSEEK_R1),
    ("deepseek.", DEEPSEEK),
    ("qwen.", QWEN),
    ("openai.", GPT),
    ("moonshot", MOONSHOT),
    ("zai.", ZAI),
    ("cohere.", OTHER),
    ("ai21.", OTHER),
    ("google.", OTHER),
    ("minimax.", OTHER),
    ("nvidia.", OTHER),
];

impl Model {
    /// What the model of this name takes.
    pub(super) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        if name.contains("anthropic.") || name.contains("claude") {
            return Self::claude(claude::facts(&name));
        }
        TABLE.iter().find(|(part, _)| name.contains(part)).map_or(UNKNOWN, |(_, model)| *model)
    }

    fn claude(facts: &'static Facts) -> Self {
        Self {
            thinks: Thinks::Claude(facts),
            choice: true,
            structured: facts.json_schema,
            // How long a mark holds can be said from 4.5 on, as structured answers.
            caches: if facts.json_schema { Caches::Timed } else { Caches::Plainly },
            thoughts: Thoughts::Signed,
            assistant_first: true,
            pictures_in_results: true,
            documents_in_results: true,
            ..OTHER
        }
    }

    /// What Claude's generation can do, where it is Claude.
    pub(super) fn facts(self) -> Option<&'static Facts> {
        match self.thinks {
            Thinks::Claude(facts) => Some(facts),
            _ => None,
        }
    }

    /// What its thoughts stand between, where they come within its text.
    pub(super) fn tags(self) -> Option<&'static Tags> {
        self.is_nova().then_some(&think::NOVA)
    }

    /// Whether it is one of Amazon's Nova models.
    pub(super) fn is_nova(self) -> bool {
        self.search.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_their_family() {
        let check = |name: &str, expect: Model| assert_eq!(Model::of(name), expect, "{name}");
        check("us.amazon.nova-2-lite-v1:0", NOVA_2);
        check("amazon.nova-micro-v1:0", NOVA);
        check("amazon.titan-text-lite-v1", OTHER);
        check("us.meta.llama3-3-70b-instruct-v1:0", LLAMA);
        check("mistral.mistral-large-2407-v1:0", MISTRAL_LARGE);
        check("mistral.ministral-3-8b-instruct", MISTRAL);
        check("us.deepseek.r1-v1:0", DEEPSEEK_R1);
        check("deepseek.v3-v1:0", DEEPSEEK);
        check("qwen.qwen3-32b-v1:0", QWEN);
        check("openai.gpt-oss-120b-1:0", GPT);
        check("moonshotai.kimi-k2.5", MOONSHOT);
        check("zai.glm-4.7", ZAI);
        check("arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/abc", UNKNOWN);
        check("arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.amazon.nova-lite-v1:0", NOVA);
    }

    #[test]
    fn claude_is_known_by_its_generation() {
        let check = |name: &str, structured, caches| {
            let model = Model::of(name);
            assert_eq!((model.structured, model.caches), (structured, caches), "{name}");
            assert_eq!(model.facts(), Some(claude::facts(name)), "{name}");
        };
        check("us.anthropic.claude-sonnet-4-5-20250929-v1:0", true, Caches::Timed);
        check("anthropic.claude-3-5-sonnet-20240620-v1:0", false, Caches::Plainly);
        let arn = "arn:aws:bedrock:eu-west-1:000000000000:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0";
        check(arn, true, Caches::Timed);
    }
}
