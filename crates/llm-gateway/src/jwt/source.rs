//! The keys of an issuer on their way here: read at the start and by the clock, and once more for a token with a key
//! that is not known.
//!
//! One task reads them; requests wait for its next round and never read anything themselves, so that a flood of tokens
//! with invented keys is at most one question to the issuer in a while, and a client that goes away interrupts nothing.
//! Keys that were good stay in use when the issuer does not answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_util::future::join_all;
use jiff::Timestamp;
use llm_governance::jwt::KeyRing;
use llm_providers::transport::Transport;
use llm_types::{ApiError, Result};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::fetch::{Bounds, fetched};
use crate::gateway::Gateway;

/// A set of keys, and the description of an issuer.
const BOUNDS: Bounds = Bounds { size: 1 << 20, time: Duration::from_secs(10) };
/// When it is tried again after a failure, unless that is due sooner.
const AGAIN: Duration = Duration::from_secs(15);
/// How often unknown keys make us ask out of turn.
const SELDOM: Duration = Duration::from_secs(10);
/// How long a request waits for the keys of its token.
const WAIT: Duration = Duration::from_secs(5);
/// How many rounds it waits for: the first may have begun before it came.
const ROUNDS: u8 = 2;

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the configuration.
    Here(String),
    File(PathBuf),
    Url(String),
    /// Where this issuer says.
    Discovered(String),
}

/// The keys of an issuer, and the way to newer ones.
#[derive(Debug)]
pub(super) struct Source {
    issuer: String,
    place: Place,
    refresh: Duration,
    keys: ArcSwapOption<Keys>,
    state: Mutex<State>,
    wanted: Notify,
    /// Counts the rounds that have ended.
    rounds: watch::Sender<u64>,
}

/// Keys that are in use.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) ring: KeyRing,
    /// Counts the sets that there were.
    pub(super) number: u64,
}

#[derive(Debug)]
struct State {
    /// When they are to be read; past while they are.
    due: Instant,
    /// When an unknown key made us ask.
    asked: Option<Instant>,
    read: Option<Timestamp>,
    trouble: Option<String>,
}

/// How things stand with an issuer.
#[derive(Debug, Serialize)]
pub(crate) struct SourceView {
    issuer: String,
    /// How many keys there are; without any its tokens are refused.
    keys: usize,
    /// When they were last read.
    read: Option<String>,
    /// Why they could not be read since.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Source {
    /// # Errors
    /// For keys in the configuration that cannot be read.
    pub(super) fn new(issuer: &str, place: Place, refresh: Duration) -> Result<Self> {
        let source = Self {
            issuer: issuer.to_owned(),
            place,
            refresh,
            keys: ArcSwapOption::empty(),
            state: Mutex::new(State { due: Instant::now(), asked: None, read: None, trouble: None }),
            wanted: Notify::new(),
            rounds: watch::Sender::new(0),
        };
        if let Place::Here(text) = &source.place {
            let ring = KeyRing::parse(text.as_bytes()).map_err(|error| {
                ApiError::bad_request(format!("auth.jwt.jwks of {issuer}: {error}")).with_source(error)
            })?;
            source.take(ring);
        }
        Ok(source)
    }

    pub(super) fn is_of(&self, place: &Place, refresh: Duration) -> bool {
        (&self.place, self.refresh) == (place, refresh)
    }

    pub(super) fn keys(&self) -> Option<Arc<Keys>> {
        self.keys.load_full()
    }

