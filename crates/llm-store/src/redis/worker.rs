//! The task behind the port: keeps a connection, tells what waits, passes on what it hears.
//!
//! It is the only place that waits for Redis. While it does, it goes on taking what it is told, so that the
//! queue never fills because a server is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_router::Cooldown;
use tokio::sync::{Notify, mpsc};
use tokio::time::MissedTickBehavior;

use super::link::{Dialer, Link, Push, Trouble};
use super::options::{RedisOptions, StoreError};
use super::pause::pause;
use super::state::State;
use crate::backlog::{Backlog, News};

/// How often what holds is read again: messages can be lost, and a silent connection may be a dead one.
const REFRESH: Duration = Duration::from_secs(10);
/// A connection that held this long is no reason to wait before the next one.
const STEADY: Duration = Duration::from_secs(5);

/// The half that does the work; to be run as a task.
#[derive(Debug)]
pub struct Worker {
    dialer: Dialer,
    inbox: Inbox,
    state: Arc<State>,
}

/// Why a connection is not used any more.
enum End {
    /// It is broken.
    Away(Trouble),
    /// The store is closed.
    Closed,
}

impl Worker {
    pub(super) fn new(
        options: &RedisOptions,
        queue: mpsc::Receiver<News>,
        state: Arc<State>,
        stop: Arc<Notify>,
    ) -> Result<Self, StoreError> {
        let inbox = Inbox { queue, backlog: Backlog::default(), state: Arc::clone(&state), stop };
        Ok(Self { dialer: Dialer::new(options)?, inbox, state })
    }

    /// Runs until the store is closed or dropped. `learn` gets what others told, and is to hand it to
    /// [`llm_router::Router::learn`] of whichever router is in use then.
    pub async fn run(mut self, learn: impl Fn(&Cooldown<'_>) + Send + Sync) {
        let mut failures = 0_u32;
        loop {
            let Some(dialled) = self.inbox.during(self.dialer.dial()).await else { return };
            let begun = Instant::now();
            let end = match dialled {
                Ok(mut link) => self.serve(&mut link, &learn).await,
                Err(trouble) => End::Away(trouble),
            };
            let End::Away(Trouble(reason)) = end else { return };
            if begun.elapsed() >= STEADY {
                failures = 0;
            }
            failures = failures.saturating_add(1);
            if self.state.away(&reason) || failures == 1 {
                tracing::warn!(reason, "Redis is away: cooldowns are not shared until it is back");
            }
            let pause = pause(failures, &mut rand::rng());
            let Some(()) = self.inbox.during(tokio::time::sleep(pause)).await else { return };
        }
    }

    /// Uses a connection until it breaks.
    async fn serve(&mut self, link: &mut Link, learn: &(impl Fn(&Cooldown<'_>) + Send + Sync)) -> End {
        // First what we know: it may end what the record still holds.
        if let Err(trouble) = self.flush(link).await {
            return End::Away(trouble);
        }
        if let Err(trouble) = self.read(link, learn).await {
            return End::Away(trouble);
        }
        self.state.connected();
        tracing::info!("Redis is there: cooldowns are shared");
        let mut refresh = tokio::time::interval_at(tokio::time::Instant::now() + REFRESH, REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = tokio::select! {
                told = self.inbox.next() => {
                    let flushed = self.flush(link).await;
                    if told.is_none() {
                        return End::Closed;
                    }
                    flushed
                }
                push = link.push() => match push {
                    Push::News(heard) => {
                        self.state.heard.add();
                        learn(&heard.cooldown());
                        Ok(())
                    }
                    Push::Garbage => {
                        self.state.ignored.add();
                        Ok(())
                    }
                    Push::Echo => Ok(()),
                    Push::Gap => self.read(link, learn).await,
                    Push::Lost => return End::Away(Trouble("the connection was closed".to_owned())),
                },
                _ = refresh.tick() => self.read(link, learn).await,
            };
            if let Err(trouble) = done {
                return End::Away(trouble);
            }
        }
    }

    /// Tells all that waits.
    async fn flush(&mut self, link: &mut Link) -> Result<(), Trouble> {
        while let Some(news) = self.inbox.backlog.take(Instant::now()) {
            let Some(cooldown) = news.now(Instant::now()) else { continue };
            match link.tell(&cooldown).await {
                Ok(true) => self.state.sent.add(),
                Ok(false) => self.state.dropped.add(),
                Err(trouble) => {
                    self.inbox.backlog.put_back(news);
                    return Err(trouble);
                }
            }
        }
        Ok(())
    }

    /// Takes over all that holds.
    async fn read(&self, link: &mut Link, learn: &(impl Fn(&Cooldown<'_>) + Sync)) -> Result<(), Trouble> {
        for heard in link.read().await? {
            self.state.heard.add();
            learn(&heard.cooldown());
        }
        Ok(())
    }
}

/// What the task is told, and what of it waits.
#[derive(Debug)]
struct Inbox {
    queue: mpsc::Receiver<News>,
    backlog: Backlog,
    state: Arc<State>,
    stop: Arc<Notify>,
}

impl Inbox {
    /// Waits for something to be told and takes all there is; `None`: the store is closed.
    async fn next(&mut self) -> Option<()> {
        let news = tokio::select! {
            news = self.queue.recv() => news,
            () = self.stop.notified() => None,
        };
        let open = news.is_some();
        let mut next = news;
        while let Some(news) = next.or_else(|| self.queue.try_recv().ok()) {
            if !self.backlog.add(news, Instant::now()) {
                self.state.dropped.add();
            }
            next = None;
        }
        open.then_some(())
    }

    /// Does something else without missing what is told; `None`: the store is closed.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                open = self.next() => open?,
            }
        }
    }
}
