//! Checks of `[cache]`.

use super::Check;
use crate::diag::Code;
use crate::place::Path;

impl Check<'_> {
    pub(super) fn cache(&mut self) {
        let cache = self.config.cache;
        let path = Path::default().key("cache");
        self.not_zero(&path.key("ttl"), cache.ttl);
        if cache.max_answer == 0 {
            self.error(Code::BadValue, &path.key("max_answer"), "must be more than zero").help = Some(
                "leave it out for the default of 1MiB, or `backend = \"off\"` to keep nothing".to_owned(),
            );
        }
        if cache.max_bytes < cache.max_answer {
            let message = "must be at least `max_answer`, or the largest answers are never kept";
            self.error(Code::BadValue, &path.key("max_bytes"), message).help =
                Some("`max_bytes` is for all answers together, `max_answer` for one".to_owned());
        }
        if cache.max_temperature.is_some_and(|most| !most.is_finite() || most < 0.0) {
            self.error(Code::BadValue, &path.key("max_temperature"), "must be zero or more").help =
                Some("0 keeps only answers to requests that say `temperature: 0`".to_owned());
        }
    }
}
