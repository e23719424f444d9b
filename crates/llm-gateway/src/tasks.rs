//! The one place where background tasks are started, so that a shutdown can wait for them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Notify;

use crate::stop::Stop;

/// Background tasks. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    idle: Notify,
    stop: Stop,
}

impl Tasks {
    /// Starts a task that ends by itself.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.running.fetch_add(1, Ordering::AcqRel);
        let guard = Running(Arc::clone(&self.shared));
        // No block: that would hold the task twice.
        tokio::spawn(task.map(move |()| drop(guard)));
    }

    /// Starts a task that goes on until [`Tasks::stop`].
    pub fn background(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.shared.stop.clone();
        self.spawn(async move {
            // An end before the task's own says that it is over.
            let _ = stop.unless_told(std::pin::pin!(task)).await;
        });
    }

    /// Ends the background tasks.
    pub fn stop(&self) {
        self.shared.stop.tell();
    }

    /// Waits until every task has ended, at most `bound`. Returns how many are still running.
    pub async fn drain(&self, bound: Duration) -> usize {
        let all_idle = async {
            loop {
                let idle = self.shared.idle.notified();
                if self.shared.running.load(Ordering::Acquire) == 0 {
                    return;
                }
                idle.await;
            }
        };
        // An elapsed bound is told by the count.
        let _ = tokio::time::timeout(bound, all_idle).await;
        self.shared.running.load(Ordering::Acquire)
    }
}

struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_tasks_and_is_bounded() {
        let tasks = Tasks::default();
        assert_eq!(tasks.drain(Duration::from_secs(1)).await, 0);
        tasks.spawn(tokio::time::sleep(Duration::from_secs(2)));
        tasks.spawn(std::future::pending());
        assert_eq!(tasks.drain(Duration::from_secs(1)).await, 2);
        assert_eq!(tasks.drain(Duration::from_secs(5)).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn background_tasks_end_when_they_are_told() {
        let tasks = Tasks::default();
        tasks.background(std::future::pending());
        assert_eq!(tasks.drain(Duration::from_secs(1)).await, 1);
        tasks.stop();
        assert_eq!(tasks.drain(Duration::from_secs(1)).await, 0);
        tasks.background(std::future::pending());
        assert_eq!(tasks.drain(Duration::from_secs(1)).await, 0, "also one that is late");
    }
}
