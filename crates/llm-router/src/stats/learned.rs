//! What a deployment was like for requests of one kind at one hour.
//!
//! A provider can be fast for short prompts and slow for long ones, or at night and not in the afternoon. One
//! cell for each kind of answer, size and hour holds the mean of its newest answers; a cell that has seen
//! little leans on the mean of all hours. Fixed in size: 200 cells.
//!
//! What was bad fades while a deployment is not asked, so that it is asked again: after a minute its failures count half,
//! after two minutes its times; and what is old weighs as much less than the next answer. Only whoever is asked is known
//! to be slow or to fail.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SIZES: usize = 4;
const HOURS: usize = 24;
/// Past that many samples the mean moves along: each new one counts this part.
const MEMORY: u16 = 32;
/// The time without an answer in which failures lose half of what they count.
const ERRORS_HALVE: Duration = Duration::from_secs(60);
/// The same of times.
const TIMES_HALVE: Duration = Duration::from_secs(120);
/// Parts of one sample in which a weight is kept.
const PARTS: f32 = 64.0;
/// How many samples of all hours weigh as much as an hour's own.
const PRIOR: f64 = 4.0;

/// Which requests are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// The answer is streamed: its time is that to the first content.
    pub stream: bool,
    /// Tokens of the prompt: 0 below 1,000, 1 below 8,000, 2 below 32,000, 3 beyond.
    pub size: u8,
    /// The hour of the day.
    pub hour: u8,
}

impl Shape {
    /// The shape of a request.
    #[must_use]
    pub fn new(stream: bool, input_tokens: u64, hour: u8) -> Self {
        let size = match input_tokens {
            0..1_000 => 0,
            1_000..8_000 => 1,
            8_000..32_000 => 2,
            _ => 3,
        };
        Self { stream, size, hour }
    }

    fn row(self) -> usize {
        usize::from(self.size).min(SIZES - 1) + if self.stream { SIZES } else { 0 }
    }
}

/// What a deployment is expected to be like for a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lesson {
    /// To the first content of a stream or to the end of a whole answer, in seconds.
    pub seconds: Option<f64>,
    /// The share of failures, 0 to 1.
    pub errors: f64,
    /// The cost of a request, in USD.
    pub usd: Option<f64>,
    /// Answers of this size and hour behind it.
    pub samples: u32,
    /// Answers of this size at any hour behind it.
    pub all_samples: u32,
}

#[derive(Debug)]
pub(crate) struct Learned {
    hours: Box<[Cell]>,
    all: [Cell; 2 * SIZES],
    /// When anything of this kind and size was seen last: a tick; 0: never.
    last: [AtomicU64; 2 * SIZES],
}

impl Learned {
    pub(crate) fn new() -> Self {
        let hours = (0..2 * SIZES * HOURS).map(|_| Cell::default()).collect();
        Self { hours, all: Default::default(), last: Default::default() }
    }

    /// An answer, or a failure and the time it cost if that was waited for.
    pub(crate) fn note(&self, shape: Shape, failed: bool, took: Option<Duration>, tick: u64) {
        let last = self.last.get(shape.row()).map_or(0, |last| last.swap(tick, Ordering::Relaxed));
        for cell in self.cells(shape).into_iter().flatten() {
            cell.errors.note(f32::from(u8::from(failed)), left(last, tick, ERRORS_HALVE));
            if let Some(took) = took {
                cell.seconds.note(took.as_secs_f32(), left(last, tick, TIMES_HALVE));
            }
        }
    }

    pub(crate) fn note_cost(&self, shape: Shape, usd: f32) {
        for cell in self.cells(shape).into_iter().flatten() {
            cell.usd.note(usd, 1.0);
        }
    }

    pub(crate) fn lesson(&self, shape: Shape, tick: u64) -> Lesson {
        let last = self.last.get(shape.row()).map_or(0, |last| last.load(Ordering::Relaxed));
        let faded = |mean: Option<f64>, halves| mean.map(|mean| mean * f64::from(left(last, tick, halves)));
        let [own, all] = self.cells(shape);
        let mean = |of: fn(&Cell) -> &Mean| {
            let (own, all) = (own.map(of).and_then(Mean::get), all.map(of).and_then(Mean::get));
            blend(own, all)
        };
        let samples =
            |cell: Option<&Cell>| cell.and_then(|cell| cell.errors.get()).map_or(0, |(_, count)| count);
        Lesson {
            seconds: faded(mean(|cell| &cell.seconds), TIMES_HALVE),
            errors: faded(mean(|cell| &cell.errors), ERRORS_HALVE).unwrap_or_default(),
            usd: mean(|cell| &cell.usd),
            samples: samples(own),
            all_samples: samples(all),
        }
    }

