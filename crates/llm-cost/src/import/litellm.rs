//! LiteLLM's price map (`model_prices_and_context_window.json`).
//!
//! One object per model, with a member for every combination of what is priced, length of prompt and tier of
//! service (`output_cost_per_token_above_200k_tokens_priority`), in USD for one. New members come all the time, so
//! unknown ones are passed over; a model that cannot be read is left out and named. Numbers are read as they are
//! written, not as floating point.

use std::borrow::Cow;
use std::fmt;

use llm_types::{PicoUsd, ServiceTier};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Draft, Models};
use crate::catalogue::Catalogue;
use crate::class::Class;
use crate::entry::{Capabilities, Date, Mode};
use crate::error::Error;

/// Members that hold prices of one.
const PRICES: &[(&str, Class)] = &[
    ("input_cost_per_token", Class::Input),
    ("output_cost_per_token", Class::Output),
    ("cache_read_input_token_cost", Class::CacheRead),
    ("input_cost_per_token_cache_hit", Class::CacheRead),
    ("cache_creation_input_token_cost", Class::CacheWrite),
    ("cache_creation_input_token_cost_above_1hr", Class::CacheWrite1h),
    ("output_cost_per_reasoning_token", Class::Reasoning),
    ("input_cost_per_audio_token", Class::InputAudio),
    ("output_cost_per_audio_token", Class::OutputAudio),
    ("input_cost_per_image_token", Class::InputImage),
    ("output_cost_per_image_token", Class::OutputImage),
    ("input_cost_per_image", Class::GivenImage),
    ("output_cost_per_image", Class::Image),
    ("output_cost_per_pixel", Class::Pixel),
    ("input_cost_per_second", Class::Second),
    ("input_cost_per_audio_per_second", Class::Second),
    ("output_cost_per_second", Class::OutputSecond),
    ("input_cost_per_character", Class::Character),
    ("input_cost_per_query", Class::Query),
    ("input_cost_per_request", Class::Request),
    ("ocr_cost_per_page", Class::Page),
];

/// Members that say what a model can do.
const ABILITIES: &[(&str, Capabilities)] = &[
    ("supports_function_calling", Capabilities::TOOLS),
    ("supports_tool_choice", Capabilities::TOOL_CHOICE),
    ("supports_parallel_function_calling", Capabilities::PARALLEL_TOOLS),
    ("supports_vision", Capabilities::VISION),
    ("supports_pdf_input", Capabilities::PDF),
    ("supports_audio_input", Capabilities::AUDIO_IN),
    ("supports_audio_output", Capabilities::AUDIO_OUT),
    ("supports_video_input", Capabilities::VIDEO_IN),
    ("supports_reasoning", Capabilities::REASONING),
    ("supports_response_schema", Capabilities::JSON_SCHEMA),
    ("supports_prompt_caching", Capabilities::PROMPT_CACHE),
    ("supports_system_messages", Capabilities::SYSTEM),
    ("supports_assistant_prefill", Capabilities::PREFILL),
    ("supports_web_search", Capabilities::WEB_SEARCH),
    ("supports_computer_use", Capabilities::COMPUTER_USE),
];

/// Members of the map that are no models.
const NO_MODELS: [&str; 2] = ["sample_spec", "fallback_generalizations"];

/// A price map that was read.
#[derive(Debug)]
pub struct PriceMap {
    /// Its models.
    pub catalogue: Catalogue,
    /// Models that cannot be read, and why not.
    pub skipped: Vec<(String, String)>,
}

/// Reads a price map. Whether it should be believed is for [`check`](super::check) to say.
///
/// # Errors
/// When it is no JSON object.
///
/// ```
/// let map = br#"{"gpt-x": {"litellm_provider": "openai", "mode": "chat",
///     "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05}}"#;
/// let read = llm_cost::import::from_litellm(map).unwrap();
/// let entry = read.catalogue.find("openai", "gpt-x").unwrap().entry;
/// assert_eq!(entry.per_token(), Some((2_500_000, 10_000_000)));
/// ```
pub fn from_litellm(bytes: &[u8]) -> Result<PriceMap, Error> {
    let Members(all) = serde_json::from_slice(bytes).map_err(Error::Map)?;
    let (mut models, mut skipped) = (Models::default(), Vec::new());
    for (name, raw) in all.iter().filter(|(name, _)| !NO_MODELS.contains(&&**name)) {
        if let Err(reason) = add(name, raw, &mut models) {
            skipped.push((name.to_string(), reason));
        }
    }
    Ok(PriceMap { catalogue: models.catalogue(), skipped })
}

/// The members of an object, in order, each as it is written.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A member's name: borrowed where no character of it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    all.push((name, map.next_value()?));
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn add(name: &str, raw: &RawValue, models: &mut Models) -> Result<(), String> {
    let Members(members) = serde_json::from_str(raw.get()).map_err(|_| "is no object".to_owned())?;
    let model = Model(members);
    let word = model.text("litellm_provider").ok_or("names no litellm_provider")?;
    let draft = model.draft()?;
    let aliases = model.get("aliases").and_then(|raw| serde_json::from_str::<Vec<String>>(raw.get()).ok());
    for alias in aliases.unwrap_or_default() {
        models.add(&word, &alias, draft.clone());
    }
    models.add(&word, name, draft);
    Ok(())
}

