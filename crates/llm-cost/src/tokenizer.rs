//! How many tokens a text is, exactly, for models whose vocabulary is published.
//!
//! These are OpenAI's families; elsewhere `None`, and the caller has an estimate to fall back on. The vocabularies
//! are part of the binary (5 MB) and unpacked when one is first needed (a quarter of a second, about 45 MB), so a
//! program that never counts pays only the size. `bpe-openai` counts as exactly and up to 30 times as fast, but its
//! tables add 47 MB to a binary that is to be one small file.
//!
//! A count takes about 1 ms for 10 kB, up to 10 ms for text that is made to be slow: not for a thread that others
//! wait for.

use std::sync::LazyLock;

use llm_types::chat::{ChatRequest, Format, Message, Part, Role};
use tiktoken_rs::CoreBPE;

/// What a message costs beside its text and role, and what a name does: OpenAI's cookbook,
/// <https://github.com/openai/openai-cookbook/blob/main/examples/How_to_count_tokens_with_tiktoken.ipynb>, for
/// gpt-3.5-turbo-0125 and everything since.
const MESSAGE: u64 = 3;
const NAME: u64 = 1;

/// The longest run of white space that is counted: the splitting of longer ones runs out of stack.
const BLANK: usize = 10_000;

/// A vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vocabulary {
    /// GPT-3.5, GPT-4, and the models for vectors.
    Cl100k,
    /// GPT-4o and everything since.
    O200k,
}

/// The beginning of models' names, their vocabulary, and what the beginning of the answer adds to a prompt; `None`:
/// not published.
struct Family(&'static str, Vocabulary, Option<u64>);

/// The longest beginning that fits counts. The answer's beginning is three tokens by the cookbook; for models that
/// think it is two by all recordings (gpt-5, gpt-5-nano, gpt-5.1, gpt-5.6, o3-mini).
const FAMILIES: &[Family] = &[
    Family("gpt-3.5", Vocabulary::Cl100k, Some(3)),
    Family("gpt-35", Vocabulary::Cl100k, Some(3)),
    Family("gpt-4", Vocabulary::Cl100k, Some(3)),
    Family("gpt-4o", Vocabulary::O200k, Some(3)),
    Family("gpt-4.1", Vocabulary::O200k, Some(3)),
    Family("gpt-4.5", Vocabulary::O200k, Some(3)),
    Family("chatgpt-4o", Vocabulary::O200k, Some(3)),
    Family("gpt-5", Vocabulary::O200k, Some(2)),
    Family("gpt-5-chat", Vocabulary::O200k, None),
    Family("o1", Vocabulary::O200k, Some(2)),
    Family("o3", Vocabulary::O200k, Some(2)),
    Family("o4", Vocabulary::O200k, Some(2)),
    Family("codex-mini", Vocabulary::O200k, None),
    // It is told more than the client says.
    Family("gpt-oss", Vocabulary::O200k, None),
    Family("text-embedding-", Vocabulary::Cl100k, None),
    Family("davinci-002", Vocabulary::Cl100k, None),
    Family("babbage-002", Vocabulary::Cl100k, None),
];

fn family(model: &str) -> Option<&'static Family> {
    let model = model.strip_prefix("openai/").unwrap_or(model);
    let model = model.strip_prefix("ft:").unwrap_or(model);
    let fits = FAMILIES.iter().filter(|Family(start, ..)| model.starts_with(start));
    fits.max_by_key(|Family(start, ..)| start.len())
}

impl Vocabulary {
    /// The vocabulary of a model by its own name, with or without `openai/` or `ft:` before it.
    ///
    /// ```
    /// use llm_cost::tokenizer::Vocabulary;
    /// assert_eq!(Vocabulary::of("gpt-4-turbo"), Some(Vocabulary::Cl100k));
    /// assert_eq!(Vocabulary::of("gpt-4o-mini"), Some(Vocabulary::O200k));
    /// assert_eq!(Vocabulary::of("claude-opus-4-5"), None);
    /// ```
    #[must_use]
    pub fn of(model: &str) -> Option<Self> {
        family(model).map(|Family(_, vocabulary, _)| *vocabulary)
    }

