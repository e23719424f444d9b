//! Why requests went where they went: the latest of them, in memory.
//!
//! A decision is kept as the router left it, and put into words only when somebody asks. Keeping one is one
//! allocation and one uncontended lock; a request that is not sampled, and was answered at the first try, costs
//! neither. What is kept is cold by the time it is dropped, and the memory that others get then is cold as well: so of
//! requests that went straight only some are kept a second.

mod ring;
mod sink;
mod told;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use http::HeaderValue;
use llm_router::{Group, Plan, Skipped, Trace};
use llm_types::{ApiError, Dialect, Usage};
use parking_lot::Mutex;
use rand::Rng as _;
use smallvec::SmallVec;

use crate::backend::Backend;
use crate::dispatch::Groups;

use ring::Ring;
#[cfg(feature = "sql")]
pub(crate) use sink::Decided;
pub(crate) use sink::Sink;
pub(crate) use told::{Summary, Told};

/// What became of one request.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) request_id: Arc<str>,
    /// The model, as the client named it.
    pub(crate) model: Arc<str>,
    /// What is asked for, in a word.
    pub(crate) operation: &'static str,
    /// What the client speaks.
    pub(crate) front: Option<Dialect>,
    pub(crate) stream: bool,
    /// When it came, on our clock and on the wall's.
    pub(crate) started: Instant,
    /// When it was decided.
    pub(crate) at: SystemTime,
    /// From the first byte of the request to the head of the answer.
    pub(crate) took: Duration,
    /// How long upstreams were waited for.
    pub(crate) upstream: Duration,
    /// What was done in each group.
    pub(crate) groups: SmallVec<[(Arc<Group<Backend>>, llm_router::Record); 1]>,
    /// Models that were named as fallbacks and not asked.
    pub(crate) skipped: Box<[Skipped]>,
    /// What the client was told instead of an answer.
    pub(crate) error: Option<ApiError>,
    /// What was lost or altered for the deployment that answered.
    pub(crate) changes: Box<str>,
    /// How the answer ended.
    pub(crate) end: Mutex<Option<Ended>>,
    /// Where it is put if it ends in anything but a complete answer from where it began; `None`: it is there already.
    pub(crate) otherwise: Option<Weak<Ring>>,
    /// Whether it is kept also if it ends as it should.
    pub(crate) kept: bool,
    /// Who keeps it for longer, once it has ended.
    pub(crate) sink: Option<Sink>,
}

/// How an answer ended.
#[derive(Debug)]
pub(crate) struct Ended {
    took: Duration,
    tokens: Option<Tokens>,
    /// Why it broke off; `None`: it is complete.
    broke_off: Option<Box<str>>,
    after: Option<Box<Afterwards>>,
}

/// The tokens of an answer, in all.
#[derive(Debug, Clone, Copy)]
struct Tokens {
    prompt: u64,
    completion: u64,
}

impl From<&Usage> for Tokens {
    fn from(usage: &Usage) -> Self {
        Self { prompt: usage.prompt_tokens(), completion: usage.completion_tokens() }
    }
}

/// The stream of a deployment ended early.
#[derive(Debug)]
pub(crate) struct Break {
    pub(crate) at: Instant,
    /// How much of the answer came from it until then.
    pub(crate) tokens: u64,
    pub(crate) error: ApiError,
}

/// Who went on with an answer that broke off, and how that came about.
#[derive(Debug, Default)]
pub(crate) struct Afterwards {
    /// That of whoever answered first, then those of whoever went on.
    pub(crate) breaks: Vec<Break>,
    /// The deployments.
    pub(crate) by: Vec<Arc<str>>,
    /// What was done in each group.
    pub(crate) groups: Groups,
}

