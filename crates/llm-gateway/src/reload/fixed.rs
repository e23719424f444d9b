//! What cannot change while the gateway runs: the listener, the client towards providers, the log.

use llm_config::{Config, Server};

/// The keys that differ from what the process was started with and need a restart.
///
/// Every section and every key of `[server]` is named, so that a new one does not compile before somebody has
/// decided where it belongs.
pub(super) fn changed(started: &Config, now: &Config) -> Vec<&'static str> {
    let Config {
        server,
        upstream,
        telemetry,
        auth: _,
        alerts: _,
        router: _,
        redis: _,
        store,
        cache: _,
        pass_through: _,
        files: _,
        fetch: _,
        providers: _,
        prices: _,
        price_map: _,
        models: _,
        keys: _,
        teams: _,
        users: _,
        organisations: _,
        budgets: _,
        limits: _,
    } = started;
    let Server {
        listen,
        tls,
        max_connections,
        header_timeout,
        idle_timeout,
        drain_timeout,
        max_body: _,
        spool: _,
        request_timeout: _,
        max_in_flight: _,
        strict: _,
        clamp_output: _,
        trusted_proxies: _,
        cors: _,
    } = server;
    let keys = [
        ("server.listen", *listen != now.server.listen),
        ("server.tls", *tls != now.server.tls),
        ("server.max_connections", *max_connections != now.server.max_connections),
        ("server.header_timeout", *header_timeout != now.server.header_timeout),
        ("server.idle_timeout", *idle_timeout != now.server.idle_timeout),
        ("server.drain_timeout", *drain_timeout != now.server.drain_timeout),
        ("store", *store != now.store),
        ("upstream", *upstream != now.upstream),
        ("telemetry", *telemetry != now.telemetry),
    ];
    keys.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_needs_a_restart_is_named() {
        let started = Config::default();
        let check = |change: fn(&mut Config), expect: &[&str]| {
            let mut now = started.clone();
            change(&mut now);
            assert_eq!(changed(&started, &now), expect);
        };
        check(|_| {}, &[]);
        check(|now| now.server.max_body = 1, &[]);
        check(|now| now.router.retries = 9, &[]);
        check(|now| now.models = Config::from_models(["mock/echo"]).models, &[]);
        check(|now| now.server.listen.set_port(1), &["server.listen"]);
        check(
            |now| {
                now.upstream.connect_timeout = Duration::from_secs(1);
                now.server.idle_timeout = Duration::from_secs(1);
            },
            &["server.idle_timeout", "upstream"],
        );
    }
}
