//! Prices as a configuration writes them: of a deployment, or of a model that no catalogue knows.
//!
//! A person reads prices off a vendor's page, which states them per million tokens, so they are written so.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::PicoUsd;

/// The prices of a model, in US dollars. What is not given is not priced apart: cached input costs what input
/// does, thinking what output does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceSpec {
    /// A million tokens of the prompt.
    pub input: Option<PicoUsd>,
    /// A million tokens read from the provider's cache.
    pub cache_read: Option<PicoUsd>,
    /// A million tokens written to the cache, for five minutes or where the provider does not say.
    pub cache_write: Option<PicoUsd>,
    /// A million tokens written to the cache for an hour.
    pub cache_write_1h: Option<PicoUsd>,
    /// A million tokens of sound in the prompt.
    pub input_audio: Option<PicoUsd>,
    /// A million tokens of pictures in the prompt.
    pub input_image: Option<PicoUsd>,
    /// A million tokens of the answer.
    pub output: Option<PicoUsd>,
    /// A million tokens of thinking.
    pub reasoning: Option<PicoUsd>,
    /// A million tokens of sound in the answer.
    pub output_audio: Option<PicoUsd>,
    /// A million tokens of pictures in the answer.
    pub output_image: Option<PicoUsd>,
    /// A search or another query that the provider runs.
    pub per_query: Option<PicoUsd>,
    /// A request, whatever it holds.
    pub per_request: Option<PicoUsd>,
    /// A picture made.
    pub per_image: Option<PicoUsd>,
    /// A picture in the request.
    pub per_input_image: Option<PicoUsd>,
    /// A pixel of a picture made.
    pub per_pixel: Option<PicoUsd>,
    /// A second of sound in the request.
    pub per_second: Option<PicoUsd>,
    /// A second of sound made.
    pub per_output_second: Option<PicoUsd>,
    /// A character of the request's text.
    pub per_character: Option<PicoUsd>,
    /// A page read.
    pub per_page: Option<PicoUsd>,
    /// What differs for the whole request when its prompt is longer than so many tokens.
    pub above: BTreeMap<String, PriceSpec>,
    /// What differs in the provider's flexible tier.
    pub flex: Option<Box<PriceSpec>>,
    /// What differs in the provider's priority tier.
    pub priority: Option<Box<PriceSpec>>,
    /// What differs in batches.
    pub batch: Option<Box<PriceSpec>>,
}
