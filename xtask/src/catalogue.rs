//! `cargo xtask catalogue FILE`: the price catalogue, from a table of model facts.
//!
//! The table has one row per model: name, provider, limits, prices in USD per million tokens or for one piece, and
//! the vendor's page. It is not part of the repository; what becomes of it is, as text that can be read in a diff.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use llm_cost::import::{Draft, Models, provider};
use llm_cost::{Capabilities, Class, Date, Mode, ServiceTier};
use llm_types::PicoUsd;

use crate::shell::say;
use crate::workspace::Workspace;

/// What is written.
const PATH: &str = "crates/llm-cost/catalogue/models.txt";

/// Columns of prices, and what each is a price of.
const PRICES: &[(&str, Class)] = &[
    ("input_usd_per_m", Class::Input),
    ("output_usd_per_m", Class::Output),
    ("cache_read_usd_per_m", Class::CacheRead),
    ("cache_write_usd_per_m", Class::CacheWrite),
    ("cache_write_1h_usd_per_m", Class::CacheWrite1h),
    ("reasoning_usd_per_m", Class::Reasoning),
    ("audio_in_usd_per_m", Class::InputAudio),
    ("audio_out_usd_per_m", Class::OutputAudio),
    ("image_in_usd_per_m", Class::InputImage),
    ("image_out_usd_per_m", Class::OutputImage),
    ("per_image_out_usd", Class::Image),
    ("per_image_in_usd", Class::GivenImage),
    ("per_second_in_usd", Class::Second),
    ("per_second_out_usd", Class::OutputSecond),
    ("per_character_in_usd", Class::Character),
    ("per_query_usd", Class::Query),
    ("per_pixel_out_usd", Class::Pixel),
    ("per_page_usd", Class::Page),
];

/// What the table has no column for, of models of one provider.
struct Added {
    provider: &'static str,
    model: &'static str,
    /// In USD for one.
    prices: &'static [(Class, &'static str)],
    capabilities: Capabilities,
}

const fn fee(model: &'static str, usd: &'static [(Class, &'static str)]) -> Added {
    Added { provider: "perplexity", model, prices: usd, capabilities: Capabilities::NONE }
}

/// Perplexity's fee for each request, with a search of the usual size (`low`), in which all searches are; deep research
/// pays for each search that it makes (<https://docs.perplexity.ai/getting-started/pricing>).
const ADDED: &[Added] = &[
    fee("sonar", &[(Class::Request, "0.005"), (Class::Query, "0")]),
    fee("sonar-reasoning", &[(Class::Request, "0.005"), (Class::Query, "0")]),
    fee("sonar-pro", &[(Class::Request, "0.006"), (Class::Query, "0")]),
    fee("sonar-reasoning-pro", &[(Class::Request, "0.006"), (Class::Query, "0")]),
    Added {
        provider: "perplexity",
        model: "sonar-deep-research",
        prices: &[(Class::Query, "0.005")],
        capabilities: Capabilities::UNASKED_SEARCH,
    },
];

/// What `cargo xtask catalogue` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The table, as tab-separated values with a header.
    file: PathBuf,
}

/// Writes the catalogue.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let table = fs::read_to_string(&args.file).with_context(|| format!("reading {}", args.file.display()))?;
    let text = catalogue(&table)?;
    fs::write(workspace.root.join(PATH), &text).with_context(|| format!("writing {PATH}"))?;
    say(&format!("wrote {PATH}: {} bytes", text.len()));
    Ok(())
}

/// The catalogue's text, with the vendors' pages above each provider's models.
fn catalogue(table: &str) -> anyhow::Result<String> {
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().context("the table is empty")?.split('\t').collect();
    let mut models = Models::default();
    let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (number, line) in lines.enumerate() {
        let row = Row { fields: header.iter().copied().zip(line.split('\t')).collect() };
        let (word, model) = (row.get("provider"), row.get("model"));
        models.add(word, model, row.draft().with_context(|| format!("line {}: {model}", number + 2))?);
        let pages = sources.entry(provider(word)).or_default();
        if !row.get("source").is_empty() && !pages.contains(&row.get("source")) {
            pages.push(row.get("source"));
        }
    }
    let catalogue = models.catalogue();
    let mut text = String::new();
    for line in catalogue.to_string().lines() {
        text.extend([line, "\n"]);
        let provider = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        for page in provider.and_then(|provider| sources.get(provider)).into_iter().flatten() {
            text.extend(["# ", *page, "\n"]);
        }
    }
    Ok(text)
}

struct Row<'t> {
    fields: BTreeMap<&'t str, &'t str>,
}

