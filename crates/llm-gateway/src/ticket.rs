//! The right to call a provider, and the account of what came of it.
//!
//! Dispatch cannot be called without a [`Ticket`], so there is no way to a provider that is not accounted
//! for. A ticket is one linear value per request and ends in exactly one [`Settlement`]: also when the
//! client goes away and the request is simply dropped.

use std::fmt::Debug;
use std::sync::Arc;

use llm_types::Usage;

/// How a request ended, for whoever keeps the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Complete; `None`: the provider reported no usage.
    Settled(Option<Usage>),
    /// Broken off after something may have been billed: what the provider had reported until then.
    Received(Option<Usage>),
    /// Nothing was sent to a provider.
    Released,
}

/// Keeps the books.
pub trait Ledger: Debug + Send + Sync {
    /// Books the end of one request. Must neither block nor fail.
    fn settle(&self, request_id: &str, settlement: Settlement);
}

/// The books where nothing is metered.
#[derive(Debug, Clone, Copy, Default)]
pub struct FreeLedger;

impl Ledger for FreeLedger {
    fn settle(&self, _request_id: &str, _settlement: Settlement) {}
}

/// The right to call a provider for one request.
#[derive(Debug)]
pub struct Ticket {
    request_id: Arc<str>,
    ledger: Option<Arc<dyn Ledger>>,
    sent: bool,
    usage: Option<Box<Usage>>,
}

impl Ticket {
    /// A ticket that settles with `ledger`.
    #[must_use]
    pub fn new(request_id: Arc<str>, ledger: Arc<dyn Ledger>) -> Self {
        Self { request_id, ledger: Some(ledger), sent: false, usage: None }
    }

    /// A provider is about to be called: from here on something may be billed.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// Notes what the provider has reported so far.
    pub fn received(&mut self, usage: Option<&Usage>) {
        if let Some(usage) = usage {
            self.usage = Some(Box::new(usage.clone()));
        }
    }

    /// The request is complete.
    pub fn settle(mut self, usage: Option<Usage>) {
        let usage = usage.or_else(|| self.usage.take().map(|usage| *usage));
        self.end(Settlement::Settled(usage));
    }

    fn end(&mut self, settlement: Settlement) {
        if let Some(ledger) = self.ledger.take() {
            ledger.settle(&self.request_id, settlement);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let settlement = if self.sent {
            Settlement::Received(self.usage.take().map(|usage| *usage))
        } else {
            Settlement::Released
        };
        self.end(settlement);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Debug, Default)]
    struct Book(Mutex<Vec<Settlement>>);

    impl Ledger for Book {
        fn settle(&self, _: &str, settlement: Settlement) {
            self.0.lock().unwrap().push(settlement);
        }
    }

    #[test]
    fn a_ticket_ends_in_exactly_one_settlement() {
        let book = Arc::new(Book::default());
        let ticket = || Ticket::new("r".into(), Arc::<Book>::clone(&book) as Arc<dyn Ledger>);
        let usage = Usage { input: 3, ..Usage::default() };

        drop(ticket());
        let mut sent = ticket();
        sent.sent();
        sent.received(Some(&usage));
        drop(sent);
        let mut whole = ticket();
        whole.sent();
        whole.settle(Some(usage.clone()));

        let expect = [
            Settlement::Released,
            Settlement::Received(Some(usage.clone())),
            Settlement::Settled(Some(usage)),
        ];
        assert_eq!(*book.0.lock().unwrap(), expect);
    }
}
