//! Money, exact.
//!
//! A cached token of a cheap model costs a few thousandths of a nano-dollar, and a month has billions of
//! them: sums in floating point or in nano-dollars drift from the invoice. So money is a whole number of
//! pico-dollars; nothing is rounded unless the function's name or page says so.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decimal places of a dollar.
const PLACES: u32 = 12;
/// One dollar.
const DOLLAR: u128 = 10_u128.pow(PLACES);
const DOLLAR_U64: u64 = 10_u64.pow(PLACES);
/// The most decimal places that are shifted: beyond it any number is zero or too large.
const SHIFT: i64 = 60;

/// An amount of money in 1e-12 USD; may be negative (a refund).
///
/// ```
/// use llm_types::PicoUsd;
/// let price: PicoUsd = "0.00000015".parse().unwrap();
/// assert_eq!(price.pico(), 150_000);
/// assert_eq!(price.checked_mul(1_000_003).unwrap().to_string(), "0.15000045");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd(i128);

/// Why a text is no amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// It is not a decimal number.
    #[error("not a decimal number of dollars, such as 2.5")]
    NotANumber,
    /// It has a fraction of a pico-dollar.
    #[error("more than twelve decimal places of a dollar")]
    TooFine,
    /// It does not fit.
    #[error("more dollars than can be counted")]
    TooLarge,
}

impl PicoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that can be counted: more than 1e26 USD.
    pub const MAX: Self = Self(i128::MAX);

    /// So many pico-dollars.
    #[must_use]
    pub const fn from_pico(pico: i128) -> Self {
        Self(pico)
    }

    /// How many pico-dollars.
    #[must_use]
    pub const fn pico(self) -> i128 {
        self.0
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, unless it does not fit.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, unless it does not fit.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// So many times this, unless it does not fit.
    #[must_use]
    pub fn checked_mul(self, times: u64) -> Option<Self> {
        self.0.checked_mul(i128::from(times)).map(Self)
    }

    /// The sum, or the bound that it would pass: for estimates and for what must never look too small.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or the bound that it would pass.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// So many times this, or the bound that it would pass.
    #[must_use]
    pub fn saturating_mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(i128::from(times)))
    }

    /// A decimal number times 10^`power` dollars, rounded half to even to a pico-dollar.
    ///
    /// For figures that come from elsewhere, such as prices per million (`power` -6) or numbers that floating
    /// point has touched (`1.5000000000000002e-07`).
    ///
    /// # Errors
    /// When the text is no decimal number or the amount does not fit.
    pub fn rounded(text: &str, power: i32) -> Result<Self, MoneyError> {
        let (amount, _) = scaled(text, i64::from(power))?;
        Ok(amount)
    }

    /// As [`rounded`](Self::rounded), but never rounded.
    ///
    /// # Errors
    /// Also when there is a fraction of a pico-dollar.
    pub fn exact(text: &str, power: i32) -> Result<Self, MoneyError> {
        match scaled(text, i64::from(power))? {
            (amount, true) => Ok(amount),
            (_, false) => Err(MoneyError::TooFine),
        }
    }
}

impl FromStr for PicoUsd {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Self::exact(text, 0)
    }
}

/// The amount, and whether it is exact.
fn scaled(text: &str, power: i64) -> Result<(PicoUsd, bool), MoneyError> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i16>().map_err(|_| MoneyError::NotANumber)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(MoneyError::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    let places = i64::try_from(fraction.len()).map_err(|_| MoneyError::TooFine)?;
    let shift = i64::from(PLACES) + power + i64::from(exponent) - places;
    let (digits, cut, lost) = digits(whole, fraction)?;
    let (pico, exact) = shifted(digits, shift + cut)?;
    let pico = i128::try_from(pico).map_err(|_| MoneyError::TooLarge)?;
    Ok((PicoUsd(if negative { -pico } else { pico }), exact && !lost))
}

/// The digits as one number, how many of the last are missing, and whether one of those was not zero.
fn digits(whole: &str, fraction: &str) -> Result<(u128, i64, bool), MoneyError> {
    let (mut number, mut cut, mut lost) = (0_u128, 0_i64, false);
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = match byte {
            b'0'..=b'9' => u128::from(byte - b'0'),
            _ => return Err(MoneyError::NotANumber),
        };
        let longer = number.checked_mul(10).and_then(|ten| ten.checked_add(digit));
        match longer.filter(|_| cut == 0) {
            Some(longer) => number = longer,
            None => (cut, lost) = (cut + 1, lost || digit != 0),
        }
    }
    Ok((number, cut, lost))
}

