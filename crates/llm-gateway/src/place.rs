//! A request's place at its deployment, given back when it is dropped.

use std::time::Instant;

use llm_router::{InFlight, Lease, Used};
use llm_types::{ApiError, Usage};

use crate::backend::Backend;

/// A place at a deployment.
#[derive(Debug)]
pub(crate) enum Place {
    /// Nobody counts.
    None,
    /// Counts as running.
    Counted {
        /// The count.
        _in_flight: InFlight,
    },
    /// Counts as running, and teaches the deployment's counters.
    Leased(Lease<Backend>),
}

impl From<Option<Lease<Backend>>> for Place {
    fn from(lease: Option<Lease<Backend>>) -> Self {
        lease.map_or(Self::None, Self::Leased)
    }
}

impl Place {
    /// The answer is complete. Where nobody says what it used, what was reserved for it stays booked: a limit on
    /// tokens holds for those that do not count them as well.
    pub(crate) fn finish(self, usage: Option<&Usage>) {
        if let (Self::Leased(lease), Some(usage)) = (self, usage) {
            let used = used(usage, &lease);
            lease.finish(&used, Instant::now());
        }
    }

    /// A session is over, in which this was used. How long it lasted says nothing of how fast answers come.
    pub(crate) fn close(self, usage: &Usage) {
        if let Self::Leased(lease) = self {
            let Used { input_tokens, output_tokens, usd } = used(usage, &lease);
            let used =
                Used { input_tokens: input_tokens.saturating_add(output_tokens), output_tokens: 0, usd };
            lease.finish(&used, Instant::now());
        }
    }

    /// The answer broke off.
    pub(crate) fn fail(self, error: &ApiError) {
        if let Self::Leased(lease) = self {
            lease.fail(error, Instant::now());
        }
    }
}

/// What a deployment's counters are told of an answer.
fn used(usage: &Usage, lease: &Lease<Backend>) -> Used {
    let (input_tokens, output_tokens) = (usage.prompt_tokens(), usage.completion_tokens());
    let price = lease.deployment().and_then(|deployment| deployment.facts.price);
    #[expect(clippy::cast_precision_loss, reason = "for comparing deployments, not for a bill")]
    let usd = price.map(|price| price.of(input_tokens, output_tokens) as f32 / 1e12);
    Used { input_tokens, output_tokens, usd }
}
