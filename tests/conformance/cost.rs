//! What recorded answers cost: each dialect's reading of a provider's usage, and the price of it.
//!
//! The classes and sums were computed apart from this code (`crates/llm-cost/tests/recorded.tsv`). A provider counts
//! cached tokens, thoughts and sound inside other counts or beside them; a dialect that gets it wrong bills twice or
//! not at all.

use llm_cost::{Catalogue, Class, ServiceTier, cost};
use llm_testkit::Recording;
use llm_types::{PicoUsd, Usage};

use crate::front::CHAT;
use crate::pipe::Pipe;
use crate::tally::recordings;

/// What was recorded and computed.
const ROWS: &str = include_str!("../../crates/llm-cost/tests/recorded.tsv");

/// Wire APIs that the dialects here read.
const READ: [&str; 4] = ["chat", "responses", "messages", "generateContent"];

struct Row {
    name: &'static str,
    provider: &'static str,
    model: &'static str,
    classes: &'static str,
    usd: &'static str,
}

fn rows() -> impl Iterator<Item = Row> {
    ROWS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<_> = line.split('\t').collect();
        let [name, provider, model, _, classes, usd] = fields[..] else { panic!("{line}") };
        Row { name, provider, model, classes, usd }
    })
}

fn name(recording: &Recording) -> String {
    let file = recording.file.file_stem().unwrap_or_default().to_string_lossy();
    format!("{}/{file}", recording.provider)
}

/// The classes of a usage as the table writes them, by name.
fn classes(usage: &Usage) -> Vec<String> {
    let used = Class::ALL.into_iter().filter(|class| *class != Class::Request && class.count(usage) > 0);
    let mut all: Vec<_> = used.map(|class| format!("{}={}", class.name(), class.count(usage))).collect();
    all.sort();
    all
}

#[test]
fn recorded_answers_cost_what_was_computed_by_hand() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for recording in &recordings().filter(|one| READ.contains(&one.operation.as_str())) {
        let Some(row) = rows().find(|row| row.name == name(recording)) else { continue };
        seen += 1;
        let pipe = Pipe::of(&CHAT, recording);
        let (read, passed) = pipe.usages(recording);
        let read = read.unwrap_or_default();
        let mut expect: Vec<_> = row.classes.split_whitespace().map(str::to_owned).collect();
        expect.sort();
        if classes(&read) != expect {
            wrong.push(format!("{}: {:?}, not {expect:?}", row.name, classes(&read)));
            continue;
        }
        if passed.is_some_and(|passed| passed != read) {
            wrong.push(format!("{}: passed through it would count otherwise", row.name));
        }
        let entry = Catalogue::builtin().find(row.provider, row.model).expect("a known model").entry;
        let total = cost(&read, &entry.prices, ServiceTier::Standard).total();
        let told = total.map_or_else(|| "unknown".to_owned(), |usd: PicoUsd| usd.to_string());
        if told != row.usd {
            wrong.push(format!("{}: {told}, not {}", row.name, row.usd));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!llm_testkit::is_complete() || seen >= 60, "{seen} usages");
}
