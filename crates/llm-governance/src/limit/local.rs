//! The port's reference: limits in this process, by name. For tests of what lies behind the port, and for whoever
//! wants limits without a directory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use llm_types::RateLimits;
use parking_lot::Mutex;

use super::limiter::{Counted, End, longest, millis, tighter};
use super::{LimitAsk, LimitDecision, LimitStore};
use crate::error::Error;
use crate::scope::Scope;

/// Limits by name, in memory.
#[derive(Debug, Default)]
pub struct LocalLimits {
    owners: Mutex<HashMap<Name, Counted>>,
}

/// Whose limits: all of an owner's, or those of one model.
type Name = (Scope, Option<Arc<str>>);

fn name(ask: &LimitAsk) -> Name {
    (ask.scope.clone(), ask.model.clone())
}

impl LocalLimits {
    /// As [`take`](LimitStore::take), at a moment of the caller's.
    pub fn take_at(&self, asks: &[LimitAsk], tokens: u64, now: Instant) -> LimitDecision {
        let now_ms = millis(now);
        let mut owners = self.owners.lock();
        let worst = longest(
            asks.iter().map(|ask| owners.entry(name(ask)).or_default().fits(&ask.limits, tokens, now_ms)),
        );
        let mut left = RateLimits::default();
        for ask in asks {
            if let Some(counted) = owners.get_mut(&name(ask)) {
                if worst.is_none() {
                    counted.take(&ask.limits, tokens);
                    if ask.limits.parallel.is_some() {
                        counted.begin();
                    }
                }
                left = tighter(left, counted.view(&ask.limits));
            }
        }
        match worst {
            None => LimitDecision::Taken(left),
            Some((nth, which)) => LimitDecision::Refused { nth, kind: which.kind, wait: which.wait, left },
        }
    }
}

impl LocalLimits {
    /// As [`end`](LimitStore::end), at a moment of the caller's.
    pub fn end_at(&self, asks: &[LimitAsk], reserved: u64, used: Option<u64>, now: Instant) {
        let now_ms = millis(now);
        let mut owners = self.owners.lock();
        for ask in asks {
            if let Some(counted) = owners.get_mut(&name(ask)) {
                counted.end(reserved, used.map_or(End::Undone, End::Used), &ask.limits, now_ms);
                if ask.limits.parallel.is_some() {
                    counted.leave();
                }
            }
        }
    }
}

#[async_trait]
impl LimitStore for LocalLimits {
    async fn take(&self, _: u64, asks: &[LimitAsk], tokens: u64) -> Result<LimitDecision, Error> {
        Ok(self.take_at(asks, tokens, Instant::now()))
    }

    fn end(&self, _: u64, asks: &[LimitAsk], reserved: u64, used: Option<u64>) {
        self.end_at(asks, reserved, used, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{LimitKind, Limits};
    use super::*;

    #[test]
    fn the_reference_takes_everywhere_or_nowhere() {
        let limits = LocalLimits::default();
        let ask = |scope: &str, rpm| LimitAsk {
            scope: scope.parse().unwrap(),
            model: None,
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
