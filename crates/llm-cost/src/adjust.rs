//! What a provider's bill is by agreement, and what is asked of those who use it.

use llm_types::PicoUsd;

use crate::cost::Cost;

const MILLION: i128 = 1_000_000;

/// A discount on list prices and a margin on what is paid then, in parts per million.
///
/// Charges are rounded down, item by item, so that the sum stays the sum; bounds are rounded up. So a charge is
/// never more than its exact figure, by less than a pico-dollar an item, and never more than its bound.
///
/// ```
/// use llm_cost::Adjustment;
/// let terms = Adjustment { discount_ppm: 200_000, margin_ppm: 50_000 };
/// assert_eq!(terms.charge("100".parse().unwrap()).to_string(), "84");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Adjustment {
    /// What the provider takes off; a million is everything, more counts as that.
    pub discount_ppm: u32,
    /// What is put on after that.
    pub margin_ppm: u32,
}

impl Adjustment {
    /// List prices.
    pub const NONE: Self = Self { discount_ppm: 0, margin_ppm: 0 };

    /// An amount at these terms, rounded down.
    #[must_use]
    pub fn charge(self, amount: PicoUsd) -> PicoUsd {
        let (factor, divisor) = self.ratio();
        PicoUsd::from_pico(match amount.pico().checked_mul(factor) {
            Some(product) => product.div_euclid(divisor),
            None => (amount.pico().div_euclid(divisor)).saturating_mul(factor),
        })
    }

    /// An upper bound at these terms, rounded up.
    #[must_use]
    pub fn bound(self, amount: PicoUsd) -> PicoUsd {
        let (factor, divisor) = self.ratio();
        let up =
            |pico: i128| pico.div_euclid(divisor).saturating_add(i128::from(pico.rem_euclid(divisor) > 0));
        PicoUsd::from_pico(match amount.pico().checked_mul(factor) {
            Some(product) => up(product),
            None => up(amount.pico()).saturating_mul(factor),
        })
    }

    /// A cost at these terms; the total is the sum of the items' charges.
    #[must_use]
    pub fn cost(self, cost: Cost) -> Cost {
        if self == Self::NONE { cost } else { cost.map(|amount| self.charge(amount)) }
    }

    fn ratio(self) -> (i128, i128) {
        let left = MILLION - i128::from(self.discount_ppm).min(MILLION);
        (left * (MILLION + i128::from(self.margin_ppm)), MILLION * MILLION)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn charges_are_rounded_down_and_bounds_up() {
        let check = |discount_ppm, margin_ppm, pico, charge, bound| {
            let terms = Adjustment { discount_ppm, margin_ppm };
            let amount = PicoUsd::from_pico(pico);
            assert_eq!(
                (terms.charge(amount).pico(), terms.bound(amount).pico()),
                (charge, bound),
                "{terms:?}"
            );
        };
        check(0, 0, 7, 7, 7);
        check(500_000, 0, 7, 3, 4);
        check(0, 100_000, 15, 16, 17);
        check(1_000_000, 500_000, 15, 0, 0);
        check(2_000_000, 0, 15, 0, 0);
        check(333_333, 0, 1_000_000, 666_667, 666_667);
        let most = Adjustment { discount_ppm: 0, margin_ppm: 1 };
        assert_eq!(most.bound(PicoUsd::MAX), PicoUsd::MAX);
        assert!(most.charge(PicoUsd::MAX) > PicoUsd::from_pico(i128::MAX - i128::MAX / 1_000_000));
    }

    proptest! {
        #[test]
        fn a_charge_is_within_its_bound(discount in 0..=1_000_000_u32, margin in 0..3_000_000_u32,
            items in proptest::collection::vec(0..i128::from(u64::MAX), 0..6)) {
            let terms = Adjustment { discount_ppm: discount, margin_ppm: margin };
            let charged: i128 = items.iter().map(|pico| terms.charge(PicoUsd::from_pico(*pico)).pico()).sum();
            let sum = PicoUsd::from_pico(items.iter().sum());
            prop_assert!(charged <= terms.bound(sum).pico());
            prop_assert!(terms.charge(sum).pico() - charged <= 6);
        }
    }
}
