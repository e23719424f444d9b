//! One request that a deployment has let in.
//!
//! Whatever ends it, the deployment gets back what the request held: its place among those under way, the
//! tokens reserved for it, the right to be the one probe. So it is a value that lives as long as the upstream
//! exchange, and dropping it is always right.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use llm_types::{ApiError, ErrorKind, Origin};

use crate::deployment::Deployment;
use crate::group::Group;
use crate::pool::Seat;
use crate::stats::{Failure, Grant, News, Pass, RateLimits, Seen, Shape, Used};

/// A request under way at one deployment.
#[must_use = "the request counts as ended once this is dropped"]
pub struct Lease<T> {
    group: Arc<Group<T>>,
    index: usize,
    grant: Grant,
    started: Instant,
    shape: Shape,
    alone: bool,
    answered: bool,
    /// Whatever fails from now on is not the deployment's fault.
    excused: bool,
}

impl<T> Lease<T> {
    pub(crate) fn new(choice: Granted, group: &Arc<Group<T>>, started: Instant) -> Self {
        let Granted { index, grant, shape, alone } = choice;
        Self {
            group: Arc::clone(group),
            index,
            grant,
            started,
            shape,
            alone,
            answered: false,
            excused: false,
        }
    }

    /// The deployment's position in its group.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The deployment.
    #[must_use]
    pub fn deployment(&self) -> Option<&Arc<Deployment<T>>> {
        self.group.get(self.index)
    }

    /// Whether it finds out how the deployment is.
    pub(crate) fn probes(&self) -> bool {
        self.grant.pass == Pass::Probe
    }

    /// When the request was sent.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Takes note of what the provider's headers say of its rate limits; tells other gateways if nothing is left.
    pub fn note_rate_limits(&self, limits: &RateLimits, now: Instant) {
        self.tell(self.seat().and_then(|seat| seat.stats.note_left(limits, now)));
    }

    /// The answer is complete and has used this much.
    pub fn finish(self, used: &Used, now: Instant) {
        if let Some(seat) = self.seat() {
            seat.stats.settle(&self.grant, used, self.seen(now), now);
        }
    }

    /// The answer broke off after its first content.
    pub fn fail(mut self, error: &ApiError, now: Instant) {
        self.note_failure(error, now);
    }

    /// The request will not be sent: its tokens are for others.
    pub(crate) fn cancel(self, now: Instant) {
        if let Some(seat) = self.seat() {
            seat.stats.unbook(&self.grant, now);
        }
    }

    /// A failure will say nothing about the deployment.
    pub(crate) fn excuse(&mut self) {
        self.excused = true;
    }

    /// What came before the request is sent has taken until now.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.started = now;
    }

    /// The answer has begun, or is there.
    pub(crate) fn note_answer(&mut self, now: Instant) {
        let seen = self.seen(now);
        let news =
            self.seat().and_then(|seat| seat.stats.answered(&self.grant, seen, &self.group.cooldown, now));
        self.answered = true;
        self.tell(news);
    }

    /// The deployment failed.
    pub(crate) fn note_failure(&mut self, error: &ApiError, now: Instant) {
        // What a first content has said is said: the probe is over.
        let pass = if self.answered { Pass::Normal } else { self.grant.pass };
        // What a `*` stands for is the caller's own word.
        let unknown = error.kind == ErrorKind::NotFound && self.group.name.contains('*');
        let excused = self.excused || unknown;
        let failure = Failure { error, seen: self.seen(now), alone: self.alone, excused };
        // What we ourselves refused was never sent: its tokens are for others.
        if let Some(seat) = self.seat().filter(|_| !self.answered && error.origin == Origin::Gateway) {
            seat.stats.unbook(&self.grant, now);
        }
        let news = self.seat().and_then(|seat| seat.stats.failed(pass, failure, &self.group.cooldown, now));
        self.answered = true;
        self.tell(news);
    }

    /// Another deployment was faster: this one takes at least as long as was waited for it.
    pub(crate) fn note_loss(&self, now: Instant) {
        if let Some(seat) = self.seat() {
            seat.stats.note_slow(self.seen(now), now);
        }
    }

    fn seen(&self, now: Instant) -> Seen {
        Seen { shape: self.shape, took: now.saturating_duration_since(self.started) }
    }

    fn seat(&self) -> Option<&Seat> {
        self.group.seats.get(self.index)
    }

    fn tell(&self, news: Option<News>) {
        self.group.tell(self.index, news);
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat() {
            if !self.answered {
                seat.stats.release(self.grant.pass);
            }
            seat.stats.leave();
        }
    }
}

impl<T> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("group", &self.group.name)
            .field("index", &self.index)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

/// What a deployment has granted to a request.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) index: usize,
    pub(crate) grant: Grant,
    pub(crate) shape: Shape,
    pub(crate) alone: bool,
}
