//! How often, how long and with what pauses a group is asked.
//!
//! The policy is data of the group, not of the request: a request brings its deadline and may only ask
//! for fewer retries.

use std::time::Duration;

use llm_types::ErrorKind;
use rand::Rng;

/// How a group is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most attempts after the first before one that waits or goes back to a deployment already tried. Whoever is well
    /// and was not tried yet is asked also after that; with 0 nobody is.
    pub retries: u32,
    /// The pause before a deployment is asked a second time.
    pub backoff: Backoff,
    /// The longest time of one attempt.
    pub timeout: Duration,
    /// The longest time to the first content of a stream.
    pub first_token_timeout: Duration,
    /// How long a stream may take to begin before a second deployment is asked as well; `None`: never.
    pub hedge: Option<Duration>,
    /// Retries after failures of some kinds, instead of `retries`.
    pub by_kind: KindRetries,
}

/// The most retries after a failure of some kind; what is `None` follows the policy.
///
/// A number other than 0 also makes a failure worth another deployment that is not by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindRetries {
    /// The request's own fault.
    pub bad_request: Option<u32>,
    /// The prompt or the answer offends a policy.
    pub content_policy: Option<u32>,
    /// A missing or wrong key, or one that may not do this.
    pub auth: Option<u32>,
    /// No answer in time.
    pub timeout: Option<u32>,
    /// Too many requests or tokens.
    pub rate_limit: Option<u32>,
    /// The provider cannot be reached.
    pub connection: Option<u32>,
    /// The provider failed.
    pub internal: Option<u32>,
    /// The provider is down or has too much to do.
    pub unavailable: Option<u32>,
}

impl KindRetries {
    /// The bound for failures of this kind.
    #[must_use]
    pub fn get(&self, kind: ErrorKind) -> Option<u32> {
        use ErrorKind as K;
        match kind {
            K::BadRequest | K::UnsupportedParam | K::Unprocessable | K::TooLarge => self.bad_request,
            K::ContentPolicy => self.content_policy,
            K::Auth | K::Permission | K::Payment => self.auth,
            K::Timeout | K::GatewayTimeout => self.timeout,
            K::RateLimit | K::Quota => self.rate_limit,
            K::Connection => self.connection,
            K::Internal | K::Api | K::UpstreamFormat => self.internal,
            K::Unavailable | K::Overloaded | K::BadGateway => self.unavailable,
            _ => None,
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 2,
            backoff: Backoff::default(),
            timeout: Duration::from_secs(600),
            first_token_timeout: Duration::from_secs(60),
            hedge: None,
            by_kind: KindRetries::default(),
        }
    }
}

/// Pauses that double up to a limit.
///
/// Full jitter: the pause is drawn from the whole range below the doubled base, so that clients that
/// failed together do not return together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first pause.
    pub base: Duration,
    /// The longest pause of all.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(250), max: Duration::from_secs(8) }
    }
}

impl Backoff {
    /// The longest that the pause number `nth` (from 0) may be.
    #[must_use]
    pub fn ceiling(&self, nth: u32) -> Duration {
        self.base.saturating_mul(2_u32.saturating_pow(nth)).min(self.max)
    }

    /// The pause number `nth` (from 0), drawn anew each time.
    pub fn draw(&self, nth: u32, rng: &mut impl Rng) -> Duration {
        let ceiling = u64::try_from(self.ceiling(nth).as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(rng.random_range(0..=ceiling))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_limit() {
        let backoff = Backoff { base: Duration::from_millis(250), max: Duration::from_secs(8) };
        let check = |nth, expect| assert_eq!(backoff.ceiling(nth), Duration::from_millis(expect), "{nth}");
        check(0, 250);
        check(1, 500);
        check(4, 4000);
        check(5, 8000);
        check(6, 8000);
        check(u32::MAX, 8000);
    }

    #[test]
    fn draws_use_the_whole_range() {
        let backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(1) };
        let mut rng = SmallRng::seed_from_u64(1);
        let draws: Vec<_> = (0..1000).map(|_| backoff.draw(0, &mut rng)).collect();
        assert!(draws.iter().all(|pause| *pause <= Duration::from_millis(100)));
        assert!(draws.iter().any(|pause| *pause < Duration::from_millis(10)));
        assert!(draws.iter().any(|pause| *pause > Duration::from_millis(90)));
    }

    #[test]
    fn no_backoff_is_no_pause() {
        let backoff = Backoff { base: Duration::ZERO, max: Duration::ZERO };
        assert_eq!(backoff.draw(3, &mut SmallRng::seed_from_u64(1)), Duration::ZERO);
    }
}
