//! Money in SQL: two whole numbers of 64 bits, exact in both databases, whose sums the database takes itself.
//!
//! One number of pico-dollars would overflow at nine million dollars. So an amount is thousandths of a dollar and the
//! pico-dollars below; each column is added up for itself. The first holds nine quadrillion dollars, the second the
//! sum of nine billion amounts.

use llm_types::PicoUsd;

use super::error::SqlError;

/// Pico-dollars in a thousandth of a dollar.
const MILLI: i128 = 1_000_000_000;

/// The two columns of an amount.
pub(super) fn split(amount: PicoUsd) -> Result<(i64, i64), SqlError> {
    let (milli, pico) = (amount.pico().div_euclid(MILLI), amount.pico().rem_euclid(MILLI));
    let whole = |number| i64::try_from(number).map_err(|_| SqlError::Amount);
    Ok((whole(milli)?, whole(pico)?))
}

/// The two columns of an amount, or of the most that they hold: for limits, where more is no limit.
pub(super) fn split_most(amount: PicoUsd) -> (i64, i64) {
    split(amount).unwrap_or((if amount < PicoUsd::ZERO { 0 } else { i64::MAX / 1000 }, 0))
}

/// The amount of two columns, or of their sums.
pub(super) fn join(milli: i64, pico: i64) -> PicoUsd {
    PicoUsd::from_pico(i128::from(milli) * MILLI + i128::from(pico))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn more_than_is_kept_is_refused() {
        let most = i128::from(i64::MAX) * MILLI + (MILLI - 1);
        assert_eq!(split(PicoUsd::from_pico(most)).unwrap(), (i64::MAX, 999_999_999));
        assert!(split(PicoUsd::from_pico(most + 1)).is_err());
        assert!(split_most(PicoUsd::MAX).0 > 9_000_000_000_000_000);
    }

    proptest! {
        #[test]
        fn sums_of_columns_are_sums_of_amounts(amounts in prop::collection::vec(-1_000_000_000_000_000_000_000_i128..1_000_000_000_000_000_000_000, 0..50)) {
            let columns = amounts.iter().map(|pico| split(PicoUsd::from_pico(*pico)).unwrap());
            let (milli, pico) = columns.fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
            prop_assert_eq!(join(milli, pico).pico(), amounts.iter().sum::<i128>());
        }
    }
}
