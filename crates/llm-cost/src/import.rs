//! Figures of other catalogues, in this crate's form.
//!
//! LiteLLM's price map is what people have, so its names are the ones that configurations use; what differs from
//! ours is put right here, once, for the built-in catalogue and for maps that are read later.

mod check;
mod litellm;
mod provider;

use std::borrow::Cow;
use std::collections::BTreeMap;

use llm_types::ServiceTier;

use crate::catalogue::Catalogue;
use crate::class::Class;
use crate::entry::{Capabilities, Date, Entry, Mode};
use crate::prices::{Overlay, Prices};
use crate::rates::Rates;

pub use check::{believed, check};
pub use litellm::{PriceMap, from_litellm};
pub use provider::{own_name, provider};

/// A model as another catalogue states it.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// What it is for.
    pub mode: Mode,
    /// The most tokens of a prompt.
    pub context_window: Option<u64>,
    /// The most tokens of an answer.
    pub max_output: Option<u64>,
    /// What it can do; empty: not said.
    pub capabilities: Capabilities,
    /// When it is switched off.
    pub deprecated_on: Option<Date>,
    /// Prices in pico-dollars of one, for a tier of service and prompts above a length (0: any).
    pub prices: Vec<(ServiceTier, u64, Class, u64)>,
}

impl Draft {
    /// The entry, in our reading of the figures.
    #[must_use]
    pub fn entry(mut self, model: impl Into<Cow<'static, str>>) -> Entry {
        self.settle();
        let mut overlays: Vec<(ServiceTier, u64)> = self.prices.iter().map(|one| (one.0, one.1)).collect();
        overlays.sort_unstable();
        overlays.dedup();
        let rates = |service, above| {
            let own = self.prices.iter().filter(|one| (one.0, one.1) == (service, above));
            Rates::new(own.map(|one| (one.2, one.3)))
        };
        let base = rates(ServiceTier::Standard, 0);
        let overlays = overlays.into_iter().map(|(service, above)| Overlay {
            service,
            above,
            rates: rates(service, above),
        });
        Entry {
            model: model.into(),
            mode: self.mode,
            context_window: self.context_window.filter(|count| *count > 0),
            max_output: self.max_output.filter(|count| *count > 0),
            capabilities: Some(self.capabilities).filter(|some| !some.is_empty()),
            prices: Prices::new(base, overlays.collect()),
            deprecated_on: self.deprecated_on,
        }
    }

    /// Puts right what LiteLLM's map says in its own way.
    fn settle(&mut self) {
        let priced = |prices: &[(ServiceTier, u64, Class, u64)], class| {
            prices.iter().any(|(.., one, pico)| *one == class && *pico > 0)
        };
        // A zero beside another price is a gap: only what is priced in tokens or nothing else can be free.
        let pieces = |class: Class| !class.is_token();
        if self.prices.iter().any(|(.., pico)| *pico > 0) {
            // And searches, where the request has a fee that they are in.
            let searches = priced(&self.prices, Class::Request);
            self.prices.retain(|(.., class, pico)| {
                *pico > 0 || !pieces(*class) || (searches && *class == Class::Query)
            });
        }
        // The price of a pixel that is not given must not be taken for nothing.
        self.prices.retain(|(.., class, pico)| *pico > 0 || *class != Class::Pixel);
        let making = matches!(self.mode, Mode::Image | Mode::ImageEdit);
        if making && !priced(&self.prices, Class::Image) {
            // Of models that make pictures the map calls the price of one made an input's price.
            self.rename(Class::GivenImage, Class::Image);
        }
        if self.mode == Mode::Transcription {
            // The sound that is written down, whichever side the map puts it on; never both.
            if priced(&self.prices, Class::Second) {
                self.prices.retain(|(.., class, _)| *class != Class::OutputSecond);
            }
            self.rename(Class::OutputSecond, Class::Second);
        }
        self.widen();
    }

