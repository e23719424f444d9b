//! How long to leave a server alone that could not be reached.
//!
//! All gateways lose a server at one moment; chance keeps them from coming back at one moment.

use std::time::Duration;

use rand::Rng;

/// The longest first pause; twice as long after each failure.
const BASE: Duration = Duration::from_millis(100);
/// The longest of all.
const MAX: Duration = Duration::from_secs(5);

/// The pause after so many failures in a row, from 1.
pub(super) fn pause(failures: u32, chance: &mut impl Rng) -> Duration {
    let longest = BASE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(MAX);
    longest.mul_f64(chance.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn pauses_grow_and_differ() {
        let mut chance = SmallRng::seed_from_u64(1);
        let mut check = |failures, longest_ms: u64| {
            let longest = Duration::from_millis(longest_ms);
            let pauses: Vec<_> = (0..50).map(|_| pause(failures, &mut chance)).collect();
            assert!(pauses.iter().all(|pause| *pause >= longest / 2 && *pause <= longest), "{pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
        };
        check(0, 100);
        check(1, 100);
        check(2, 200);
        check(6, 3200);
        check(7, 5000);
        check(u32::MAX, 5000);
    }
}
