//! `[router]` and the settings of deployments, as the router knows them.

use llm_config::{Cooldown, Deployment, Price as PriceConfig, RetriesByError, Router, Strategy};
use llm_router::{
    Allowance, Backoff, CooldownPolicy, Facts, Fallbacks, KindRetries, Price, RetryPolicy,
    Strategy as RouterStrategy, Weighing,
};

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

/// What is known of a deployment.
pub(super) fn facts(deployment: &Deployment) -> Facts {
    Facts {
        order: deployment.order,
        region: deployment.region.as_deref().map(Into::into),
        context_window: deployment.context_window,
        max_output: deployment.max_output,
        price: deployment.price.map(price),
        allowance: Allowance {
            rpm: deployment.rpm,
            tpm: deployment.tpm,
            max_parallel: deployment.max_parallel,
        },
        ..Facts::default()
    }
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