impl Decision {
    /// The answer is over.
    pub(crate) fn end(
        self: &Arc<Self>,
        usage: Option<&Usage>,
        broke_off: Option<&ApiError>,
        after: Afterwards,
    ) {
        if broke_off.is_some() || !after.breaks.is_empty() || !after.groups.is_empty() {
            if let Some(ring) = self.otherwise.as_ref().and_then(Weak::upgrade) {
                ring.keep(Arc::clone(self));
            }
        } else if !self.kept {
            return;
        }
        let took = self.started.elapsed();
        let broke_off = broke_off.map(|error| error.message.as_str().into());
        let tells = !after.breaks.is_empty() || !after.groups.is_empty();
        let after = tells.then(|| Box::new(after));
        let ended = Ended { took, tokens: usage.map(Tokens::from), broke_off, after };
        {
            let mut end = self.end.lock();
            // Told once; a second end says nothing new.
            if end.is_some() {
                return;
            }
            *end = Some(ended);
        }
        self.hand_over();
    }

    /// Nothing more will come of it: whoever keeps decisions may have it.
    fn hand_over(self: &Arc<Self>) {
        if let Some(sink) = &self.sink {
            sink.offer(self);
        }
    }
}

/// The latest decisions, and of which requests there are some.
///
/// Those on requests that went straight come by the thousand and say little: they have a place of their own, where they
/// push nothing else out. It is small, for a request that is recorded touches all of it in turn: were it large, each
/// would find it, and whatever it pushed out, outside of the processor's caches.
#[derive(Debug)]
pub(crate) struct Records {
    /// Of requests that failed or took several attempts.
    telling: Arc<Ring>,
    /// Of requests that went straight and whose client asks why: whoever may call can do that as often as they like.
    asked: Arc<Ring>,
    /// Of other requests that went straight.
    straight: Arc<Ring>,
    /// Of 2³².
    sample: u64,
    rate: Rate,
}

/// The part of the room that is for requests that went straight: one in so many.
const STRAIGHT: usize = 4;
/// The same of those whose client asks why; in a small room they lie among the others.
const ASKED: usize = 8;

/// Which room a decision on an answered request is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// It took several attempts.
    Telling,
    /// It went straight, and its client asks why.
    Asked,
    /// It went straight.
    Straight,
}

impl Share {
    /// That of a request that was answered, with the header in which its client asks why.
    pub(crate) fn of(plan: &Plan<'_, Backend>, asks: Option<&HeaderValue>) -> Self {
        match asks {
            _ if !is_straight(plan) => Self::Telling,
            Some(_) => Self::Asked,
            None => Self::Straight,
        }
    }
}

/// How many a second, as a generic cell rate: every one moves a mark on, which may be ahead of now by so much.
#[derive(Debug)]
struct Rate {
    /// When it began to count.
    origin: Instant,
    per_second: u32,
    /// In nanoseconds since then.
    mark: AtomicU64,
}

/// How many may come at once.
const BURST: u64 = 100;

impl Rate {
    fn new(per_second: u32) -> Self {
        Self { origin: Instant::now(), per_second, mark: AtomicU64::new(0) }
    }

