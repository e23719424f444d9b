//! Checks of `[alerts]`.

use super::Check;
use crate::diag::Code;
use crate::place::Path;

impl Check<'_> {
    pub(super) fn alerts(&mut self) {
        let Some(webhook) = &self.config.alerts.webhook else { return };
        let url = webhook.expose();
        let path = Path::default().key("alerts").key("webhook");
        let scheme = url.starts_with("https://") || url.starts_with("http://");
        let host = url.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
        if !(self.is_open(url) || (scheme && host)) {
            self.error(Code::BadValue, &path, "must be an http:// or https:// address").help =
                Some("write for example \"https://hooks.example.com/budgets\"".to_owned());
        }
    }
}
