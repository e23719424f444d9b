//! Everybody at one choice, for the record of a sampled request.
//!
//! A thousand records of many candidates lie in memory, and what is kept is cold by the time that it is dropped: so they
//! are kept small. Of most candidates there is a verdict in a word and no estimate, and that fits in a byte.

use smallvec::SmallVec;

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

impl Candidate {
    pub(crate) fn new(verdict: Verdict) -> Self {
        Self { verdict, estimate: Estimate::default() }
    }

    /// Takes its score: the strategy leaves it out, and why.
    pub fn leave_out(&mut self, why: Reason) {
        self.estimate.score = None;
        self.pass_over(why);
    }

    /// Says why the strategy does not ask it, unless something else already stands against it.
    pub fn pass_over(&mut self, why: Reason) {
        if self.verdict == Verdict::NotPicked {
            self.verdict = Verdict::PassedOver(why);
        }
    }
}

/// Candidates, in their group's order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Candidates {
    verdicts: SmallVec<[Brief; 16]>,
    /// Of those whose reason is no single word, by position.
    reasons: Vec<(u32, Reason)>,
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
        let verdict = match self.verdicts.get(index)? {
            Brief::NotPicked => Verdict::NotPicked,
            Brief::Tried => Verdict::Tried,
            Brief::Later => Verdict::PassedOver(Reason::Later),
            Brief::Waiting => Verdict::PassedOver(Reason::Waiting),
            Brief::Unpriced => Verdict::PassedOver(Reason::Unpriced),
            Brief::NotDrawn => Verdict::PassedOver(Reason::NotDrawn),
            Brief::Explored => Verdict::PassedOver(Reason::Explored),
            Brief::Instead(because) => Verdict::PassedOver(Reason::Instead(*because)),
            Brief::Reasoned => Verdict::PassedOver(*at(&self.reasons, index)?),
        };
        Some(Candidate { verdict, estimate: at(&self.estimates, index).copied().unwrap_or_default() })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Candidate> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

/// What stands at this position; they ascend.
fn at<T>(list: &[(u32, T)], index: usize) -> Option<&T> {
    let index = u32::try_from(index).ok()?;
    let found = list.binary_search_by_key(&index, |(at, _)| *at).ok()?;
    list.get(found).map(|(_, what)| what)
}

impl From<&[Candidate]> for Candidates {
    fn from(candidates: &[Candidate]) -> Self {
        let compared = |candidate: &&Candidate| !candidate.estimate.is_empty();
        let mut all = Self {
            verdicts: candidates.iter().map(|candidate| Brief::of(candidate.verdict)).collect(),
            reasons: Vec::new(),
            estimates: SmallVec::with_capacity(candidates.iter().filter(compared).count()),
        };
        for (index, candidate) in (0..).zip(candidates) {
            match candidate.verdict {
                Verdict::PassedOver(reason) if Brief::of(candidate.verdict) == Brief::Reasoned => {
                    all.reasons.push((index, reason));
                }
                _ => {}
            }
            if compared(&candidate) {
                all.estimates.push((index, candidate.estimate));
            }
        }
        all
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
            let candidates: Vec<_> = (all.into_iter())
                .map(|(verdict, samples)| Candidate { verdict, estimate: Estimate { samples, ..Estimate::default() } })
                .collect();
            let kept = Candidates::from(&*candidates);
            prop_assert_eq!(kept.len(), candidates.len());
            prop_assert_eq!(kept.iter().collect::<Vec<_>>(), candidates);
            prop_assert_eq!(kept.get(kept.len()), None);
        }
    }
}
