//! What a request's `Cache-Control` asks for (RFC 9111, section 5.2.1).

use std::time::Duration;

/// What a request's `Cache-Control` asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Directives {
    /// Do not answer from the cache; the new answer may be kept.
    pub no_cache: bool,
    /// Neither answer from the cache nor keep the answer.
    pub no_store: bool,
    /// The oldest answer that will do.
    pub max_age: Option<Duration>,
}

impl Directives {
    /// Reads the values of all `Cache-Control` headers of a request. Directives that are not known are passed over;
    /// a `max-age` that is no number of seconds counts as zero, the strictest.
    ///
    /// ```
    /// # use llm_cache::Directives;
    /// let asked = Directives::read(["max-age=60", "No-Store"]);
    /// assert!(asked.no_store && !asked.no_cache);
    /// assert_eq!(asked.max_age.map(|age| age.as_secs()), Some(60));
    /// ```
    #[must_use]
    pub fn read<'v>(values: impl IntoIterator<Item = &'v str>) -> Self {
        let mut directives = Self::default();
        for directive in values.into_iter().flat_map(|value| value.split(',')) {
            directives.add(directive);
        }
        directives
    }

    fn add(&mut self, directive: &str) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let is = |word: &str| name.trim().eq_ignore_ascii_case(word);
        if is("no-cache") {
            self.no_cache = true;
        } else if is("no-store") {
            self.no_store = true;
        } else if is("max-age") {
            let age = seconds(value.trim().trim_matches('"'));
            self.max_age = Some(self.max_age.map_or(age, |before| before.min(age)));
        }
    }

    /// Whether an answer may come from the cache.
    #[must_use]
    pub fn may_read(&self) -> bool {
        !self.no_cache && !self.no_store && self.max_age != Some(Duration::ZERO)
    }

    /// Whether the answer may be kept.
    #[must_use]
    pub fn may_keep(&self) -> bool {
        !self.no_store
    }

    /// Whether an answer of this age will do.
    #[must_use]
    pub fn takes(&self, age: Duration) -> bool {
        self.may_read() && self.max_age.is_none_or(|most| age <= most)
    }
}

/// A number of seconds; one that is too large is as good as no bound.
fn seconds(text: &str) -> Duration {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Duration::ZERO;
    }
    Duration::from_secs(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_say_what_may_be_read_and_kept() {
        let check = |values: &[&str], read: bool, keep: bool, max_age: Option<u64>| {
            let directives = Directives::read(values.iter().copied());
            assert_eq!((directives.may_read(), directives.may_keep()), (read, keep), "{values:?}");
            assert_eq!(directives.max_age, max_age.map(Duration::from_secs), "{values:?}");
        };
        check(&[], true, true, None);
        check(&[""], true, true, None);
        check(&["private, foo=bar"], true, true, None);
        check(&["no-cache"], false, true, None);
        check(&["NO-CACHE"], false, true, None);
        check(&["no-store"], false, false, None);
        check(&["no-cache", "no-store"], false, false, None);
        check(&["max-age=60"], true, true, Some(60));
        check(&[" max-age = \"60\" "], true, true, Some(60));
        check(&["max-age=60, max-age=5"], true, true, Some(5));
        check(&["max-age=0"], false, true, Some(0));
        check(&["max-age=soon"], false, true, Some(0));
        check(&["max-age=-1"], false, true, Some(0));
        check(&["max-age"], false, true, Some(0));
        check(&["max-age=99999999999999999999999"], true, true, Some(u64::MAX));
    }

    #[test]
    fn an_older_answer_than_asked_for_will_not_do() {
        let age = |text| Directives::read([text]).takes(Duration::from_secs(10));
        assert!(age("max-age=10") && age(""));
        assert!(!age("max-age=9") && !age("no-cache") && !age("no-store"));
    }
}
