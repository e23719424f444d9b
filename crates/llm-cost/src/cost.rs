//! What a usage costs, item by item.
//!
//! An amount is a count times a price, both whole, so it is exact, and the sum of the items is the cost. The only
//! rounding is that of a price by the second, which is counted in milliseconds: to the nearest pico-dollar, half
//! to even.
//!
//! What is not known is said: an item without a price has no amount, and then the whole has no total.

use llm_types::{PicoUsd, ServiceTier, Usage};
use smallvec::SmallVec;

use crate::class::{Class, Classes};
use crate::prices::{Effective, Prices};

/// Items of one answer that need no allocation; more are possible, and rare.
const INLINE: usize = 6;

/// One line of a bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// What was used.
    pub class: Class,
    /// How much: tokens, pieces, milliseconds.
    pub count: u64,
    /// What it costs; `None`: its price is unknown.
    pub amount: Option<PicoUsd>,
}

/// What one answer costs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cost {
    items: SmallVec<[Item; INLINE]>,
}

impl Cost {
    /// The lines, in the order of the classes, each class at most once.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The sum; `None` where a price is unknown. Nothing used costs nothing.
    #[must_use]
    pub fn total(&self) -> Option<PicoUsd> {
        let amounts = self.items.iter().map(|item| item.amount);
        amounts.sum_known()
    }

    /// The sum of what has a price: the least that it costs.
    #[must_use]
    pub fn known(&self) -> PicoUsd {
        let amounts = self.items.iter().filter_map(|item| item.amount);
        amounts.fold(PicoUsd::ZERO, PicoUsd::saturating_add)
    }

    /// The classes whose price is unknown.
    pub fn unknown(&self) -> impl Iterator<Item = Class> {
        self.items.iter().filter(|item| item.amount.is_none()).map(|item| item.class)
    }

    /// Each amount changed.
    #[must_use]
    pub(crate) fn map(mut self, change: impl Fn(PicoUsd) -> PicoUsd) -> Self {
        for item in &mut self.items {
            item.amount = item.amount.map(&change);
        }
        self
    }
}

trait SumKnown {
    fn sum_known(self) -> Option<PicoUsd>;
}

impl<I: Iterator<Item = Option<PicoUsd>>> SumKnown for I {
    fn sum_known(mut self) -> Option<PicoUsd> {
        self.try_fold(PicoUsd::ZERO, |sum, amount| Some(sum.saturating_add(amount?)))
    }
}

/// What a usage costs at these prices.
///
/// The whole request is priced by the length of its prompt and the tier of service that answered it. The same
/// content is paid once: pieces that are counted in tokens as well are paid in tokens where tokens are sold, and
/// tokens of a model that is sold by the piece are not paid. Amounts that do not fit stay at the largest.
///
/// ```
/// use llm_cost::{Catalogue, ServiceTier, cost};
/// use llm_types::Usage;
///
/// let gpt = Catalogue::builtin().find("openai", "gpt-4o-2024-08-06").unwrap().entry;
/// let usage = Usage { input: 1_000, cache_read: 2_000, output: 100, ..Usage::default() };
/// let cost = cost(&usage, &gpt.prices, ServiceTier::Standard);
/// assert_eq!(cost.items().len(), 3);
/// assert_eq!(cost.total().unwrap().to_string(), "0.006");
/// ```
#[must_use]
pub fn cost(usage: &Usage, prices: &Prices, service: ServiceTier) -> Cost {
    let rates = prices.at(usage.prompt_tokens(), service);
    let bill = Bill { usage, rates, sells_tokens: rates.sells_tokens() };
    let items = Class::ALL.into_iter().filter_map(|class| bill.item(class));
    Cost { items: items.collect() }
}

struct Bill<'a> {
    usage: &'a Usage,
    rates: Effective<'a>,
    sells_tokens: bool,
}

impl Bill<'_> {
    fn item(&self, class: Class) -> Option<Item> {
        let count = class.count(self.usage);
        if count == 0 {
            return None;
        }
        let price = self.rates.price(class);
        let due = match class {
            Class::Request => price.is_some(),
            // What is looked up comes on top of everything.
            Class::Query => true,
            _ if class.is_token() => price.is_some() || self.sells_tokens || !self.pays_pieces(),
            _ => !self.pays_as_tokens(class) && (price.is_some() || !self.pays_tokens()),
        };
        due.then(|| Item { class, count, amount: price.map(|price| amount(class, count, price)) })
    }

    /// Whether the same content is paid in tokens.
    fn pays_as_tokens(&self, class: Class) -> bool {
        let tokens = class.also_in().filter(|tokens| tokens.count(self.usage) > 0);
        tokens.is_some_and(|tokens| self.rates.price(tokens).is_some())
    }

    fn pays_tokens(&self) -> bool {
        self.sells_tokens && Classes::TOKENS.iter().any(|class| class.count(self.usage) > 0)
    }

    /// Whether there are pieces that have a price.
    fn pays_pieces(&self) -> bool {
        let pieces = Class::ALL.into_iter().filter(|class| !class.is_token() && *class != Class::Request);
        let mut used = pieces.filter(|class| class.count(self.usage) > 0);
        used.any(|class| self.rates.apart(class).is_some())
    }
}

