//! What real answers cost: usages that providers reported, with sums that were computed elsewhere.
//!
//! That the classes are what each dialect makes of the reported usage is held in the conformance suite, which may
//! import the dialects.
#![cfg(test)]

use std::collections::BTreeSet;

use llm_cost::{Asked, Class, PriceBook, Worst};
use llm_types::{PicoUsd, Usage};

struct Row<'t> {
    name: &'t str,
    provider: &'t str,
    model: &'t str,
    reported: serde_json::Value,
    usage: Usage,
    usd: Option<PicoUsd>,
}

fn rows() -> Vec<Row<'static>> {
    let lines = include_str!("recorded.tsv").lines().filter(|line| !line.starts_with('#'));
    let row = |line: &'static str| {
        let fields: Vec<_> = line.split('\t').collect();
        let [name, provider, model, reported, classes, usd] = fields[..] else { panic!("{line}") };
        Row {
            name,
            provider,
            model,
            reported: serde_json::from_str(reported).unwrap(),
            usage: usage(classes),
            usd: (usd != "unknown").then(|| usd.parse().unwrap()),
        }
    };
    lines.map(row).collect()
}

fn usage(classes: &str) -> Usage {
    let mut usage = Usage::default();
    for pair in classes.split_whitespace() {
        let (name, count) = pair.split_once('=').unwrap();
        let place = match Class::of(name).unwrap() {
            Class::Input => &mut usage.input,
            Class::CacheRead => &mut usage.cache_read,
            Class::InputAudio => &mut usage.input_audio,
            Class::InputImage => &mut usage.input_image,
            Class::Output => &mut usage.output,
            Class::Reasoning => &mut usage.reasoning,
            Class::OutputImage => &mut usage.output_image,
            Class::Query => &mut usage.queries,
            Class::Image => &mut usage.units.images,
            Class::Second => &mut usage.units.input_audio_ms,
            other => panic!("{other:?}: read it here"),
        };
        *place = count.parse().unwrap();
    }
    usage
}

#[test]
fn recorded_usages_cost_what_was_computed_by_hand() {
    let (mut wrong, mut providers) = (Vec::new(), BTreeSet::new());
    let (rows, book) = (rows(), PriceBook::default());
    for row in &rows {
        let asked = Asked { provider: row.provider, model: row.model, ..Asked::default() };
        providers.insert(row.provider);
        let bill = book.cost(&asked, &row.usage);
        if bill.source.is_none() && row.usd.is_some() {
            wrong.push(format!("{}: {}/{} is unknown", row.name, row.provider, row.model));
        }
        if bill.total() != row.usd {
            wrong.push(format!("{}: {:?}, not {:?}", row.name, bill.total(), row.usd));
        }
        let worst = Worst {
            queries: row.usage.queries,
            units: row.usage.units,
            classes: llm_cost::Classes::TOKENS,
            ..Worst::text(row.usage.prompt_tokens(), row.usage.completion_tokens())
        };
        if let (Some(total), Some(bound)) = (bill.total(), book.bound(&asked, &worst)) {
            assert!(total <= bound.total(), "{}: {total} of {bound:?}", row.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rows.len() >= 120 && providers.len() >= 14, "{} rows, {providers:?}", rows.len());
}

#[test]
fn costs_that_providers_state_are_ours() {
    let mut agreed = 0;
    for row in rows() {
        let stated = match (&row.reported["cost_in_usd_ticks"], &row.reported["cost"]["total_cost"]) {
            (ticks, _) if ticks.as_u64() > Some(0) => PicoUsd::rounded(&ticks.to_string(), -10).unwrap(),
            (_, usd) if usd.is_number() => PicoUsd::rounded(&usd.to_string(), 0).unwrap(),
            _ => continue,
        };
        match (row.usd, row.name) {
            // Its price went up after the catalogue was made, or down again before.
            (_, "xai/images-basic-4ad43b") => assert_eq!(stated.to_string(), "0.07"),
            // Stated to a thousandth of a cent.
            (Some(ours), name) if name.starts_with("perplexity/chat-") => {
                let half = "0.000005".parse().unwrap();
                assert!(stated <= ours.saturating_add(half) && ours <= stated.saturating_add(half), "{name}");
            }
            // Searches are billed, their price is unknown: no sum, rather than one that is too small.
            (None, "xai/responses-cache-citations-hosted-tools-reasoning-4ea41d") => {}
            (ours, name) => {
                assert_eq!(ours, Some(stated), "{name}");
                agreed += 1;
            }
        }
    }
    assert_eq!(agreed, 8);
}