/// A number times 10^`shift`, rounded half to even, and whether nothing was lost.
fn shifted(number: u128, shift: i64) -> Result<(u128, bool), MoneyError> {
    if number == 0 {
        return Ok((0, true));
    }
    let power = u32::try_from(shift.abs().min(SHIFT)).unwrap_or(u32::MAX);
    match 10_u128.checked_pow(power) {
        Some(factor) if shift >= 0 => {
            number.checked_mul(factor).map(|number| (number, true)).ok_or(MoneyError::TooLarge)
        }
        Some(divisor) => Ok((half_even(number, divisor), number.is_multiple_of(divisor))),
        None if shift >= 0 => Err(MoneyError::TooLarge),
        None => Ok((0, false)),
    }
}

/// A quotient rounded to the nearest whole number, and to the even one of two as near.
fn half_even(number: u128, divisor: u128) -> u128 {
    let (quotient, rest) = (number / divisor, number % divisor);
    let odd = quotient % 2 == 1;
    match rest.cmp(&(divisor - rest)) {
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal if odd => quotient + 1,
        _ => quotient,
    }
}

/// An amount as text, such as `0.00000015`, without an allocation.
#[derive(Clone, Copy)]
pub struct AmountText {
    bytes: [u8; LONGEST],
    start: usize,
}

/// A sign, 27 digits, a point and twelve digits.
const LONGEST: usize = 41;

impl AmountText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Digits, a point and a sign.
        std::str::from_utf8(self.bytes.get(self.start..).unwrap_or_default()).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        if let Some(place) = self.bytes.get_mut(self.start) {
            *place = byte;
        }
    }

    /// Puts the last digit of a number before the text; the rest of the number.
    fn digit(&mut self, number: u64) -> u64 {
        self.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
        number / 10
    }
}

impl fmt::Debug for AmountText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PicoUsd {
    /// Dollars with as many decimal places as there are: never rounded.
    #[must_use]
    pub fn text(self) -> AmountText {
        self.with_places(0)
    }

    /// With at least so many decimal places.
    fn with_places(self, least: usize) -> AmountText {
        let mut text = AmountText { bytes: [0; LONGEST], start: LONGEST };
        let amount = self.0.unsigned_abs();
        // Wide divisions are slow, and amounts beyond eighteen million dollars rare.
        let (dollars, mut fraction) = match u64::try_from(amount) {
            Ok(amount) => (u128::from(amount / DOLLAR_U64), amount % DOLLAR_U64),
            Err(_) => (amount / DOLLAR, u64::try_from(amount % DOLLAR).unwrap_or_default()),
        };
        let mut places = PLACES as usize;
        while places > least && fraction.is_multiple_of(10) {
            fraction /= 10;
            places -= 1;
        }
        if places > 0 {
            (0..places).for_each(|_| fraction = text.digit(fraction));
            text.push(b'.');
        }
        let mut dollars = dollars;
        while u64::try_from(dollars).is_err() {
            text.push(b'0' + u8::try_from(dollars % 10).unwrap_or_default());
            dollars /= 10;
        }
        let mut dollars = u64::try_from(dollars).unwrap_or_default();
        loop {
            dollars = text.digit(dollars);
            if dollars == 0 {
                break;
            }
        }
        if self.0 < 0 {
            text.push(b'-');
        }
        text
    }
}

impl fmt::Display for PicoUsd {
    /// Dollars with as many decimal places as there are, at least those asked for (`{:.2}`): never rounded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.with_places(f.precision().unwrap_or(0).min(PLACES as usize)).as_str())
    }
}

impl Serialize for PicoUsd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text().as_str())
    }
}

impl<'de> Deserialize<'de> for PicoUsd {
    /// A decimal string; also a number, by its shortest decimal form (`0.1` is a tenth).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Amount)
    }
}

struct Amount;

