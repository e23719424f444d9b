//! Which recordings passed, and which can't.

use std::collections::BTreeMap;

use llm_testkit::{Recording, Recordings};

/// Recordings that can't pass, by provider and file name, and why.
pub(crate) const EXCEPTIONS: &[(&str, &str)] = &[];

/// Wire APIs of providers that must be among the recordings: without them a green run would say nothing.
/// xAI's chat answers are a golden (`answer-xai-grok-4.5`): it is recorded with its Responses API only.
const REQUIRED: &[&str] = &[
    "anthropic messages",
    "azure chat",
    "azure responses",
    "bedrock converse",
    "cerebras chat",
    "cohere chat_v2",
    "deepseek chat",
    "deepseek responses",
    "gemini generateContent",
    "groq chat",
    "huggingface chat",
    "mistral chat",
    "ollama chat",
    "ollama ollama_chat",
    "openai chat",
    "openai responses",
    "openrouter chat",
    "openrouter responses",
    "perplexity chat",
    "together chat",
    "venice chat",
    "xai responses",
    "zai chat",
];

/// All recordings that there are: ours, and those beside the repository, where they are there.
pub(crate) fn recordings() -> Recordings {
    if Recordings::shared().unwrap().is_none() {
        println!("no recordings beside the repository: only our own are played (set LLM_RECORDINGS)");
    }
    Recordings::load().unwrap()
}

/// What came of each recording.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    problems: BTreeMap<String, Vec<String>>,
    providers: BTreeMap<String, (usize, usize)>,
    /// Whether all recordings were played, by the clients whose exceptions are listed.
    whole: bool,
}

impl Tally {
    /// Notes what is wrong with a recording; nothing: it passed.
    pub(crate) fn note(&mut self, recording: &Recording, problems: Vec<String>) {
        // A provider can have one name for two wire formats: they are counted apart.
        let counts =
            self.providers.entry(format!("{} {}", recording.provider, recording.operation)).or_default();
        *if problems.is_empty() { &mut counts.0 } else { &mut counts.1 } += 1;
        self.problems.entry(recording.to_string()).or_default().extend(problems);
    }

    /// Fails where a provider that must be there is not. To be asked where all recordings were played.
    pub(crate) fn covers_what_it_must(&mut self) {
        self.whole = true;
        let missing: Vec<_> = REQUIRED.iter().filter(|name| !self.providers.contains_key(**name)).collect();
        assert!(missing.is_empty(), "no recordings of {missing:?}");
    }

    /// Prints the list, and fails where a recording neither passed nor is an exception, or an exception
    /// is none.
    pub(crate) fn close(self) {
        println!("{:<28} passed  named", "provider, operation");
        for (provider, (passed, not)) in &self.providers {
            println!("{provider:<28} {passed:>6} {not:>6}");
        }
        let mut failures = String::new();
        for (name, why) in EXCEPTIONS {
            match self.problems.get(*name) {
                Some(problems) if problems.is_empty() && self.whole => {
                    failures += &format!("{name} is an exception and passes: strike it off the list\n");
                }
                Some(_) => println!("{name}: {why}"),
                None if self.whole => failures += &format!("{name} is an exception and no recording\n"),
                None => {}
            }
        }
        let named = |name: &str| EXCEPTIONS.iter().any(|(exception, _)| *exception == name);
        for (name, problems) in self.problems.iter().filter(|(name, _)| !named(name)) {
            problems.iter().for_each(|problem| failures += &format!("{name}: {problem}\n"));
        }
        assert!(failures.is_empty(), "\n{failures}");
    }
}
