//! `[router]`: how deployments are chosen and failures retried.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HealthCheck;
use crate::value::duration;

/// How deployments are chosen and failures retried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Router {
    /// How one of several deployments is chosen.
    pub strategy: Strategy,
    /// For `lowest-cost`: the cheapest of those that are expected to answer within this time.
    #[serde(with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub max_latency: Option<Duration>,
    /// Further attempts after the first one failed, before one that waits or goes back to a deployment already tried. One
    /// that is well and untried is asked also after that (16 times at most); with 0 nobody else is asked.
    #[schemars(range(max = 20))]
    pub retries: u32,
    /// Further attempts after failures of some kinds, instead of `retries`.
    #[serde(skip_serializing_if = "RetriesByError::is_default")]
    pub retries_by_error: RetriesByError,
    /// The pause before a retry on a deployment that was tried already.
    pub backoff: Backoff,
    /// How long one attempt may take.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub timeout: Duration,
    /// How long a stream may take to its first token.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub first_token_timeout: Duration,
    /// A second deployment is asked as well when a stream has not begun after this time; whoever begins first
    /// answers. Without it: never.
    #[serde(with = "duration::optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<duration::Text>")]
    pub hedge_after: Option<Duration>,
    /// When a deployment that fails is left alone, and for how long; `false` switches it off.
    pub cooldown: Cooldown,
    /// Models to ask when all of a model's deployments, and its own `fallbacks`, have failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
    /// Models to ask when the prompt does not fit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context_window_fallbacks: Vec<String>,
    /// Models to ask when a provider's policy refuses the content.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content_policy_fallbacks: Vec<String>,
    /// Whether fallbacks are asked also for requests that a provider finds malformed.
    #[serde(skip_serializing_if = "is_false")]
    pub fallback_on_bad_request: bool,
    /// What happens to a stream that breaks off after its first content.
    pub mid_stream: MidStream,
    /// Which requests go back to the deployment that has their prompt in its cache.
    pub affinity: Affinity,
    /// Why requests went where they went.
    pub records: Records,
    /// Calls that find out how deployments are while nobody asks them; without it: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            strategy: Strategy::Weighted,
            max_latency: None,
            retries: 2,
            retries_by_error: RetriesByError::default(),
            backoff: Backoff::default(),
            timeout: Duration::from_secs(600),
            first_token_timeout: Duration::from_secs(60),
            hedge_after: None,
            cooldown: Cooldown::default(),
            fallbacks: Vec::new(),
            context_window_fallbacks: Vec::new(),
            content_policy_fallbacks: Vec::new(),
            fallback_on_bad_request: false,
            mid_stream: MidStream::Error,
            affinity: Affinity::default(),
            records: Records::default(),
            health_check: None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde wants")]
fn is_false(value: &bool) -> bool {
    !value
}

/// How one of several deployments is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// In turn, each as often as its weight says.
    #[default]
    Weighted,
    /// One after the other.
    RoundRobin,
    /// Fewest requests under way, by weight.
    LeastBusy,
    /// Shortest expected time of two drawn by chance: a stream's first token, else the time per token.
    LowestLatency,
    /// Cheapest for this request; within `max_latency`, where that is set.
    LowestCost,
    /// Most left of its limits per minute, ours and the provider's.
    MostHeadroom,
    /// Best by what was learned of time, failures and cost for requests of this size at this hour.
    Adaptive,
}

/// Further attempts after failures of some kinds. A number other than 0 also sends a failure to another
/// deployment that is by itself told to the client at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetriesByError {
    /// The request's own fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub bad_request: Option<u32>,
    /// The prompt or the answer offends a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub content_policy: Option<u32>,
    /// A missing or wrong key, or one that may not do this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub auth: Option<u32>,
    /// No answer in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub timeout: Option<u32>,
    /// Too many requests or tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub rate_limit: Option<u32>,
    /// The provider cannot be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub connection: Option<u32>,
    /// The provider failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub internal: Option<u32>,
    /// The provider is down or has too much to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 20))]
    pub unavailable: Option<u32>,
}

impl RetriesByError {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// When a deployment that fails is left alone: a table of [`CooldownRule`], or `false` for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Cooldown {
    /// `false`: never. `true`: by the defaults.
    Switch(bool),
    /// By this rule.
    Rule(CooldownRule),
}

impl Default for Cooldown {
    fn default() -> Self {
        Self::Rule(CooldownRule::default())
    }
}

impl Cooldown {
    /// The rule; `None`: deployments are never left alone.
    #[must_use]
    pub fn rule(self) -> Option<CooldownRule> {
        match self {
            Self::Switch(on) => on.then(CooldownRule::default),
            Self::Rule(rule) => Some(rule),
        }
    }
}

/// How many failures cool a deployment down, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CooldownRule {
    /// So many failures in a row, or that many of which at least half of the answers are.
    #[schemars(range(min = 1, max = 1_000))]
    pub failures: u32,
    /// What happened before that does not count.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub window: Duration,
    /// The first cooldown; each one after it is twice as long. A provider's `Retry-After` wins.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub duration: Duration,
    /// The longest cooldown.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub max: Duration,
}

impl Default for CooldownRule {
    fn default() -> Self {
        Self {
            failures: 3,
            window: Duration::from_secs(60),
            duration: Duration::from_secs(5),
            max: Duration::from_secs(60),
        }
    }
}

/// What happens to a stream that breaks off after its first content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MidStream {
    /// It ends in an error event.
    #[default]
    Error,
    /// The next deployment goes on from the text sent so far. Only plain text can be gone on from: a stream
    /// with tool calls, JSON or thinking ends in an error event.
    Continue,
}

/// Which requests go back to where their prompt may be cached, as long as that deployment is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Affinity {
    /// Requests of one session: `x-gateway-session`, or the body's `prompt_cache_key` or
    /// `metadata.session_id`.
    pub session: bool,
    /// Requests that share a beginning of 4 KiB or more.
    pub prefix: bool,
}

impl Default for Affinity {
    fn default() -> Self {
        Self { session: true, prefix: true }
    }
}

/// Why requests went where they went, for `llmctl explain` and `GET /admin/v1/requests/{id}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Records {
    /// How many of the latest are kept in memory; 0: none. A quarter is for requests that went straight.
    #[schemars(range(max = 1_000_000))]
    pub keep: usize,
    /// The share of requests that are kept with their candidates and scores, from 0 to 1; one with the header
    /// `x-gateway-explain` always is. A request that failed or needed more than one attempt is kept in any case,
    /// then without them.
    pub sample: f64,
    /// How many of that share are kept a second at most; 100 may come at once. 0: none but those with the header.
    pub per_second: u32,
}

impl Default for Records {
    fn default() -> Self {
        Self { keep: 1000, sample: 1.0, per_second: 20 }
    }
}

/// Exponential backoff with full jitter; a provider's `Retry-After` is obeyed up to 60 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// The longest first pause; doubled for each further one.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub base: Duration,
    /// The longest pause of all.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(250), max: Duration::from_secs(8) }
    }
}
