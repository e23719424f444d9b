//! Where our request may differ from the recorded one, and why.

use llm_testkit::conformance::Case;

pub(crate) fn unexplained(_case: &Case, _changes: &str, problems: Vec<String>) -> Vec<String> {
    problems
}