/// So many at this price, rounded half to even where the price is for more than one.
pub(crate) fn amount(class: Class, count: u64, price: u64) -> PicoUsd {
    let per = u128::from(class.per());
    // Of two 64-bit numbers: always fits.
    let product = u128::from(count) * u128::from(price);
    let (whole, rest) = (product / per, product % per);
    let up = rest * 2 > per || (rest * 2 == per && whole % 2 == 1);
    i128::try_from(whole + u128::from(up)).map_or(PicoUsd::MAX, PicoUsd::from_pico)
}

#[cfg(test)]
mod tests {
    use llm_types::Units;

    use super::*;
    use crate::rates::Rates;

    fn prices(all: &[(Class, u64)]) -> Prices {
        Prices::flat(Rates::new(all.iter().copied()))
    }

    fn check(all: &[(Class, u64)], usage: &Usage, expect: &[(Class, Option<i128>)]) {
        let cost = cost(usage, &prices(all), ServiceTier::Standard);
        let items: Vec<_> =
            cost.items().iter().map(|item| (item.class, item.amount.map(PicoUsd::pico))).collect();
        assert_eq!(items, expect, "{all:?} {usage:?}");
        let sum = expect.iter().try_fold(0, |sum, (_, amount)| Some(sum + (*amount)?));
        assert_eq!(cost.total().map(PicoUsd::pico), sum);
        assert_eq!(cost.unknown().count(), expect.iter().filter(|(_, amount)| amount.is_none()).count());
    }

    #[test]
    fn every_class_is_one_item_and_unknown_ones_have_no_amount() {
        use Class::{CacheRead, Input, Output, Query, Reasoning, Request};
        let usage = Usage { input: 3, cache_read: 5, output: 7, reasoning: 2, ..Usage::default() };
        check(
            &[(Input, 10), (CacheRead, 1), (Output, 100)],
            &usage,
            &[(Input, Some(30)), (CacheRead, Some(5)), (Output, Some(700)), (Reasoning, Some(200))],
        );
        check(&[(Input, 10)], &Usage { output: 1, ..Usage::default() }, &[(Output, None)]);
        let searched = Usage { input: 1, queries: 2, ..Usage::default() };
        check(&[(Input, 10)], &searched, &[(Input, Some(10)), (Query, None)]);
        check(
            &[(Input, 10), (Query, 7), (Request, 9)],
            &searched,
            &[(Input, Some(10)), (Query, Some(14)), (Request, Some(9))],
        );
        check(&[], &usage, &[(Input, None), (CacheRead, None), (Output, None), (Reasoning, None)]);
        check(&[(Input, 0), (Output, 0)], &Usage { input: 9, ..Usage::default() }, &[(Input, Some(0))]);
        check(&[], &Usage::default(), &[]);
    }

    #[test]
    fn the_same_content_is_paid_once() {
        use Class::{GivenImage, Image, Input, InputAudio, Output, OutputImage, Second};
        let made = Usage {
            input: 10,
            output_image: 1000,
            units: Units { images: 2, ..Units::default() },
            ..Usage::default()
        };
        // By tokens, by the piece, by either; by neither known.
        check(&[(Input, 1), (OutputImage, 3)], &made, &[(Input, Some(10)), (OutputImage, Some(3000))]);
        check(&[(Image, 500)], &made, &[(Image, Some(1000))]);
        let both = [(Input, 1), (OutputImage, 3), (Image, 500)];
        check(&both, &made, &[(Input, Some(10)), (OutputImage, Some(3000))]);
        check(&[], &made, &[(Input, None), (OutputImage, None), (Image, None)]);
        let plain = Usage { output_image: 0, output: 1000, ..made.clone() };
        check(&[(Input, 1), (Output, 3)], &plain, &[(Input, Some(10)), (Output, Some(3000))]);
        // Text and pictures that are embedded: both.
        let seen =
            Usage { input: 10, units: Units { input_images: 1, ..Units::default() }, ..Usage::default() };
        check(&[(Input, 1), (GivenImage, 500)], &seen, &[(Input, Some(10)), (GivenImage, Some(500))]);
        // Sound by the second or by the token.
        let heard = |input_audio, input_audio_ms| Usage {
            input_audio,
            units: Units { input_audio_ms, ..Units::default() },
            ..Usage::default()
        };
        let prices = [(Input, 1), (InputAudio, 2), (Second, 100)];
        check(&prices, &heard(10, 0), &[(InputAudio, Some(20))]);
        check(&prices, &heard(0, 1500), &[(Second, Some(150))]);
        check(&prices, &heard(10, 1500), &[(InputAudio, Some(20))]);
    }

    #[test]
    fn milliseconds_are_rounded_half_to_even() {
        let check = |count, price, expect| assert_eq!(amount(Class::Second, count, price).pico(), expect);
        check(1000, 100_000_000, 100_000_000);
        check(9_150, 833_333_333, 7_624_999_997);
        check(1, 500, 0);
        check(1, 501, 1);
        check(3, 500, 2);
        assert_eq!(amount(Class::Input, u64::MAX, u64::MAX), PicoUsd::MAX);
    }
}
