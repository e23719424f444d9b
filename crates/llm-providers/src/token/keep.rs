//! Tokens that are kept: one for all calls with the same credentials.
//!
//! One thread with a runtime of its own asks for all of them, so that it depends neither on a call that goes away nor
//! on the runtime that the call is of. A token is got when the first call wants it, and again before it expires as
//! long as calls want it; one that nobody used is left to expire.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use llm_types::{ApiError, ErrorKind, Result, Secret};
use smallvec::SmallVec;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::answer::{Given, unavailable};
use super::ask::Ask;
use super::grant::Grant;
use super::refused;
use crate::transport::{RequestBody, Transport, collect};

/// How long before it expires a token is got anew, at most.
const EARLY: Duration = Duration::from_secs(300);
/// How long before it expires a token is not sent any more, at most: a call takes its time to arrive.
const LATE: Duration = Duration::from_secs(10);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing is asked after a refusal: the answer would be the same.
const REFUSED: Duration = Duration::from_secs(10);
/// How long nothing is asked after a failure that may pass.
const FAILED: Duration = Duration::from_secs(1);
/// A token that is younger is not thrown away because a provider answers 401.
const YOUNG: Duration = Duration::from_secs(10);
/// How many of the tokens that calls were made with are known, to be kept out of what providers say.
const SENT: usize = 3;
/// The largest answer that is read, in bytes.
const LARGEST: usize = 64 * 1024;

/// Gives the transport that questions go out by.
pub(super) type Way<'a> = &'a (dyn Fn() -> Arc<dyn Transport> + Sync);

static KNOWN: LazyLock<Mutex<HashMap<String, Weak<Tokens>>>> = LazyLock::new(Mutex::default);

/// Where questions are asked.
static ASKING: LazyLock<Option<Handle>> = LazyLock::new(|| {
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name("tokens".to_owned());
    let spawned = thread.spawn(move || {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            && tell.send(runtime.handle().clone()).is_ok()
        {
            runtime.block_on(std::future::pending::<()>());
        }
    });
    spawned.ok()?;
    told.recv().ok()
});

/// The tokens of one account.
pub(crate) struct Tokens {
    name: String,
    grant: Grant,
    state: Mutex<State>,
    /// Whether a call wanted a token since one was asked for.
    wanted: AtomicBool,
    /// Counts what was learned.
    news: watch::Sender<u64>,
    /// Wakes who keeps the token.
    wake: Arc<Notify>,
}

#[derive(Default)]
struct State {
    held: Option<Arc<Held>>,
    fault: Option<Fault>,
    /// Whether somebody keeps the token.
    kept: bool,
    /// The latest that calls may have been made with, newest first: a call may outlast its token.
    sent: SmallVec<[Arc<Held>; SENT]>,
}

/// A token that is there.
pub(crate) struct Held {
    token: Secret,
    header: HeaderValue,
    got: Instant,
    /// From when on another is got.
    early: Instant,
    /// Until when it is sent.
    until: Instant,
}

struct Fault {
    error: ApiError,
    /// Until when nothing is asked.
    until: Instant,
}

impl fmt::Debug for Tokens {
    /// Without a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("giver", &self.grant.giver()).finish_non_exhaustive()
    }
}

impl Held {
    fn of(given: Given, now: Instant) -> Result<Arc<Self>> {
        let Given { token, lifetime } = given;
        let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| refused("the token that was given cannot be sent: check who gives it"))?;
        header.set_sensitive(true);
        let until = now + lifetime - LATE.min(lifetime / 20);
        let early = now + lifetime - EARLY.min(lifetime / 5);
        Ok(Arc::new(Self { token, header, got: now, early, until }))
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        self.token.expose()
    }

    /// `Bearer TOKEN`.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

