//! What recorded answers cost: each dialect's reading of a provider's usage, and the price of it.
//!
//! The classes and sums were computed apart from this code (`crates/llm-cost/tests/recorded.tsv`). A provider counts
//! cached tokens, thoughts and sound inside other counts or beside them; a dialect that gets it wrong bills twice or
//! not at all.

use llm_cost::{Asked, Class, PriceBook};
use llm_testkit::Recording;
use llm_types::{PicoUsd, Usage};

use crate::front::CHAT;
use crate::pipe::Pipe;
use crate::tally::recordings;

/// What was recorded and computed.
const ROWS: &str = include_str!("../../crates/llm-cost/tests/recorded.tsv");

/// Wire APIs that the dialects here read.
const READ: [&str; 6] = ["chat", "responses", "messages", "generateContent", "chat_v2", "ollama_chat"];

struct Row {
    name: &'static str,
    provider: &'static str,
    model: &'static str,
    reported: serde_json::Value,
    classes: &'static str,
    usd: &'static str,
}

impl Row {
    /// What the provider says that it bills.
    fn stated(&self) -> Option<PicoUsd> {
        let usage = &self.reported;
        let (ticks, table, plain) =
            (&usage["cost_in_usd_ticks"], &usage["cost"]["total_cost"], &usage["cost"]);
        let (figure, power) = match (ticks, table, plain) {
            (ticks, ..) if ticks.is_number() => (ticks, -10),
            (_, table, _) if table.is_number() => (table, 0),
            (.., plain) => (plain, 0),
        };
        PicoUsd::rounded(&figure.to_string(), power).ok().filter(|usd| *usd > PicoUsd::ZERO)
    }
}

fn rows() -> impl Iterator<Item = Row> {
    ROWS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<_> = line.split('\t').collect();
        let [name, provider, model, reported, classes, usd] = fields[..] else { panic!("{line}") };
        let reported = serde_json::from_str(reported).unwrap();
        Row { name, provider, model, reported, classes, usd }
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
    let (mut wrong, mut seen, mut billed) = (Vec::new(), 0, 0);
    let book = PriceBook::default();
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
        let asked = Asked { provider: row.provider, model: row.model, ..Asked::default() };
        let charge = book.cost(&asked, &read);
        let itemised = charge.cost.total();
        let told = itemised.map_or_else(|| "unknown".to_owned(), |usd: PicoUsd| usd.to_string());
        if told != row.usd {
            wrong.push(format!("{}: {told}, not {}", row.name, row.usd));
        }
        // What the provider bills is what is owed.
        if read.stated != row.stated() || charge.total() != row.stated().or(itemised) {
            wrong.push(format!("{}: {:?} is not {:?}", row.name, read.stated, row.stated()));
        }
        billed += usize::from(read.stated.is_some());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!llm_testkit::is_complete() || seen >= 60, "{seen} usages");
    assert!(!llm_testkit::is_complete() || billed >= 18, "{billed} costs are stated");
}

#[test]
fn the_model_that_answered_is_known_where_it_passes_through() {
    let (mut wrong, mut seen, mut others) = (Vec::new(), 0, 0);
    for recording in &recordings().filter(|one| READ.contains(&one.operation.as_str())) {
        let name = name(recording);
        if !rows().any(|row| row.name == name) {
            continue;
        }
        seen += 1;
        let pipe = Pipe::of(&CHAT, recording);
        let (read, passed) = pipe.models(recording);
        others += usize::from(passed.as_deref().is_some_and(|passed| passed != pipe.model));
        if passed != read {
            wrong.push(format!("{name}: {passed:?}, not {read:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!llm_testkit::is_complete() || (seen >= 60 && others >= 20), "{seen} of which {others} differ");
}