impl<'t> Row<'t> {
    fn get(&self, column: &str) -> &'t str {
        self.fields.get(column).copied().unwrap_or_default()
    }

    fn is_about(&self, added: &Added) -> bool {
        let model = self.get("model");
        let own = model.strip_prefix(added.provider).and_then(|rest| rest.strip_prefix('/')).unwrap_or(model);
        self.get("provider") == added.provider && own == added.model
    }

    fn draft(&self) -> anyhow::Result<Draft> {
        let mut prices = Vec::new();
        for (column, class) in PRICES {
            let text = self.get(column);
            if !text.is_empty() {
                prices.push((ServiceTier::Standard, 0, *class, pico(*class, text)?));
            }
        }
        for (threshold, rates) in overlays(self.get("tiers"))? {
            let above = threshold.parse().with_context(|| format!("`{threshold}` is no count of tokens"))?;
            prices.extend(named(&rates)?.map(|(class, pico)| (ServiceTier::Standard, above, class, pico)));
        }
        for (tier, rates) in overlays(self.get("service_tiers"))? {
            let service = ServiceTier::of(&tier);
            if service == ServiceTier::Standard {
                bail!("`{tier}` is no tier of service");
            }
            prices.extend(named(&rates)?.map(|(class, pico)| (service, 0, class, pico)));
        }
        let mut capabilities = Capabilities::default();
        for name in self.get("caps").split(',').filter(|name| !name.is_empty()) {
            let one = Capabilities::of(name).with_context(|| format!("`{name}` is no ability"))?;
            capabilities = capabilities.and(one);
        }
        for added in ADDED.iter().filter(|added| self.is_about(added)) {
            capabilities = capabilities.and(added.capabilities);
            for (class, text) in added.prices {
                prices.push((ServiceTier::Standard, 0, *class, pico(*class, text)?));
            }
        }
        let date = self.get("deprecated_on");
        Ok(Draft {
            mode: Mode::of(self.get("mode")),
            context_window: count(self.get("context_tokens"))?,
            max_output: count(self.get("max_output_tokens"))?,
            capabilities,
            deprecated_on: match date {
                "" => None,
                _ => Some(Date::parse(date).with_context(|| format!("`{date}` is no date"))?),
            },
            prices,
        })
    }
}

/// Members of a JSON object of objects of figures.
type Overlays = BTreeMap<String, BTreeMap<String, String>>;

fn overlays(json: &str) -> anyhow::Result<Overlays> {
    match json {
        "" => Ok(Overlays::new()),
        _ => serde_json::from_str(json).with_context(|| format!("`{json}` is no tier")),
    }
}

fn named(rates: &BTreeMap<String, String>) -> anyhow::Result<impl Iterator<Item = (Class, u64)>> {
    let all = rates.iter().map(|(name, text)| {
        let class = Class::of(name).with_context(|| format!("`{name}` is not priced"))?;
        Ok((class, pico(class, text)?))
    });
    Ok(all.collect::<anyhow::Result<Vec<_>>>()?.into_iter())
}

/// The price of one, to the nearest pico-dollar.
fn pico(class: Class, text: &str) -> anyhow::Result<u64> {
    let power = if class.is_token() { -6 } else { 0 };
    let amount = PicoUsd::rounded(text, power).with_context(|| format!("`{text}` is no price"))?;
    u64::try_from(amount.pico()).map_err(|_| anyhow!("`{text}` is no price"))
}

fn count(text: &str) -> anyhow::Result<Option<u64>> {
    match text {
        "" => Ok(None),
        _ => text.parse().map(Some).with_context(|| format!("`{text}` is no count of tokens")),
    }
}

#[cfg(test)]
mod tests {
    use llm_cost::Catalogue;

    use super::*;

    #[test]
    fn a_table_becomes_a_catalogue() {
        let table = "model\tprovider\tmode\tcontext_tokens\tinput_usd_per_m\toutput_usd_per_m\ttiers\tcaps\tsource\n\
            gemini/g\tgemini\tchat\t1000\t1.25\t10\t{\"200\":{\"input\":\"2.5\"}}\ttools,vision\thttps://a.example\n\
            g\tgemini\tchat\t\t9\t9\t\t\thttps://a.example\n\
            eu.a\tbedrock_converse\tchat\t\t15.000020000000002\t\t\t\t\n";
        let text = catalogue(table).unwrap();
        let parsed = Catalogue::parse(&text).unwrap();
        let entry = parsed.find("gemini", "g").unwrap().entry;
        assert_eq!(entry.context_window, Some(1000));
        assert_eq!(entry.prices.at(201, ServiceTier::Standard).price(Class::Input), Some(2_500_000));
        let entry = parsed.find("bedrock", "eu.a").unwrap().entry;
        assert_eq!(entry.prices.base().get(Class::Input), Some(15_000_020));
        assert_eq!(text.matches("# https://a.example").count(), 1);
        assert!(catalogue("").is_err());
        assert!(catalogue("model\tprovider\tinput_usd_per_m\na\tb\tcheap\n").is_err());
    }
}
