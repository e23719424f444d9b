//! Checks of `[router]`, and of what models say instead.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Check;
use crate::diag::Code;
use crate::later::nearest;
use crate::place::Path;
use crate::{Backoff, Cooldown, CooldownRule, HealthCheck, Model, Strategy};

impl Check<'_> {
    pub(super) fn router(&mut self) {
        let config = self.config;
        let (router, path) = (&config.router, Path::default().key("router"));
        self.not_zero(&path.key("timeout"), router.timeout);
        self.not_zero(&path.key("first_token_timeout"), router.first_token_timeout);
        self.backoff(&path.key("backoff"), router.backoff);
        self.cooldown(&path.key("cooldown"), router.cooldown);
        self.waits(&path, router.hedge_after, router.max_latency, router.first_token_timeout);
        if !(0.0..=1.0).contains(&router.records.sample) {
            self.error(Code::BadValue, &path.key("records").key("sample"), "must be from 0 to 1");
        }
        if let Some(HealthCheck { interval, timeout }) = router.health_check {
            let path = path.key("health_check");
            self.not_zero(&path.key("interval"), interval);
            self.not_zero(&path.key("timeout"), timeout);
        }
        for (key, names) in [
            ("fallbacks", &router.fallbacks),
            ("context_window_fallbacks", &router.context_window_fallbacks),
            ("content_policy_fallbacks", &router.content_policy_fallbacks),
        ] {
            self.fallbacks(&path.key(key), names, None);
        }
        // Of defaults nobody has to be told.
        let is_written = |path: &Path| self.places.is_written(path);
        let (timeout, first) =
            (is_written(&path.key("timeout")), is_written(&path.key("first_token_timeout")));
        if timeout && router.timeout > config.server.request_timeout {
            self.no_effect(
                &path.key("timeout"),
                "longer than server.request_timeout, which ends the request first",
            );
        }
        if first && router.first_token_timeout > router.timeout {
            self.no_effect(
                &path.key("first_token_timeout"),
                "longer than router.timeout, which ends the attempt first",
            );
        }
    }

    /// What a model says instead of `[router]`.
    pub(super) fn overrides(&mut self, path: &Path, model: &Model) {
        let router = model.router(&self.config.router);
        if let Some(timeout) = model.timeout {
            self.not_zero(&path.key("timeout"), timeout);
            if timeout > self.config.server.request_timeout {
                let message = "longer than server.request_timeout, which ends the request first";
                self.no_effect(&path.key("timeout"), message);
            }
        }
        if let Some(timeout) = model.first_token_timeout {
            self.not_zero(&path.key("first_token_timeout"), timeout);
        }
        if model.backoff.is_some() {
            self.backoff(&path.key("backoff"), router.backoff);
        }
        if let Some(cooldown) = model.cooldown {
            self.cooldown(&path.key("cooldown"), cooldown);
        }
        self.waits(path, model.hedge_after, model.max_latency, router.first_token_timeout);
        if model.max_latency.is_some() && router.strategy != Strategy::LowestCost {
            self.no_effect(&path.key("max_latency"), "only the strategy `lowest-cost` looks at it");
        }
        if model.hedge_after.is_some() && model.deployments.len() == 1 {
            self.no_effect(&path.key("hedge_after"), "there is no second deployment to ask");
        }
        let chains = [
            ("fallbacks", Some(&model.fallbacks)),
            ("context_window_fallbacks", model.context_window_fallbacks.as_ref()),
            ("content_policy_fallbacks", model.content_policy_fallbacks.as_ref()),
        ];
        for (key, names) in chains.into_iter().filter_map(|(key, names)| Some((key, names?))) {
            self.fallbacks(&path.key(key), names, Some(model));
        }
    }

    pub(super) fn backoff(&mut self, path: &Path, backoff: Backoff) {
        self.not_zero(&path.key("base"), backoff.base);
        if backoff.base > backoff.max {
            self.error(Code::BadValue, path, "`base` must not be longer than `max`");
        }
    }

    fn cooldown(&mut self, path: &Path, cooldown: Cooldown) {
        let Some(CooldownRule { failures: _, window, duration, max }) = cooldown.rule() else { return };
        self.not_zero(&path.key("window"), window);
        if duration.is_zero() {
            self.error(Code::BadValue, &path.key("duration"), "must be longer than zero").help =
                Some("write `cooldown = false` to leave no deployment alone".to_owned());
        }
        if duration > max && self.places.is_written(&path.key("max")) {
            self.error(Code::BadValue, path, "`duration` must not be longer than `max`");
        }
    }

    fn waits(&mut self, path: &Path, hedge: Option<Duration>, within: Option<Duration>, first: Duration) {
        if let Some(hedge) = hedge {
            self.not_zero(&path.key("hedge_after"), hedge);
            if hedge >= first {
                self.no_effect(
                    &path.key("hedge_after"),
                    "not shorter than first_token_timeout, which ends the attempt first",
                );
            }
        }
        if let Some(within) = within {
            self.not_zero(&path.key("max_latency"), within);
        }
    }

    /// Models to fall back to must be there.
    fn fallbacks(&mut self, path: &Path, names: &[String], own: Option<&Model>) {
        let config = self.config;
        let mut seen = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            let path = path.index(index);
            if !seen.insert(name) {
                self.no_effect(&path, "stands here a second time: each model is asked once");
            }
            if own.is_some_and(|model| model.name == *name || model.aliases.contains(name)) {
                self.error(Code::UnknownModel, &path, "a model cannot fall back to itself").help =
                    Some("its deployments are all asked before any fallback".to_owned());
                continue;
            }
            if config.models.is_empty() || config.models.iter().any(|model| answers(model, name)) {
                continue;
            }
            let known = config.models.iter();
            let known = known.flat_map(|model| std::iter::once(&model.name).chain(&model.aliases));
            let near = nearest(name, known.map(String::as_str).collect::<Vec<_>>().iter().copied());
            let help = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "name a model of [[models]]".to_owned(),
            };
            self.error(Code::UnknownModel, &path, format!("there is no model `{name}`")).help = Some(help);
        }
    }
}

/// Whether a model answers to this name.
fn answers(model: &Model, name: &str) -> bool {
    model.name == name
        || model.aliases.iter().any(|alias| alias == name)
        || model.name.strip_suffix('*').is_some_and(|head| name.starts_with(head))
}
