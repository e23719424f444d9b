//! Who is asked first.
//!
//! A strategy is one file with one [`Picker`]. It sees a [`Pool`], not deployments: filters have run, and what
//! it may know of the request is in [`PickCx`]. Chance comes in as a number, so that a pick can be replayed.

mod adaptive;
mod least_busy;
mod lowest_cost;
mod lowest_latency;
mod most_headroom;
mod round_robin;
#[cfg(test)]
mod tests;
mod weighted;

use std::fmt::Debug;
use std::str::FromStr;
use std::time::{Duration, Instant};

pub use adaptive::{Adaptive, Weighing};
pub use least_busy::LeastBusy;
pub use lowest_cost::LowestCost;
pub use lowest_latency::LowestLatency;
pub use most_headroom::MostHeadroom;
pub use round_robin::RoundRobin;
pub use weighted::Weighted;

use crate::candidates::Candidates;
use crate::needs::Needs;
use crate::pool::{Pool, Seat};
use crate::record::Reason;
use crate::stats::Shape;

/// A group with more candidates than this is not compared in full where comparing takes time: so many are,
/// beginning anywhere.
const COMPARED: usize = 32;

/// What is known of the request.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PickCx {
    /// The time of the decision.
    pub now: Instant,
    /// How many attempts went before.
    pub attempt: usize,
    /// Any number: all the chance there is in this pick.
    pub random: u64,
    /// Estimated tokens of the prompt.
    pub input_tokens: u64,
    /// Estimated tokens of the answer.
    pub output_tokens: u64,
    /// The answer is streamed.
    pub stream: bool,
    /// The hour of the day.
    pub hour: u8,
}

impl PickCx {
    /// The first attempt of a request that nothing else is known of.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { now, attempt: 0, random: 0, input_tokens: 0, output_tokens: 0, stream: false, hour: 0 }
    }

    /// What the request needs.
    #[must_use]
    pub fn needing(mut self, needs: &Needs) -> Self {
        self.input_tokens = needs.input_tokens;
        self.output_tokens = needs.output_tokens;
        self.stream = needs.stream;
        self.hour = needs.hour;
        self
    }

    /// Sets the chance.
    #[must_use]
    pub fn with_random(mut self, random: u64) -> Self {
        self.random = random;
        self
    }

    /// Which requests this one is like.
    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape::new(self.stream, self.input_tokens, self.hour)
    }

    /// As [`PickCx::expected`], as if nothing had been forgotten since: never less.
    pub(crate) fn expected_at_worst(&self, seat: &Seat) -> Option<f64> {
        let tokens = u32::try_from(self.output_tokens).unwrap_or(u32::MAX);
        seat.stats.expected_at_worst(self.stream, tokens)
    }

    /// How long a deployment is expected to take, in seconds: to a stream's first content, or to the end.
    #[must_use]
    pub fn expected(&self, seat: &Seat) -> Option<f64> {
        let tokens = u32::try_from(self.output_tokens).unwrap_or(u32::MAX);
        seat.stats.expected(self.stream, tokens, self.now)
    }
}

/// Why a strategy thinks of a candidate as it does; for people.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Estimate {
    /// What candidates are compared by; less is better. `None`: not compared.
    pub score: Option<f32>,
    /// Expected time, in seconds.
    pub seconds: Option<f32>,
    /// Expected share of failures.
    pub errors: Option<f32>,
    /// Expected cost, in USD.
    pub usd: Option<f32>,
    /// Answers behind the estimate.
    pub samples: Option<u32>,
}

impl Estimate {
    /// A score and nothing else.
    #[must_use]
    pub fn of(score: f64) -> Self {
        Self { score: Some(told(score)), ..Self::default() }
    }
}

/// A figure as precise as people need it: a thousand records of many candidates lie in memory.
#[expect(clippy::cast_possible_truncation, reason = "rounded; what is too large is infinite")]
fn told(figure: f64) -> f32 {
    figure as f32
}

