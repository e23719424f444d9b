//! The most that a call can cost, before it is made.
//!
//! What is reserved on a budget must not be less than what is settled, so everything that is not known yet is taken
//! at its dearest: each token of the prompt at the dearest price that a token of it may have in any tier that may
//! be reached, each token of each answer likewise.

use llm_types::{PicoUsd, ServiceTier, Units};

use crate::adjust::Adjustment;
use crate::class::{Class, Classes};
use crate::cost::amount;
use crate::prices::{Effective, Prices};

/// Tiers of service that may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Services(u8);

impl Services {
    /// The usual one alone.
    pub const STANDARD: Self = Self::one(ServiceTier::Standard);
    /// Any, where the provider chooses.
    pub const ALL: Self = Self(0b1111);

    /// This one alone.
    #[must_use]
    pub const fn one(tier: ServiceTier) -> Self {
        Self(1 << tier as u8)
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn iter(self) -> impl Iterator<Item = ServiceTier> {
        ServiceTier::ALL.into_iter().filter(move |tier| self.0 & Self::one(*tier).0 != 0)
    }
}

/// The most that a call can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worst {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of one answer, thinking included.
    pub output_tokens: u64,
    /// How many answers are asked for (`n`).
    pub answers: u64,
    /// Searches and other queries.
    pub queries: u64,
    /// What is not counted in tokens.
    pub units: Units,
    /// What the tokens may be; [`Classes::TOKENS`] where that is not known.
    pub classes: Classes,
    /// Who may answer.
    pub services: Services,
}

impl Worst {
    /// One answer in text, thoughts included, to a prompt of text that may be cached for five minutes, in the
    /// usual tier.
    #[must_use]
    pub fn text(input_tokens: u64, output_tokens: u64) -> Self {
        Self {
            input_tokens,
            output_tokens,
            answers: 1,
            queries: 0,
            units: Units::default(),
            classes: Classes::TEXT_INPUT.and(Classes::TEXT_OUTPUT),
            services: Services::STANDARD,
        }
    }
}

/// The most that a call can cost; `None` where a price is unknown, so that there is no bound.
///
/// For every usage within `worst` this is at least its [`cost`](crate::cost()), where that is known.
///
/// ```
/// use llm_cost::{Catalogue, Worst, upper_bound};
/// let claude = Catalogue::builtin().find("anthropic", "claude-haiku-4-5").unwrap().entry;
/// // 1,000 tokens at most, should they all be written to the cache, and 100 of answer.
/// let bound = upper_bound(&claude.prices, &Worst::text(1_000, 100)).unwrap();
/// assert_eq!(bound.to_string(), "0.00175");
/// ```
#[must_use]
pub fn upper_bound(prices: &Prices, worst: &Worst) -> Option<PicoUsd> {
    Bound::of(prices, worst).map(|bound| bound.total())
}

/// The most that a call can cost, as a line over the length of the answer.
///
/// So one division says how long an answer may be for the money that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Without any answer: the prompt at its dearest, fees, queries.
    pub fixed: PicoUsd,
    /// What one further token of each of the answers adds, at its dearest.
    pub per_output_token: PicoUsd,
    /// The most tokens of one answer.
    pub output_tokens: u64,
}

impl Bound {
    /// The bound at these prices; `None` where a price is unknown.
    #[must_use]
    pub fn of(prices: &Prices, worst: &Worst) -> Option<Self> {
        let mut dearest: Option<Dearest> = None;
        for service in worst.services.iter() {
            let reached = prices.thresholds().filter(|above| *above < worst.input_tokens);
            for prompt in std::iter::once(0).chain(reached.map(|above| above + 1)) {
                let here = Dearest::of(&prices.at(prompt, service), worst)?;
                dearest = Some(dearest.map_or(here, |before| before.or(here)));
            }
        }
        let Dearest { input, output, pieces } = dearest?;
        Some(Self {
            fixed: amount(Class::Input, worst.input_tokens, input).saturating_add(pieces),
            per_output_token: amount(Class::Output, 1, output).saturating_mul(worst.answers),
            output_tokens: worst.output_tokens,
        })
    }

