//! Checks of `[store]`.

use super::Check;
use crate::diag::Code;
use crate::place::Path;
use crate::value::store_url;

impl Check<'_> {
    pub(super) fn store(&mut self) {
        let Some(store) = &self.config.store else { return };
        let path = Path::default().key("store");
        let url = store.url.expose();
        if !self.is_open(url)
            && let Err(problem) = store_url::check(url)
        {
            self.error(Code::BadValue, &path.key("url"), problem).help = Some(
                "write for example \"sqlite:gateway.db\", or \"postgres://user:password@host/gateway\""
                    .to_owned(),
            );
        }
        self.not_zero(&path.key("lease"), store.lease);
        if let Some(retention) = store.retention {
            self.not_zero(&path.key("retention"), retention);
        }
    }
}
