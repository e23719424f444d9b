//! The handle that rows are given to, and what starts behind it.

mod care;
mod desk;
mod inbox;
mod outbox;
mod task;
mod thread;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use llm_governance::UsageRow;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use desk::Desk;
use inbox::Inbox;
use outbox::Outbox;
pub use task::RowTask;

use super::journal::Journal;
use super::line::Line;
use super::status::{Counters, RowStatus, add};
use crate::sql::error::SqlError;
use crate::sql::store::SqlStore;

/// After how long whoever waits says so again.
const AGAIN: Duration = Duration::from_millis(10);

/// How long a row waits for another that is being written: to wake the thread takes longer.
const BRIEFLY: Duration = Duration::from_micros(50);

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowOptions {
    /// Where the journal is; made if it is not there. One gateway alone may use it.
    pub folder: PathBuf,
    /// This life of the node, as in its leases: another name after each start, of letters, digits, `-` and `_`.
    pub node: String,
    /// For how long rows are collected for one transaction.
    pub collect: Duration,
    /// The most rows of a transaction.
    pub batch: usize,
    /// How many rows wait in memory at most, before the journal and again before the database.
    pub memory: usize,
    /// How long the journal may become, in bytes.
    pub journal_limit: u64,
}

impl RowOptions {
    /// A quarter of a second or 2,000 rows a transaction; 16,384 rows in memory, 8 GiB of journal.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, node: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            node: node.into(),
            collect: Duration::from_millis(250),
            batch: 2_000,
            memory: 16_384,
            journal_limit: 8 << 30,
        }
    }
}

/// Where a row is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// In the journal: it survives the end of the process.
    Journal,
    /// In memory: the journal can't be written.
    Memory,
    /// Nowhere: memory is full as well. It is counted.
    Lost,
}

/// Tells when a row is journaled. It may be dropped.
#[derive(Debug)]
pub struct Receipt(State);

#[derive(Debug)]
enum State {
    Known(Stored),
    Waiting(oneshot::Receiver<Stored>),
}

impl Receipt {
    /// Whether there is nothing to wait for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.0, State::Known(_))
    }
}

impl Future for Receipt {
    type Output = Stored;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Stored> {
        match &mut self.0 {
            State::Known(stored) => Poll::Ready(*stored),
            // The thread has ended without a word.
            State::Waiting(told) => Pin::new(told).poll(context).map(|told| told.unwrap_or(Stored::Lost)),
        }
    }
}

/// What handle, thread and task share.
#[derive(Debug)]
pub(super) struct Shared {
    /// `None`: the journal is closed.
    desk: Mutex<Option<Desk>>,
    inbox: Inbox,
    outbox: Outbox,
    counters: Counters,
    /// Wakes whoever waits for rows to be stored.
    progress: Notify,
    memory: usize,
}

/// Takes rows. A clone is the same writer.
#[derive(Debug, Clone)]
pub struct RowWriter {
    shared: Arc<Shared>,
    ending: Arc<Ending>,
}

/// Ends the thread with the last handle.
#[derive(Debug)]
struct Ending {
    shared: Arc<Shared>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.inbox.stop();
        if let Some(thread) = self.thread.lock().take() {
            // It writes what it has and ends: a few milliseconds.
            let _ = thread.join();
        }
        self.shared.outbox.stop();
    }
}

impl RowWriter {
    /// Opens the journal and starts its thread. The task has to be run: first it stores what earlier lives have left.
    ///
    /// # Errors
    /// When the folder cannot be used, or another process uses it.
    pub fn start(store: &SqlStore, options: RowOptions) -> Result<(Self, RowTask), SqlError> {
        let RowOptions { folder, node, collect, batch, memory, journal_limit } = options;
        let (journal, left) = Journal::open(&folder, &node, journal_limit)?;
        let shared = Arc::new(Shared {
            desk: Mutex::new(Some(Desk::new(journal))),
            inbox: Inbox::default(),
            outbox: Outbox::new(memory, batch),
            counters: Counters::default(),
            progress: Notify::new(),
            memory,
        });
        let thread = {
            let shared = Arc::clone(&shared);
            let run = move || thread::run(&shared);
            std::thread::Builder::new().name("rows".to_owned()).spawn(run)
        };
        let thread =
            thread.map_err(|source| SqlError::Journal { folder: folder.display().to_string(), source })?;
        let task = RowTask::new(
            store.clone(),
            Arc::clone(&shared),
            task::Settings { folder, node, collect, batch, left },
        );
        let ending = Arc::new(Ending { shared: Arc::clone(&shared), thread: Mutex::new(Some(thread)) });
        Ok((Self { shared, ending }, task))
    }

    /// Takes a row; never waits. Nearly always it is journaled when this returns; whoever may not go on before it is
    /// waits for the receipt.
    pub fn try_append(&self, row: &UsageRow) -> Receipt {
        let Shared { desk, inbox, outbox, counters, memory, .. } = &*self.shared;
        add(&counters.appended, 1);
        let mut place = desk.try_lock_for(BRIEFLY);
        if place.as_mut().and_then(|desk| desk.as_mut()).is_some_and(|desk| desk.write_now(row, outbox)) {
            return Receipt(State::Known(Stored::Journal));
        }
        drop(place);
        match inbox.put(Line::of(row), *memory) {
            inbox::Put::Waiting(told) => Receipt(State::Waiting(told)),
            inbox::Put::Memory => Receipt(State::Known(Stored::Memory)),
            inbox::Put::Full => {
                add(&counters.lost, 1);
                Receipt(State::Known(Stored::Lost))
            }
        }
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> RowStatus {
        let memory = self.shared.inbox.waiting() + self.shared.outbox.loose();
        let memory = u64::try_from(memory).unwrap_or(u64::MAX);
        RowStatus { memory, ..self.shared.counters.read() }
    }

    /// Waits until everything that was taken so far is stored. False: the time is over; what is not stored is in the
    /// journal.
    pub async fn flush(&self, timeout: Duration) -> bool {
        let status = self.status();
        let target = status.appended;
        let done = || {
            let status = self.status();
            status.stored + status.lost + status.refused >= target
        };
        let wait = async {
            loop {
                let progress = self.shared.progress.notified();
                if done() {
                    return;
                }
                self.shared.outbox.hurry();
                // Again: a row may have been on its way to the journal.
                let _ = tokio::time::timeout(AGAIN, progress).await;
            }
        };
        tokio::time::timeout(timeout, wait).await.is_ok()
    }

    /// Stores what it can in this time and ends; rows that come later are lost. False: some rows are not in the
    /// database. The journal has them for the next start, but for those that `lost` counts in the status from now on:
    /// it had no room for them either.
    pub async fn drain(&self, timeout: Duration) -> bool {
        let stored = self.flush(timeout).await;
        self.shared.inbox.stop();
        let thread = self.ending.thread.lock().take();
        if let Some(thread) = thread {
            // Joined where waiting does no harm.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        self.shared.outbox.stop();
        add(&self.shared.counters.lost, self.shared.outbox.take_loose(usize::MAX).len());
        self.shared.outbox.kept();
        stored
    }
}