    /// The bound of answers of this length.
    #[must_use]
    pub fn with_output(&self, tokens: u64) -> PicoUsd {
        self.fixed.saturating_add(self.per_output_token.saturating_mul(tokens))
    }

    /// The whole.
    #[must_use]
    pub fn total(&self) -> PicoUsd {
        self.with_output(self.output_tokens)
    }

    /// At other terms, rounded up.
    #[must_use]
    pub(crate) fn at(self, terms: Adjustment) -> Self {
        let Self { fixed, per_output_token, output_tokens } = self;
        Self { fixed: terms.bound(fixed), per_output_token: terms.bound(per_output_token), output_tokens }
    }
}

/// The dearest prices of one combination of tiers, and then of all.
#[derive(Debug, Clone, Copy)]
struct Dearest {
    input: u64,
    output: u64,
    pieces: PicoUsd,
}

impl Dearest {
    fn of(rates: &Effective<'_>, worst: &Worst) -> Option<Self> {
        let mut pieces = amount(Class::Request, 1, rates.apart(Class::Request).unwrap_or(0));
        let (mut by_piece, mut unpriced) = (false, false);
        for (class, count) in used(worst) {
            match rates.apart(class) {
                // A price by the second may round up.
                Some(price) => {
                    by_piece |= class != Class::Query;
                    let most = amount(class, count, price).saturating_add(PicoUsd::from_pico(1));
                    pieces = pieces.saturating_add(most);
                }
                None if class == Class::Query => return None,
                None => unpriced = true,
            }
        }
        let sells_tokens = rates.sells_tokens();
        if unpriced && !sells_tokens {
            return None;
        }
        let side = |side: Classes, count: u64| match count {
            0 => Some(0),
            // Sold by the piece: the tokens are not paid.
            _ if !sells_tokens && by_piece => Some(0),
            _ => dearest(rates, worst.classes.only(side)),
        };
        let output = worst.output_tokens.saturating_mul(worst.answers);
        let (input, output) = (side(Classes::INPUT, worst.input_tokens)?, side(Classes::OUTPUT, output)?);
        Some(Self { input, output, pieces })
    }

    fn or(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            pieces: self.pieces.max(other.pieces),
        }
    }
}

/// The dearest of some classes; `None` where one of them has no price.
fn dearest(rates: &Effective<'_>, classes: Classes) -> Option<u64> {
    classes.iter().try_fold(0, |most, class| Some(rates.price(class)?.max(most)))
}

/// Pieces and queries, with their counts.
fn used(worst: &Worst) -> impl Iterator<Item = (Class, u64)> {
    let usage =
        llm_types::Usage { queries: worst.queries, units: worst.units, ..llm_types::Usage::default() };
    let all = Class::ALL.into_iter().filter(|class| !class.is_token() && *class != Class::Request);
    all.map(move |class| (class, class.count(&usage))).filter(|(_, count)| *count > 0)
}

#[cfg(test)]
mod tests {
    use llm_types::Usage;
    use proptest::prelude::*;

    use super::*;
    use crate::catalogue::Catalogue;
    use crate::cost::cost;
    use crate::prices::Overlay;
    use crate::rates::Rates;

    fn rates(prices: &[(Class, u64)]) -> Rates {
        Rates::new(prices.iter().copied())
    }