    /// Leaves out what costs the same as its wider class: in a tier that names only the wider one it changes with it.
    fn widen(&mut self) {
        let base = self.prices.iter().filter(|one| (one.0, one.1) == (ServiceTier::Standard, 0));
        let base = Prices::flat(Rates::new(base.map(|one| (one.2, one.3))));
        let price = |class| base.at(0, ServiceTier::Standard).price(class);
        self.prices.retain(|(service, above, class, pico)| {
            let wider = class.wider().and_then(price);
            (*service, *above) != (ServiceTier::Standard, 0) || wider != Some(*pico)
        });
    }

    fn rename(&mut self, from: Class, to: Class) {
        for (.., class, _) in &mut self.prices {
            if *class == from {
                *class = to;
            }
        }
    }
}

/// Models as they are read, each once.
#[derive(Debug, Default)]
pub struct Models {
    all: BTreeMap<(String, String), (Rank, Entry)>,
}

/// How much an entry says: whether it costs anything, and how many figures and facts it has.
type Rank = (bool, usize);

impl Models {
    /// Adds a model by its name and its provider's in LiteLLM's map. Of two rows for one model the one counts that
    /// says more, and rather one with a price than one that calls it free; the first of equals.
    pub fn add(&mut self, provider: &str, model: &str, draft: Draft) {
        let facts = [
            draft.context_window.is_some(),
            draft.max_output.is_some(),
            !draft.capabilities.is_empty(),
            draft.deprecated_on.is_some(),
        ];
        let costs = draft.prices.iter().any(|(.., pico)| *pico > 0);
        let rank = (costs, draft.prices.len() + facts.iter().filter(|known| **known).count());
        let name = own_name(provider, model);
        let key = (self::provider(provider).to_owned(), name.to_owned());
        if self.all.get(&key).is_none_or(|(known, _)| *known < rank) {
            self.all.insert(key, (rank, draft.entry(name.to_owned())));
        }
    }

    /// All of them.
    #[must_use]
    pub fn catalogue(self) -> Catalogue {
        Catalogue::new(self.all.into_iter().map(|((provider, _), (_, entry))| (provider.into(), entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(mode: Mode, prices: &[(Class, u64)]) -> Vec<(Class, u64)> {
        let all = prices.iter().map(|(class, pico)| (ServiceTier::Standard, 0, *class, *pico));
        let draft = Draft { mode, prices: all.collect(), ..Draft::default() };
        draft.entry("m").prices.base().iter().collect()
    }

    #[test]
    fn figures_are_read_as_they_are_meant() {
        use Class::{
            CacheWrite, CacheWrite1h, GivenImage, Image, Input, Output, OutputAudio, OutputSecond, Pixel,
        };
        use Class::{Reasoning, Second};
        let check = |mode, prices: &[(Class, u64)], expect: &[(Class, u64)]| {
            assert_eq!(settled(mode, prices), expect, "{prices:?}");
        };
        check(Mode::Image, &[(GivenImage, 5)], &[(Image, 5)]);
        check(Mode::Image, &[(GivenImage, 5), (Pixel, 0)], &[(Image, 5)]);
        check(Mode::Image, &[(GivenImage, 5), (Image, 6)], &[(Image, 6), (GivenImage, 5)]);
        check(Mode::Image, &[(GivenImage, 0), (Image, 6)], &[(Image, 6)]);
        check(Mode::Image, &[(Pixel, 0)], &[]);
        check(Mode::Embedding, &[(Input, 1), (GivenImage, 5)], &[(Input, 1), (GivenImage, 5)]);
        check(Mode::Transcription, &[(Second, 1), (OutputSecond, 1)], &[(Second, 1)]);
        check(Mode::Transcription, &[(Second, 0), (OutputSecond, 1)], &[(Second, 1)]);
        check(Mode::Speech, &[(Output, 2), (OutputSecond, 1)], &[(Output, 2), (OutputSecond, 1)]);
        check(Mode::Chat, &[(Input, 0), (Output, 0)], &[(Input, 0), (Output, 0)]);
        let same =
            [(Input, 3), (CacheWrite, 4), (CacheWrite1h, 4), (Output, 9), (Reasoning, 9), (OutputAudio, 8)];
        check(Mode::Chat, &same, &[(Input, 3), (CacheWrite, 4), (Output, 9), (OutputAudio, 8)]);
    }
}
