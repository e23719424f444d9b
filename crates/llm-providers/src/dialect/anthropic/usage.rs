//! The API's counts to disjoint classes.
//!
//! Its `input_tokens` leave cached tokens out, while `output_tokens` hold the thinking; a stream reports
//! both twice, and turns with several iterations report only the last one at the top.

use llm_types::{ServiceTier, Usage};

use super::wire;

/// Counts as they were reported, later reports over earlier ones.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cache_write: Option<u64>,
    cache_read: Option<u64>,
    write_5m: Option<u64>,
    write_1h: Option<u64>,
    thinking: Option<u64>,
    searches: Option<u64>,
    service: Option<ServiceTier>,
    iterations: Option<Sums>,
}

/// Sums over all iterations of a turn.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    input: u64,
    output: u64,
    cache_read: u64,
    write_5m: u64,
    write_1h: u64,
    thinking: u64,
}

impl Counts {
    /// Takes a report in.
    pub(super) fn merge(&mut self, usage: &wire::Usage<'_>) {
        let later = |before: &mut Option<u64>, now: Option<u64>| *before = now.or(*before);
        later(&mut self.input, usage.input_tokens);
        later(&mut self.output, usage.output_tokens);
        later(&mut self.cache_write, usage.cache_creation_input_tokens);
        later(&mut self.cache_read, usage.cache_read_input_tokens);
        if let Some(split) = &usage.cache_creation {
            later(&mut self.write_5m, split.ephemeral_5m_input_tokens);
            later(&mut self.write_1h, split.ephemeral_1h_input_tokens);
        }
        later(
            &mut self.thinking,
            usage.output_tokens_details.as_ref().and_then(|details| details.thinking_tokens),
        );
        later(&mut self.searches, usage.server_tool_use.as_ref().and_then(|used| used.web_search_requests));
        self.service =
            usage.service_tier.as_ref().map(|tier| ServiceTier::of(tier.as_str())).or(self.service);
        if let Some(iterations) = usage.iterations.as_ref().filter(|list| !list.is_empty()) {
            self.iterations = Some(sum(iterations));
        }
    }

    /// The counts in disjoint classes.
    pub(super) fn usage(&self) -> Usage {
        let top = self.top();
        // Iterations may leave out what they thought; the top level then covers it.
        let sums = self.iterations.map(|sums| Sums { thinking: sums.thinking.max(top.thinking), ..sums });
        let sums = sums.unwrap_or(top);
        let reasoning = sums.thinking.min(sums.output);
        Usage {
            input: sums.input,
            cache_read: sums.cache_read,
            cache_write_5m: sums.write_5m,
            cache_write_1h: sums.write_1h,
            output: sums.output - reasoning,
            reasoning,
            queries: self.searches.unwrap_or_default(),
            service: self.service.unwrap_or_default(),
            ..Usage::default()
        }
    }

    fn top(&self) -> Sums {
        let long = self.write_1h.unwrap_or_default();
        let short = match self.cache_write {
            Some(all) => all.saturating_sub(long).max(self.write_5m.unwrap_or_default()),
            None => self.write_5m.unwrap_or_default(),
        };
        Sums {
            input: self.input.unwrap_or_default(),
            output: self.output.unwrap_or_default(),
            cache_read: self.cache_read.unwrap_or_default(),
            write_5m: short,
            write_1h: long,
            thinking: self.thinking.unwrap_or_default(),
        }
    }
}

fn sum(iterations: &[wire::Usage<'_>]) -> Sums {
    iterations.iter().fold(Sums::default(), |sum, iteration| {
        let mut one = Counts::default();
        one.merge(iteration);
        let one = one.top();
        Sums {
            input: sum.input.saturating_add(one.input),
            output: sum.output.saturating_add(one.output),
            cache_read: sum.cache_read.saturating_add(one.cache_read),
            write_5m: sum.write_5m.saturating_add(one.write_5m),
            write_1h: sum.write_1h.saturating_add(one.write_1h),
            thinking: sum.thinking.saturating_add(one.thinking),
        }
    })
}