    #[test]
    fn the_dearest_price_of_any_tier_that_may_be_reached_is_taken() {
        use Class::{CacheRead, CacheWrite, CacheWrite1h, Input, Output, Reasoning, Request};
        let long = Overlay {
            service: ServiceTier::Standard,
            above: 100,
            rates: rates(&[(Input, 20), (Output, 150), (CacheWrite, 25)]),
        };
        let fast =
            Overlay { service: ServiceTier::Priority, above: 0, rates: rates(&[(Input, 30), (Output, 300)]) };
        let base = rates(&[(Input, 10), (CacheRead, 1), (CacheWrite, 13), (Output, 100), (Reasoning, 120)]);
        let prices = Prices::new(base, vec![long.clone(), fast]);
        let check = |worst: Worst, expect: i128| {
            assert_eq!(upper_bound(&prices, &worst).map(PicoUsd::pico), Some(expect), "{worst:?}");
        };
        check(Worst::text(100, 0), 100 * 13);
        check(Worst::text(101, 10), 101 * 25 + 10 * 150);
        check(Worst::text(0, 10), 10 * 120);
        check(Worst { answers: 3, ..Worst::text(0, 10) }, 30 * 120);
        check(Worst { services: Services::ALL, ..Worst::text(100, 10) }, 100 * 30 + 10 * 300);
        check(Worst { classes: Classes::of(&[Input, Output]), ..Worst::text(100, 10) }, 100 * 10 + 10 * 100);
        let hour = Prices::flat(rates(&[(Input, 10), (CacheWrite1h, 20), (Output, 1), (Request, 7)]));
        let all = Worst { classes: Classes::TOKENS, ..Worst::text(100, 0) };
        assert_eq!(upper_bound(&hour, &all).map(PicoUsd::pico), Some(2007));
    }

    #[test]
    fn without_a_price_there_is_no_bound() {
        use Class::{Image, Input, Output};
        let check = |prices: &[(Class, u64)], worst: Worst, expect: Option<i128>| {
            let bound = upper_bound(&Prices::flat(rates(prices)), &worst);
            assert_eq!(bound.map(PicoUsd::pico), expect, "{prices:?} {worst:?}");
        };
        let pictures = Worst { units: Units { images: 2, ..Units::default() }, ..Worst::text(50, 0) };
        check(&[], Worst::text(1, 0), None);
        check(&[(Input, 1)], Worst::text(1, 0), Some(1));
        check(&[(Input, 1)], Worst::text(1, 1), None);
        check(&[(Input, 1), (Output, 1)], Worst { queries: 1, ..Worst::text(1, 1) }, None);
        check(&[(Image, 100)], pictures, Some(201));
        check(&[(Image, 100)], Worst::text(50, 0), None);
        check(&[], pictures, None);
        check(&[(Input, 1), (Output, 1)], pictures, Some(50));
    }

    fn usages() -> impl Strategy<Value = Usage> {
        let tokens = proptest::collection::vec(prop_oneof![Just(0), 0..400_000_u64], 10);
        let units = proptest::collection::vec(prop_oneof![3 => Just(0), 1 => 0..50_000_u64], 7);
        (tokens, units, 0..3_u64).prop_map(|(tokens, units, queries)| Usage {
            input: tokens[0],
            cache_read: tokens[1],
            cache_write_5m: tokens[2],
            cache_write_1h: tokens[3],
            input_audio: tokens[4],
            input_image: tokens[5],
            output: tokens[6],
            reasoning: tokens[7],
            output_audio: tokens[8],
            output_image: tokens[9],
            queries,
            units: Units {
                images: units[0],
                input_images: units[1],
                pixels: units[2],
                input_audio_ms: units[3],
                output_audio_ms: units[4],
                characters: units[5],
                pages: units[6],
            },
            ..Usage::default()
        })
    }

    proptest! {
        /// Of real prices: no usage within the bounds costs more than the bound.
        #[test]
        fn a_cost_is_within_its_bound(usage in usages(), nth in 0..100_000_usize, tier in 0..4_usize, more in 0..9_u64) {
            let all: Vec<_> = Catalogue::builtin().iter().map(|(_, entry)| entry).collect();
            let entry = all[nth % all.len()];
            let service = ServiceTier::ALL[tier];
            let worst = Worst {
                input_tokens: usage.prompt_tokens() + more,
                output_tokens: usage.completion_tokens() + more,
                answers: 1,
                queries: usage.queries,
                units: usage.units,
                classes: Classes::TOKENS,
                services: Services::one(service),
            };
            let cost = cost(&usage, &entry.prices, service);
            if let Some(bound) = upper_bound(&entry.prices, &worst) {
                prop_assert!(cost.known() <= bound, "{}: {:?} {}", entry.model, cost, bound);
            }
        }
    }
}
