//! What models cost: `price` of a deployment, `[[prices]]`, `[price_map]`.
//!
//! A person reads prices off a vendor's page, which states tokens per million, so they are written so. What a
//! figure is of stands in [`PriceSpec`], which they become.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_types::{PicoUsd, PriceSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::duration;

macro_rules! rates {
    ($( $(#[$meta:meta])* $name:ident ),* $(,)?) => {
        /// Prices in US dollars. What is not given is not priced apart: cached input costs what input does, thinking
        /// what output does.
        #[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
        // Unknown keys are found by the walk along the schema: serde cannot refuse them inside a larger table.
        #[serde(default)]
        #[schemars(deny_unknown_fields)]
        pub struct Rates {
            $(
                $(#[$meta])*
                #[serde(skip_serializing_if = "Option::is_none")]
                #[schemars(range(min = 0))]
                pub $name: Option<f64>,
            )*
        }

        impl Rates {
            /// Each that is given, by its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
                [$( (stringify!($name), self.$name) ),*]
                    .into_iter()
                    .filter_map(|(name, usd)| Some((name, usd?)))
            }

            fn spec(&self) -> PriceSpec {
                PriceSpec { $( $name: self.$name.and_then(amount), )* ..PriceSpec::default() }
            }
        }
    };
}

rates! {
    /// A million tokens of the prompt.
    input,
    /// A million tokens read from the provider's cache.
    cache_read,
    /// A million tokens written to the cache, for five minutes or where the provider does not say.
    cache_write,
    /// A million tokens written to the cache for an hour.
    cache_write_1h,
    /// A million tokens of sound in the prompt.
    input_audio,
    /// A million tokens of pictures in the prompt.
    input_image,
    /// A million tokens of the answer.
    output,
    /// A million tokens of thinking.
    reasoning,
    /// A million tokens of sound in the answer.
    output_audio,
    /// A million tokens of pictures in the answer.
    output_image,
    /// A search or another query that the provider runs.
    per_query,
    /// A request, whatever it holds.
    per_request,
    /// A picture made.
    per_image,
    /// A picture in the request.
    per_input_image,
    /// A pixel of a picture made.
    per_pixel,
    /// A second of sound in the request.
    per_second,
    /// A second of sound made.
    per_output_second,
    /// A character of the request's text.
    per_character,
    /// A page read.
    per_page,
}

/// The exact amount that is written; checks have seen that it is one.
fn amount(usd: f64) -> Option<PicoUsd> {
    PicoUsd::rounded(&usd.to_string(), 0).ok()
}

/// All prices of a model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Price {
    /// Of short prompts, in the usual tier of service.
    #[serde(flatten)]
    pub rates: Rates,
    /// What differs for the whole request when its prompt is longer than so many tokens:
    /// `above = { 200_000 = { input = 2.5 } }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub above: BTreeMap<String, Rates>,
    /// What differs in the provider's flexible tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flex: Option<Box<TierPrice>>,
    /// What differs in the provider's priority tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Box<TierPrice>>,
    /// What differs in batches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Box<TierPrice>>,
}

/// What differs in a tier of service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct TierPrice {
    /// Of short prompts.
    #[serde(flatten)]
    pub rates: Rates,
    /// What differs when the prompt is longer than so many tokens.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub above: BTreeMap<String, Rates>,
}

impl Price {
    /// The same as the rest of the program has it.
    #[must_use]
    pub fn spec(&self) -> PriceSpec {
        let Self { rates, above, flex, priority, batch } = self;
        let tier = |tier: &Option<Box<TierPrice>>| {
            tier.as_ref().map(|tier| Box::new(of_lengths(&tier.rates, &tier.above)))
        };
        PriceSpec {
            flex: tier(flex),
            priority: tier(priority),
            batch: tier(batch),
            ..of_lengths(rates, above)
        }
    }
}

fn of_lengths(rates: &Rates, above: &BTreeMap<String, Rates>) -> PriceSpec {
    let above = above.iter().map(|(length, rates)| (length.clone(), rates.spec()));
    PriceSpec { above: above.collect(), ..rates.spec() }
}

/// What models cost, instead of what the catalogue says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ModelPrice {
    /// The model, as its provider names it, with or without `provider/` before it; `*` stands for any text. Of several
    /// that are for one model the first counts.
    pub model: String,
    /// The provider. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// All of its prices; none comes from the catalogue.
    #[serde(flatten)]
    pub price: Price,
}

/// A price map in LiteLLM's format (`model_prices_and_context_window.json`), laid over the built-in catalogue. One that
/// would lose half of what is known, or its prices, is not used; the one before stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceMap {
    /// A file, as `llmctl prices update` writes it, or an http(s) address.
    pub source: String,
    /// How often it is read again.
    #[serde(default = "every", with = "duration")]
    #[schemars(with = "duration::Text")]
    pub every: Duration,
}

fn every() -> Duration {
    Duration::from_secs(6 * 3600)
}

impl PriceMap {
    /// Whether it is fetched over the network.
    #[must_use]
    pub fn is_url(&self) -> bool {
        self.source.contains("://")
    }
}
