//! What the most that a call can use costs at most.

use llm_cost::{Asked, Bound, Capabilities, Catalogue, Class, Classes, Worst};
use llm_router::Facts;

use super::media;
use crate::snapshot::Snapshot;

/// The longest prompt and answer of a model: what its deployment says, else the book of prices.
pub(crate) fn lengths(snapshot: &Snapshot, (provider, model): (&str, &str), facts: &Facts) -> Facts {
    let entry = || snapshot.prices.entry(provider, model);
    let (mut context_window, mut max_output) = (facts.context_window, facts.max_output);
    if context_window.is_none() || max_output.is_none() {
        context_window = context_window.or_else(|| entry()?.context_window);
        max_output = max_output.or_else(|| entry()?.max_output);
    }
    Facts { context_window, max_output, ..Facts::default() }
}

/// The bound of a call; `None`: a price is unknown.
pub(crate) fn bound(snapshot: &Snapshot, asked: &Asked<'_>, worst: &Worst) -> Option<Bound> {
    let bound = |worst: &Worst| snapshot.prices.bound(asked, worst);
    // Who sells the order of documents by the token has no price for searches.
    let by_token = || (worst.queries > 0).then(|| bound(&Worst { queries: 0, ..*worst })).flatten();
    // Who sells sound or pictures by one measure has no price for the others.
    let by_piece =
        |worst: &Worst| media::one_by_one(worst).filter_map(|one| bound(&one)).max_by_key(Bound::total);
    // Who makes nothing but pictures has no price for an answer in words.
    let pictures = || {
        let classes = Classes::INPUT.and(Classes::of(&[Class::OutputImage]));
        let worst = Worst { classes, ..*worst };
        (worst.units.images > 0).then(|| bound(&worst).or_else(|| by_piece(&worst))).flatten()
    };
    bound(worst).or_else(by_token).or_else(|| by_piece(worst)).or_else(pictures)
}

/// Whether a model searches as often as it likes without being asked to, and each search is paid: nothing bounds it.
/// That is a fact of the model, whoever's prices hold.
pub(crate) fn searches_unasked(provider: &str, model: &str) -> bool {
    let found = Catalogue::builtin().find(provider, model);
    let able = found.and_then(|found| found.entry.capabilities);
    able.is_some_and(|able| able.has(Capabilities::UNASKED_SEARCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_research_searches_as_often_as_it_likes() {
        for (provider, model, expect) in [
            ("perplexity", "sonar-deep-research", true),
            ("perplexity", "sonar-pro", false),
            ("openai", "gpt-4o", false),
            ("nobody", "nothing", false),
        ] {
            assert_eq!(searches_unasked(provider, model), expect, "{provider}/{model}");
        }
    }
}