    /// Whether there is room for one more, which takes it.
    fn take(&self, now: Instant) -> bool {
        let Some(step) = 1_000_000_000_u64.checked_div(u64::from(self.per_second)) else { return false };
        let now = now.saturating_duration_since(self.origin).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let latest = now.saturating_add(step * (BURST - 1));
        let next = |mark: u64| (mark <= latest).then(|| mark.max(now).saturating_add(step));
        self.mark.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

impl Records {
    /// Room for so many; candidates are kept of this share, of so many a second at most.
    pub(crate) fn new(keep: usize, sample: f64, per_second: u32) -> Self {
        let straight = keep.div_ceil(STRAIGHT);
        // One of each at least, where any are kept.
        let asked = keep / ASKED;
        let telling = (keep - straight - asked).max(straight.min(1));
        let [telling, asked, straight] = [telling, asked, straight].map(|room| Arc::new(Ring::new(room)));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 2^32")]
        let sample = (sample.clamp(0.0, 1.0) * 4_294_967_296.0) as u64;
        Self { telling, asked, straight, sample, rate: Rate::new(per_second) }
    }

    /// Goes on with the decisions that these hold, where there is the same room for them.
    pub(crate) fn going_on(self, other: &Self) -> Self {
        let fits = self.rings().iter().zip(other.rings()).all(|(ring, other)| ring.len() == other.len());
        if !fits {
            return self;
        }
        let [telling, asked, straight] = other.rings().map(Arc::clone);
        Self { telling, asked, straight, ..self }
    }

    fn rings(&self) -> [&Arc<Ring>; 3] {
        [&self.telling, &self.asked, &self.straight]
    }

    /// Whether any are kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.straight.len() > 0
    }

    /// Whether the candidates of the next request, which begins now, are to be kept.
    pub(crate) fn samples(&self, now: Instant) -> bool {
        let drawn = || match self.sample {
            0 => false,
            sample if sample > u64::from(u32::MAX) => true,
            sample => u64::from(rand::rng().random::<u32>()) < sample,
        };
        self.is_kept() && drawn() && self.rate.take(now)
    }

    /// A place for the candidates of a request that is sampled.
    pub(crate) fn place(&self) -> Box<Trace> {
        self.straight.spare()
    }

    /// Whether a request that was answered is kept: it was sampled, or did not go straight.
    pub(crate) fn wants(&self, plan: &Plan<'_, Backend>) -> bool {
        let sampled = || plan.records().any(|(_, record)| record.trace.is_some());
        self.is_kept() && (!is_straight(plan) || sampled())
    }

    /// Keeps the decision on a request that was not answered.
    pub(crate) fn put(&self, decision: Decision) {
        self.telling.keep_new(decision).hand_over();
    }

    /// Keeps a decision on a request that was answered, for whoever has to tell how its answer ends.
    pub(crate) fn keep(&self, decision: Decision, share: Share) -> Arc<Decision> {
        let ring = match share {
            Share::Telling => return self.telling.keep_new(decision),
            Share::Asked if self.asked.len() > 0 => &self.asked,
            Share::Asked | Share::Straight => &self.straight,
        };
        ring.keep_new(Decision { otherwise: Some(Arc::downgrade(&self.telling)), ..decision })
    }

    /// A decision that is kept only if there is something to tell of it later.
    pub(crate) fn keep_if(&self, decision: Decision) -> Arc<Decision> {
        Arc::new(Decision { otherwise: Some(Arc::downgrade(&self.telling)), kept: false, ..decision })
    }

    /// The decision on this request.
    pub(crate) fn find(&self, request_id: &str) -> Option<Arc<Decision>> {
        let is_it = |decision: &Arc<Decision>| *decision.request_id == *request_id;
        self.rings().into_iter().flat_map(|ring| ring.latest()).find(is_it)
    }

    /// The latest, newest first.
    pub(crate) fn latest(&self, most: usize) -> Vec<Arc<Decision>> {
        let rings = self.rings().into_iter();
        let mut all: Vec<Arc<Decision>> = rings.flat_map(|ring| ring.latest().take(most)).collect();
        all.sort_by_key(|kept| std::cmp::Reverse(kept.at));
        let mut latest: Vec<Arc<Decision>> = Vec::new();
        for next in all {
            // One that went straight and broke off is in two.
            if latest.len() < most && !latest.iter().any(|known| Arc::ptr_eq(known, &next)) {
                latest.push(next);
            }
        }
        latest
    }
}

/// Whether the first that was asked answered, where the request belongs.
fn is_straight(plan: &Plan<'_, Backend>) -> bool {
    plan.attempt_count() <= 1 && plan.depth() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn decision(id: &str) -> Decision {
        Decision {
            request_id: id.into(),
            model: "m".into(),
            operation: "chat",
            front: None,
            stream: false,
            started: Instant::now(),
            at: SystemTime::now(),
            took: Duration::ZERO,
            upstream: Duration::ZERO,
            groups: SmallVec::new(),
            skipped: Box::default(),
            error: None,
            changes: Box::default(),
            end: Mutex::default(),
            otherwise: None,
            kept: true,
            sink: None,
        }
    }

    #[test]
    fn the_latest_are_kept() {
        let records = Records::new(4, 1.0, 1);
        for id in ["a", "b", "c", "d"] {
            records.put(decision(id));
        }
        let ids = |most| -> Vec<String> {
            records.latest(most).iter().map(|kept| kept.request_id.to_string()).collect()
        };
        assert_eq!(ids(10), ["d", "c", "b"]);
        assert_eq!(ids(1), ["d"]);
        assert!(records.find("a").is_none() && records.find("c").is_some());
    }

    #[test]
    fn those_that_went_straight_push_nothing_else_out() {
        let records = Records::new(4, 1.0, 1);
        records.put(decision("failed"));
        for id in ["a", "b", "c", "d", "e"] {
            records.keep(decision(id), Share::Straight);
        }
        let last = records.keep(decision("retried"), Share::Telling);
        let ids: Vec<_> = records.latest(10).iter().map(|kept| kept.request_id.to_string()).collect();
        assert_eq!(ids, ["retried", "e", "failed"]);
        assert!(Arc::ptr_eq(&last, &records.find("retried").unwrap()));
    }

    #[test]
    fn those_whose_clients_ask_why_push_nothing_else_out() {
        let records = Records::new(8, 1.0, 1);
        records.put(decision("failed"));
        records.keep(decision("straight"), Share::Straight);
        for id in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
            records.keep(decision(id), Share::Asked);
        }
        let ids: Vec<_> = records.latest(10).iter().map(|kept| kept.request_id.to_string()).collect();
        assert_eq!(ids, ["i", "straight", "failed"]);
        let small = Records::new(4, 1.0, 1);
        small.keep(decision("asked"), Share::Asked);
        assert!(small.find("asked").is_some(), "where there is no room of their own");
    }

