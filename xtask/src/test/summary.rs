//! What a test runner counted.
//!
//! nextest ends with one line over everything, which is repeated as it is; libtest ends each binary with
//! one of its own, and those are added up.

use std::fmt;

/// Counts over a whole run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Skipped or ignored.
    pub(crate) skipped: u64,
    /// nextest's own last line.
    own: Option<String>,
}

impl Tally {
    /// Takes in one line of output.
    pub(crate) fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some(counts) = line.strip_prefix("test result:") {
            self.passed += number_before(counts, "passed");
            self.failed += number_before(counts, "failed");
            self.skipped += number_before(counts, "ignored");
        } else if line.starts_with("Summary [") && line.contains(" run: ") {
            self.passed = number_before(line, "passed");
            self.failed = number_before(line, "failed") + number_before(line, "timed out");
            self.skipped = number_before(line, "skipped");
            self.own = Some(line.to_owned());
        }
    }

    /// One line over the run.
    pub(crate) fn line(&self) -> String {
        self.own.clone().unwrap_or_else(|| format!("Summary {self}"))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = self.passed + self.failed;
        let Self { passed, failed, skipped, own: _ } = self;
        write!(f, "{run} tests run: {passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// The number that stands before the word; 0 when the word is not there.
fn number_before(line: &str, word: &str) -> u64 {
    let before = line.split_once(&format!(" {word}")).map(|(before, _)| before);
    before.and_then(|before| before.rsplit(' ').next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], counts: (u64, u64, u64), expect: &str) {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(line));
        assert_eq!((tally.passed, tally.failed, tally.skipped), counts, "{lines:?}");
        assert_eq!(tally.line(), expect);
    }

    #[test]
    fn nextest_is_repeated() {
        let line = "     Summary [   0.106s] 30 tests run: 30 passed, 0 skipped";
        check(&["PASS x", line], (30, 0, 0), line.trim());
        let line =
            "     Summary [   1.090s] 8/30 tests run: 6 passed (1 slow), 1 failed, 1 timed out, 2 skipped";
        check(&[line, "        FAIL [   0.078s] a b"], (6, 2, 2), line.trim());
    }

    #[test]
    fn libtest_is_added_up() {
        check(
            &[
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
                "test a::b ... ok",
                "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
            ],
            (5, 1, 1),
            "Summary 6 tests run: 5 passed, 1 failed, 1 skipped",
        );
    }

    #[test]
    fn nothing_is_nothing() {
        check(&[], (0, 0, 0), "Summary 0 tests run: 0 passed, 0 failed, 0 skipped");
    }
}
