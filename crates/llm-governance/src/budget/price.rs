//! What an attempt can cost at most, and how much of an answer is affordable.
//!
//! The bound is linear in the length of the answer, so that one division says how long an answer may be for the
//! money that is left.

use llm_types::PicoUsd;

/// The most that an attempt can cost.
///
/// `fixed` is the bound of an answer of no length (the prompt at its dearest, fees, queries), `per_output_token` what
/// each further token of every answer adds at its dearest (times `n`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceBound {
    /// Without any answer.
    pub fixed: PicoUsd,
    /// For one token of output in each of the answers.
    pub per_output_token: PicoUsd,
    /// The most tokens of one answer: the caller's limit, else the model's.
    pub output_tokens: u64,
    /// The shortest answer limit that may be put instead where the whole is not affordable; `None`: the limit is the
    /// caller's own and stays.
    pub clamp_to: Option<u64>,
}

impl PriceBound {
    /// A bound that is not about tokens of an answer.
    #[must_use]
    pub const fn fixed(amount: PicoUsd) -> Self {
        Self { fixed: amount, per_output_token: PicoUsd::ZERO, output_tokens: 0, clamp_to: None }
    }

    /// The bound of an answer of this length.
    #[must_use]
    pub fn with_output(&self, tokens: u64) -> PicoUsd {
        self.fixed.saturating_add(self.per_output_token.saturating_mul(tokens))
    }

    /// The whole.
    #[must_use]
    pub fn total(&self) -> PicoUsd {
        self.with_output(self.output_tokens)
    }

    /// The longest answer that `room` pays for, up to the limit; `None` where the limit may not be shortened that far.
    #[must_use]
    pub fn affordable(&self, room: PicoUsd) -> Option<u64> {
        if self.total() <= room {
            return Some(self.output_tokens);
        }
        let least = self.clamp_to?.max(1);
        let rest = room.saturating_sub(self.fixed).pico();
        if rest < 0 {
            return None;
        }
        let tokens = rest.checked_div(self.per_output_token.pico())?;
        let tokens = u64::try_from(tokens).unwrap_or(u64::MAX).min(self.output_tokens);
        (tokens >= least).then_some(tokens)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pico(pico: i128) -> PicoUsd {
        PicoUsd::from_pico(pico)
    }

    fn bound(fixed: i128, each: i128, tokens: u64, clamp_to: Option<u64>) -> PriceBound {
        PriceBound { fixed: pico(fixed), per_output_token: pico(each), output_tokens: tokens, clamp_to }
    }

    #[test]
    fn answers_are_as_long_as_is_affordable() {
        let check = |bound: PriceBound, room: i128, expect: Option<u64>| {
            assert_eq!(bound.affordable(pico(room)), expect, "{bound:?} {room}");
        };
        check(bound(100, 10, 50, None), 600, Some(50));
        check(bound(100, 10, 50, None), 599, None);
        check(bound(100, 10, 50, Some(1)), 599, Some(49));
        check(bound(100, 10, 50, Some(16)), 260, Some(16));
        check(bound(100, 10, 50, Some(16)), 259, None);
        check(bound(100, 10, 50, Some(1)), 109, None);
        check(bound(100, 10, 50, Some(1)), 100, None);
        check(bound(100, 10, 50, Some(1)), 99, None);
        check(bound(100, 10, 50, Some(0)), -1, None);
        check(bound(100, 0, 50, Some(1)), 99, None);
        check(bound(0, 0, 50, Some(1)), 0, Some(50));
        check(PriceBound::fixed(pico(7)), 7, Some(0));
        check(PriceBound::fixed(pico(7)), 6, None);
        check(bound(0, 1, u64::MAX, Some(1)), 5, Some(5));
    }

    proptest! {
        /// What is affordable is, and one token more is not.
        #[test]
        fn the_longest_affordable_answer_is_found(fixed in 0..1_000_i128, each in 1..50_i128, tokens in 1..100_u64, room in 0..4_000_i128) {
            let bound = bound(fixed, each, tokens, Some(1));
            match bound.affordable(pico(room)) {
                Some(tokens) => {
                    prop_assert!(bound.with_output(tokens) <= pico(room));
                    prop_assert!(tokens == bound.output_tokens || bound.with_output(tokens + 1) > pico(room));
                }
                None => prop_assert!(bound.with_output(1) > pico(room)),
            }
        }
    }
}
