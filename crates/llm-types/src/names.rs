//! Sets of names that are quickly asked what they do not hold.

/// Names of members, as far as 64 bits tell them apart: it may seem to hold one that it does not, and never lacks one
/// that it does.
///
/// Most of what is looked for in a body is not there. One such set for all that it has says so without a look at it.
///
/// ```
/// use llm_types::NameSet;
/// const RARE: NameSet = NameSet::of(&["fallbacks", "num_retries"]);
/// let body = NameSet::of(&["model", "messages"]);
/// assert!(!body.meets(RARE) && body.with("fallbacks").meets(RARE));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NameSet(u64);

impl NameSet {
    /// Of no name.
    pub const NONE: Self = Self(0);

    /// Of these names.
    #[must_use]
    pub const fn of(names: &[&str]) -> Self {
        let (mut set, mut rest) = (Self::NONE, names);
        while let [name, others @ ..] = rest {
            set = set.with(name);
            rest = others;
        }
        set
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, name: &str) -> Self {
        Self(self.0 | bit(name))
    }

    /// Whether there may be a name that both have; `false`: there is none.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it may have this name; `false`: it has not.
    #[must_use]
    pub const fn may_have(self, name: &str) -> bool {
        self.0 & bit(name) != 0
    }
}

/// One of 64 bits, by the name's length and its ends: names of members differ there.
const fn bit(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let (first, last) = match bytes {
        [] => (0, 0),
        [only] => (*only, *only),
        [first, .., last] => (*first, *last),
    };
    #[expect(clippy::as_conversions, reason = "`From` is not const, and nothing is lost")]
    let mixed =
        (bytes.len() as u64) * 0x2545_F491 + (first as u64) * 0x9E37_79B1 + (last as u64) * 0x85EB_CA77;
    1 << ((mixed >> 23) & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nearly every chat body has.
    const USUAL: [&str; 6] = ["model", "messages", "stream", "stream_options", "max_tokens", "temperature"];

    #[test]
    fn whatever_is_in_is_found() {
        let names =
            ["", "a", "ab", "é", "model", "messages", "metadata", "prompt_cache_key", "x".repeat(300).leak()];
        let all = NameSet::of(&names);
        for name in names {
            assert!(all.may_have(name) && NameSet::of(&[name]).meets(all), "{name}");
            assert!(!NameSet::NONE.may_have(name) && !NameSet::NONE.meets(all), "{name}");
        }
    }

    #[test]
    fn usual_members_are_told_from_those_that_are_looked_for() {
        let rare = [
            "fallbacks",
            "disable_fallbacks",
            "num_retries",
            "context_window_fallbacks",
            "models",
            "metadata",
            "prompt_cache_key",
            "tools",
            "functions",
            "max_completion_tokens",
        ];
        let usual = NameSet::of(&USUAL);
        let taken: Vec<&str> = rare.into_iter().filter(|name| usual.may_have(name)).collect();
        assert!(taken.is_empty(), "looked for in vain in every body: {taken:?}");
    }
}
