//! Why requests went where they went: the latest of them, in memory.
//!
//! A decision is kept as the router left it, and put into words only when somebody asks. Keeping one is one
//! allocation and one uncontended lock; a request that is not sampled, and was answered at the first try, costs
//! neither. What is kept is cold by the time it is dropped, and the memory that others get then is cold as well: so of
//! requests that went straight only some are kept a second.

mod sink;
mod told;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant, SystemTime};

use llm_router::{Group, Plan, Trace};
use llm_types::{ApiError, Dialect, Usage};
use parking_lot::Mutex;
use rand::Rng as _;
use smallvec::SmallVec;

use crate::backend::Backend;
use crate::dispatch::Groups;

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
    /// What the client was told instead of an answer.
    pub(crate) error: Option<ApiError>,
    /// What was lost or altered for the deployment that answered.
    pub(crate) changes: Box<str>,
    /// How the answer ended.
    pub(crate) end: OnceLock<Ended>,
    /// Where it is put if it ends in anything but a complete answer from where it began; `None`: it is kept anyway.
    pub(crate) only_if: Option<Weak<Ring>>,
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
        if let Some(ring) = &self.only_if {
            if broke_off.is_none() && after.groups.is_empty() {
                return;
            }
            if let Some(ring) = ring.upgrade() {
                ring.keep(Arc::clone(self));
            }
        }
        let took = self.started.elapsed();
        let broke_off = broke_off.map(|error| error.message.as_str().into());
        let after = (!after.by.is_empty() || !after.groups.is_empty()).then(|| Box::new(after));
        // Told once; a second end says nothing new.
        if self.end.set(Ended { took, tokens: usage.map(Tokens::from), broke_off, after }).is_ok() {
            self.hand_over();
        }
    }

    /// Nothing more will come of it: whoever keeps decisions may have it.
    fn hand_over(self: &Arc<Self>) {
        if let Some(sink) = &self.sink {
            sink.offer(self);
        }
    }
}

/// The latest decisions, and of which requests there are some.
#[derive(Debug)]
pub(crate) struct Records {
    ring: Arc<Ring>,
    /// Of 2³².
    sample: u64,
    rate: Rate,
}

/// The latest decisions.
#[derive(Debug)]
pub(crate) struct Ring {
    slots: Box<[Mutex<Option<Arc<Decision>>>]>,
    next: AtomicUsize,
    /// The candidates of a decision that is gone: a place for the next ones.
    spare: Mutex<Option<Box<Trace>>>,
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
        let slots = (0..keep).map(|_| Mutex::new(None)).collect();
        let ring = Arc::new(Ring { slots, next: AtomicUsize::new(0), spare: Mutex::new(None) });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 2^32")]
        let sample = (sample.clamp(0.0, 1.0) * 4_294_967_296.0) as u64;
        Self { ring, sample, rate: Rate::new(per_second) }
    }

    /// Goes on with the decisions that these hold, where there is the same room for them.
    pub(crate) fn going_on(self, other: &Self) -> Self {
        let fits = self.ring.slots.len() == other.ring.slots.len();
        if fits { Self { ring: Arc::clone(&other.ring), ..self } } else { self }
    }

    /// Where they are, for a decision that may be put there later.
    pub(crate) fn ring(&self) -> Weak<Ring> {
        Arc::downgrade(&self.ring)
    }

    /// Whether any are kept.
    pub(crate) fn is_kept(&self) -> bool {
        !self.ring.slots.is_empty()
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
        self.ring.spare.lock().take().unwrap_or_default()
    }

    /// Whether a request that was answered is kept: it was sampled, or did not go straight.
    pub(crate) fn wants(&self, plan: &Plan<'_, Backend>) -> bool {
        let sampled = || plan.records().any(|(_, record)| record.trace.is_some());
        self.is_kept() && (plan.attempt_count() > 1 || plan.depth() > 0 || sampled())
    }

    /// Keeps the decision on a request that was not answered.
    pub(crate) fn put(&self, decision: Decision) {
        self.keep_new(decision).hand_over();
    }

    /// Keeps a decision, for whoever has to tell how its answer ends.
    pub(crate) fn keep_new(&self, decision: Decision) -> Arc<Decision> {
        self.ring.keep_new(decision)
    }

    /// The decision on this request.
    pub(crate) fn find(&self, request_id: &str) -> Option<Arc<Decision>> {
        let held = |slot: &Mutex<Option<Arc<Decision>>>| slot.lock().clone();
        self.ring.slots.iter().filter_map(held).find(|decision| *decision.request_id == *request_id)
    }

    /// The latest, newest first.
    pub(crate) fn latest(&self, most: usize) -> Vec<Arc<Decision>> {
        let Ring { slots, next, .. } = &*self.ring;
        let next = next.load(Ordering::Relaxed);
        let back = (1..=slots.len()).filter_map(|back| {
            let at = next.checked_sub(back)?.checked_rem(slots.len())?;
            slots.get(at)?.lock().clone()
        });
        back.take(most).collect()
    }
}

