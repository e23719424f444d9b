//! When a deployment is left alone, and for how long.
//!
//! The rules are data: which failures count follows from their kind, how many and how long from the group's
//! [`CooldownPolicy`]. What several gateways know together goes through [`CooldownStore`], which is only ever
//! told and never asked: a decision reads what is in this process and waits for nobody.

use std::fmt::Debug;
use std::time::Duration;

use llm_types::{ApiError, ErrorKind, Origin};

/// The longest that a provider's `Retry-After` is obeyed.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(600);

/// How many failures cool a deployment down, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CooldownPolicy {
    /// So many failures in a row, or that many of which at least half of the answers are.
    pub failures: u32,
    /// What happened before that does not count.
    pub window: Duration,
    /// The first cooldown; each one after it is twice as long. Zero: none at all.
    pub duration: Duration,
    /// The longest cooldown.
    pub max: Duration,
}

impl Default for CooldownPolicy {
    fn default() -> Self {
        Self {
            failures: 3,
            window: Duration::from_secs(60),
            duration: Duration::from_secs(5),
            max: Duration::from_secs(60),
        }
    }
}

impl CooldownPolicy {
    /// Nothing is ever cooled down.
    pub const OFF: Self = Self {
        failures: u32::MAX,
        window: Duration::from_secs(60),
        duration: Duration::ZERO,
        max: Duration::ZERO,
    };

    /// The cooldown after so many before it.
    #[must_use]
    pub fn length(&self, earlier: u32) -> Duration {
        let max = self.max.max(self.duration);
        self.duration.saturating_mul(2_u32.saturating_pow(earlier)).min(max)
    }
}

/// What a failure says about a deployment's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the request's own fault, or ours.
    Nothing,
    /// It counts towards a cooldown.
    Counts,
    /// It will not answer for now; another one will.
    Opens,
    /// The same, and it takes long to change.
    OpensLong,
}

impl Effect {
    /// What this failure says.
    #[must_use]
    pub fn of(error: &ApiError) -> Self {
        use ErrorKind as K;
        if error.origin == Origin::Gateway && !matches!(error.kind, K::Auth | K::Connection) {
            return Self::Nothing;
        }
        match error.kind {
            K::Auth | K::Payment | K::NotFound | K::RateLimit => Self::Opens,
            K::Quota => Self::OpensLong,
            K::Timeout
            | K::GatewayTimeout
            | K::Internal
            | K::Connection
            | K::BadGateway
            | K::Unavailable
            | K::Overloaded
            | K::UpstreamFormat => Self::Counts,
            K::Api if error.status().is_server_error() => Self::Counts,
            _ => Self::Nothing,
        }
    }
}

/// The wait that the provider asked for, as far as it is obeyed.
pub(crate) fn asked(error: &ApiError) -> Option<Duration> {
    error.retry_after.filter(|wait| !wait.is_zero()).map(|wait| wait.min(RETRY_AFTER_LIMIT))
}

/// A deployment begins to cool down, or ends, or rests because its provider's rate limit has nothing left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cooldown<'a> {
    /// Its group.
    pub group: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Its settings: another one's cooldown is not meant for it.
    pub fingerprint: u64,
    /// How long from now; zero: it has recovered.
    pub left: Duration,
    /// How many cooldowns there were in a row, this one included; zero: it rests.
    pub trips: u32,
}

impl Cooldown<'_> {
    /// Whether it is a rest: it ends by itself, and beside it the deployment may cool down.
    #[must_use]
    pub fn is_rest(&self) -> bool {
        self.trips == 0 && !self.left.is_zero()
    }
}

/// Where cooldowns are told to other gateways. What others tell comes in through [`crate::Router::learn`].
///
/// Called on the request path: must not block and must not fail. Hand the news to a queue with a bound, and
/// drop it when that is full; every gateway finds out for itself sooner or later.
pub trait CooldownStore: Debug + Send + Sync {
    /// Takes note of a change.
    fn tell(&self, cooldown: &Cooldown<'_>);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_count_as_the_taxonomy_says() {
        use ErrorKind as K;
        let check = |kinds: &[K], expect| {
            for kind in kinds {
                let got = Effect::of(&ApiError::upstream(*kind, "x"));
                assert_eq!(got, expect, "{kind:?}");
            }
        };
        check(&[K::Auth, K::Payment, K::NotFound, K::RateLimit], Effect::Opens);
        check(&[K::Quota], Effect::OpensLong);
        check(
            &[K::Timeout, K::GatewayTimeout, K::Internal, K::Connection, K::BadGateway, K::Unavailable],
            Effect::Counts,
        );
        check(&[K::Overloaded, K::UpstreamFormat, K::Api], Effect::Counts);
        check(
            &[K::BadRequest, K::UnsupportedParam, K::Unprocessable, K::ContextWindow, K::ContentPolicy],
            Effect::Nothing,
        );
        check(&[K::Permission, K::Conflict, K::TooLarge, K::ClientCancelled], Effect::Nothing);
        check(&[K::Budget, K::Guardrail, K::MethodNotAllowed], Effect::Nothing);
        let check_own =
            |kind, expect| assert_eq!(Effect::of(&ApiError::new(kind, "x")), expect, "our own {kind:?}");
        check_own(K::Internal, Effect::Nothing);
        check_own(K::RateLimit, Effect::Nothing);
        check_own(K::Auth, Effect::Opens);
        let mut teapot = ApiError::upstream(K::Api, "x");
        teapot.upstream_status = http::StatusCode::from_u16(418).ok();
        assert_eq!(Effect::of(&teapot), Effect::Nothing);
    }

    #[test]
    fn cooldowns_grow_up_to_the_longest() {
        let policy = CooldownPolicy::default();
        let check = |earlier, seconds| assert_eq!(policy.length(earlier), Duration::from_secs(seconds));
        check(0, 5);
        check(1, 10);
        check(3, 40);
        check(4, 60);
        check(u32::MAX, 60);
        let long = CooldownPolicy { duration: Duration::from_secs(90), ..policy };
        assert_eq!(long.length(7), Duration::from_secs(90), "as configured, if that is longer");
    }
}
