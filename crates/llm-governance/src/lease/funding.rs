//! A node's side of its leases: asking for slices, renewing them, handing back.
//!
//! It needs no runtime: whoever embeds it awaits its futures and calls [`Funding::tend`] now and then. Of several
//! requests that run out together one asks the store; the others wait for it and look again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::lock::{Mutex, MutexGuard};
use llm_types::PicoUsd;

use super::{Ledger, Slice, SliceAsk};
use crate::budget::{Account, Accounts, Dry, Due, Duty, Granted, Need, Observer, Returning, Shortage};
use crate::error::Error;
use crate::now::Now;

/// How many accounts can ask the store at once.
const LANES: usize = 64;
/// How long a store that failed is left alone. After that one question at a time finds out whether it is back.
const AWAY: Duration = Duration::from_secs(1);
/// How long a failure takes that others must not wait for, too.
const SLOW: Duration = Duration::from_millis(100);
/// How long a store that had too little is left alone by whoever needs more than it had.
const DRY: Duration = Duration::from_millis(500);

/// Leases of one node.
///
/// A lane is held while the store is asked, on purpose: it is the queue in which requests wait for one answer, and it
/// guards no data. The locks of accounts are never held across a question.
#[derive(Debug)]
pub struct Funding {
    ledger: Arc<dyn Ledger>,
    node: Arc<str>,
    time: Duration,
    lanes: [Mutex<()>; LANES],
    health: Health,
}

/// Whether the store answers. No request may wait for one that is known to be away: they would stand in line, and
/// each would wait as long as the first.
#[derive(Debug, Default)]
struct Health(parking_lot::Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// It let somebody wait in vain, and is not asked again before.
    away: Option<Instant>,
    /// Somebody is finding out.
    probed: bool,
}

/// A question that may be asked.
struct Probe<'h> {
    health: &'h Health,
    asked: Instant,
    /// The one that finds out.
    alone: bool,
}

impl Health {
    /// Fails where the store is known to be away.
    fn check(&self, now: Instant) -> Result<(), Error> {
        let Known { away, probed } = *self.0.lock();
        if away.is_some_and(|until| probed || now < until) { Err(left_alone()) } else { Ok(()) }
    }

    fn ask(&self, now: Instant) -> Result<Probe<'_>, Error> {
        let mut known = self.0.lock();
        let alone = known.away.is_some();
        if known.away.is_some_and(|until| known.probed || now < until) {
            return Err(left_alone());
        }
        known.probed |= alone;
        Ok(Probe { health: self, asked: now, alone })
    }
}

impl Probe<'_> {
    /// Takes note of the answer. Whoever fails at once keeps nobody waiting, and is not away: the fault may be in the
    /// question.
    fn told<T>(&self, answer: &Result<T, Error>, now: Instant) {
        let slow = now.saturating_duration_since(self.asked) >= SLOW;
        if answer.is_ok() || slow {
            self.health.0.lock().away = answer.is_err().then(|| now + AWAY);
        }
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if self.alone {
            self.health.0.lock().probed = false;
        }
    }
}

fn left_alone() -> Error {
    Error::Store("the store did not answer a moment ago".into())
}

impl Funding {
    /// Leases from this store that last for `time`. `node` names this life of the node: another one after each start.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, node: impl Into<Arc<str>>, time: Duration) -> Self {
        Self {
            ledger,
            node: node.into(),
            time,
            lanes: std::array::from_fn(|_| Mutex::new(())),
            health: Health::default(),
        }
    }

    /// The node's name.
    #[must_use]
    pub fn node(&self) -> &Arc<str> {
        &self.node
    }

    fn lane(&self, account: &Account) -> &Mutex<()> {
        // There are as many lanes as that.
        self.lanes.get(self.lane_of(account)).unwrap_or(&self.lanes[0])
    }

    fn lane_of(&self, account: &Account) -> usize {
        usize::try_from(account.order() % LANES as u64).unwrap_or_default()
    }

    /// Waits until nobody moves slices of these accounts; nobody does until all that is returned is dropped.
    pub(crate) async fn still(&self, accounts: &Accounts) -> Vec<MutexGuard<'_, ()>> {
        let mut all: Vec<_> = accounts.iter().map(|account| (self.lane_of(account), account)).collect();
        // In one order, each once: nobody waits in a circle.
        all.sort_by_key(|(nth, _)| *nth);
        all.dedup_by_key(|(nth, _)| *nth);
        let mut still = Vec::with_capacity(all.len());
        for (_, account) in all {
            still.push(self.lane(account).lock().await);
        }
        still
    }

    /// Gets what is missing, where somebody else has not got it meanwhile.
    pub(crate) async fn fund(
        &self,
        shortage: &Shortage,
        now: impl Fn() -> Now,
        observer: &dyn Observer,
    ) -> Result<(), Error> {
        let Shortage { account, window, span, limit, need } = shortage;
        self.health.check(now().steady)?;
        let _lane = self.lane(account).lock().await;
        let Some((Need { whole: missing, least }, held)) = account.missing(window, *need, now()) else {
            return Ok(());
        };
        let ask = SliceAsk {
            node: Arc::clone(&self.node),
            window: window.clone(),
            end: span.end,
            limit: *limit,
            fixed: false,
            held,
            missing,
            least,
            time: self.time,
        };
        self.acquire(account, &ask, now, observer).await
    }

    async fn acquire(
        &self,
        account: &Account,
        ask: &SliceAsk,
        now: impl Fn() -> Now,
        observer: &dyn Observer,
    ) -> Result<(), Error> {
        let asked = now();
        let probe = self.health.ask(asked.steady)?;
        let slice = self.ledger.acquire(ask).await;
        probe.told(&slice, now().steady);
        drop(probe);
        let slice = slice?;
        // Counted from before the question, so that it ends here before it ends there.
        let until = asked.steady + self.time;
        let dry = slice.dry.then(|| Dry { until: asked.steady + DRY, left: slice.left });
        let Slice { amount, elsewhere, unknown, .. } = slice;
        let granted = Granted { amount, held: ask.held, until, dry, elsewhere, unknown };
        account.fund(&ask.window, granted, observer);
        Ok(())
    }

    /// Renews leases in use and hands back what is not needed; the first failure ends it.
    pub(crate) async fn tend(
        &self,
        account: &Account,
        now: impl Fn() -> Now,
        all: Returning,
        observer: &dyn Observer,
    ) -> Result<(), Error> {
        let _lane = self.lane(account).lock().await;
        self.health.check(now().steady)?;
        for Due { window, end, limit, what } in account.due(now(), self.time / 2, all, observer) {
            match what {
                Duty::Renew { held } => {
                    let (node, zero) = (Arc::clone(&self.node), PicoUsd::ZERO);
                    let (missing, least, time) = (zero, zero, self.time);
                    let ask = SliceAsk { node, window, end, limit, fixed: false, held, missing, least, time };
                    self.acquire(account, &ask, &now, observer).await?;
                }
                Duty::Return { keep, over } => {
                    let probe = self.health.ask(now().steady)?;
                    let done = self.ledger.hand_back(&self.node, &window, keep).await;
                    probe.told(&done, now().steady);
                    drop(probe);
                    done?;
                    if over {
                        account.unlease(&window, observer);
                    }
                }
            }
        }
        Ok(())
    }
}
