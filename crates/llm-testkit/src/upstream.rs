//! A scripted HTTP/1.1 upstream on a free loopback port.
//!
//! It runs on its own thread and runtime, so that a test may pause its clock or block without the
//! upstream noticing, and it writes each response by hand, so that it can break the protocol. Every
//! request is recorded, together with whether the client waited for the end.

mod log;
mod serve;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::script::{Kind, Script};
pub use log::{Outcome, Received};

type Handler = Arc<dyn Fn(&Received) -> Script + Send + Sync>;

/// The running upstream. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    plan: Mutex<Plan>,
    log: log::Log,
}

#[derive(Default)]
struct Plan {
    queue: VecDeque<Script>,
    routes: Vec<Route>,
    fallback: Option<Script>,
}

struct Route {
    pattern: String,
    queue: VecDeque<Script>,
    handler: Option<Handler>,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("queued", &self.queue.len()).field("routes", &self.routes.len()).finish()
    }
}

impl Shared {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the script that says to close a new connection at once, where that is the next one.
    fn close_on_accept(&self) -> bool {
        let mut plan = self.plan();
        let close = plan.queue.front().is_some_and(|script| matches!(script.kind, Kind::CloseOnAccept));
        if close {
            plan.queue.pop_front();
        }
        close
    }

    fn script_for(&self, request: &Received) -> Option<Script> {
        let mut handler = None;
        let mut plan = self.plan();
        for route in plan.routes.iter_mut().filter(|route| matches(&route.pattern, request.path())) {
            if let Some(script) = route.queue.pop_front() {
                return Some(script);
            }
            handler = handler.or_else(|| route.handler.clone());
        }
        if let Some(handler) = handler {
            // Not under the lock: a handler may script the next request.
            drop(plan);
            return Some(handler(request));
        }
        plan.queue.pop_front().or_else(|| plan.fallback.clone())
    }
}

/// Whether a path is the pattern, or begins with it where it ends in `*`.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == pattern,
    }
}

impl Upstream {
    /// Starts one. It listens before this returns.
    ///
    /// # Errors
    /// When no port is free or the thread can't start.
    pub fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Starts one at an address: an upstream that comes back where it was.
    ///
    /// # Errors
    /// When the address is taken or the thread can't start.
    pub fn start_at(addr: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(1024)?;
        socket.set_nonblocking(true)?;
        let listener = std::net::TcpListener::from(socket);
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("upstream".into()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        result = serve::accept_all(listener, shared) => drop(result),
                    }
                });
            }
        })?;
        Ok(Self { addr, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Queues an answer for the next request on any path that has no script of its own.
    pub fn push(&self, script: Script) {
        self.shared.plan().queue.push_back(script);
    }

    /// Queues an answer for the next request on that path (no query; a `*` at the end matches the rest).
    pub fn push_for(&self, path: &str, script: Script) {
        self.shared.route(path, |route| route.queue.push_back(script));
    }

    /// Answers every request on that path through a function, once its queue is empty.
    pub fn on(&self, path: &str, handler: impl Fn(&Received) -> Script + Send + Sync + 'static) {
        self.shared.route(path, |route| route.handler = Some(Arc::new(handler)));
    }

    /// Answers every request for which nothing else is scripted. Without it those get a 500, and
    /// [`Upstream::unscripted`] counts them.
    pub fn always(&self, script: Script) {
        self.shared.plan().fallback = Some(script);
    }

    /// How many scripts of the common queue are left.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.plan().queue.len()
    }

    /// Every request so far, in the order in which they were complete.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.shared.log.requests()
    }

    /// The last request.
    #[must_use]
    pub fn last_request(&self) -> Option<Received> {
        self.requests().pop()
    }

    /// How many requests found no script.
    #[must_use]
    pub fn unscripted(&self) -> usize {
        self.shared.log.unscripted()
    }

    /// How many connections were accepted: fewer than requests means that they were reused.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.log.connections()
    }

    /// Waits for a request whose client went away before the end; `None` when the time is over.
    pub async fn wait_cancelled(&self, timeout: Duration) -> Option<Received> {
        let found = |requests: &[Received]| requests.iter().any(Received::cancelled);
        self.wait(timeout, found)
            .await
            .then(|| self.requests().into_iter().find(Received::cancelled))
            .flatten()
    }

    /// Waits until so many requests have come; false when the time is over.
    pub async fn wait_requests(&self, count: usize, timeout: Duration) -> bool {
        self.wait(timeout, move |requests| requests.len() >= count).await
    }

    /// Waits until so many requests are answered to the end; false when the time is over.
    pub async fn wait_finished(&self, count: usize, timeout: Duration) -> bool {
        let finished = move |requests: &[Received]| requests.iter().filter(|r| r.finished()).count() >= count;
        self.wait(timeout, finished).await
    }

    /// Waits until the requests are as wanted; false when the time is over. Real time, also where the
    /// caller's clock is paused: the wait is on a blocking thread.
    pub async fn wait(
        &self,
        timeout: Duration,
        wanted: impl Fn(&[Received]) -> bool + Send + 'static,
    ) -> bool {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.log.wait(timeout, wanted)).await.unwrap_or(false)
    }

    /// [`Upstream::wait`] for tests that are not async.
    #[must_use]
    pub fn wait_blocking(&self, timeout: Duration, wanted: impl Fn(&[Received]) -> bool) -> bool {
        self.shared.log.wait(timeout, wanted)
    }

    /// Forgets scripts and requests, and keeps port and connections.
    pub fn clear(&self) {
        *self.shared.plan() = Plan::default();
        self.shared.log.clear();
    }

    /// Closes the port and every connection, as a server that dies.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that it has stopped already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn route(&self, pattern: &str, change: impl FnOnce(&mut Route)) {
        let mut plan = self.plan();
        if let Some(route) = plan.routes.iter_mut().find(|route| route.pattern == pattern) {
            return change(route);
        }
        let mut route = Route { pattern: pattern.to_owned(), queue: VecDeque::new(), handler: None };
        change(&mut route);
        plan.routes.push(route);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
