//! Everybody at one choice, for the record of a sampled request.
//!
//! A thousand records of many candidates lie in memory, and what is kept is cold by the time that it is dropped: so they
//! are kept small. Of most candidates there is a verdict in a word and no estimate, and that fits in a byte.

use smallvec::{Array, SmallVec};

use crate::picker::Estimate;
use crate::record::{Because, Reason, Verdict};

/// One deployment of the group at one choice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// What became of it.
    pub verdict: Verdict,
    /// What the group's strategy thought of it; empty if it was not compared.
    pub estimate: Estimate,
}

/// Candidates, in their group's order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Candidates {
    verdicts: SmallVec<[Brief; 16]>,
    /// Of those whose reason is no single word, by position.
    reasons: SmallVec<[(u32, Reason); 0]>,
    /// Of those that were compared, by position.
    estimates: SmallVec<[(u32, Estimate); 2]>,
}

/// A verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brief {
    NotPicked,
    Tried,
    Later,
    Waiting,
    Unpriced,
    NotDrawn,
    Explored,
    Instead(Because),
    /// It is among the reasons.
    Reasoned,
}

impl Brief {
    fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::NotPicked => Self::NotPicked,
            Verdict::Tried => Self::Tried,
            Verdict::PassedOver(Reason::Later) => Self::Later,
            Verdict::PassedOver(Reason::Waiting) => Self::Waiting,
            Verdict::PassedOver(Reason::Unpriced) => Self::Unpriced,
            Verdict::PassedOver(Reason::NotDrawn) => Self::NotDrawn,
            Verdict::PassedOver(Reason::Explored) => Self::Explored,
            Verdict::PassedOver(Reason::Instead(because)) => Self::Instead(because),
            Verdict::PassedOver(_) => Self::Reasoned,
        }
    }
}

impl Candidates {
    /// So many, of whom nothing is known yet.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let mut all = Self::default();
        all.begin(len);
        all
    }

    pub(crate) fn begin(&mut self, len: usize) {
        self.verdicts.clear();
        self.verdicts.resize(len, Brief::NotPicked);
        self.reasons.clear();
        self.estimates.clear();
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.verdicts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty()
    }

    /// The one at this position of the group.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Candidate> {
        Some(Candidate { verdict: self.verdict(index)?, estimate: self.estimate(index) })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Candidate> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// What became of the one at this position.
    #[must_use]
    pub fn verdict(&self, index: usize) -> Option<Verdict> {
        Some(match self.verdicts.get(index)? {
            Brief::NotPicked => Verdict::NotPicked,
            Brief::Tried => Verdict::Tried,
            Brief::Later => Verdict::PassedOver(Reason::Later),
            Brief::Waiting => Verdict::PassedOver(Reason::Waiting),
            Brief::Unpriced => Verdict::PassedOver(Reason::Unpriced),
            Brief::NotDrawn => Verdict::PassedOver(Reason::NotDrawn),
            Brief::Explored => Verdict::PassedOver(Reason::Explored),
            Brief::Instead(because) => Verdict::PassedOver(Reason::Instead(*because)),
            Brief::Reasoned => Verdict::PassedOver(*at(&self.reasons, index)?),
        })
    }

    /// What is thought of the one at this position.
    #[must_use]
    pub fn estimate(&self, index: usize) -> Estimate {
        at(&self.estimates, index).copied().unwrap_or_default()
    }

    pub(crate) fn judge(&mut self, index: usize, verdict: Verdict) {
        let Some(brief) = self.verdicts.get_mut(index) else {
            return;
        };
        let before = std::mem::replace(brief, Brief::of(verdict));
        match (*brief, verdict) {
            (Brief::Reasoned, Verdict::PassedOver(reason)) => put(&mut self.reasons, index, reason),
            _ if before == Brief::Reasoned => {
                self.reasons.retain(|(at, _)| usize::try_from(*at) != Ok(index))
            }
            _ => {}
        }
    }

    /// Makes room for what is thought of so many.
    pub(crate) fn expect(&mut self, compared: usize) {
        self.estimates.reserve(compared);
    }

    /// Says what is thought of the one at this position.
    pub fn think(&mut self, index: usize, estimate: Estimate) {
        put(&mut self.estimates, index, estimate);
    }

    /// Takes the score of the one at this position: the strategy leaves it out, and why.
    pub fn leave_out(&mut self, index: usize, why: Reason) {
        let scored = place_of(&self.estimates, index).and_then(|found| self.estimates.get_mut(found));
        if let Some((_, estimate)) = scored {
            estimate.score = None;
        }
        self.pass_over(index, why);
    }

    /// Says why the strategy does not ask the one at this position, unless something else already stands against it.
    pub fn pass_over(&mut self, index: usize, why: Reason) {
        let Some(brief @ Brief::NotPicked) = self.verdicts.get_mut(index) else {
            return;
        };
        *brief = Brief::of(Verdict::PassedOver(why));
        if *brief == Brief::Reasoned {
            put(&mut self.reasons, index, why);
        }
    }

    /// The strategy had no say: whoever nothing else stands against was passed over for this.
    pub(crate) fn instead(&mut self, because: Because) {
        for index in 0..self.len() {
            let free = match self.verdict(index) {
                Some(Verdict::NotPicked) => true,
                Some(Verdict::PassedOver(reason)) => reason.is_strategys(),
                _ => false,
            };
            if free {
                self.judge(index, Verdict::PassedOver(Reason::Instead(because)));
            }
        }
        self.estimates.clear();
    }
}

