//! What requests and the task behind them have in common: the connection, what is to be told, what is under way.
//!
//! A call is put together and handed to the connection under one lock. So what a request gives back is with the server
//! before what the next one takes, and a new life holds exactly what is under way when it begins.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use llm_governance::limit::LimitAsk;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::sync::Notify;

use super::call::{Calls, Names};

/// How much can wait to be told while Redis is away. What is given up counts as it was reserved.
const MOST_WAITING: usize = 16_384;
/// How much of it goes with the next request.
const WITH_A_REQUEST: usize = 32;
/// How much of it goes at once otherwise.
const AT_ONCE: usize = 512;

/// An answer that is on its way.
pub(super) type Reply = Pin<Box<dyn Future<Output = RedisResult<Vec<Value>>> + Send>>;

/// A connection, and the life that this gateway leads on it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    pub(super) calls: Arc<Calls>,
    /// Under this name the server counts what is under way here.
    pub(super) life: Arc<str>,
}

/// What is known of a request with places among those under way.
#[derive(Debug)]
struct Held {
    life: Arc<str>,
    names: Vec<String>,
}

#[derive(Debug, Default)]
struct Inner {
    link: Option<Arc<Link>>,
    /// The latest life.
    life: Option<Arc<str>>,
    /// How the latest server is called: scripts have the same names everywhere.
    calls: Option<Arc<Calls>>,
    /// The server is slower than requests may wait: they do not, until it is known to be quick again.
    resting: bool,
    /// The scripts or the life are lost.
    renew: bool,
    /// Nobody asks any more.
    closing: bool,
    ends: VecDeque<Cmd>,
    held: HashMap<u64, Held>,
    /// Requests that took places and have not ended.
    seats: usize,
    error: Option<String>,
}

/// What the task has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Todo {
    Nothing,
    /// Tell what waits.
    Tell,
    /// Find out whether the server is quick again.
    Probe,
    /// Load the scripts and begin another life.
    Renew,
    /// Connect anew.
    Connect,
    /// All is done.
    Leave,
}

#[derive(Debug)]
pub(super) struct Desk {
    inner: Mutex<Inner>,
    names: Names,
    pub(super) wake: Notify,
    pub(super) failures: AtomicU64,
    pub(super) late: AtomicU64,
    dropped: AtomicU64,
}

impl Desk {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            inner: Mutex::default(),
            names: Names::new(prefix),
            wake: Notify::new(),
            failures: AtomicU64::new(0),
            late: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// The connection, for requests: `None` while Redis is away or slow.
    pub(super) fn link(&self) -> Option<Arc<Link>> {
        let inner = self.inner.lock();
        inner.link.clone().filter(|_| !inner.resting)
    }

    /// Sends a request's call, behind what waits to be told. `None`: the connection is another one by now.
    pub(super) fn ask(&self, link: &Arc<Link>, call: Cmd) -> Option<Reply> {
        let mut inner = self.inner.lock();
        inner.is_on(link).then_some(())?;
        let mut pipeline = inner.waiting(WITH_A_REQUEST);
        pipeline.add_command(call);
        Some(send(&link.connection, pipeline))
    }

    /// Sends a part of what waits to be told.
    pub(super) fn tell(&self) -> Option<Reply> {
        let mut inner = self.inner.lock();
        let link = inner.link.clone()?;
        let pipeline = inner.waiting(AT_ONCE);
        (!pipeline.is_empty()).then(|| send(&link.connection, pipeline))
    }

    /// A request has its places.
    pub(super) fn taken(&self, request: u64, life: &Arc<str>, asks: &[LimitAsk]) {
        let parallel = asks.iter().filter(|ask| ask.limits.parallel.is_some());
        let names: Vec<String> = parallel.map(|ask| self.names.owner(ask)).collect();
        let mut inner = self.inner.lock();
        inner.seats += 1;
        if names.is_empty() {
            return;
        }
        inner.held.insert(request, Held { life: Arc::clone(life), names });
        if inner.life.as_ref() != Some(life) {
            // The next life began while the answer was on its way, and knows nothing of this request.
            inner.renew = true;
            drop(inner);
            self.wake.notify_one();
        }
    }

    /// A request has ended. Gives the life that its places are counted in; `None`: it has none that end with it.
    pub(super) fn ended(&self, request: u64) -> Option<Arc<str>> {
        let mut inner = self.inner.lock();
        inner.seats = inner.seats.saturating_sub(1);
        inner.held.remove(&request).map(|held| held.life)
    }

