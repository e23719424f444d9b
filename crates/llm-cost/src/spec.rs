//! Prices that a configuration states.
//!
//! They replace what the catalogue says, all of it: whoever has agreed on prices, or runs a model, knows what a
//! token costs, and a forgotten cache price must not come from elsewhere.

use llm_types::{PicoUsd, PriceSpec, ServiceTier};

use crate::class::Class;
use crate::error::Error;
use crate::prices::{Overlay, Prices};
use crate::rates::Rates;

impl Prices {
    /// The prices that a configuration states. Rounded to a pico-dollar for each token, half to even: a price per
    /// million with more than six decimal places has no exact price per token.
    ///
    /// # Errors
    /// When a price is negative or not believable, or a length of prompt is no number.
    ///
    /// ```
    /// use llm_cost::{Class, Prices};
    /// let spec = serde_json::from_str(r#"{"input": 2.5, "output": "10", "flex": {"input": 1.25}}"#).unwrap();
    /// let prices = Prices::from_spec(&spec).unwrap();
    /// assert_eq!(prices.base().get(Class::Input), Some(2_500_000));
    /// ```
    pub fn from_spec(spec: &PriceSpec) -> Result<Self, Error> {
        let mut overlays = Vec::new();
        add(spec, ServiceTier::Standard, 0, &mut overlays)?;
        let base = overlays.iter().position(|one| (one.service, one.above) == (ServiceTier::Standard, 0));
        let base = base.map(|at| overlays.swap_remove(at).rates).unwrap_or_default();
        Ok(Self::new(base, overlays))
    }
}

fn add(spec: &PriceSpec, service: ServiceTier, above: u64, all: &mut Vec<Overlay>) -> Result<(), Error> {
    let (long, flex, priority, batch) = (&spec.above, &spec.flex, &spec.priority, &spec.batch);
    all.push(Overlay { service, above, rates: rates(spec)? });
    for (length, spec) in long {
        let length = match length.replace('_', "").parse() {
            Ok(length) if length > 0 && above == 0 => length,
            _ => {
                return Err(wrong(
                    &format!("above.{length}"),
                    "must be a count of tokens, such as above.200000",
                ));
            }
        };
        add(spec, service, length, all)?;
    }
    let tiers = [(ServiceTier::Flex, flex), (ServiceTier::Priority, priority), (ServiceTier::Batch, batch)];
    for (tier, spec) in tiers {
        match spec {
            Some(spec) if service == ServiceTier::Standard => add(spec, tier, above, all)?,
            Some(_) => return Err(wrong(tier.name(), "stands inside another tier of service: move it out")),
            None => {}
        }
    }
    Ok(())
}

fn rates(spec: &PriceSpec) -> Result<Rates, Error> {
    let PriceSpec {
        input,
        cache_read,
        cache_write,
        cache_write_1h,
        input_audio,
        input_image,
        output,
        reasoning,
        output_audio,
        output_image,
        per_query,
        per_request,
        per_image,
        per_input_image,
        per_pixel,
        per_second,
        per_output_second,
        per_character,
        per_page,
        above: _,
        flex: _,
        priority: _,
        batch: _,
    } = spec;
    let all = [
        (Class::Input, input),
        (Class::CacheRead, cache_read),
        (Class::CacheWrite, cache_write),
        (Class::CacheWrite1h, cache_write_1h),
        (Class::InputAudio, input_audio),
        (Class::InputImage, input_image),
        (Class::Output, output),
        (Class::Reasoning, reasoning),
        (Class::OutputAudio, output_audio),
        (Class::OutputImage, output_image),
        (Class::Query, per_query),
        (Class::Request, per_request),
        (Class::Image, per_image),
        (Class::GivenImage, per_input_image),
        (Class::Pixel, per_pixel),
        (Class::Second, per_second),
        (Class::OutputSecond, per_output_second),
        (Class::Character, per_character),
        (Class::Page, per_page),
    ];
    let known = all.into_iter().filter_map(|(class, amount)| Some((class, (*amount)?)));
    known
        .map(|(class, amount)| Ok((class, pico(class, amount)?)))
        .collect::<Result<Vec<_>, _>>()
        .map(Rates::new)
}

/// The price of one.
fn pico(class: Class, amount: PicoUsd) -> Result<u64, Error> {
    let per = if class.is_token() { 1_000_000 } else { 1 };
    let (whole, rest) = (amount.pico().div_euclid(per), amount.pico().rem_euclid(per));
    let up = rest * 2 > per || (rest * 2 == per && whole % 2 == 1);
    u64::try_from(whole + i128::from(up)).map_err(|_| wrong(class.name(), "must be 0 or more, in US dollars"))
}

fn wrong(name: &str, reason: &str) -> Error {
    Error::Price { name: name.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(json: &str) -> Result<Prices, Error> {
        Prices::from_spec(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_configuration_states_everything_that_a_catalogue_does() {
        let prices = prices(
            r#"{"input": 2.5, "output": 10, "per_query": "0.01", "per_second": 0.0001,
                "above": {"200_000": {"input": 5, "flex": {"input": 4}}},
                "flex": {"input": 1.25, "above": {"300000": {"input": 3}}}}"#,
        )
        .unwrap();
        let at = |prompt, service| prices.at(prompt, service).price(Class::Input);
        assert_eq!(at(0, ServiceTier::Standard), Some(2_500_000));
        assert_eq!(at(200_001, ServiceTier::Standard), Some(5_000_000));
        assert_eq!(at(0, ServiceTier::Flex), Some(1_250_000));
        assert_eq!(at(200_001, ServiceTier::Flex), Some(4_000_000));
        assert_eq!(at(300_001, ServiceTier::Flex), Some(3_000_000));
        assert_eq!(prices.base().get(Class::Query), Some(10_000_000_000));
        assert_eq!(prices.base().get(Class::Second), Some(100_000_000));
        // Nothing comes from elsewhere.
        assert_eq!(prices.base().get(Class::CacheRead), None);
    }

    #[test]
    fn prices_per_token_are_rounded_half_to_even() {
        let check = |json: &str, expect| {
            assert_eq!(prices(json).unwrap().base().get(Class::Input), Some(expect), "{json}");
        };
        check(r#"{"input": 0.0000005}"#, 0);
        check(r#"{"input": 0.0000015}"#, 2);
        check(r#"{"input": 0.0000016}"#, 2);
        check(r#"{"input": 0}"#, 0);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let check = |json: &str, expect: &str| {
            let error = prices(json).unwrap_err().to_string();
            assert!(error.contains(expect), "{json}: {error}");
        };
        check(r#"{"input": -1}"#, "price `input`: must be 0 or more");
        check(r#"{"output": 1e26}"#, "price `output`");
        check(r#"{"above": {"many": {}}}"#, "price `above.many`: must be a count");
        check(r#"{"above": {"0": {}}}"#, "above.0");
        check(r#"{"above": {"10": {"above": {"20": {}}}}}"#, "above.20");
        check(r#"{"flex": {"batch": {}}}"#, "price `batch`: stands inside another tier");
        assert!(serde_json::from_str::<PriceSpec>(r#"{"imput": 1}"#).is_err());
    }
}
