//! `[router]` and the settings of deployments, as the router knows them.

use llm_config::{Cooldown, Deployment, RetriesByError, Router, Strategy};
use llm_cost::{Asked, Capabilities as Known, Entry, Mode, PriceBook};
use llm_router::{
    Allowance, Backoff, Capabilities, CooldownPolicy, Facts, Fallbacks, KindRetries, Price, RetryPolicy,
    Strategy as RouterStrategy, Weighing,
};

use llm_types::PicoUsd;

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
pub(super) fn facts(deployment: &Deployment, backend: &Backend, prices: &PriceBook) -> Facts {
    let target = backend.target(None).ok();
    let model = target.as_ref().map(|target| target.model());
    let known = model.and_then(|model| prices.entry_of(&deployment.id, &backend.provider, model));
    let window = known.and_then(window);
    let known = known.filter(|entry| matches!(entry.mode, Mode::Chat | Mode::Responses));
    let model = model.unwrap_or_default();
    let asked =
        Asked { deployment: &deployment.id, provider: &backend.provider, model, served: None, picture: None };
    Facts {
        order: deployment.order,
        region: deployment.region.as_deref().map(Into::into),
        capabilities: known.and_then(|entry| entry.capabilities).map_or(Capabilities::ALL, capabilities),
        context_window: deployment.context_window.or(window),
        max_output: deployment.max_output.or(known.and_then(|entry| entry.max_output)),
        price: price(prices, &asked),
        allowance: Allowance {
            rpm: deployment.rpm,
            tpm: deployment.tpm,
            max_parallel: deployment.max_parallel,
        },
    }
}

/// The tokens that a prompt, and its answer where there is one, may have.
pub(crate) fn window(known: &Entry) -> Option<u64> {
    let takes_prompts = matches!(known.mode, Mode::Chat | Mode::Responses | Mode::Embedding);
    known.context_window.filter(|_| takes_prompts)
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

/// What the deployment's tokens cost, discount and margin included.
fn price(prices: &PriceBook, asked: &Asked<'_>) -> Option<Price> {
    let (input, output, request) = prices.tariff(asked)?.per_token()?;
    let pico = |usd: PicoUsd| u64::try_from(usd.pico()).ok();
    Some(Price {
        input_pico_usd: pico(input)?,
        output_pico_usd: pico(output)?,
        request_pico_usd: pico(request)?,
    })
}

#[cfg(test)]
mod tests {
    use llm_config::{Config, Price as PriceConfig, Rates};

    use super::*;

    #[test]
    fn the_catalogue_says_what_the_configuration_does_not() {
        let env = |name: &str| (name == "OPENAI_API_KEY").then(|| "k".to_owned());
        let mut config = Config::from_models(["openai/gpt-4o", "openai/gpt-4o-mini", "openai/nobody-knows"]);
        config.models[1].deployments[0].context_window = Some(1000);
        let rates = Rates { input: Some(1.5), output: Some(0.25), ..Rates::default() };
        config.models[1].deployments[0].price = Some(PriceConfig { rates, ..PriceConfig::default() });
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
        for base in ["gpt-4o", "openai/gpt-4o"] {
            config.models[2].deployments[0].base_model = Some(base.to_owned());
            let based = crate::assemble::snapshot(&config, env, None).unwrap();
            let facts = &based.router.find("openai/nobody-knows").unwrap().group.deployments[0].facts;
            assert_eq!((facts.context_window, &facts.price), (Some(128_000), &listed.price), "{base}");
            assert!(!facts.capabilities.has(Capabilities::AUDIO_OUTPUT), "{base}");
        }
        let unknown = facts("openai/nobody-knows");
        assert_eq!((unknown.context_window, unknown.price), (None, None));
        assert_eq!(unknown.capabilities, Capabilities::ALL);
    }
}
