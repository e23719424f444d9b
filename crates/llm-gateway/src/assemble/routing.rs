//! `[router]` and the settings of deployments, as the router knows them.

use llm_config::{Cooldown, Deployment, Price as PriceConfig, RetriesByError, Router, Strategy};
use llm_cost::{Capabilities as Known, Catalogue, Mode};
use llm_router::{
    Allowance, Backoff, Capabilities, CooldownPolicy, Facts, Fallbacks, KindRetries, Price, RetryPolicy,
    Strategy as RouterStrategy, Weighing,
};

use crate::backend::Backend;

/// How a group is asked again.
pub(super) fn retries(router: &Router) -> RetryPolicy {
    let RetriesByError {
        bad_request,
        content_policy,
        auth,
        timeout,
        rate_limit,
        connection,
        internal,
        unavailable,
    } = router.retries_by_error;
    RetryPolicy {
        retries: router.retries,
        backoff: Backoff { base: router.backoff.base, max: router.backoff.max },
        timeout: router.timeout,
        first_token_timeout: router.first_token_timeout,
        hedge: router.hedge_after,
        by_kind: KindRetries {
            bad_request,
            content_policy,
            auth,
            timeout,
            rate_limit,
            connection,
            internal,
            unavailable,
        },
    }
}

/// Who of a group is asked first.
pub(super) fn strategy(router: &Router) -> RouterStrategy {
    match router.strategy {
        Strategy::Weighted => RouterStrategy::Weighted,
        Strategy::RoundRobin => RouterStrategy::RoundRobin,
        Strategy::LeastBusy => RouterStrategy::LeastBusy,
        Strategy::LowestLatency => RouterStrategy::LowestLatency,
        Strategy::LowestCost => RouterStrategy::LowestCost(router.max_latency),
        Strategy::MostHeadroom => RouterStrategy::MostHeadroom,
        Strategy::Adaptive => RouterStrategy::Adaptive(Weighing::default()),
    }
}

/// When a deployment is left alone.
pub(super) fn cooldown(router: &Router) -> CooldownPolicy {
    let rule = Cooldown::rule(router.cooldown);
    rule.map_or(CooldownPolicy::OFF, |rule| CooldownPolicy {
        failures: rule.failures,
        window: rule.window,
        duration: rule.duration,
        max: rule.max,
    })
}

/// Where to go when nobody of a group answers.
pub(super) fn fallbacks(router: &Router) -> Fallbacks {
    let chain = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
    Fallbacks {
        general: chain(&router.fallbacks),
        context_window: chain(&router.context_window_fallbacks),
        content_policy: chain(&router.content_policy_fallbacks),
        on_bad_request: router.fallback_on_bad_request,
    }
}

/// What is known of a deployment: what the configuration says, else the catalogue.
pub(super) fn facts(deployment: &Deployment, backend: &Backend) -> Facts {
    let target = backend.target(None).ok();
    let known = target.and_then(|target| Catalogue::builtin().find(&backend.provider, target.model()));
    let known =
        known.map(|found| found.entry).filter(|entry| matches!(entry.mode, Mode::Chat | Mode::Responses));
    let listed = || {
        let (input_pico_usd, output_pico_usd) = known?.per_token()?;
        Some(Price { input_pico_usd, output_pico_usd, request_pico_usd: 0 })
    };
    Facts {
        order: deployment.order,
        region: deployment.region.as_deref().map(Into::into),
        capabilities: known.and_then(|entry| entry.capabilities).map_or(Capabilities::ALL, capabilities),
        context_window: deployment.context_window.or(known.and_then(|entry| entry.context_window)),
        max_output: deployment.max_output.or(known.and_then(|entry| entry.max_output)),
        price: deployment.price.map(price).or_else(listed),
        allowance: Allowance {
            rpm: deployment.rpm,
            tpm: deployment.tpm,
            max_parallel: deployment.max_parallel,
        },
    }
}

/// What a model of the catalogue can do; of what the catalogue does not speak of, everything.
fn capabilities(known: Known) -> Capabilities {
    let pairs = [
        (Known::TOOLS, Capabilities::TOOLS),
        (Known::VISION, Capabilities::IMAGE_INPUT),
        (Known::PDF, Capabilities::FILE_INPUT),
        (Known::AUDIO_IN, Capabilities::AUDIO_INPUT),
        (Known::AUDIO_OUT, Capabilities::AUDIO_OUTPUT),
        (Known::JSON_SCHEMA, Capabilities::JSON_SCHEMA),
    ];
    // Some rows say that a model chooses among tools, and not that it has them.
    let has = |ability| known.has(ability) || (ability == Known::TOOLS && known.has(Known::TOOL_CHOICE));
    let missing = pairs.into_iter().filter(|(known_as, _)| !has(*known_as));
    missing.fold(Capabilities::ALL, |all, (_, missing)| all.without(missing))
}

/// USD per million tokens are micro-dollars per token: a million pico-dollars each.
fn price(PriceConfig { input, output }: PriceConfig) -> Price {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked: 0 to a million USD"
    )]
    let pico = |usd: f64| (usd * 1e6).round() as u64;
    Price { input_pico_usd: pico(input), output_pico_usd: pico(output), request_pico_usd: 0 }
}

#[cfg(test)]
mod tests {
    use llm_config::Config;

    use super::*;

    #[test]
    fn the_catalogue_says_what_the_configuration_does_not() {
        let env = |name: &str| (name == "OPENAI_API_KEY").then(|| "k".to_owned());
        let mut config = Config::from_models(["openai/gpt-4o", "openai/gpt-4o-mini", "openai/nobody-knows"]);
        config.models[1].deployments[0].context_window = Some(1000);
        config.models[1].deployments[0].price = Some(PriceConfig { input: 1.5, output: 0.25 });
        let snapshot = crate::assemble::snapshot(&config, env, None).unwrap();
        let facts = |name: &str| snapshot.router.find(name).unwrap().group.deployments[0].facts.clone();
        let listed = facts("openai/gpt-4o");
        assert_eq!((listed.context_window, listed.max_output), (Some(128_000), Some(16_384)));
        let price = listed.price.unwrap();
        assert_eq!((price.input_pico_usd, price.output_pico_usd), (2_500_000, 10_000_000));
        assert!(listed.capabilities.has(Capabilities::TOOLS.and(Capabilities::IMAGE_INPUT)));
        assert!(!listed.capabilities.has(Capabilities::AUDIO_OUTPUT));
        let own = facts("openai/gpt-4o-mini");
        let price = own.price.unwrap();
        assert_eq!((price.input_pico_usd, price.output_pico_usd), (1_500_000, 250_000));
        assert_eq!(own.context_window, Some(1000));
        let unknown = facts("openai/nobody-knows");
        assert_eq!((unknown.context_window, unknown.price), (None, None));
        assert_eq!(unknown.capabilities, Capabilities::ALL);
    }
}