    /// How many tokens a text is; special tokens are counted as the text that they are written as.
    ///
    /// `None` for a text with ten thousand blanks in a row, which is none that anybody wrote.
    #[must_use]
    pub fn count(self, text: &str) -> Option<u64> {
        if has_long_blank(text) {
            return None;
        }
        u64::try_from(self.table()?.count_ordinary(text)).ok()
    }

    fn table(self) -> Option<&'static CoreBPE> {
        static CL100K: LazyLock<Option<CoreBPE>> = LazyLock::new(|| tiktoken_rs::cl100k_base().ok());
        static O200K: LazyLock<Option<CoreBPE>> = LazyLock::new(|| tiktoken_rs::o200k_base().ok());
        match self {
            Self::Cl100k => CL100K.as_ref(),
            Self::O200k => O200K.as_ref(),
        }
    }
}

/// How many tokens the prompt of a conversation is.
///
/// `None` where that cannot be said exactly: for other models, and where anything but text is sent (tools, schemas,
/// pictures), whose count is not published.
///
/// ```
/// use llm_types::chat::{ChatRequest, Message};
/// let request = ChatRequest::new([Message::user("Reply with exactly: cobalt")]);
/// assert_eq!(llm_cost::tokenizer::count_prompt("gpt-4o-mini", &request), Some(12));
/// ```
#[must_use]
pub fn count_prompt(model: &str, request: &ChatRequest) -> Option<u64> {
    let Family(_, vocabulary, reply) = family(model)?;
    // Models of these kinds are told more, or count less, than the client says.
    let odd = ["-search", "-chat-latest", "-audio", "-realtime"].iter().any(|kind| model.contains(kind));
    let plain = match request.output.format {
        None | Some(Format::Text) => request.tooling.tools.is_empty() && request.web_search.is_none(),
        Some(_) => false,
    };
    if !plain || odd {
        return None;
    }
    request.messages.iter().try_fold((*reply)?, |sum, one| Some(sum + message(*vocabulary, one)?))
}

fn message(vocabulary: Vocabulary, message: &Message) -> Option<u64> {
    // Every role is one token, also those that are not sent under this name.
    let role = match message.role {
        Role::System | Role::Developer | Role::User | Role::Assistant => 1,
        Role::Tool => return None,
    };
    let name = match &message.name {
        Some(name) => NAME + vocabulary.count(name)?,
        None => 0,
    };
    message.parts.iter().try_fold(MESSAGE + role + name, |sum, part| match part {
        Part::Text(text) => Some(sum + vocabulary.count(&text.text)?),
        _ => None,
    })
}

fn has_long_blank(text: &str) -> bool {
    let mut run = 0;
    // Each blank is at least a byte: a short text cannot have so many.
    text.len() > BLANK
        && text.chars().any(|c| {
            run = if c.is_whitespace() { run + 1 } else { 0 };
            run > BLANK
        })
}

#[cfg(test)]
mod tests {
    use llm_testkit::exchanges;

    use super::*;

    #[test]
    fn models_have_their_vocabulary() {
        use Vocabulary::{Cl100k, O200k};
        let check = |model: &str, expect| assert_eq!(Vocabulary::of(model), expect, "{model}");
        check("gpt-4", Some(Cl100k));
        check("gpt-4-0613", Some(Cl100k));
        check("gpt-35-turbo", Some(Cl100k));
        check("text-embedding-3-small", Some(Cl100k));
        check("gpt-4o-2024-08-06", Some(O200k));
        check("gpt-4.1-nano", Some(O200k));
        check("openai/gpt-5-mini", Some(O200k));
        check("ft:gpt-4o-mini:org::id", Some(O200k));
        check("o3-mini", Some(O200k));
        // Not published.
        for model in ["gpt-6-sol", "claude-sonnet-4-5", "gemini-2.5-pro", "gpt-image-1", "whisper-1", ""] {
            check(model, None);
        }
    }

