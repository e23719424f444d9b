//! Failures among the answers of a while, in one word.

/// The half window that it is of, and the counts, which halve with every one that passes: 24, 20 and 20 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    half: u64,
    failures: u64,
    answers: u64,
}

impl Tally {
    pub(super) const HALVES: u64 = (1 << 24) - 1;
    const MOST: u64 = (1 << 20) - 1;

    pub(super) fn from_word(word: u64) -> Self {
        Self { half: word >> 40, failures: (word >> 20) & Self::MOST, answers: word & Self::MOST }
    }

    pub(super) fn word(self) -> u64 {
        (self.half << 40) | (self.failures << 20) | self.answers
    }

    pub(super) fn at(self, half: u64) -> Self {
        let passed = u32::try_from(half.saturating_sub(self.half)).unwrap_or(u32::MAX);
        let fade = |count: u64| count.checked_shr(passed).unwrap_or_default();
        Self { half: half.max(self.half), failures: fade(self.failures), answers: fade(self.answers) }
    }

    pub(super) fn with(self, bad: bool) -> Self {
        let full = self.answers >= Self::MOST;
        let (failures, answers) =
            if full { (self.failures / 2, self.answers / 2) } else { (self.failures, self.answers) };
        Self { failures: failures + u64::from(bad), answers: answers + 1, ..self }
    }

    pub(super) fn is_bad(self, least: u32) -> bool {
        self.failures >= u64::from(least) && self.failures * 2 >= self.answers
    }
}