impl Visitor<'_> for Amount {
    type Value = PicoUsd;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount in US dollars, such as 2.5 or \"0.00000015\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PicoUsd, E> {
        text.parse().map_err(|error: MoneyError| E::custom(error))
    }

    fn visit_i64<E: serde::de::Error>(self, dollars: i64) -> Result<PicoUsd, E> {
        self.visit_str(&dollars.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, dollars: u64) -> Result<PicoUsd, E> {
        self.visit_str(&dollars.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, dollars: f64) -> Result<PicoUsd, E> {
        self.visit_str(&dollars.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_read_and_printed_exactly() {
        let check = |text: &str, pico: i128, printed: &str| {
            let amount: PicoUsd = text.parse().unwrap();
            assert_eq!((amount.pico(), amount.to_string().as_str()), (pico, printed), "{text}");
        };
        check("0", 0, "0");
        check("-0.0", 0, "0");
        check("1", 1_000_000_000_000, "1");
        check("2.50", 2_500_000_000_000, "2.5");
        check(".5", 500_000_000_000, "0.5");
        check("5.", 5_000_000_000_000, "5");
        check("0.000000000001", 1, "0.000000000001");
        check("-0.000000000001", -1, "-0.000000000001");
        check("1e-12", 1, "0.000000000001");
        check("1.5E-7", 150_000, "0.00000015");
        check("2e3", 2_000_000_000_000_000, "2000");
        check("0.00000000000100000000000000000000000000000000000000", 1, "0.000000000001");
        check("0e9999", 0, "0");
        let most = PicoUsd::MAX.to_string();
        assert_eq!(most, "170141183460469231731687303.715884105727");
        assert_eq!(most.parse(), Ok(PicoUsd::MAX));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let check = |text: &str, expect: MoneyError| {
            assert_eq!(text.parse::<PicoUsd>(), Err(expect), "{text}");
        };
        for text in ["", ".", "-", "e5", "1e", "1.2.3", "1,5", "$1", " 1", "+1", "--1", "nan", "1e99999", "١"]
        {
            check(text, MoneyError::NotANumber);
        }
        check("0.0000000000001", MoneyError::TooFine);
        check("1e-13", MoneyError::TooFine);
        check("1e-300", MoneyError::TooFine);
        check("1e30", MoneyError::TooLarge);
        check("1e300", MoneyError::TooLarge);
        check("170141183460469231731687303.715884105728", MoneyError::TooLarge);
        check(&"9".repeat(400), MoneyError::TooLarge);
    }

    #[test]
    fn figures_are_rounded_only_on_demand() {
        let check = |text: &str, power: i32, expect: i128| {
            assert_eq!(PicoUsd::rounded(text, power).unwrap().pico(), expect, "{text}");
        };
        check("15.000020000000002", -6, 15_000_020);
        check("2.9999900000000002", -6, 2_999_990);
        check("1.5000000000000002e-07", 0, 150_000);
        check("0.000833333333333333333333333333333333333333333333333333333", 0, 833_333_333);
        check("0.0000005", -6, 0);
        check("0.0000015", -6, 2);
        check("0.0000025", -6, 2);
        check("-0.0000015", -6, -2);
        check("1e-300", 0, 0);
        assert_eq!(PicoUsd::exact("0.0000015", -6), Err(MoneyError::TooFine));
        assert_eq!(PicoUsd::exact("2.5", -6), Ok(PicoUsd::from_pico(2_500_000)));
    }

    #[test]
    fn places_are_filled_but_never_cut() {
        let check = |text: &str, expect: &str| {
            let amount: PicoUsd = text.parse().unwrap();
            assert_eq!(format!("{amount:.2}"), expect);
        };
        check("1", "1.00");
        check("1.5", "1.50");
        check("1.234", "1.234");
        check("-0.005", "-0.005");
    }

    #[test]
    fn numbers_and_strings_are_read() {
        let check = |json: &str, expect: &str| {
            let amount: PicoUsd = serde_json::from_str(json).unwrap();
            assert_eq!(amount.to_string(), expect, "{json}");
        };
        check("\"0.1\"", "0.1");
        check("0.1", "0.1");
        check("2", "2");
        check("-3", "-3");
        check("1e-7", "0.0000001");
        assert!(serde_json::from_str::<PicoUsd>("\"ten\"").is_err());
        assert!(serde_json::from_str::<PicoUsd>("true").is_err());
        assert_eq!(serde_json::to_string(&PicoUsd::from_pico(25)).unwrap(), "\"0.000000000025\"");
    }

    #[test]
    fn sums_that_do_not_fit_are_told() {
        let one = PicoUsd::from_pico(1);
        assert_eq!(PicoUsd::MAX.checked_add(one), None);
        assert_eq!(PicoUsd::MAX.saturating_add(one), PicoUsd::MAX);
        assert_eq!(PicoUsd::MAX.checked_mul(2), None);
        assert_eq!(PicoUsd::MAX.saturating_mul(2), PicoUsd::MAX);
        assert_eq!(one.checked_sub(PicoUsd::from_pico(3)), Some(PicoUsd::from_pico(-2)));
    }

    proptest! {
        #[test]
        fn printing_and_reading_is_the_identity(pico in -i128::MAX..i128::MAX) {
            let amount = PicoUsd::from_pico(pico);
            prop_assert_eq!(amount.to_string().parse(), Ok(amount));
            prop_assert_eq!(format!("{amount:.2}").parse(), Ok(amount));
        }

        #[test]
        fn no_text_makes_it_fail(text in "[-+0-9.eE]{0,60}", power in -40..40) {
            let _ = PicoUsd::rounded(&text, power);
        }
    }
}