    #[test]
    fn texts_are_counted_as_openai_counts_them() {
        // The cookbook's own examples, and hostile ones.
        let check = |vocabulary: Vocabulary, text: &str, expect| {
            assert_eq!(vocabulary.count(text), expect, "{text:.40}");
        };
        check(Vocabulary::Cl100k, "tiktoken is great!", Some(6));
        check(Vocabulary::Cl100k, "antidisestablishmentarianism", Some(6));
        check(Vocabulary::O200k, "antidisestablishmentarianism", Some(6));
        check(Vocabulary::Cl100k, "2 + 2 = 4", Some(7));
        check(Vocabulary::Cl100k, "お誕生日おめでとう", Some(9));
        check(Vocabulary::O200k, "お誕生日おめでとう", Some(8));
        check(Vocabulary::O200k, "", Some(0));
        check(Vocabulary::O200k, &" ".repeat(BLANK), Some(79));
        check(Vocabulary::O200k, &" ".repeat(BLANK + 1), None);
        check(Vocabulary::O200k, &"\u{a0}".repeat(2_000_000), None);
        check(Vocabulary::O200k, &"a".repeat(20_000), Some(2_500));
    }

    /// What the provider says, in a whole answer or at the end of a stream.
    fn reported(response: &serde_json::Value) -> Option<u64> {
        let whole = response["body"]["usage"]["prompt_tokens"].as_u64();
        let stream = || response["sse"].as_str()?.rsplit_once("\"prompt_tokens\":");
        let streamed = || stream()?.1.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
        whole.or_else(streamed)
    }

    #[test]
    fn recorded_prompts_are_what_openai_counted() {
        let mut seen = 0;
        for (name, all) in exchanges("chat", &["openai", "openrouter"]) {
            let body = &all["request"]["body"];
            let plain = ["tools", "functions", "response_format", "web_search_options", "audio"];
            let messages = body["messages"].as_array().into_iter().flatten();
            let messages: Option<Vec<_>> = messages
                .map(|message| {
                    let text = message["content"].as_str()?;
                    Some(match message["role"].as_str()? {
                        "user" => Message::user(text),
                        "assistant" => Message::assistant(text),
                        "system" | "developer" => Message::system(text),
                        _ => return None,
                    })
                })
                .collect();
            let model = body["model"].as_str().unwrap_or_default();
            let reported = reported(&all["response"]);
            let (Some(messages), Some(reported)) = (messages, reported) else { continue };
            let skipped = model.contains("search") || Vocabulary::of(model).is_none();
            if skipped || plain.iter().any(|member| !body[member].is_null()) {
                continue;
            }
            assert_eq!(count_prompt(model, &ChatRequest::new(messages)), Some(reported), "{name}");
            seen += 1;
        }
        assert!(!llm_testkit::is_complete() || seen >= 6, "{seen}");
    }

    #[test]
    fn what_is_not_text_is_not_counted() {
        use llm_types::chat::{Image, Media, Tool};
        let mut request = ChatRequest::new([Message::system("Be brief."), Message::user("Hello!")]);
        assert_eq!(count_prompt("gpt-4o", &request), Some(3 + 4 + 3 + 4 + 2));
        assert_eq!(count_prompt("claude-opus-4-5", &request), None);
        request.messages[1].name = Some("Ann".to_owned());
        assert_eq!(count_prompt("gpt-4o", &request), Some(16 + 2));
        request.tooling.tools = vec![Tool::function("f", "", None)];
        assert_eq!(count_prompt("gpt-4o", &request), None);
        request.tooling.tools.clear();
        request.messages[1].parts.push(Part::Image(Image::new(Media::Url("https://a.example".to_owned()))));
        assert_eq!(count_prompt("gpt-4o", &request), None);
    }
}