impl Tokens {
    /// The tokens that a grant gets: the same for the same grant. Nothing is asked yet.
    ///
    /// # Errors
    /// None; builds without tokens have one.
    #[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
    pub(crate) fn of(grant: Grant) -> Result<Arc<Self>> {
        let name = grant.name();
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tokens) = known.get(&name).and_then(Weak::upgrade) {
            return Ok(tokens);
        }
        known.retain(|_, tokens| tokens.strong_count() > 0);
        let tokens = Arc::new(Self {
            name: name.clone(),
            grant,
            state: Mutex::default(),
            wanted: AtomicBool::new(false),
            news: watch::Sender::new(0),
            wake: Arc::new(Notify::new()),
        });
        known.insert(name, Arc::downgrade(&tokens));
        Ok(tokens)
    }

    /// Tells one account from another, without a secret.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token that is there and holds.
    pub(crate) fn current(&self, now: Instant) -> Option<Arc<Held>> {
        let held = self.state().held.as_ref().filter(|held| now < held.until).map(Arc::clone);
        self.wanted.store(true, Ordering::Relaxed);
        held
    }

    /// Shows the tokens that a provider may repeat: also the one that it has just refused, and the one before.
    pub(crate) fn sent(&self, see: &mut dyn FnMut(&str)) {
        let sent = self.state().sent.clone();
        sent.iter().for_each(|held| see(held.token()));
    }

    /// Waits for a token; `transport` asks for it where nobody does yet.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn wait(self: &Arc<Self>, transport: Way<'_>) -> Result<Arc<Held>> {
        let waiting = async {
            let mut news = self.news.subscribe();
            loop {
                if let Some(held) = self.current(Instant::now()) {
                    return Ok(held);
                }
                if let Some(fault) = self.state().fault.as_ref().filter(|fault| Instant::now() < fault.until)
                {
                    return Err(fault.error.clone());
                }
                self.keep(transport)?;
                // The sender lives as long as `self`.
                let _ = news.changed().await;
            }
        };
        match tokio::time::timeout(PATIENCE * 2, waiting).await {
            Ok(waited) => waited,
            Err(_) => Err(self.silent()),
        }
    }

    /// Makes sure that somebody keeps the token.
    ///
    /// # Errors
    /// When there is no thread for it.
    fn keep(self: &Arc<Self>, transport: Way<'_>) -> Result<()> {
        self.wanted.store(true, Ordering::Relaxed);
        let mut state = self.state();
        if state.kept {
            self.wake.notify_one();
            return Ok(());
        }
        let asking = ASKING.as_ref().ok_or_else(|| unavailable("no thread can be started to get tokens"))?;
        state.kept = true;
        drop(state);
        asking.spawn(keep(Arc::downgrade(self), Arc::clone(&self.wake), transport()));
        Ok(())
    }

    /// Has another token got in time, where one will be needed.
    pub(super) fn renew(self: &Arc<Self>, held: &Held, transport: Way<'_>) {
        // Who keeps it wakes up by itself.
        if Instant::now() >= held.early && !self.state().kept {
            // Without a thread the call that finds no token says so.
            let _ = self.keep(transport);
        }
    }

    /// A provider refused a call with this token: unless it is new, it is not sent again.
    pub(super) fn doubt(&self, held: &Arc<Held>, now: Instant) {
        let mut state = self.state();
        let old = now.saturating_duration_since(held.got) >= YOUNG;
        if old && state.held.as_ref().is_some_and(|there| Arc::ptr_eq(there, held)) {
            state.held = None;
        }
    }

    /// Keeps what was learned, and says after how long to look again. A failure does not replace a token that holds.
    pub(super) fn learn(&self, outcome: Result<Given>, now: Instant) -> Duration {
        let mut state = self.state();
        let pause = match outcome.and_then(|given| Held::of(given, now)) {
            Ok(held) => {
                let pause = held.early.saturating_duration_since(now);
                // One that is given again pushes no other out.
                state.sent.retain(|sent| sent.token != held.token);
                state.sent.truncate(SENT - 1);
                state.sent.insert(0, Arc::clone(&held));
                state.held = Some(held);
                state.fault = None;
                state.kept = true;
                pause
            }
            Err(error) => {
                let usual = if error.kind == ErrorKind::Auth { REFUSED } else { FAILED };
                let left = state.held.as_ref().map(|held| held.until.saturating_duration_since(now));
                let left = left.filter(|left| !left.is_zero());
                // What still holds is to be replaced before it does not.
                let pause = left.map_or(usual, |left| usual.min(left / 4).max(Duration::from_millis(50)));
                state.fault = Some(Fault { error, until: now + pause });
                pause
            }
        };
        drop(state);
        self.news.send_modify(|count| *count += 1);
        pause
    }

    /// Whether to ask again; if not, nobody keeps the token from now on.
    fn goes_on(&self, now: Instant) -> bool {
        let mut state = self.state();
        let early = state.held.as_ref().is_none_or(|held| now >= held.early);
        let on = self.wanted.load(Ordering::Relaxed) || !early;
        state.kept = on;
        on
    }

    /// Whether there is something to ask for now.
    fn is_due(&self, now: Instant) -> bool {
        let state = self.state();
        state.held.as_ref().is_none_or(|held| now >= held.early)
            && state.fault.as_ref().is_none_or(|fault| now >= fault.until)
    }

    fn silent(&self) -> ApiError {
        let giver = self.grant.giver();
        unavailable(format!("no token came from {giver} in time: check the network, then try again"))
    }

    async fn asked(&self, transport: &dyn Transport) -> Result<Given> {
        let mut ask = self.grant.ask(SystemTime::now())?;
        loop {
            let (request, mut then) = match ask {
                Ask::Made { token, lifetime } => return Ok(Given { token, lifetime }),
                Ask::Send(request, then) => (request, then),
            };
            let (status, body) = self.answered(*request, transport).await?;
            let Some(next) = then.pop() else {
                return self.grant.read(status, &body).map_err(|error| self.concealed(error));
            };
            ask = next.ask(&self.grant, (status, &body), then).map_err(|error| self.concealed(error))?;
        }
    }

    /// Asks one question.
    async fn answered(
        &self,
        request: Request<Bytes>,
        transport: &dyn Transport,
    ) -> Result<(StatusCode, Bytes)> {
        let request = request.map(|body| RequestBody::from(llm_types::Segments::from(body)));
        let exchange = async {
            let (head, body) = transport.send(request).await?.into_parts();
            Ok::<_, ApiError>((head.status, collect(body, LARGEST).await?))
        };
        let giver = self.grant.giver();
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let why = &error.message;
                Err(unavailable(format!(
                    "no token came from {giver} ({why}): check the network and the address"
                )))
            }
            Err(_) => Err(self.silent()),
        }
    }

    /// The failure without what was asked with.
    fn concealed(&self, mut error: ApiError) -> ApiError {
        for secret in self.grant.secrets() {
            if error.message.contains(secret.expose()) {
                error.message = error.message.replace(secret.expose(), "[redacted]");
            }
        }
        error
    }
}

/// Keeps a token for as long as calls want it.
async fn keep(tokens: Weak<Tokens>, wake: Arc<Notify>, transport: Arc<dyn Transport>) {
    let mut pause = Duration::ZERO;
    loop {
        // Whoever is woken looks for himself whether it was time.
        let _ = tokio::time::timeout(pause, wake.notified()).await;
        let Some(tokens) = tokens.upgrade() else {
            return;
        };
        let now = Instant::now();
        if !tokens.goes_on(now) {
            return;
        }
        if !tokens.is_due(now) {
            pause = tokens.next(now);
            continue;
        }
        tokens.wanted.store(false, Ordering::Relaxed);
        let outcome = tokens.asked(&*transport).await;
        pause = tokens.learn(outcome, Instant::now());
    }
}

impl Tokens {
    /// How long there is nothing to do.
    fn next(&self, now: Instant) -> Duration {
        let state = self.state();
        let early =
            state.held.as_ref().map(|held| held.early.saturating_duration_since(now)).unwrap_or_default();
        let fault =
            state.fault.as_ref().map(|fault| fault.until.saturating_duration_since(now)).unwrap_or_default();
        early.max(fault).max(Duration::from_millis(1))
    }
}
