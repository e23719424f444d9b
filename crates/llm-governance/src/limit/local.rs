//! The port's reference: limits in this process, by name. For tests of what lies behind the port, and for whoever
//! wants limits without a directory.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use llm_types::RateLimits;
use parking_lot::Mutex;

use super::limiter::{Counted, End, millis, tighter};
use super::{LimitAsk, LimitDecision, LimitStore};
use crate::error::Error;
use crate::scope::Scope;

/// Limits by name, in memory.
#[derive(Debug, Default)]
pub struct LocalLimits {
    owners: Mutex<HashMap<Scope, Counted>>,
}

impl LocalLimits {
    fn take_at(&self, asks: &[LimitAsk], tokens: u64, now: Instant) -> LimitDecision {
        let now_ms = millis(now);
        let mut owners = self.owners.lock();
        let mut worst = None;
        for (nth, ask) in asks.iter().enumerate() {
            let counted = owners.entry(ask.scope.clone()).or_default();
            if let Err(which) = counted.fits(&ask.limits, tokens, now_ms)
                && worst.is_none_or(|(_, _, wait): (_, _, Duration)| which.wait > wait)
            {
                worst = Some((nth, which.kind, which.wait));
            }
        }
        let mut left = RateLimits::default();
        for ask in asks {
            if let Some(counted) = owners.get_mut(&ask.scope) {
                if worst.is_none() {
                    counted.take(&ask.limits, tokens);
                }
                left = tighter(left, counted.view(&ask.limits));
            }
        }
        match worst {
            None => LimitDecision::Taken(left),
            Some((nth, kind, wait)) => LimitDecision::Refused { nth, kind, wait, left },
        }
    }
}

#[async_trait]
impl LimitStore for LocalLimits {
    async fn take(&self, _: u64, asks: &[LimitAsk], tokens: u64) -> Result<LimitDecision, Error> {
        Ok(self.take_at(asks, tokens, Instant::now()))
    }

    fn end(&self, _: u64, asks: &[LimitAsk], reserved: u64, used: Option<u64>) {
        let now_ms = millis(Instant::now());
        let mut owners = self.owners.lock();
        for ask in asks {
            if let Some(counted) = owners.get_mut(&ask.scope) {
                counted.end(reserved, used.map_or(End::Undone, End::Used), &ask.limits, now_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LimitKind, Limits};
    use super::*;

    #[test]
    fn the_reference_takes_everywhere_or_nowhere() {
        let limits = LocalLimits::default();
        let ask = |scope: &str, rpm| LimitAsk {
            scope: scope.parse().unwrap(),
            limits: Limits { rpm: Some(rpm), ..Limits::default() },
        };
        let asks = [ask("team:a", 10), ask("user:b", 1)];
        let now = Instant::now();
        assert!(
            matches!(limits.take_at(&asks, 0, now), LimitDecision::Taken(left) if left.requests.left == Some(0))
        );
        let refused = limits.take_at(&asks, 0, now);
        let LimitDecision::Refused { nth, kind, wait, .. } = refused else { panic!("{refused:?}") };
        assert_eq!((nth, kind, wait), (1, LimitKind::Requests, Duration::from_secs(60)));
        let LimitDecision::Taken(left) = limits.take_at(&asks[..1], 0, now) else { panic!("refused") };
        assert_eq!(left.requests.left, Some(8));
        limits.end(1, &asks, 0, None);
        assert!(matches!(limits.take_at(&asks, 0, now), LimitDecision::Taken(_)));
    }
}
