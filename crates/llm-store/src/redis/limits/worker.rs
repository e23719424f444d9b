//! The task behind the port: keeps a connection, tells what ends, and says that this gateway lives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Value};
use tokio::time::MissedTickBehavior;

use super::answer::{self, Failure};
use super::call::{Calls, Script};
use super::desk::{Desk, Reply, Todo};
use crate::redis::options::{RedisOptions, StoreError};
use crate::redis::pause::pause;

/// How long what a gateway has under way counts after its last word.
const LIFE: Duration = Duration::from_secs(10);
/// How often it says a word.
const BEAT: Duration = Duration::from_secs(2);
/// How many calls can wait for the connection; more wait for a place among them.
const QUEUE: usize = 4096;
/// A connection that held this long is no reason to wait before the next one.
const STEADY: Duration = Duration::from_secs(5);

/// The half of [`RedisLimits`](super::RedisLimits) that does the work; to be run as a task.
#[derive(Debug)]
pub struct LimitsWorker {
    client: Client,
    desk: Arc<Desk>,
    /// How long a request may wait.
    timeout: Duration,
    /// How long anything may take before the connection is given up.
    patience: Duration,
}

/// Why a connection is not used any more.
enum End {
    Away(String),
    Done,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Away(failure.to_string())
    }
}

impl LimitsWorker {
    pub(super) fn new(options: &RedisOptions, desk: Arc<Desk>) -> Result<Self, StoreError> {
        let (timeout, patience) = (options.timeout, options.connect_timeout());
        Ok(Self { client: options.client()?, desk, timeout, patience })
    }

    /// Runs until the other half is closed or dropped, and all is told.
    pub async fn run(self) {
        let mut failures = 0_u32;
        loop {
            let begun = Instant::now();
            let mut was_there = false;
            let End::Away(reason) = self.connected(&mut was_there).await else { return };
            self.desk.away(&reason);
            if self.desk.is_closing() {
                return;
            }
            if begun.elapsed() >= STEADY {
                failures = 0;
            }
            failures = failures.saturating_add(1);
            if was_there || failures == 1 {
                tracing::warn!(reason, "limits are not shared: each gateway counts for itself or refuses");
            }
            let pause = pause(failures, &mut rand::rng());
            if !self.paused(pause).await {
                return;
            }
        }
    }

    /// Waits; false: the other half is closed.
    async fn paused(&self, pause: Duration) -> bool {
        let mut over = std::pin::pin!(tokio::time::sleep(pause));
        loop {
            tokio::select! {
                () = &mut over => return !self.desk.is_closing(),
                () = self.desk.wake.notified() => if self.desk.is_closing() { return false },
            }
        }
    }

    /// Connects, and uses the connection until it breaks.
    async fn connected(&self, shared: &mut bool) -> End {
        let late = |_| Failure::Late;
        let connecting = tokio::time::timeout(self.patience, self.connect()).await;
        let (connection, calls) = match connecting.map_err(late).and_then(|connected| connected) {
            Ok(connected) => connected,
            Err(failure) => return failure.into(),
        };
        if let Err(failure) = self.join(&connection, calls).await {
            return failure.into();
        }
        *shared = true;
        tracing::info!("limits are shared over Redis");
        let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = match self.desk.todo() {
                Todo::Connect => return End::Away(self.desk.status().error.unwrap_or_default()),
                Todo::Renew => self.renew(&connection).await,
                Todo::Probe => self.probe().await,
                Todo::Tell => self.tell().await,
                Todo::Leave => {
                    self.leave(&connection).await;
                    return End::Done;
                }
                Todo::Nothing => tokio::select! {
                    () = self.desk.wake.notified() => Ok(()),
                    _ = beat.tick() => self.beat().await,
                },
            };
            if let Err(failure) = done {
                return failure.into();
            }
        }
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, Arc<Calls>), Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(Some(self.patience))
            .set_pipeline_buffer_size(QUEUE);
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let calls = self.load(&mut connection).await?;
        Ok((connection, calls))
    }

    /// Has the server keep the scripts.
    async fn load(&self, connection: &mut MultiplexedConnection) -> Result<Arc<Calls>, Failure> {
        let mut pipeline = redis::pipe();
        for script in Script::ALL {
            pipeline.cmd("SCRIPT").arg("LOAD").arg(script.text());
        }
        let hashes: [String; 4] = pipeline.query_async(connection).await?;
        Ok(Arc::new(Calls { names: self.desk.names().clone(), hashes }))
    }

    /// Begins a life.
    async fn join(&self, connection: &MultiplexedConnection, calls: Arc<Calls>) -> Result<(), Failure> {
        yes(self.desk.join(connection, calls, millis(LIFE))).await.map(drop)
    }

    async fn renew(&self, connection: &MultiplexedConnection) -> Result<(), Failure> {
        let calls = self.load(&mut connection.clone()).await?;
        self.join(connection, calls).await
    }

    /// Says that this gateway lives.
    async fn beat(&self) -> Result<(), Failure> {
        let Some(link) = self.desk.current() else { return Ok(()) };
        let mut connection = link.connection.clone();
        let call = link.calls.beat(&link.life, millis(LIFE));
        let answer = connection.send_packed_command(&call).await.map(|value| vec![value]);
        match answer::only(answer) {
            Ok(Value::Int(1)) => Ok(()),
            // It was taken for dead, or the server was emptied.
            Ok(Value::Int(0)) | Err(Failure::NoScript) => {
                self.desk.renew(&link);
                Ok(())
            }
            Ok(_) => Err(Failure::Garbage),
            Err(failure) => Err(failure),
        }
    }

    /// Waits until the server is as quick as requests need it.
    async fn probe(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        self.beat().await?;
        if begun.elapsed() <= self.timeout {
            self.desk.rested();
            return Ok(());
        }
        let pause = pause(3, &mut rand::rng());
        // Whoever closes the other half does not wait for a slow server.
        if self.paused(pause).await { Ok(()) } else { Err(Failure::Late) }
    }

    /// Tells what waits.
    async fn tell(&self) -> Result<(), Failure> {
        let Some(reply) = self.desk.tell() else { return Ok(()) };
        match yes(reply).await {
            Err(Failure::NoScript) => {
                if let Some(link) = self.desk.current() {
                    self.desk.renew(&link);
                }
                Ok(())
            }
            // Of one owner, whose count is then wrong until it has flowed off.
            Err(Failure::Refused(error)) => {
                tracing::debug!(%error, "what a request gives back was refused");
                Ok(())
            }
            told => told,
        }
    }

    /// Says that this gateway is gone.
    async fn leave(&self, connection: &MultiplexedConnection) {
        let Some(link) = self.desk.current() else { return };
        let mut connection = connection.clone();
        let call = link.calls.leave(&link.life);
        // Otherwise it is found out.
        let _ = tokio::time::timeout(self.patience, connection.send_packed_command(&call)).await;
        self.desk.lose(&link, "closed");
    }
}

/// Waits for an answer that only says that it is done.
async fn yes(reply: Reply) -> Result<(), Failure> {
    answer::only(reply.await).map(drop)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