impl Ring {
    /// Keeps a decision that somebody has already.
    fn keep(&self, decision: Arc<Decision>) {
        if let Some(slot) = self.turn() {
            let before = slot.lock().replace(decision);
            // Dropped outside of the lock.
            drop(before);
        }
    }

    /// Keeps a decision in place of the oldest one, in its memory unless somebody has that one still: to free what is
    /// cold, and to get what is colder, takes longer than all the rest.
    fn keep_new(&self, decision: Decision) -> Arc<Decision> {
        let Some(slot) = self.turn() else {
            return Arc::new(decision);
        };
        let oldest = slot.lock().take();
        let kept = match oldest {
            Some(mut oldest) => match Arc::get_mut(&mut oldest) {
                Some(place) => {
                    let mut gone = std::mem::replace(place, decision);
                    if let Some(trace) = gone.groups.first_mut().and_then(|(_, record)| record.trace.take()) {
                        *self.spare.lock() = Some(trace);
                    }
                    oldest
                }
                None => Arc::new(decision),
            },
            None => Arc::new(decision),
        };
        let before = slot.lock().replace(Arc::clone(&kept));
        drop(before);
        kept
    }

    /// Whose turn it is to go.
    fn turn(&self) -> Option<&Mutex<Option<Arc<Decision>>>> {
        let at = self.next.fetch_add(1, Ordering::Relaxed).checked_rem(self.slots.len())?;
        self.slots.get(at)
    }
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
            error: None,
            changes: Box::default(),
            end: OnceLock::new(),
            only_if: None,
            sink: None,
        }
    }

    #[test]
    fn the_latest_are_kept() {
        let records = Records::new(3, 1.0, 1);
        for id in ["a", "b", "c", "d"] {
            records.put(decision(id));
        }
        let ids: Vec<_> = records.latest(10).iter().map(|kept| kept.request_id.to_string()).collect();
        assert_eq!(ids, ["d", "c", "b"]);
        assert_eq!(records.latest(1).len(), 1);
        assert!(records.find("a").is_none() && records.find("c").is_some());
    }

    #[test]
    fn what_somebody_reads_is_not_written_over() {
        let records = Records::new(1, 1.0, 1);
        let read = records.keep_new(decision("a"));
        let kept = records.keep_new(decision("b"));
        assert_eq!((&*read.request_id, &*kept.request_id), ("a", "b"));
        let place = Arc::as_ptr(&kept);
        drop(kept);
        let next = records.keep_new(decision("c"));
        assert!(std::ptr::eq(Arc::as_ptr(&next), place), "in the same place");
        assert!(records.find("b").is_none() && records.find("c").is_some());
    }

    #[test]
    fn other_shares_go_on_with_the_same_decisions() {
        let records = Records::new(2, 1.0, 1);
        records.put(decision("a"));
        let others = Records::new(2, 0.5, 7).going_on(&records);
        assert!(others.find("a").is_some());
        others.put(decision("b"));
        assert!(records.find("b").is_some(), "requests under way find what comes after");
        assert!(Records::new(3, 1.0, 1).going_on(&records).find("a").is_none());
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
