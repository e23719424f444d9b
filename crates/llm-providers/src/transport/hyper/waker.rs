//! A waker that knows when its task is at work already.
//!
//! Both ends of a connection are polled by one task here, and each wakes the other whenever it has done something.
//! Forwarded, every such word would have the whole task polled once more for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// How often a round is repeated before others get their turn.
const ROUNDS: usize = 32;

#[derive(Debug, Default)]
struct Inner {
    /// Whose task it is.
    task: AtomicWaker,
    /// The task is at work.
    busy: AtomicBool,
    /// Something has happened since the last look.
    again: AtomicBool,
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.again.store(true, SeqCst);
        if !self.busy.load(SeqCst) {
            self.task.wake();
        }
    }
}

/// What polls several things that wake each other.
#[derive(Debug)]
pub(super) struct Rounds {
    inner: Arc<Inner>,
    waker: Waker,
}

impl Rounds {
    pub(super) fn new() -> Self {
        let inner = Arc::new(Inner::default());
        Self { waker: Waker::from(Arc::clone(&inner)), inner }
    }

    /// Polls `round` until it is ready or nothing happens any more.
    pub(super) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut round: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let Inner { task, busy, again } = &*self.inner;
        task.register(cx.waker());
        for _ in 0..ROUNDS {
            again.store(false, SeqCst);
            busy.store(true, SeqCst);
            let polled = round(&mut Context::from_waker(&self.waker));
            busy.store(false, SeqCst);
            if polled.is_ready() {
                return polled;
            }
            // Whoever woke while it was busy left it to this look.
            if !again.load(SeqCst) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Nobody is woken any more.
    pub(super) fn rest(&self) {
        drop(self.inner.task.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Count(std::sync::atomic::AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn what_happens_at_work_is_another_round_and_what_happens_later_a_wake() {
        let (rounds, count) = (Rounds::new(), Arc::new(Count::default()));
        let task = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&task);
        let (mut done, mut kept) = (0, None);
        let polled = rounds.poll(&mut cx, |cx| {
            done += 1;
            if done < 3 {
                cx.waker().wake_by_ref();
            }
            kept = Some(cx.waker().clone());
            Poll::<()>::Pending
        });
        assert_eq!((polled, done, count.0.load(SeqCst)), (Poll::Pending, 3, 0));
        kept.as_ref().unwrap().wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 1);
        let polled = rounds.poll(&mut cx, |_| Poll::Ready(7));
        assert_eq!((polled, count.0.load(SeqCst)), (Poll::Ready(7), 1));
        rounds.rest();
        kept.unwrap().wake();
        assert_eq!(count.0.load(SeqCst), 1, "nobody is there");
    }

    #[test]
    fn what_never_rests_lets_others_have_their_turn() {
        let (rounds, count) = (Rounds::new(), Arc::new(Count::default()));
        let task = Waker::from(Arc::clone(&count));
        let polled = rounds.poll(&mut Context::from_waker(&task), |cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert_eq!((polled, count.0.load(SeqCst)), (Poll::Pending, 1));
    }
}
