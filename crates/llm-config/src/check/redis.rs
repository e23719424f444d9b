//! Checks of `[redis]`.

use super::Check;
use crate::diag::Code;
use crate::place::Path;
use crate::value::redis_url;

/// The longest prefix; every name in Redis begins with it.
const LONGEST_PREFIX: usize = 64;

impl Check<'_> {
    pub(super) fn redis(&mut self) {
        let Some(redis) = &self.config.redis else { return };
        let path = Path::default().key("redis");
        let url = redis.url.expose();
        if !self.is_open(url)
            && let Err(problem) = redis_url::check(url)
        {
            self.error(Code::BadValue, &path.key("url"), problem).help =
                Some("write for example \"redis://127.0.0.1:6379\", or rediss:// for TLS".to_owned());
        }
        let prefix = &redis.prefix;
        let visible = prefix.chars().all(|c| c.is_ascii_graphic());
        if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || !visible {
            let message = format!("must be 1 to {LONGEST_PREFIX} visible ASCII characters");
            self.error(Code::BadValue, &path.key("prefix"), message).help =
                Some("leave it out for \"gateway:\"".to_owned());
        }
        self.not_zero(&path.key("timeout"), redis.timeout);
    }
}
