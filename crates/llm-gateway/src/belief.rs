//! Which usage is believed.
//!
//! What a provider says that it used is paid and counted as it says. One that counts a thousand times too much would book a
//! fortune, and lock its caller out; so a usage that nobody can have used is as good as none, and is estimated as if
//! none had come. What is large and possible stays: a model that searches or runs code by itself counts each of
//! its turns, a request for vectors all of its inputs.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use llm_router::Deployment;
use llm_types::{Billed, Op, PicoUsd, Units, Usage};
use parking_lot::Mutex;

use crate::backend::Backend;

/// How many times its window a turn of a conversation may use of each kind of tokens.
const WINDOWS: u64 = 16;
/// So many tokens it may use in any case.
const LEAST: u64 = 8_000_000;
/// The most of what is no turn, and where no window is known.
const MOST: u64 = 100_000_000;
/// The most searches, pictures and pages.
const PIECES: u64 = 100_000;
/// The longest sound, in milliseconds: more than ten days.
const SOUND_MS: u64 = 1_000_000_000;
/// The most pixels.
const PIXELS: u64 = 1_000_000_000_000;
/// The most that a call may be said to cost: 10,000 dollars.
const STATED: PicoUsd = PicoUsd::from_pico(10_000_000_000_000_000);
/// How many deployments are remembered as told of.
const REMEMBERED: usize = 10_000;

/// What was not believed in this process.
#[derive(Debug, Default)]
struct Doubts {
    count: AtomicU64,
    told: Mutex<HashSet<Arc<str>>>,
}

static DOUBTS: LazyLock<Doubts> = LazyLock::new(Doubts::default);

/// How many answers told a usage that was not believed.
pub(crate) fn doubted() -> u64 {
    DOUBTS.count.load(Ordering::Relaxed)
}

/// What is believed of one answer.
#[derive(Debug)]
pub(crate) struct Belief {
    deployment: Arc<str>,
    /// The most of each kind of tokens.
    tokens: u64,
    /// It was told that this answer's is not believed.
    is_told: AtomicBool,
}

impl Belief {
    /// Of an answer to this operation.
    pub(crate) fn of(deployment: &Deployment<Backend>, op: Op) -> Self {
        let is_turn = matches!(op, Op::Chat | Op::Completion | Op::Responses | Op::Messages | Op::Realtime);
        let window = deployment.facts.context_window.filter(|_| is_turn);
        Self::within(&deployment.id, window)
    }

    /// Of an answer of whom this window is known.
    pub(crate) fn within(deployment: &Arc<str>, window: Option<u64>) -> Self {
        let tokens = window.map_or(MOST, |window| window.saturating_mul(WINDOWS).max(LEAST));
        Self { deployment: Arc::clone(deployment), tokens, is_told: AtomicBool::new(false) }
    }

    /// Whether this can have been used. The first that cannot is counted, and told once of each deployment.
    pub(crate) fn holds(&self, usage: &Usage) -> bool {
        // What is estimated nobody claims.
        let holds = usage.estimated || is_possible(usage, self.tokens);
        if !holds && !self.is_told.swap(true, Ordering::Relaxed) {
            self.tell(usage);
        }
        holds
    }

    #[cold]
    fn tell(&self, usage: &Usage) {
        DOUBTS.count.fetch_add(1, Ordering::Relaxed);
        let mut told = DOUBTS.told.lock();
        if told.len() < REMEMBERED && told.insert(Arc::clone(&self.deployment)) {
            tracing::warn!(
                deployment = &*self.deployment,
                prompt_tokens = usage.prompt_tokens(),
                completion_tokens = usage.completion_tokens(),
                stated = usage.stated.map(tracing::field::display),
                "the provider tells a usage that is not possible: such answers are estimated instead"
            );
        }
    }
}

fn is_possible(usage: &Usage, tokens: u64) -> bool {
    let Usage {
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        input_audio,
        input_image,
        output,
        reasoning,
        output_audio,
        output_image,
        queries,
        accepted_prediction,
        rejected_prediction,
        units,
        estimated: _,
        service: _,
        stated,
        billed,
    } = usage;
    let Units { images, input_images, pixels, input_audio_ms, output_audio_ms, characters, pages } = units;
    let Billed { input: paid_input, output: paid_output } = billed.unwrap_or_default();
    let prompt = [input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, &paid_input];
    let answer = [output, reasoning, output_audio, output_image, &paid_output];
    let predicted = [accepted_prediction, rejected_prediction];
    let within = |counts: &[&u64], most: u64| counts.iter().all(|count| **count <= most);
    within(&prompt, tokens)
        && within(&answer, tokens)
        && within(&predicted, tokens)
        && within(&[queries, images, input_images, pages], PIECES)
        && within(&[input_audio_ms, output_audio_ms], SOUND_MS)
        && within(&[characters], MOST)
        && within(&[pixels], PIXELS)
        && stated.is_none_or(|stated| stated <= STATED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_have_used_is_not_believed() {
        let check = |window: Option<u64>, usage: Usage, expect: bool| {
            let belief = Belief::within(&"smart/1".into(), window);
            assert_eq!(belief.holds(&usage), expect, "{window:?} {usage:?}");
        };
        let prompt = |input| Usage { input, output: 1, ..Usage::default() };
        check(Some(8_000), prompt(100_000), true);
        check(Some(8_000), prompt(LEAST + 1), false);
        check(Some(1_000_000), prompt(16_000_000), true);
        check(Some(1_000_000), prompt(16_000_001), false);
        // Vectors of many inputs.
        check(None, prompt(16_777_216), true);
        check(None, prompt(99_999_999_999), false);
        check(None, Usage { reasoning: u64::MAX, ..Usage::default() }, false);
        check(None, Usage { cache_read: MOST + 1, ..Usage::default() }, false);
        check(None, Usage { billed: Some(Billed { input: 1, output: MOST + 1 }), ..prompt(1) }, false);
        check(None, Usage { queries: 1_000_000, ..prompt(1) }, false);
        let units = |units| Usage { units, ..Usage::default() };
        check(None, units(Units { images: 10, pixels: 167_772_160, ..Units::default() }), true);
        check(None, units(Units { input_audio_ms: 30 * 3_600_000, ..Units::default() }), true);
        check(None, units(Units { characters: MOST + 1, ..Units::default() }), false);
        let stated = |pico| Usage { stated: Some(PicoUsd::from_pico(pico)), ..prompt(1) };
        check(None, stated(3_000_000_000_000), true);
        check(None, stated(i128::MAX), false);
        check(None, Usage { estimated: true, ..prompt(MOST + 1) }, true);
    }

    #[test]
    fn an_answer_counts_once() {
        let belief = Belief::within(&"counted/1".into(), None);
        let usage = Usage { input: u64::MAX, ..Usage::default() };
        assert!(!belief.holds(&usage) && belief.is_told.load(Ordering::Relaxed));
        assert!(!belief.holds(&usage));
        assert_eq!(DOUBTS.told.lock().iter().filter(|told| ***told == *"counted/1").count(), 1);
    }
}
