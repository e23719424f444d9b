//! One connection: it tells, reads what still holds, and hears what others tell.
//!
//! Every command has its deadline. One that is missed ends the connection: the server hangs or the way to it
//! does, and a new connection finds out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use llm_router::Cooldown;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisError, Value};
use tokio::sync::mpsc;

use super::options::{RedisOptions, StoreError};
use crate::wire::{self, Heard, Teller};

const PUBLISH: &str = include_str!("publish.lua");
const READ: &str = include_str!("read.lua");
/// How many messages can wait to be looked at; when more come, all that holds is read again.
const MAILBOX: usize = 1024;
/// How many cooldowns are taken over when it is read.
const MOST: usize = 4096;

/// How to connect.
#[derive(Debug)]
pub(super) struct Dialer {
    client: Client,
    name: String,
    timeout: Duration,
    connect_timeout: Duration,
    from: Teller,
}

/// Why a connection cannot be used, in words that hold neither address nor password.
#[derive(Debug)]
pub(super) struct Trouble(pub(super) String);

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() { Self::late() } else { Self(error.to_string()) }
    }
}

impl Trouble {
    fn late() -> Self {
        Self("it did not answer in time (redis.timeout)".to_owned())
    }
}

/// What came in without being asked for.
#[derive(Debug)]
pub(super) enum Push {
    /// A change that another gateway told.
    News(Heard),
    /// Nothing that a gateway wrote.
    Garbage,
    /// Our own change, come back.
    Echo,
    /// Some messages were lost: read what holds.
    Gap,
    /// The connection is gone.
    Lost,
}

/// A connection that can be used.
#[derive(Debug)]
pub(super) struct Link {
    connection: MultiplexedConnection,
    mail: mpsc::Receiver<PushInfo>,
    gap: Arc<AtomicBool>,
    name: String,
    from: Teller,
}

impl Dialer {
    pub(super) fn new(options: &RedisOptions) -> Result<Self, StoreError> {
        let (timeout, connect_timeout) = (options.timeout, options.connect_timeout());
        Ok(Self {
            client: options.client()?,
            name: options.name(),
            timeout,
            connect_timeout,
            from: rand::random(),
        })
    }

    /// Connects and subscribes.
    pub(super) async fn dial(&self) -> Result<Link, Trouble> {
        let (sender, mail) = mpsc::channel(MAILBOX);
        let gap = Arc::new(AtomicBool::new(false));
        let lost = Arc::clone(&gap);
        let push = move |push| {
            let sent = sender.try_send(push);
            if sent.is_err() {
                lost.store(true, Ordering::Release);
            }
            sent
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.timeout))
            .set_push_sender(push);
        let connecting = async {
            let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            connection.subscribe(&self.name).await?;
            Ok::<_, Trouble>(connection)
        };
        let connected = tokio::time::timeout(self.connect_timeout, connecting).await;
        let connection = connected.map_err(|_| Trouble::late())??;
        Ok(Link { connection, mail, gap, name: self.name.clone(), from: self.from })
    }
}

impl Link {
    /// Tells a change. False: it cannot be told at all.
    pub(super) async fn tell(&mut self, cooldown: &Cooldown<'_>) -> Result<bool, Trouble> {
        let Some(message) = wire::write(self.from, cooldown) else { return Ok(false) };
        let Cooldown { group, id, fingerprint, left, trips: _ } = *cooldown;
        // A rest lies beside a cooldown, which it says nothing about.
        let kind = if cooldown.is_rest() { "rest:" } else { "" };
        let field = format!("{kind}{fingerprint:016x}:{}:{group}:{id}", group.len());
        let mut command = redis::cmd("EVAL");
        command.arg(PUBLISH).arg(1).arg(&self.name).arg(field).arg(wire::millis(left)).arg(message);
        command.exec_async(&mut self.connection).await?;
        Ok(true)
    }

    /// What still holds, as far as others told it.
    pub(super) async fn read(&mut self) -> Result<Vec<Heard>, Trouble> {
        let mut command = redis::cmd("EVAL");
        command.arg(READ).arg(1).arg(&self.name).arg(MOST);
        let held: Vec<(u64, Vec<u8>)> = command.query_async(&mut self.connection).await?;
        let heard = held.into_iter().filter_map(|(left, message)| {
            let heard = wire::read(&message)?;
            let left = heard.left.min(Duration::from_millis(left));
            (heard.from != self.from).then_some(Heard { left, ..heard })
        });
        Ok(heard.collect())
    }

    /// The next thing that comes in.
    pub(super) async fn push(&mut self) -> Push {
        if self.gap.swap(false, Ordering::AcqRel) {
            return Push::Gap;
        }
        while let Some(push) = self.mail.recv().await {
            match push.kind {
                PushKind::Disconnection => return Push::Lost,
                PushKind::Message => return self.message(&push.data),
                _ => {}
            }
        }
        Push::Lost
    }

    /// A message: the channel's name, then what was sent.
    fn message(&self, data: &[Value]) -> Push {
        let [Value::BulkString(_), Value::BulkString(message)] = data else { return Push::Garbage };
        match wire::read(message) {
            None => Push::Garbage,
            Some(heard) if heard.from == self.from => Push::Echo,
            Some(heard) => Push::News(heard),
        }
    }
}
