//! What a request asks of whoever answers it.
//!
//! All of it is optional: a request nothing is known of goes anywhere. Estimates of size are the caller's;
//! the router only compares them.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::affinity::Prefixes;
use crate::deployment::Deployment;
use crate::facts::{Allowance, Capabilities, Facts};
use crate::record::Reason;

/// Of a limit on tokens, the part that an answer without bounds is counted as at most.
const SHARE: u64 = 10;

/// What a request needs and would like.
#[derive(Debug, Clone)]
pub struct Needs {
    /// Words that the deployment must all be tagged with.
    pub tags: SmallVec<[Arc<str>; 2]>,
    /// Where the deployment must stand.
    pub region: Option<Arc<str>>,
    /// What the request uses.
    pub capabilities: Capabilities,
    /// Estimated tokens of the prompt; 0: unknown.
    pub input_tokens: u64,
    /// Of several prompts in one request, the tokens of the longest: each has a window of its own. `None`: it is one prompt.
    pub longest_input: Option<u64>,
    /// Windows that are known only of this request, by the ids of deployments whose facts do not say theirs: of those
    /// that serve whichever model is named.
    pub windows: SmallVec<[(Arc<str>, u64); 1]>,
    /// The most tokens of the answer, or an estimate; 0: unknown.
    pub output_tokens: u64,
    /// How long an answer usually is that nothing bounds, in tokens: counted against limits, until it is known.
    pub usual_output: u64,
    /// The answer is streamed.
    pub stream: bool,
    /// The hour of the day, 0 to 23, in whichever zone the caller's traffic lives.
    pub hour: u8,
    /// The id of the only deployment that can answer, because it holds what the request refers to.
    pub pin: Option<Arc<str>>,
    /// A hash of the session: its requests stay together while they can.
    pub session: Option<u64>,
    /// The beginning of the prompt, which may be cached somewhere.
    pub prefixes: Prefixes,
}

impl Default for Needs {
    fn default() -> Self {
        Self {
            tags: SmallVec::new(),
            region: None,
            capabilities: Capabilities::NONE,
            input_tokens: 0,
            longest_input: None,
            windows: SmallVec::new(),
            output_tokens: 0,
            usual_output: 0,
            stream: false,
            hour: 0,
            pin: None,
            session: None,
            prefixes: Prefixes::default(),
        }
    }
}

impl Needs {
    /// The tokens of prompt and answer, as far as something bounds that.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// The tokens that have to fit a window.
    pub(crate) fn in_window(&self) -> u64 {
        self.longest_input.unwrap_or(self.input_tokens).saturating_add(self.output_tokens)
    }

    /// The tokens to count against a limit before the answer is known. An answer that nothing bounds is counted as usual,
    /// but as no more than a tenth of the limit: it has to fit somewhere.
    #[must_use]
    pub fn booked(&self, allowance: &Allowance) -> u64 {
        let Some(tpm) = allowance.tpm.filter(|_| self.output_tokens == 0) else { return self.tokens() };
        self.input_tokens.saturating_add(self.usual_output.min(u64::from(tpm) / SHARE))
    }

    /// Whether every deployment will do, so that none has to be looked at.
    pub(crate) fn is_anything(&self) -> bool {
        self.tags.is_empty()
            && self.region.is_none()
            && self.capabilities == Capabilities::NONE
            && self.tokens() == 0
            && self.pin.is_none()
    }

    /// What of the deployment, whatever its health, keeps it from answering.
    pub(crate) fn unmet<T>(&self, deployment: &Deployment<T>) -> Option<Reason> {
        let Self { tags, region, capabilities, output_tokens, pin, windows, .. } = self;
        let Facts { order: _, region: stands, capabilities: can, context_window, max_output, .. } =
            &deployment.facts;
        if pin.as_ref().is_some_and(|id| *id != deployment.id) {
            return Some(Reason::Pinned);
        }
        if !tags.iter().all(|tag| deployment.tags.contains(tag)) {
            return Some(Reason::Tags);
        }
        if region.is_some() && region != stands {
            return Some(Reason::Region);
        }
        if !can.has(*capabilities) {
            return Some(Reason::Capability(capabilities.without(*can)));
        }
        let need = self.in_window();
        let named = || windows.iter().find(|(id, _)| *id == deployment.id).map(|(_, window)| *window);
        if let Some(has) = context_window.or_else(named).filter(|has| need > *has) {
            return Some(Reason::ContextWindow { need, has });
        }
        let has = max_output.filter(|has| output_tokens > has)?;
        Some(Reason::MaxOutput { need: *output_tokens, has })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_for_each_prompt_and_may_be_known_of_the_request_alone() {
        let window = |context_window| Facts { context_window, ..Facts::default() };
        let facts = [Some(1_000), None, None].into_iter().zip(["own", "named", "unknown"]);
        let group = crate::Group::new(
            "m",
            crate::RetryPolicy::default(),
            facts.map(|(has, id)| Deployment::new(id, 0, ()).with_facts(window(has))),
        );
        let able = |needs: &Needs| group.able(needs).iter().collect::<Vec<_>>();
        let mut needs = Needs { input_tokens: 1_500, output_tokens: 100, ..Needs::default() };
        assert_eq!(able(&needs), [1, 2]);
        needs.windows = [("named".into(), 1_200), ("own".into(), 9_000)].into_iter().collect();
        assert_eq!(able(&needs), [2], "what the facts say goes first");
        let reason = needs.unmet(&group.deployments[1]);
        assert_eq!(reason, Some(Reason::ContextWindow { need: 1_600, has: 1_200 }));
        needs.longest_input = Some(1_050);
        assert_eq!(able(&needs), [1, 2]);
        needs.longest_input = Some(500);
        assert_eq!(able(&needs), [0, 1, 2]);
    }

    #[test]
    fn an_answer_without_bounds_is_counted_as_usual_and_fits_every_limit() {
        let check = |output_tokens: u64, tpm: Option<u32>, expect: u64| {
            let needs = Needs { input_tokens: 50, output_tokens, usual_output: 1_000, ..Needs::default() };
            let allowance = Allowance { tpm, ..Allowance::default() };
            assert_eq!(needs.booked(&allowance), expect, "{output_tokens} {tpm:?}");
            assert_eq!(needs.tokens(), 50 + output_tokens, "windows are no limits");
        };
        check(0, Some(100_000), 1_050);
        check(0, Some(1_000), 150);
        check(0, None, 50);
        check(30, Some(100_000), 80);
        check(5_000, Some(1_000), 5_050);
    }
}
