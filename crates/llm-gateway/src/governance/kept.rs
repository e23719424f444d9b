//! When a row is safe: an answer is not complete before what it cost is written down.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Ready once a row is in the journal, or as safe as it can be.
#[derive(Debug, Default)]
pub(crate) struct Kept(#[cfg(feature = "sql")] Option<llm_store::Receipt>);

#[cfg(feature = "sql")]
impl From<llm_store::Receipt> for Kept {
    fn from(receipt: llm_store::Receipt) -> Self {
        Self((!receipt.is_ready()).then_some(receipt))
    }
}

impl Kept {
    /// Whether there is nothing to wait for.
    pub(crate) fn is_nothing(&self) -> bool {
        #[cfg(feature = "sql")]
        return self.0.is_none();
        #[cfg(not(feature = "sql"))]
        true
    }
}

impl Future for Kept {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        #[cfg(feature = "sql")]
        if let Some(receipt) = &mut self.0 {
            // A journal that cannot be written is told by its own status; the answer is the client's either way.
            return Pin::new(receipt).poll(cx).map(|_| self.0 = None);
        }
        let _ = (&mut self, cx);
        Poll::Ready(())
    }
}