/// A strategy, with what it remembers about one group.
pub trait Picker: Debug + Send + Sync {
    /// The position in the group of the one to ask; `None` only when the pool is empty. Must not allocate,
    /// nor block: at most a critical section of some hundred nanoseconds.
    fn pick(&self, pool: &Pool<'_>, cx: &PickCx) -> Option<usize>;

    /// What this strategy goes by, for a decision's record. Changes nothing.
    fn estimate(&self, _seat: &Seat, _cx: &PickCx) -> Estimate {
        Estimate::default()
    }

    /// Tells of each that may be picked, by position in the group, what [`Picker::pick`] would go by now, or why it would
    /// leave it out. Changes nothing else.
    fn weigh(&self, pool: &Pool<'_>, cx: &PickCx, candidates: &mut Candidates) {
        weigh_each(self, pool, cx, candidates);
    }

    /// Whether a prompt that this one has in its cache may stay there: not where it is several times worse than the best.
    fn keeps(&self, _index: usize, _pool: &Pool<'_>, _cx: &PickCx) -> bool {
        true
    }

    /// Whether what is learned by size and hour is used.
    fn learns(&self) -> bool {
        false
    }
}

/// How many times as slow or as dear as the best whoever has a prompt in its cache may be.
const WORSE: f64 = 3.0;

/// Whether this one is not expected to take several times as long as the fastest was when it was last heard of.
fn is_fast_enough(index: usize, pool: &Pool<'_>, cx: &PickCx) -> bool {
    let Some(own) = pool.get(index).and_then(|seat| cx.expected(seat)) else { return true };
    let known = |seat: &Seat| cx.expected_at_worst(seat).unwrap_or(f64::INFINITY);
    let fastest = pool.least(COMPARED, cx.random, |_, seat| known(seat));
    fastest.and_then(|fastest| pool.get(fastest)).is_none_or(|fastest| own <= WORSE * known(fastest))
}

/// What is thought of each, whoever else may be picked.
fn weigh_each(picker: &(impl Picker + ?Sized), pool: &Pool<'_>, cx: &PickCx, candidates: &mut Candidates) {
    candidates.expect(pool.len());
    pool.for_each(|index, seat| candidates.think(index, picker.estimate(seat, cx)));
}

/// As [`weigh_each`], where [`Pool::least`] does not look at everybody in a large group.
fn weigh_drawn(picker: &impl Picker, pool: &Pool<'_>, random: u64, cx: &PickCx, candidates: &mut Candidates) {
    weigh_each(picker, pool, cx, candidates);
    if let Some(drawn) = pool.drawn(COMPARED, random) {
        leave_out(pool, |index| !drawn.has(index), candidates);
    }
}

/// Takes the score of those that were not drawn.
fn leave_out(pool: &Pool<'_>, undrawn: impl Fn(usize) -> bool, candidates: &mut Candidates) {
    pool.for_each(|index, _| {
        if undrawn(index) {
            candidates.think(index, Estimate::default());
            candidates.leave_out(index, Reason::NotDrawn);
        }
    });
}

/// The strategies by name.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// Smooth weighted round robin.
    #[default]
    Weighted,
    /// One after the other.
    RoundRobin,
    /// Fewest requests under way, by weight.
    LeastBusy,
    /// Shortest expected time of two drawn by chance.
    LowestLatency,
    /// Cheapest for this request; of those expected within the bound, where there is one.
    LowestCost(Option<Duration>),
    /// Largest share of its rate limits left.
    MostHeadroom,
    /// Best by what was learned of time, failures and cost.
    Adaptive(Weighing),
}

impl Strategy {
    /// Every strategy with its defaults.
    pub const ALL: [Self; 7] = [
        Self::Weighted,
        Self::RoundRobin,
        Self::LeastBusy,
        Self::LowestLatency,
        Self::LowestCost(None),
        Self::MostHeadroom,
        Self::Adaptive(Weighing::DEFAULT),
    ];

    /// Its name in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Weighted => "weighted",
            Self::RoundRobin => "round-robin",
            Self::LeastBusy => "least-busy",
            Self::LowestLatency => "lowest-latency",
            Self::LowestCost(_) => "lowest-cost",
            Self::MostHeadroom => "most-headroom",
            Self::Adaptive(_) => "adaptive",
        }
    }

    /// A picker for a group of this many deployments.
    #[must_use]
    pub fn picker(self, deployments: usize) -> Box<dyn Picker> {
        match self {
            Self::Weighted => Box::new(Weighted::new(deployments)),
            Self::RoundRobin => Box::new(RoundRobin::default()),
            Self::LeastBusy => Box::new(LeastBusy::default()),
            Self::LowestLatency => Box::new(LowestLatency),
            Self::LowestCost(within) => Box::new(LowestCost::new(within)),
            Self::MostHeadroom => Box::new(MostHeadroom::default()),
            Self::Adaptive(weighing) => Box::new(Adaptive::new(weighing)),
        }
    }
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|strategy| strategy.name() == name);
        found.ok_or_else(|| UnknownStrategy(name.to_owned()))
    }
}

/// A name that no strategy has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no strategy `{0}`: use weighted, round-robin, least-busy, lowest-latency, lowest-cost, \
     most-headroom or adaptive"
)]
pub struct UnknownStrategy(pub String);
