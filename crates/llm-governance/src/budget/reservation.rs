//! What an attempt has reserved, as a value that cannot be lost.
//!
//! It ends in exactly one way: settled, or released because nothing was sent. Dropping it does the same: what was sent
//! may have been billed, so what was received of it is booked, and where nothing is known, all that was reserved.

use std::sync::Arc;

use llm_types::PicoUsd;
use smallvec::SmallVec;

use super::account::Accounts;
use super::reserve::Hold;
use super::{BudgetWindow, Event, Observer};

/// Where the figure of a charge comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The provider reported the whole usage.
    Reported,
    /// The answer broke off: what was received until then.
    Received,
    /// The provider reported none: our estimate.
    Estimated,
    /// Nothing is known: all that was reserved.
    Reserved,
}

/// What an attempt cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// How much; less than nothing counts as nothing.
    pub amount: PicoUsd,
    /// How that is known.
    pub basis: Basis,
}

impl Charge {
    /// What the provider reported.
    #[must_use]
    pub const fn reported(amount: PicoUsd) -> Self {
        Self { amount, basis: Basis::Reported }
    }
}

/// The end of an attempt, for its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// What is booked.
    pub amount: PicoUsd,
    /// How that is known.
    pub basis: Basis,
    /// What had been reserved.
    pub reserved: PicoUsd,
    /// Whether more was booked than reserved.
    pub overrun: bool,
    /// Where it is booked: the windows in which it was reserved. Its cost counts there, whenever it ends.
    pub bookings: SmallVec<[BudgetWindow; 4]>,
}

/// The money of one attempt.
#[derive(Debug)]
#[must_use = "the attempt counts as ended once this is dropped"]
pub struct Reservation {
    hold: Option<Hold>,
    sent: bool,
    received: Option<PicoUsd>,
    observer: Arc<dyn Observer>,
}

impl Reservation {
    pub(crate) fn new(hold: Hold, observer: Arc<dyn Observer>) -> Self {
        Self { hold: Some(hold), sent: false, received: None, observer }
    }

    /// What is reserved.
    #[must_use]
    pub fn amount(&self) -> PicoUsd {
        self.hold.as_ref().map_or(PicoUsd::ZERO, |hold| hold.amount)
    }

    /// Whether a budget that it is of is hard.
    #[must_use]
    pub fn is_hard(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.hard)
    }

    /// The answer limit that has to be sent, because the whole was not affordable.
    #[must_use]
    pub fn output_limit(&self) -> Option<u64> {
        self.hold.as_ref().and_then(|hold| hold.clamped)
    }

    /// The attempt is about to be sent: from here on it may be billed.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// What the attempt has cost so far, should it end here.
    pub fn received(&mut self, so_far: PicoUsd) {
        self.received = Some(so_far);
    }

    /// Books what the attempt cost.
    pub fn settle(mut self, charge: Charge) -> Settled {
        self.book(charge)
    }

    /// Books all that is reserved: nothing is known of what the attempt cost.
    pub fn settle_whole(mut self) -> Settled {
        let amount = self.amount();
        self.book(Charge { amount, basis: Basis::Reserved })
    }

    /// The attempt costs nothing: it was not sent, or the provider refused it unbilled.
    pub fn release(mut self) {
        if let Some(hold) = self.hold.take() {
            hold.release(&*self.observer);
        }
    }

    /// The windows that it is reserved in.
    #[must_use]
    pub fn windows(&self) -> Vec<BudgetWindow> {
        self.hold.as_ref().map(Hold::windows).unwrap_or_default()
    }

    pub(crate) fn accounts(&self) -> Accounts {
        self.hold.as_ref().map(|hold| hold.accounts.clone()).unwrap_or_default()
    }

    /// A store holds it from now on.
    pub(crate) fn hand_over(mut self) {
        if let Some(hold) = self.hold.take() {
            hold.each(&*self.observer, |slot, line, held, events| slot.hand_over(line.start, held, events));
        }
    }

    fn book(&mut self, charge: Charge) -> Settled {
        let Charge { amount, basis } = charge;
        let amount = amount.max(PicoUsd::ZERO);
        let hold = self.hold.take().unwrap_or_default();
        let reserved = hold.amount;
        let mut bookings = SmallVec::new();
        hold.each(&*self.observer, |slot, line, held, events| {
            let budget = Arc::clone(&slot.id);
            bookings.push(BudgetWindow { budget, start: line.start });
            slot.settle(line.start, held, amount, events);
        });
        Settled { amount, basis, reserved, overrun: amount > reserved && !bookings.is_empty(), bookings }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some(hold) = &self.hold else { return };
        if !self.sent {
            if let Some(hold) = self.hold.take() {
                hold.release(&*self.observer);
            }
            return;
        }
        let charge = match self.received {
            Some(amount) => Charge { amount, basis: Basis::Received },
            None => Charge { amount: hold.amount, basis: Basis::Reserved },
        };
        let settled = self.book(charge);
        self.observer.event(&Event::Abandoned(settled));
    }
}