struct Model<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl Model<'_> {
    fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rfind(|(known, _)| known == name).map(|(_, raw)| *raw)
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// A count; some are written with a decimal point.
    fn count(&self, name: &str) -> Option<u64> {
        let raw = unquoted(self.get(name)?);
        let whole = PicoUsd::rounded(raw, -12).ok()?.pico();
        u64::try_from(whole).ok().filter(|count| *count > 0)
    }

    fn draft(&self) -> Result<Draft, String> {
        let legacy = self.count("max_tokens");
        let window = self.count("max_input_tokens");
        let is = |name: &str| self.get(name).is_some_and(|raw| raw.get() == "true");
        let able = ABILITIES.iter().filter(|(name, _)| is(name));
        Ok(Draft {
            mode: self.text("mode").map_or(Mode::Other, |mode| Mode::of(&mode)),
            context_window: window.or(legacy),
            // The legacy member is the prompt's limit where there is no other.
            max_output: self.count("max_output_tokens").or(legacy.filter(|_| window.is_some())),
            capabilities: able.fold(Capabilities::default(), |all, (_, one)| all.and(*one)),
            deprecated_on: self.text("deprecation_date").and_then(|date| Date::parse(&date)),
            prices: self.prices()?,
        })
    }

    fn prices(&self) -> Result<Vec<(ServiceTier, u64, Class, u64)>, String> {
        let mut all = Vec::new();
        for (name, raw) in &self.0 {
            if let Some((service, above, class)) = priced(name)
                && let Some(pico) = price(name, raw)?
            {
                all.push((service, above, class, pico));
            }
        }
        if let Some(raw) = self.get("tiered_pricing") {
            tiers(raw, &mut all)?;
        }
        if let Some(raw) = self.get("search_context_cost_per_query")
            && !all.iter().any(|(.., class, _)| *class == Class::Query)
        {
            let of_a_request = self.text("litellm_provider").is_some_and(|word| word == PER_REQUEST);
            let classes = search(raw, of_a_request)?;
            all.extend(classes.into_iter().map(|(class, pico)| (ServiceTier::Standard, 0, class, pico)));
        }
        Ok(all)
    }
}

/// What a member is the price of: `input_cost_per_token_above_200k_tokens_flex`.
fn priced(name: &str) -> Option<(ServiceTier, u64, Class)> {
    let suffixes = [
        ("_priority", ServiceTier::Priority),
        ("_flex", ServiceTier::Flex),
        ("_batches", ServiceTier::Batch),
    ];
    let found = suffixes.iter().find_map(|(suffix, tier)| Some((name.strip_suffix(suffix)?, *tier)));
    let (name, service) = found.unwrap_or((name, ServiceTier::Standard));
    let (name, above) = match name.strip_suffix("k_tokens").and_then(|rest| rest.rsplit_once("_above_")) {
        Some((name, thousands)) => (name, thousands.parse::<u64>().ok()?.checked_mul(1000)?),
        None => (name, 0),
    };
    let (_, class) = PRICES.iter().find(|(known, _)| *known == name)?;
    Some((service, above, *class))
}

/// Pico-dollars; `None` where nothing is said.
fn price(name: &str, raw: &RawValue) -> Result<Option<u64>, String> {
    if raw.get() == "null" {
        return Ok(None);
    }
    let wrong = |_| format!("{name} is no price");
    let amount = PicoUsd::rounded(unquoted(raw), 0).map_err(wrong)?;
    u64::try_from(amount.pico()).map(Some).map_err(|_| format!("{name} is no price"))
}

fn unquoted(raw: &RawValue) -> &str {
    raw.get().trim_matches('"')
}

/// `[{"range": [0, 32000], "input_cost_per_token": …}, {"range": [32000, 128000], …}]`
fn tiers(raw: &RawValue, all: &mut Vec<(ServiceTier, u64, Class, u64)>) -> Result<(), String> {
    let list: Vec<Members<'_>> =
        serde_json::from_str(raw.get()).map_err(|_| "tiered_pricing is no list of tiers".to_owned())?;
    for Members(members) in list {
        let tier = Model(members);
        let Some(range) = tier.get("range") else { continue };
        let [from, _] = serde_json::from_str::<[&RawValue; 2]>(range.get())
            .map_err(|_| "a range of tiered_pricing is not of two numbers".to_owned())?;
        let above = PicoUsd::rounded(from.get(), -12).ok().and_then(|from| u64::try_from(from.pico()).ok());
        let above = above.ok_or("a range of tiered_pricing is not of two numbers")?;
        for (name, raw) in &tier.0 {
            if let Some((ServiceTier::Standard, 0, class)) = priced(name)
                && let Some(pico) = price(name, raw)?
            {
                all.push((ServiceTier::Standard, above, class, pico));
            }
        }
    }
    Ok(())
}

/// Where a search is a part of each request: what it looks through, small where nobody says it, is a fee of the
/// request, and single searches are paid only where all sizes cost the same.
const PER_REQUEST: &str = "perplexity";

/// A search of the usual size, else the dearest that is named; `of_a_request`: as [`PER_REQUEST`] says.
fn search(raw: &RawValue, of_a_request: bool) -> Result<Vec<(Class, u64)>, String> {
    let wrong = |_| "search_context_cost_per_query is no object".to_owned();
    let Members(sizes) = serde_json::from_str(raw.get()).map_err(wrong)?;
    let (mut low, mut medium, mut all) = (None, None, Vec::new());
    for (name, raw) in &sizes {
        let Some(one) = price("search_context_cost_per_query", raw)? else { continue };
        match &**name {
            "search_context_size_low" => low = Some(one),
            "search_context_size_medium" => medium = Some(one),
            _ => {}
        }
        all.push(one);
    }
    let Some(dearest) = all.iter().max() else { return Ok(Vec::new()) };
    let fee = low.filter(|low| of_a_request && low != dearest);
    Ok(match fee {
        Some(low) => vec![(Class::Query, 0), (Class::Request, low)],
        None => vec![(Class::Query, medium.unwrap_or(*dearest))],
    })
}

#[cfg(test)]
mod tests;
