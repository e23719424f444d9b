//! Dollars, as a text: `"25.00"`.
//!
//! A text and no number, so that what is meant is what is counted, to the last place.

use std::borrow::Cow;

use llm_types::PicoUsd;
use schemars::{JsonSchema, Schema, SchemaGenerator};

pub(crate) const FORMAT: &str = "gateway-usd";
/// The most dollars: sums of many must fit.
const MOST: i128 = 1_000_000_000_000_000;

/// Reads an amount.
///
/// # Errors
/// A fragment that says what is wrong with it.
pub fn parse(text: &str) -> Result<PicoUsd, String> {
    let amount = text.parse::<PicoUsd>().map_err(|error| error.to_string())?;
    if amount < PicoUsd::ZERO || amount.pico() / 1_000_000_000_000 > MOST {
        return Err(format!("must be from 0 to {MOST} dollars"));
    }
    Ok(amount)
}

/// Stands for an amount in the JSON Schema.
#[derive(Debug)]
pub struct Text;

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Usd".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::text_schema(FORMAT, Some(r"^[0-9]+(\.[0-9]{1,12})?$"), "25.00")
    }
}
