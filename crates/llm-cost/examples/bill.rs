//! The bill of one answer, and what the same would have cost elsewhere.
//!
//! `cargo run -p llm-cost --example bill`

use std::io::Write as _;

use llm_cost::{Catalogue, ServiceTier, Worst, cost, upper_bound};
use llm_types::Usage;

const MODELS: [(&str, &str); 4] = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-haiku-4-5"),
    ("gemini", "gemini-2.5-flash"),
];

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout();
    let usage = Usage { input: 800, cache_read: 3_200, output: 450, reasoning: 150, ..Usage::default() };
    for (provider, model) in MODELS {
        let Some(found) = Catalogue::builtin().find(provider, model) else {
            writeln!(out, "{provider}/{model}: unknown")?;
            continue;
        };
        let prices = &found.entry.prices;
        let bill = cost(&usage, prices, ServiceTier::Standard);
        let most = upper_bound(prices, &Worst::text(usage.prompt_tokens(), 2_000));
        writeln!(out, "{provider}/{model}")?;
        for item in bill.items() {
            let amount = item.amount.map_or_else(|| "unknown".to_owned(), |usd| format!("{usd} USD"));
            writeln!(out, "  {:>12} {:>6} {amount}", item.class.name(), item.count)?;
        }
        let told = |amount: Option<llm_types::PicoUsd>| {
            amount.map_or_else(|| "unknown".to_owned(), |usd| format!("{usd} USD"))
        };
        writeln!(out, "  total {}, with a longest answer at most {}", told(bill.total()), told(most))?;
    }
    Ok(())
}
