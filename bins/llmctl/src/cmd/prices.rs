//! `llmctl prices`: what is known of a model, and newer prices.

mod update;

use std::path::Path;

use llm_cost::{Class, Entry, Rates, Rule, ServiceTier};
use llm_types::PicoUsd;
use serde::Serialize;

use crate::args::PricesCommand;
use crate::exit::{Exit, Failure};
use crate::input::priced::{Priced, book, priced};
use crate::output::Output;

/// Carries a command out.
pub(crate) async fn run(command: PricesCommand, out: &mut Output) -> Result<Exit, Failure> {
    match command {
        PricesCommand::Show { model, map, csv } => {
            let form = if csv { Form::Values } else { Form::Text };
            show(&model, map.as_deref(), form, out)
        }
        PricesCommand::Update { from, out: file } => update::run(&from, &file, out).await,
    }
}

/// How a model is shown where JSON is not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Values,
}

/// One price.
#[derive(Debug, Serialize)]
struct Price {
    class: &'static str,
    usd: PicoUsd,
    per: &'static str,
    tier: &'static str,
    /// For prompts of more tokens than this.
    above: u64,
}

/// A model.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    provider: &'a str,
    model: &'a str,
    found_by: &'static str,
    mode: &'static str,
    context_window: Option<u64>,
    max_output: Option<u64>,
    capabilities: Vec<&'static str>,
    deprecated_on: Option<String>,
    prices: Vec<Price>,
}

fn show(model: &str, map: Option<&Path>, form: Form, out: &mut Output) -> Result<Exit, Failure> {
    let book = book(map).map_err(Failure::Usage)?;
    let priced = priced(&book, model).map_err(Failure::Usage)?;
    let Priced { asked: _, provider, model: _, found } = &priced;
    let Entry { model, mode, context_window, max_output, capabilities, prices, deprecated_on } = found.entry;
    let standard = (ServiceTier::Standard, 0, prices.base());
    let all = std::iter::once(standard).chain(prices.overlays());
    let shown = Shown {
        provider,
        model,
        found_by: rule(found.rule),
        mode: mode.name(),
        context_window: *context_window,
        max_output: *max_output,
        capabilities: capabilities.unwrap_or_default().names().collect(),
        deprecated_on: deprecated_on.map(|date| date.to_string()),
        prices: all.flat_map(|(tier, above, rates)| listed(tier, above, rates)).collect(),
    };
    if out.json {
        out.json(&shown)?;
    } else if form == Form::Values {
        values(&shown, out)?;
    } else {
        text(&shown, out)?;
    }
    Ok(Exit::Ok)
}

fn listed(tier: ServiceTier, above: u64, rates: &Rates) -> impl Iterator<Item = Price> {
    rates.iter().map(move |(class, pico)| {
        let one = PicoUsd::from_pico(i128::from(pico));
        let usd = if class.is_token() { one.saturating_mul(1_000_000) } else { one };
        Price { class: class.name(), usd, per: per(class), tier: tier.name(), above }
    })
}

fn per(class: Class) -> &'static str {
    match class {
        _ if class.is_token() => "million tokens",
        Class::Second | Class::OutputSecond => "second",
        Class::Image | Class::GivenImage => "picture",
        other => other.name(),
    }
}

/// How a model was found, in words.
pub(crate) fn rule(rule: Rule) -> &'static str {
    match rule {
        Rule::Exact => "name",
        Rule::Path => "name without its path",
        Rule::Region => "name without its region",
        Rule::Release => "another release",
        Rule::Base => "what it was tuned from",
    }
}

fn text(shown: &Shown<'_>, out: &mut Output) -> Result<(), Failure> {
    let known = |count: Option<u64>| count.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
    writeln!(out.out, "{}/{} ({})", shown.provider, shown.model, shown.mode)?;
    if shown.found_by != rule(Rule::Exact) {
        writeln!(out.out, "found by:       {}", shown.found_by)?;
    }
    writeln!(out.out, "context window: {}", known(shown.context_window))?;
    writeln!(out.out, "longest answer: {}", known(shown.max_output))?;
    if !shown.capabilities.is_empty() {
        writeln!(out.out, "abilities:      {}", shown.capabilities.join(", "))?;
    }
    if let Some(date) = &shown.deprecated_on {
        writeln!(out.out, "ends on:        {date}")?;
    }
    if shown.prices.is_empty() {
        writeln!(out.out, "prices:         unknown")?;
        return Ok(());
    }
    writeln!(out.out)?;
    let rows = shown.prices.iter().map(|price| {
        let when = match (price.tier, price.above) {
            ("standard", 0) => String::new(),
            ("standard", above) => format!("prompt > {above}"),
            (tier, 0) => tier.to_owned(),
            (tier, above) => format!("{tier}, prompt > {above}"),
        };
        [price.class.to_owned(), price.usd.to_string(), price.per.to_owned(), when]
    });
    out.table(["CLASS", "USD", "PER", "WHEN"], rows.collect())
}

/// A line for each price.
fn values(shown: &Shown<'_>, out: &mut Output) -> Result<(), Failure> {
    let row = |price: &Price| {
        let Price { class, usd, per, tier, above } = price;
        let texts = [shown.provider, shown.model, class].map(str::to_owned);
        let more = [usd.to_string(), (*per).to_owned(), (*tier).to_owned(), above.to_string()];
        [texts.to_vec(), more.to_vec()].concat()
    };
    let rows: Vec<_> = shown.prices.iter().map(row).collect();
    out.csv(&["provider", "model", "class", "usd", "per", "tier", "above"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::output;

    fn shown(model: &str) -> String {
        let (mut out, text, _) = output(false);
        assert_eq!(show(model, None, Form::Text, &mut out).unwrap(), Exit::Ok);
        text.text()
    }

    #[test]
    fn everything_known_is_shown() {
        let text = shown("gpt-4o");
        for words in ["openai/gpt-4o (chat)", "context window: 128000", "longest answer: 16384", "tools"] {
            assert!(text.contains(words), "no `{words}` in {text}");
        }
        let row = |text: &str, start: &str| {
            let line = text.lines().find(|line| line.starts_with(start)).unwrap_or_default();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row(&text, "output"), "output 10 million tokens");
        assert!(!text.contains("found by"), "{text}");
        assert!(shown("gpt-4o-2031-01-01").contains("found by:       another release"));
        assert_eq!(row(&shown("whisper-1"), "second"), "second 0.0001 second");
        assert!(shown("gemini/gemini-2.5-pro").contains("prompt > 200000"));
    }

    #[test]
    fn json_has_the_same() {
        let (mut out, text, _) = output(true);
        show("gemini/gemini-2.5-pro", None, Form::Text, &mut out).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text.text()).unwrap();
        assert_eq!((&json["provider"], &json["found_by"]), (&"gemini".into(), &"name".into()));
        assert_eq!(
            json["prices"][0],
            serde_json::json!({"class": "input", "usd": "1.25", "per": "million tokens",
            "tier": "standard", "above": 0})
        );
        let (mut out, values, _) = output(false);
        show("gpt-4o", None, Form::Values, &mut out).unwrap();
        let values = values.text();
        assert!(values.starts_with("provider,model,class,usd,per,tier,above\nopenai,gpt-4o,"), "{values}");
        assert!(matches!(show("nobody/x", None, Form::Text, &mut out), Err(Failure::Usage(_))));
    }
}
