//! Checks of `[server]`, `[auth]` and `[upstream]`.

use std::time::Duration;

use super::Check;
use crate::diag::Code;
use crate::place::Path;
use crate::schema::Upstream;

impl Check<'_> {
    pub(super) fn server(&mut self) {
        let config = self.config;
        let (server, root) = (&config.server, Path::default());
        let at = |key: &str| root.key("server").key(key);
        for (key, duration) in [
            ("request_timeout", server.request_timeout),
            ("header_timeout", server.header_timeout),
            ("idle_timeout", server.idle_timeout),
        ] {
            self.not_zero(&at(key), duration);
        }
        if server.max_body == 0 {
            self.error(
                Code::BadValue,
                &at("max_body"),
                "must be more than zero: no request has an empty body",
            )
            .help = Some("leave it out for the default of 32MiB".to_owned());
        }
        if server.spool.as_ref().is_some_and(|spool| spool.as_os_str().is_empty()) {
            self.error(Code::BadValue, &at("spool"), "must name a folder").help =
                Some("leave it out for the system's temporary files".to_owned());
        }
        self.not_empty_secret(&root.key("auth").key("master_key"), config.auth.master_key.as_ref());
        if config.exposed_without_key() {
            let message = format!(
                "refuses to start: {} can be reached by others, and no key is asked for",
                server.listen
            );
            self.error(Code::NoMasterKey, &at("listen"), message).help = Some(
                "set `master_key = \"${GATEWAY_MASTER_KEY}\"` in [auth], or listen on 127.0.0.1".to_owned(),
            );
        }
        self.origins();
        self.pem_files();
        let upstream = root.key("upstream");
        self.not_zero(&upstream.key("connect_timeout"), config.upstream.connect_timeout);
        let Upstream { pool_idle_timeout, pool_max_idle_per_host, .. } = &config.upstream;
        if pool_idle_timeout.is_zero()
            && *pool_max_idle_per_host != Upstream::default().pool_max_idle_per_host
        {
            self.no_effect(
                &upstream.key("pool_max_idle_per_host"),
                "no connection is kept: `pool_idle_timeout` is zero",
            );
        }
        if !pool_idle_timeout.is_zero() && *pool_idle_timeout < Duration::from_millis(100) {
            self.warning(
                Code::NoEffect,
                &upstream.key("pool_idle_timeout"),
                "so short that hardly any connection is used again",
            )
            .help = Some("write \"0s\" for a connection of its own for each request".to_owned());
        }
    }

    fn origins(&mut self) {
        let config = self.config;
        let Some(cors) = &config.server.cors else { return };
        let path = Path::default().key("server").key("cors").key("origins");
        if cors.origins.is_empty() {
            self.error(Code::BadValue, &path, "must name an origin").help =
                Some("leave `cors` out to allow none".to_owned());
        }
        for (index, origin) in cors.origins.iter().enumerate() {
            let uri = origin.parse::<http::Uri>().ok();
            let bare =
                uri.is_some_and(|uri| uri.scheme().is_some() && uri.path() == "/" && uri.query().is_none());
            if origin != "*" && (!bare || origin.ends_with('/')) {
                self.error(Code::BadValue, &path.index(index), "not an origin").help = Some(
                    "write scheme and host without a path, such as \"https://app.example.com\"".to_owned(),
                );
            }
        }
    }

    pub(super) fn no_effect(&mut self, path: &Path, message: &str) {
        self.warning(Code::NoEffect, path, message);
    }
}