/// Where the one at this position stands; they ascend.
fn place_of<T>(list: &[(u32, T)], index: usize) -> Option<usize> {
    let index = u32::try_from(index).ok()?;
    list.binary_search_by_key(&index, |(at, _)| *at).ok()
}

/// What stands at this position.
fn at<T>(list: &[(u32, T)], index: usize) -> Option<&T> {
    list.get(place_of(list, index)?).map(|(_, what)| what)
}

/// Puts it at this position, mostly the last.
fn put<A: Array<Item = (u32, T)>, T>(list: &mut SmallVec<A>, index: usize, what: T) {
    let Ok(index) = u32::try_from(index) else {
        return;
    };
    if list.last().is_none_or(|(last, _)| *last < index) {
        return list.push((index, what));
    }
    match list.binary_search_by_key(&index, |(at, _)| *at) {
        Ok(found) => list[found].1 = what,
        Err(place) => list.insert(place, (index, what)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn verdict() -> impl Strategy<Value = Verdict> {
        let reasons = [
            Reason::Later,
            Reason::NotDrawn,
            Reason::Explored,
            Reason::Waiting,
            Reason::Unpriced,
            Reason::Untested,
            Reason::Instead(Because::Session),
            Reason::Caller("not today"),
            Reason::Cooling(Duration::from_secs(3)),
            Reason::Slow { expected_ms: 3, within_ms: 2 },
        ];
        let reasons = prop::sample::select(reasons.to_vec()).prop_map(Verdict::PassedOver);
        prop_oneof![Just(Verdict::NotPicked), Just(Verdict::Tried), reasons]
    }

    proptest! {
        #[test]
        fn what_is_kept_comes_back(all in prop::collection::vec((verdict(), prop::option::of(0_u32..9)), 0..40)) {
            let mut kept = Candidates::new(all.len());
            // In any order, and the last word counts.
            for (index, (verdict, samples)) in all.iter().enumerate().rev() {
                kept.judge(index, Verdict::PassedOver(Reason::Untested));
                kept.judge(index, *verdict);
                if samples.is_some() {
                    kept.think(index, Estimate::of(1.0));
                    kept.think(index, Estimate { samples: *samples, ..Estimate::default() });
                }
            }
            let expect: Vec<_> = (all.iter())
                .map(|(verdict, samples)| Candidate {
                    verdict: *verdict,
                    estimate: Estimate { samples: *samples, ..Estimate::default() },
                })
                .collect();
            prop_assert_eq!(kept.iter().collect::<Vec<_>>(), expect);
            prop_assert_eq!(kept.get(kept.len()), None);
        }
    }

    #[test]
    fn whoever_nothing_else_stands_against_was_passed_over_for_this() {
        let mut all = Candidates::new(4);
        all.judge(0, Verdict::Tried);
        all.leave_out(1, Reason::Slow { expected_ms: 3, within_ms: 2 });
        all.judge(2, Verdict::PassedOver(Reason::Drained));
        all.think(3, Estimate::of(1.0));
        all.instead(Because::Session);
        let instead = Verdict::PassedOver(Reason::Instead(Because::Session));
        let verdicts: Vec<_> = all.iter().map(|candidate| candidate.verdict).collect();
        assert_eq!(verdicts, [Verdict::Tried, instead, Verdict::PassedOver(Reason::Drained), instead]);
        assert!(all.estimate(3).score.is_none() && all.reasons.len() == 1);
    }
}
