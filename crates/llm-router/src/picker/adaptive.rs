//! Best by what was learned.
//!
//! Each answer teaches time, failures and cost for requests of its size at its hour. A candidate's score is
//! the seconds a request is expected to cost: its time, more the busier the deployment is, plus what a failure
//! costs times how likely it is, plus what money is worth in seconds. The lowest is asked; a small part of the
//! requests goes to whoever is known least, so that the picture stays true. What was bad fades with time: whoever is not
//! asked for a while is tried again, and has its share back within minutes if it is well.

use super::{COMPARED, Estimate, PickCx, Picker, is_fast_enough, told, weigh_drawn};
use crate::candidates::Candidates;
use crate::pool::{Pool, Seat, Turn, mix};
use crate::record::Reason;

/// What a request under way adds to the expected time of the next: providers serve many at once.
const BUSY_SHARE: f64 = 0.05;
/// The expected time of a deployment that nothing is known of, in seconds: soon tried.
const UNKNOWN_SECONDS: f64 = 0.0;
/// A deployment with fewer answers than this counts as unknown.
const LEARNING: u32 = 3;

/// What matters how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighing {
    /// How many seconds of waiting a failure is as bad as.
    pub error_seconds: f64,
    /// How many seconds of waiting a dollar is worth; 0: cost does not matter.
    pub usd_seconds: f64,
    /// The share of requests that go to whoever is known least, 0 to 1.
    pub explore: f64,
}

impl Weighing {
    pub(crate) const DEFAULT: Self = Self { error_seconds: 20.0, usd_seconds: 100.0, explore: 0.02 };
}

impl Default for Weighing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The lowest expected loss, in seconds.
#[derive(Debug)]
pub struct Adaptive {
    weighing: Weighing,
    turn: Turn,
}

impl Adaptive {
    /// With these weights.
    #[must_use]
    pub fn new(weighing: Weighing) -> Self {
        Self { weighing, turn: Turn::default() }
    }

    /// The expected loss in seconds, and what it is made of.
    fn weigh(&self, seat: &Seat, cx: &PickCx) -> (f64, Estimate) {
        let lesson = seat.stats.lesson(cx.shape(), cx.now);
        let samples = lesson.map_or(0, |lesson| lesson.all_samples);
        let known = lesson.filter(|_| samples >= LEARNING);
        let priced = seat.price.map(|price| price.of(cx.input_tokens, cx.output_tokens));
        #[expect(clippy::cast_precision_loss, reason = "a weight among weights")]
        let usd = known.and_then(|lesson| lesson.usd).or(priced.map(|pico| pico as f64 / 1e12));
        let seconds = known.and_then(|lesson| lesson.seconds);
        let errors = known.map(|lesson| lesson.errors);
        let busy = 1.0 + BUSY_SHARE * f64::from(seat.stats.in_flight());
        // Many at once to one that nobody knows would be a costly way to get to know it.
        let time = seconds.unwrap_or(UNKNOWN_SECONDS + f64::from(seat.stats.in_flight())) * busy;
        let score = time
            + errors.unwrap_or_default() * self.weighing.error_seconds
            + usd.unwrap_or_default() * self.weighing.usd_seconds;
        let samples = lesson.map(|lesson| lesson.samples);
        let [seconds, errors, usd] = [seconds, errors, usd].map(|figure| figure.map(told));
        (score, Estimate { score: Some(told(score)), seconds, errors, usd, samples })
    }

    /// Never on a retry: that request has waited enough.
    fn explores(&self, cx: &PickCx) -> bool {
        let [.., a, b, c] = mix(cx.random).to_le_bytes();
        cx.attempt == 0
            && f64::from(u32::from_le_bytes([a, b, c, 0])) < self.weighing.explore * f64::from(1_u32 << 24)
    }
}

impl Picker for Adaptive {
    fn pick(&self, pool: &Pool<'_>, cx: &PickCx) -> Option<usize> {
        let draw = mix(cx.random);
        if self.explores(cx) {
            let samples =
                |seat: &Seat| seat.stats.lesson(cx.shape(), cx.now).map_or(0, |lesson| lesson.samples);
            // Of equals any: less than one sample's difference is chance.
            let chance = |seat: &Seat| f64::from(mix(draw ^ seat.key).to_le_bytes()[0]) / 256.0;
            return pool.least(COMPARED, mix(draw), |_, seat| f64::from(samples(seat)) + chance(seat));
        }
        pool.least_in_turn(COMPARED, (draw, self.turn.next()), |_, seat| self.weigh(seat, cx).0)
    }

    fn keeps(&self, index: usize, pool: &Pool<'_>, cx: &PickCx) -> bool {
        is_fast_enough(index, pool, cx)
    }

    fn estimate(&self, seat: &Seat, cx: &PickCx) -> Estimate {
        self.weigh(seat, cx).1
    }

    fn weigh(&self, pool: &Pool<'_>, cx: &PickCx, candidates: &mut Candidates) {
        if !self.explores(cx) {
            return weigh_drawn(self, pool, mix(cx.random), cx, candidates);
        }
        weigh_drawn(self, pool, mix(mix(cx.random)), cx, candidates);
        pool.for_each(|index, _| candidates.pass_over(index, Reason::Explored));
    }

    fn learns(&self) -> bool {
        true
    }
}