    fn cells(&self, shape: Shape) -> [Option<&Cell>; 2] {
        let row = shape.row();
        let hour = usize::from(shape.hour).min(HOURS - 1);
        [self.hours.get(row * HOURS + hour), self.all.get(row)]
    }
}

/// An hour's own mean as far as it has samples, that of all hours for the rest.
fn blend(own: Option<(f64, u32)>, all: Option<(f64, u32)>) -> Option<f64> {
    match (own, all) {
        (Some((own, count)), Some((all, _))) => {
            let count = f64::from(count);
            Some((own * count + all * PRIOR) / (count + PRIOR))
        }
        (own, all) => own.or(all).map(|(mean, _)| mean),
    }
}

#[derive(Debug, Default)]
struct Cell {
    seconds: Mean,
    errors: Mean,
    usd: Mean,
}

/// What is left after this time of what loses half of itself in each of these.
fn left(last: u64, tick: u64, halves: Duration) -> f32 {
    let passed = Duration::from_micros(tick.saturating_sub(last));
    if last == 0 || passed < Duration::from_millis(100) {
        return 1.0;
    }
    (-passed.as_secs_f32() / halves.as_secs_f32()).exp2()
}

/// A mean in the upper half; below it what its samples weigh, in [`PARTS`], and their number as far as it matters.
#[derive(Debug, Default)]
struct Mean(AtomicU64);

impl Mean {
    /// One more sample; of what was before it so much is left.
    fn note(&self, sample: f32, left: f32) {
        let update = |word| {
            let (mean, weight, count) = unpack(word);
            // A better one is compared with what was thought by now, a worse one with what was.
            let mean = if sample < mean { (mean * left).max(sample) } else { mean };
            let weight = (weight * left + 1.0).min(f32::from(MEMORY));
            let next = if count == 0 { sample } else { mean + (sample - mean) / weight };
            Some(pack(next, weight, count.saturating_add(1).min(MEMORY)))
        };
        // The closure always gives a value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }

    fn get(&self) -> Option<(f64, u32)> {
        let (mean, _, count) = unpack(self.0.load(Ordering::Relaxed));
        (count > 0).then_some((f64::from(mean), u32::from(count)))
    }
}

fn pack(mean: f32, weight: f32, count: u16) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and MEMORY")]
    let parts = (weight * PARTS) as u16;
    (u64::from(mean.to_bits()) << 32) | (u64::from(parts) << 16) | u64::from(count)
}

fn unpack(word: u64) -> (f32, f32, u16) {
    let mean = f32::from_bits(u32::try_from(word >> 32).unwrap_or_default());
    let low = |word: u64| u16::try_from(word & u64::from(u16::MAX)).unwrap_or_default();
    (mean, f32::from(low(word >> 16)) / PARTS, low(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn hours_and_sizes_are_told_apart() {
        let learned = Learned::new();
        let shape = |size, hour| Shape { stream: true, size, hour };
        for _ in 0..30 {
            learned.note(shape(0, 9), false, Some(SECOND), 1);
            learned.note(shape(0, 15), false, Some(5 * SECOND), 1);
            learned.note(shape(3, 9), true, None, 1);
        }
        let seconds = |shape| learned.lesson(shape, 1).seconds;
        assert!(seconds(shape(0, 9)).unwrap() < 1.6);
        assert!(seconds(shape(0, 15)).unwrap() > 4.5);
        let unseen = seconds(shape(0, 3)).unwrap();
        assert!((2.0..4.0).contains(&unseen), "an unseen hour is like the others: {unseen}");
        assert_eq!(seconds(shape(1, 9)), None);
        assert_eq!(seconds(Shape { stream: false, ..shape(0, 9) }), None);
        let bad = learned.lesson(shape(3, 9), 1);
        assert_eq!((bad.seconds, bad.samples, bad.all_samples), (None, 30, 30));
        assert!(bad.errors > 0.999);
    }

    #[test]
    fn what_is_new_counts_more() {
        let learned = Learned::new();
        let shape = Shape::new(false, 500, 0);
        (0..1000).for_each(|_| learned.note(shape, false, Some(SECOND), 1));
        (0..100).for_each(|_| learned.note(shape, false, Some(10 * SECOND), 1));
        learned.note_cost(shape, 0.5);
        let lesson = learned.lesson(shape, 1);
        assert!(lesson.seconds.unwrap() > 9.0, "{lesson:?}");
        assert_eq!(lesson.usd, Some(0.5));
    }

    #[test]
    fn sizes_go_by_tokens() {
        let check = |tokens, size| assert_eq!(Shape::new(true, tokens, 0).size, size, "{tokens}");
        check(0, 0);
        check(999, 0);
        check(1_000, 1);
        check(8_000, 2);
        check(1_000_000, 3);
        let wild = Shape { stream: true, size: 200, hour: 200 };
        Learned::new().note(wild, false, None, 1);
    }
}