    /// Has something told.
    pub(super) fn post(&self, call: Cmd) {
        let mut inner = self.inner.lock();
        if inner.ends.len() < MOST_WAITING {
            inner.ends.push_back(call);
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// The server was late for a request.
    pub(super) fn rest(&self, link: &Arc<Link>) {
        self.late.fetch_add(1, Ordering::Relaxed);
        self.if_on(link, |inner| inner.resting = true);
    }

    /// The server is quick again.
    pub(super) fn rested(&self) {
        self.inner.lock().resting = false;
    }

    /// The server has forgotten something.
    pub(super) fn renew(&self, link: &Arc<Link>) {
        self.if_on(link, |inner| inner.renew = true);
    }

    /// The connection cannot be used any more.
    pub(super) fn lose(&self, link: &Arc<Link>, why: &str) {
        self.if_on(link, |inner| {
            inner.link = None;
            inner.error = Some(why.to_owned());
        });
    }

    fn if_on(&self, link: &Arc<Link>, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.inner.lock();
        if inner.is_on(link) {
            change(&mut inner);
            drop(inner);
            self.wake.notify_one();
        }
    }

    /// No connection can be had.
    pub(super) fn away(&self, why: &str) {
        let mut inner = self.inner.lock();
        inner.link = None;
        inner.error = Some(why.to_owned());
        drop(inner);
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins a life on a connection, with all that is under way.
    pub(super) fn join(&self, connection: &MultiplexedConnection, calls: Arc<Calls>, lasts_ms: u64) -> Reply {
        let life: Arc<str> = format!("{:016x}", rand::random::<u64>()).into();
        let mut inner = self.inner.lock();
        let before = inner.life.replace(Arc::clone(&life));
        let mut under_way: BTreeMap<&str, u32> = BTreeMap::new();
        for held in inner.held.values() {
            for name in &held.names {
                *under_way.entry(name).or_default() += 1;
            }
        }
        let under_way: Vec<(&str, u32)> = under_way.into_iter().collect();
        let call = calls.join((&life, before.as_deref()), lasts_ms, under_way.iter().copied());
        for held in inner.held.values_mut() {
            held.life = Arc::clone(&life);
        }
        let mut pipeline = Pipeline::new();
        pipeline.add_command(call);
        let reply = send(connection, pipeline);
        inner.calls = Some(Arc::clone(&calls));
        inner.link = Some(Arc::new(Link { connection: connection.clone(), calls, life }));
        (inner.renew, inner.resting) = (false, false);
        reply
    }

    /// How the server is called; `None`: it never was.
    pub(super) fn calls(&self) -> Option<Arc<Calls>> {
        self.inner.lock().calls.clone()
    }

    /// The connection, for the task.
    pub(super) fn current(&self) -> Option<Arc<Link>> {
        self.inner.lock().link.clone()
    }

    pub(super) fn todo(&self) -> Todo {
        let inner = self.inner.lock();
        match &*inner {
            Inner { link: None, .. } => Todo::Connect,
            Inner { renew: true, .. } => Todo::Renew,
            Inner { resting: true, .. } => Todo::Probe,
            Inner { ends, .. } if !ends.is_empty() => Todo::Tell,
            Inner { closing: true, seats: 0, .. } => Todo::Leave,
            _ => Todo::Nothing,
        }
    }

    /// Nobody asks any more: the task ends when all has ended that began.
    pub(super) fn close(&self) {
        self.inner.lock().closing = true;
        self.wake.notify_one();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.inner.lock().closing
    }

    pub(super) fn status(&self) -> super::LimitsStatus {
        let inner = self.inner.lock();
        super::LimitsStatus {
            connected: inner.link.is_some() && !inner.resting,
            failures: self.failures.load(Ordering::Relaxed),
            late: self.late.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            seats: inner.seats,
            error: inner.error.clone(),
        }
    }
}

impl Inner {
    fn is_on(&self, link: &Arc<Link>) -> bool {
        self.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, link))
    }

    fn waiting(&mut self, most: usize) -> Pipeline {
        let count = self.ends.len().min(most);
        let mut pipeline = Pipeline::with_capacity(count + 1);
        for call in self.ends.drain(..count) {
            pipeline.add_command(call);
        }
        pipeline
    }
}

/// Hands calls to the connection before it returns; the answer is that of the last one.
fn send(connection: &MultiplexedConnection, pipeline: Pipeline) -> Reply {
    let mut connection = connection.clone();
    let last = pipeline.len().saturating_sub(1);
    let mut reply: Reply = Box::pin(async move { connection.send_packed_commands(&pipeline, last, 1).await });
    // The first look puts the calls into the connection's queue; whoever waits for the answer looks again.
    let mut nobody = Context::from_waker(Waker::noop());
    match reply.as_mut().poll(&mut nobody) {
        Poll::Pending => reply,
        Poll::Ready(done) => Box::pin(std::future::ready(done)),
    }
}