    #[test]
    fn one_that_broke_off_stays() {
        let records = Records::new(4, 1.0, 1);
        let broken = records.keep(decision("broken"), Share::Straight);
        let whole = records.keep_if(decision("whole"));
        let other = records.keep_if(decision("other"));
        whole.end(None, None, Afterwards::default());
        let error = ApiError::new(llm_types::ErrorKind::Unavailable, "gone");
        for decision in [&broken, &other] {
            decision.end(None, Some(&error), Afterwards::default());
        }
        assert_eq!(records.latest(10).len(), 2, "once each");
        records.keep(decision("next"), Share::Straight);
        assert!(records.find("broken").is_some() && records.find("other").is_some());
        assert!(records.find("whole").is_none());
    }

    #[test]
    fn other_shares_go_on_with_the_same_decisions() {
        let records = Records::new(4, 1.0, 1);
        records.put(decision("a"));
        let others = Records::new(4, 0.5, 7).going_on(&records);
        assert!(others.find("a").is_some());
        others.put(decision("b"));
        assert!(records.find("b").is_some(), "requests under way find what comes after");
        assert!(Records::new(8, 1.0, 1).going_on(&records).find("a").is_none());
    }

    #[test]
    fn none_are_kept_where_there_is_no_room() {
        let records = Records::new(0, 1.0, u32::MAX);
        assert!(!records.samples(Instant::now()));
        records.put(decision("a"));
        assert!(records.latest(5).is_empty());
    }

    #[test]
    fn a_share_is_sampled() {
        let share = |sample| {
            let records = Records::new(1, sample, 1_000_000_000);
            let now = Instant::now();
            let later = |nth: u64| now + Duration::from_micros(nth);
            (0..10_000).filter(|nth| records.samples(later(*nth))).count()
        };
        assert_eq!((share(0.0), share(1.0)), (0, 10_000));
        assert!((2_000..3_000).contains(&share(0.25)));
    }

    #[test]
    fn so_many_a_second_are_sampled() {
        let records = Records::new(1, 1.0, 20);
        let now = Instant::now() + Duration::from_secs(60);
        let taken = |millis: u64| {
            let now = now + Duration::from_millis(millis);
            (0..1_000).filter(|_| records.samples(now)).count()
        };
        assert_eq!([taken(0), taken(1), taken(1_000), taken(1_040)], [100, 0, 20, 0]);
        assert_eq!(taken(1_050), 1, "one has waited its time");
        assert_eq!(taken(60_000), 100, "nothing is saved up beyond that");
        let none = Records::new(1, 1.0, 0);
        assert!(!none.samples(now));
    }
}
