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

/// Who went on with an answer that broke off, and how that came about.
#[derive(Debug, Default)]
pub(crate) struct Afterwards {
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
        if broke_off.is_some() || !after.groups.is_empty() {
            if let Some(ring) = self.otherwise.as_ref().and_then(Weak::upgrade) {
                ring.keep(Arc::clone(self));
            }
        } else if !self.kept {
            return;
        }
        let took = self.started.elapsed();
        let broke_off = broke_off.map(|error| error.message.as_str().into());
        let after = (!after.by.is_empty() || !after.groups.is_empty()).then(|| Box::new(after));
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
    /// Of requests that failed, took several attempts, or whose client asks why.
    telling: Arc<Ring>,
    /// Of requests that went straight.
    straight: Arc<Ring>,
    /// Of 2³².
    sample: u64,
    rate: Rate,
}

/// The part of the room that is for requests that went straight: one in so many.
const STRAIGHT: usize = 4;

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
        let telling = (keep - straight).max(straight.min(1));
        let (telling, straight) = (Arc::new(Ring::new(telling)), Arc::new(Ring::new(straight)));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 2^32")]
        let sample = (sample.clamp(0.0, 1.0) * 4_294_967_296.0) as u64;
        Self { telling, straight, sample, rate: Rate::new(per_second) }
    }

    /// Goes on with the decisions that these hold, where there is the same room for them.
    pub(crate) fn going_on(self, other: &Self) -> Self {
        let fits = [(&self.telling, &other.telling), (&self.straight, &other.straight)]
            .iter()
            .all(|(ring, other)| ring.len() == other.len());
        if !fits {
            return self;
        }
        Self { telling: Arc::clone(&other.telling), straight: Arc::clone(&other.straight), ..self }
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
    pub(crate) fn keep(&self, decision: Decision, straight: bool) -> Arc<Decision> {
        if straight {
            let otherwise = Some(Arc::downgrade(&self.telling));
            self.straight.keep_new(Decision { otherwise, ..decision })
        } else {
            self.telling.keep_new(decision)
        }
    }

    /// A decision that is kept only if there is something to tell of it later.
    pub(crate) fn keep_if(&self, decision: Decision) -> Arc<Decision> {
        Arc::new(Decision { otherwise: Some(Arc::downgrade(&self.telling)), kept: false, ..decision })
    }

    /// The decision on this request.
    pub(crate) fn find(&self, request_id: &str) -> Option<Arc<Decision>> {
        let is_it = |decision: &Arc<Decision>| *decision.request_id == *request_id;
        self.telling.latest().chain(self.straight.latest()).find(is_it)
    }

    /// The latest, newest first.
    pub(crate) fn latest(&self, most: usize) -> Vec<Arc<Decision>> {
        let mut straight = self.straight.latest().peekable();
        let mut telling = self.telling.latest().peekable();
        let mut latest: Vec<Arc<Decision>> = Vec::new();
        while latest.len() < most {
            let next = match (straight.peek(), telling.peek()) {
                (Some(one), Some(other)) if one.at > other.at => straight.next(),
                (_, Some(_)) => telling.next(),
                _ => straight.next(),
            };
            let Some(next) = next else { break };
            // One that went straight and broke off is in both.
            if !latest.iter().any(|known| Arc::ptr_eq(known, &next)) {
                latest.push(next);
            }
        }
        latest
    }
}

/// Whether the first that was asked answered, where the request belongs.
pub(crate) fn is_straight(plan: &Plan<'_, Backend>) -> bool {
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
            records.keep(decision(id), true);
        }
        let last = records.keep(decision("retried"), false);
        let ids: Vec<_> = records.latest(10).iter().map(|kept| kept.request_id.to_string()).collect();
        assert_eq!(ids, ["retried", "e", "failed"]);
        assert!(Arc::ptr_eq(&last, &records.find("retried").unwrap()));
    }

    #[test]
    fn one_that_broke_off_stays() {
        let records = Records::new(4, 1.0, 1);
        let broken = records.keep(decision("broken"), true);
        let whole = records.keep_if(decision("whole"));
        let other = records.keep_if(decision("other"));
        whole.end(None, None, Afterwards::default());
        let error = ApiError::new(llm_types::ErrorKind::Unavailable, "gone");
        for decision in [&broken, &other] {
            decision.end(None, Some(&error), Afterwards::default());
        }
        assert_eq!(records.latest(10).len(), 2, "once each");
        records.keep(decision("next"), true);
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