    /// What may come for a token whose key is not known.
    pub(super) fn news(&self) -> News<'_> {
        News { source: self, rounds: None, left: ROUNDS, until: Instant::now() + WAIT }
    }

    pub(super) fn view(&self) -> SourceView {
        let state = self.state.lock();
        SourceView {
            issuer: self.issuer.clone(),
            keys: self.keys.load().as_ref().map_or(0, |keys| keys.ring.len()),
            read: state.read.map(|read| read.to_string()),
            error: state.trouble.clone(),
        }
    }

    /// Puts keys in the place of those there are, and says whether they are others.
    fn take(&self, ring: KeyRing) -> bool {
        let before = self.keys.load_full();
        self.state.lock().read = Some(Timestamp::now());
        if before.as_ref().is_some_and(|keys| keys.ring == ring) {
            return false;
        }
        let number = before.map_or(1, |keys| keys.number + 1);
        self.keys.store(Some(Arc::new(Keys { ring, number })));
        true
    }

    /// Reads the keys again and again. To be begun anew when it was dropped.
    async fn keep(&self, transport: &dyn Transport) {
        if matches!(self.place, Place::Here(_)) {
            return std::future::pending().await;
        }
        loop {
            let due = self.state.lock().due;
            let is_due = tokio::select! {
                () = sleep_until(due) => true,
                () = self.wanted.notified() => self.may_ask(),
            };
            if is_due {
                // Dropped on the way it is still due.
                self.state.lock().due = Instant::now();
                let wait = self.round(transport).await;
                self.state.lock().due = Instant::now() + wait;
            }
            self.rounds.send_modify(|rounds| *rounds += 1);
        }
    }

    /// Whether an unknown key may make us ask now.
    fn may_ask(&self) -> bool {
        let mut state = self.state.lock();
        if state.asked.is_some_and(|asked| asked.elapsed() < SELDOM) {
            return false;
        }
        state.asked = Some(Instant::now());
        true
    }

    /// Reads the keys once. Says how long they are good.
    async fn round(&self, transport: &dyn Transport) -> Duration {
        let read = self.read(transport).await;
        let ring = read.and_then(|text| KeyRing::parse(&text).map_err(|error| error.to_string()));
        match ring {
            Ok(ring) => {
                let keys = ring.len();
                let recovered = self.state.lock().trouble.take().is_some();
                if self.take(ring) || recovered {
                    tracing::info!(issuer = self.issuer, keys, "the issuer's keys are read");
                }
                self.refresh
            }
            Err(reason) => {
                let known = self.state.lock().trouble.replace(reason.clone());
                if known.as_ref() != Some(&reason) {
                    let issuer = &self.issuer;
                    match &*self.keys.load() {
                        Some(_) => tracing::error!(
                            issuer,
                            reason,
                            "the issuer's keys cannot be read: those before stay"
                        ),
                        None => tracing::error!(
                            issuer,
                            reason,
                            "the issuer's keys cannot be read: its tokens are refused"
                        ),
                    }
                }
                self.refresh.min(AGAIN)
            }
        }
    }

    async fn read(&self, transport: &dyn Transport) -> Result<Bytes, String> {
        match &self.place {
            Place::Here(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Place::File(path) => of_file(path).await,
            Place::Url(url) => asked(transport, url).await,
            Place::Discovered(issuer) => asked(transport, &discovered(transport, issuer).await?).await,
        }
    }
}

/// What may come for a token whose key is not known.
#[derive(Debug)]
pub(super) struct News<'s> {
    source: &'s Source,
    rounds: Option<watch::Receiver<u64>>,
    left: u8,
    until: Instant,
}

impl News<'_> {
    /// Waits until the keys have been read again; false: that will not be.
    pub(super) async fn next(&mut self) -> bool {
        if self.left == 0 || matches!(self.source.place, Place::Here(_)) {
            return false;
        }
        self.left -= 1;
        let rounds = self.rounds.get_or_insert_with(|| self.source.rounds.subscribe());
        // A round that is under way, or about to begin, may bring them.
        if self.source.state.lock().due > Instant::now() {
            self.source.wanted.notify_one();
        }
        timeout_at(self.until, rounds.changed()).await.is_ok_and(|changed| changed.is_ok())
    }
}

/// Begins to read keys, as the configuration of the moment says.
pub(crate) fn start(gateway: &Arc<Gateway>) {
    gateway.background(tend(Arc::clone(gateway)));
}

async fn tend(gateway: Arc<Gateway>) {
    let mut replaced = gateway.replaced();
    loop {
        let issuers = gateway.snapshot().issuers.clone();
        let mut sources: Vec<Arc<Source>> = Vec::new();
        for issuer in issuers.iter().flat_map(|issuers| &issuers.all) {
            if !sources.iter().any(|known| Arc::ptr_eq(known, &issuer.source)) {
                sources.push(Arc::clone(&issuer.source));
            }
        }
        let all = async {
            join_all(sources.iter().map(|source| source.keep(gateway.transport()))).await;
            // There are none.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = all => {}
            changed = replaced.changed() => if changed.is_err() { return },
        }
    }
}

/// What an issuer says of itself, as far as it matters here (OpenID Connect Discovery 1.0).
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

/// Where an issuer says that its keys are.
async fn discovered(transport: &dyn Transport, issuer: &str) -> Result<String, String> {
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let text = asked(transport, &address).await?;
    let description: Description = serde_json::from_slice(&text)
        .map_err(|_| format!("{address} is no description of an issuer: set `jwks_url`"))?;
    if description.issuer != issuer {
        let theirs = &description.issuer;
        return Err(format!("{address} is of another issuer, `{theirs}`: write `issuer` as it is there"));
    }
    // Nobody on the way may lead us to keys of their own.
    if issuer.starts_with("https://") && !description.jwks_uri.starts_with("https://") {
        return Err(format!("{address} leads to keys without https"));
    }
    Ok(description.jwks_uri)
}

async fn asked(transport: &dyn Transport, url: &str) -> Result<Bytes, String> {
    let told = url.split(['?', '#']).next().unwrap_or_default();
    fetched(transport, url, BOUNDS).await.map_err(|reason| format!("{told}: {reason}"))
}

async fn of_file(path: &std::path::Path) -> Result<Bytes, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let most = u64::try_from(BOUNDS.size).unwrap_or(u64::MAX) + 1;
    let mut bytes = Vec::new();
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    file.take(most).read_to_end(&mut bytes).await.map_err(failed)?;
    if bytes.len() > BOUNDS.size {
        return Err(format!("{}: longer than {} bytes", path.display(), BOUNDS.size));
    }
    Ok(bytes.into())
}
