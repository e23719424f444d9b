//! A node's side of its leases: asking for slices, renewing them, handing back.
//!
//! It needs no runtime: whoever embeds it awaits its futures and calls [`Funding::tend`] now and then. Of several
//! requests that run out together one asks the store; the others wait for it and look again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::lock::Mutex;

use super::{Ledger, SliceAsk};
use crate::budget::{Account, Due, Duty, Granted, Observer, Returning, Shortage};
use crate::error::Error;
use crate::now::Now;

/// How many accounts can ask the store at once.
const LANES: usize = 64;
/// How long a store that had no more is left alone.
const DRY: Duration = Duration::from_millis(500);

/// Leases of one node.
#[derive(Debug)]
pub struct Funding {
    ledger: Arc<dyn Ledger>,
    node: Arc<str>,
    time: Duration,
    lanes: [Mutex<()>; LANES],
}

impl Funding {
    /// Leases from this store that last for `time`. `node` names this life of the node: another one after each start.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, node: impl Into<Arc<str>>, time: Duration) -> Self {
        Self { ledger, node: node.into(), time, lanes: std::array::from_fn(|_| Mutex::new(())) }
    }

    /// The node's name.
    #[must_use]
    pub fn node(&self) -> &Arc<str> {
        &self.node
    }

    fn lane(&self, account: &Account) -> &Mutex<()> {
        let nth = usize::try_from(account.order() % LANES as u64).unwrap_or_default();
        // There are as many lanes as that.
        self.lanes.get(nth).unwrap_or(&self.lanes[0])
    }

    /// Gets what is missing, where somebody else has not got it meanwhile.
    pub(crate) async fn fund(
        &self,
        shortage: &Shortage,
        now: impl Fn() -> Now,
        observer: &dyn Observer,
    ) -> Result<(), Error> {
        let Shortage { account, window, span, limit, needed } = shortage;
        let _lane = self.lane(account).lock().await;
        let asked = now();
        let Some(missing) = account.missing(window, *needed, asked) else { return Ok(()) };
        let ask = SliceAsk {
            node: Arc::clone(&self.node),
            window: window.clone(),
            end: span.end,
            limit: *limit,
            missing,
            time: self.time,
        };
        self.acquire(account, &ask, asked, observer).await
    }

    async fn acquire(
        &self,
        account: &Account,
        ask: &SliceAsk,
        asked: Now,
        observer: &dyn Observer,
    ) -> Result<(), Error> {
        let slice = self.ledger.acquire(ask).await?;
        // Counted from before the question, so that it ends here before it ends there.
        let until = asked.steady + self.time;
        let dry = slice.dry.then(|| asked.steady + DRY);
        let granted = Granted { amount: slice.amount, until, dry, elsewhere: slice.elsewhere };
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
        for Due { window, end, limit, what } in account.due(now(), self.time / 2, all, observer) {
            match what {
                Duty::Renew => {
                    let node = Arc::clone(&self.node);
                    let missing = llm_types::PicoUsd::ZERO;
                    let ask = SliceAsk { node, window, end, limit, missing, time: self.time };
                    self.acquire(account, &ask, now(), observer).await?;
                }
                Duty::Return { keep, over } => {
                    self.ledger.hand_back(&self.node, &window, keep).await?;
                    if over {
                        account.unlease(&window, observer);
                    }
                }
            }
        }
        Ok(())
    }
}
