//! `docs/capabilities.md`: what each provider can do through this workspace, as far as this suite has seen it.
//!
//! Two kinds of exchange fill a cell: a recorded one that was played through the whole gateway and came out right, and one
//! that was scripted after the provider's reference (`tests/fixtures/reference`): there `llm-conform` asks, as
//! `llmctl conform` does, and a scripted provider that sees the documented members answers in its documented form. What
//! neither has shown is `declared` where our code sends it, and `–` where it says that it cannot.
//!
//! The page is held against the run; `cargo xtask gen --capabilities` writes it. A clone without the recordings cannot
//! confirm what was recorded, and takes the page's word for that alone.

mod page;
mod recorded;
mod reference;
mod scripted;
mod wire;

use std::collections::BTreeMap;

use llm_conform::FEATURES;
use llm_providers::table::ProviderTable;
use llm_types::{Call, Op, ProviderSpec};

use crate::front::CHAT;
use crate::lab::{Lab, deployment};
use crate::pipe::Pipe;

/// What is known of a feature at a provider; a later one says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Mark {
    /// It cannot be done, or cannot be said.
    #[default]
    Not,
    /// It is sent, and nobody has seen an answer.
    Declared,
    /// A scripted exchange came out right.
    Reference,
    /// A recorded exchange came out right.
    Recorded,
}

/// The marks, by provider, operation and feature.
#[derive(Debug, Default)]
pub(crate) struct Matrix(BTreeMap<(String, &'static str, &'static str), Mark>);

impl Matrix {
    /// Notes a mark where it says more than what is there.
    pub(crate) fn note(&mut self, provider: &str, (op, feature): (Op, &'static str), mark: Mark) {
        let known = self.0.entry((provider.to_owned(), op.name(), feature)).or_default();
        *known = (*known).max(mark);
    }

    /// What is known.
    pub(crate) fn mark(&self, provider: &str, op: Op, feature: &'static str) -> Mark {
        self.0.get(&(provider.to_owned(), op.name(), feature)).copied().unwrap_or_default()
    }
}

/// Providers of which every cell of a conversation must have been seen.
const COMPLETE: [&str; 16] = [
    "openai",
    "azure",
    "anthropic",
    "gemini",
    "vertex_ai",
    "bedrock",
    "cohere",
    "mistral",
    "groq",
    "deepseek",
    "xai",
    "openrouter",
    "ollama",
    "huggingface",
    "together_ai",
    "perplexity",
];

#[tokio::test]
async fn the_page_says_what_was_seen() {
    let lab = Lab::start().await;
    let mut matrix = Matrix::default();
    declared(&mut matrix);
    let problems = reference::run(&lab, &mut matrix).await;
    assert!(problems.is_empty(), "{problems:#?}");
    let mut problems = scripted::run(&lab, &mut matrix).await;
    problems.extend(wire::run(&lab, &mut matrix).await);
    assert!(problems.is_empty(), "{problems:#?}");
    let problems = recorded::run(&lab, &mut matrix).await;
    assert!(problems.is_empty(), "{problems:#?}");
    let unseen: Vec<_> = FEATURES
        .iter()
        .filter(|feature| feature.op == Op::Chat)
        .flat_map(|feature| COMPLETE.map(|provider| (provider, feature.name)))
        .filter(|(provider, feature)| matrix.mark(provider, Op::Chat, feature) == Mark::Declared)
        .collect();
    assert!(unseen.is_empty(), "only declared: {unseen:?}");
    page::check(&page::markdown(&matrix));
}

/// What our code sends, of all that a row of the table offers. Providers with a reference are asked instead.
fn declared(matrix: &mut Matrix) {
    for spec in ProviderTable::builtin().iter().filter(|spec| spec.name != "mock") {
        for feature in FEATURES.iter().filter(|feature| spec.operations.contains(&feature.op)) {
            let asked = COMPLETE.contains(&spec.name.as_str()) && feature.op == Op::Chat;
            let known = asked || [scripted::asks, wire::asks].iter().any(|asks| asks(&spec.name, feature.op));
            if !known && (feature.op != Op::Chat || is_sent(spec, feature)) {
                matrix.note(&spec.name, (feature.op, feature.name), Mark::Declared);
            }
        }
    }
}

/// Whether the dialect and the row have words for it.
fn is_sent(spec: &ProviderSpec, feature: &llm_conform::Feature) -> bool {
    let model = spec.models.first().map_or("m", String::as_str);
    let mut pipe = Pipe::new(&CHAT, &deployment(format!("{}/{model}", spec.name)));
    let call = feature.call();
    let stream = matches!(&call, Call::Chat(request) if request.delivery.stream);
    pipe.encode(call, stream).is_ok_and(|(_, changes)| !feature.is_lost(&changes))
}
