//! The prices of a model, and which of them hold for a request.
//!
//! They depend on the length of the prompt (the whole request is priced at the tier that it reaches, as
//! providers do) and on the tier of service. What an overlay does not name stays as it is.
//!
//! Where the price for a long prompt in a tier of service is not stated, both changes are taken to hold together: a
//! tier at half the price and a long prompt at twice is the plain price. Half a pico-dollar is rounded up.

use llm_types::ServiceTier;

use crate::class::{Class, Classes};
use crate::rates::Rates;

/// What differs for long prompts, in a tier of service, or in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overlay {
    pub(crate) service: ServiceTier,
    /// For prompts of more tokens than this; 0: for all.
    pub(crate) above: u64,
    pub(crate) rates: Rates,
}

/// All prices of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    base: Rates,
    /// By tier of service, then by length, each once.
    overlays: Box<[Overlay]>,
}

impl Prices {
    /// The same price for every request.
    #[must_use]
    pub fn flat(base: Rates) -> Self {
        Self { base, overlays: Box::default() }
    }

    pub(crate) fn new(base: Rates, mut overlays: Vec<Overlay>) -> Self {
        overlays.retain(|overlay| {
            !overlay.rates.is_empty() && (overlay.above, overlay.service) != (0, ServiceTier::Standard)
        });
        overlays.sort_by_key(|overlay| (overlay.service, overlay.above));
        overlays.dedup_by_key(|overlay| (overlay.service, overlay.above));
        Self { base, overlays: overlays.into() }
    }

    /// The prices of short prompts in the usual tier.
    #[must_use]
    pub fn base(&self) -> &Rates {
        &self.base
    }

    /// What differs: tier of service, length of prompt that must be exceeded (0: any), and the prices.
    pub fn overlays(&self) -> impl Iterator<Item = (ServiceTier, u64, &Rates)> {
        self.overlays.iter().map(|overlay| (overlay.service, overlay.above, &overlay.rates))
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base.is_empty()
    }

    /// The prices of a request whose prompt has so many tokens, cached ones included.
    #[must_use]
    pub fn at(&self, prompt_tokens: u64, service: ServiceTier) -> Effective<'_> {
        let of = |wanted| self.overlays.iter().filter(move |overlay| overlay.service == wanted);
        let longest = |wanted| of(wanted).rfind(|overlay| (1..prompt_tokens).contains(&overlay.above));
        let long = longest(ServiceTier::Standard);
        let both = longest(service).filter(|both| {
            service != ServiceTier::Standard && long.is_none_or(|long| both.above >= long.above)
        });
        let served = of(service).find(|overlay| overlay.above == 0);
        let [served, long, both] = [served, long, both].map(|one| one.map(|overlay| &overlay.rates));
        Effective { base: &self.base, served, long, both }
    }

    /// The prompt lengths at which prices change.
    pub(crate) fn thresholds(&self) -> impl Iterator<Item = u64> {
        self.overlays.iter().map(|overlay| overlay.above).filter(|above| *above > 0)
    }

    /// Memory beside the value itself, in bytes.
    pub(crate) fn heap(&self) -> usize {
        let overlays = self.overlays.iter().map(|overlay| overlay.rates.heap());
        self.base.heap() + size_of_val(&*self.overlays) + overlays.sum::<usize>()
    }
}

/// The prices that hold for one request.
#[derive(Debug, Clone, Copy)]
pub struct Effective<'a> {
    base: &'a Rates,
    served: Option<&'a Rates>,
    long: Option<&'a Rates>,
    both: Option<&'a Rates>,
}

impl Effective<'_> {
    /// The price of one in pico-dollars, if it is priced apart.
    #[must_use]
    pub fn apart(&self, class: Class) -> Option<u64> {
        let of = |rates: Option<&Rates>| rates.and_then(|rates| rates.get(class));
        if let Some(stated) = of(self.both) {
            return Some(stated);
        }
        match (of(self.served), of(self.long)) {
            (Some(served), Some(long)) => Some(together(served, long, self.plain(class))),
            (one, other) => one.or(other).or(self.base.get(class)),
        }
    }

    /// The price of one in the usual tier with a short prompt.
    fn plain(&self, class: Class) -> Option<u64> {
        self.base.get(class).or_else(|| self.plain(class.wider()?))
    }

    /// The price of one in pico-dollars: its own, or that of the wider class.
    #[must_use]
    pub fn price(&self, class: Class) -> Option<u64> {
        let mut class = class;
        loop {
            match self.apart(class) {
                Some(price) => return Some(price),
                None => class = class.wider()?,
            }
        }
    }

    /// Whether tokens are what is sold.
    #[must_use]
    pub fn sells_tokens(&self) -> bool {
        Classes::TOKENS.iter().any(|class| self.apart(class).is_some())
    }
}

/// Two changes of one price at once.
fn together(served: u64, long: u64, base: Option<u64>) -> u64 {
    match base.filter(|base| *base > 0) {
        Some(base) => {
            let base = u128::from(base);
            let product = u128::from(served) * u128::from(long);
            u64::try_from((product + base / 2) / base).unwrap_or(u64::MAX)
        }
        None => served.max(long),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(prices: &[(Class, u64)]) -> Rates {
        Rates::new(prices.iter().copied())
    }

    fn prices() -> Prices {
        use Class::{CacheRead, Input, Output};
        let overlay = |service, above, rates| Overlay { service, above, rates };
        let standard = ServiceTier::Standard;
        Prices::new(
            rates(&[(Input, 100), (Output, 1000), (CacheRead, 10)]),
            vec![
                overlay(standard, 500, rates(&[(Input, 400), (Output, 1200)])),
                overlay(standard, 200, rates(&[(Input, 200), (Output, 1500), (CacheRead, 20)])),
                overlay(ServiceTier::Flex, 0, rates(&[(Input, 50), (Output, 500)])),
                overlay(ServiceTier::Priority, 0, rates(&[(Input, 250)])),
                overlay(ServiceTier::Priority, 200, rates(&[(Input, 300)])),
            ],
        )
    }

    #[test]
    fn the_length_of_the_prompt_and_the_tier_decide() {
        let prices = prices();
        let check = |prompt, service, expect: [u64; 4]| {
            let at = prices.at(prompt, service);
            let classes = [Class::Input, Class::Output, Class::CacheRead, Class::Reasoning];
            assert_eq!(classes.map(|class| at.price(class).unwrap()), expect, "{prompt} {service:?}");
        };
        check(200, ServiceTier::Standard, [100, 1000, 10, 1000]);
        check(201, ServiceTier::Standard, [200, 1500, 20, 1500]);
        // What the higher tier does not name is the base's, not the lower tier's.
        check(501, ServiceTier::Standard, [400, 1200, 10, 1200]);
        check(0, ServiceTier::Flex, [50, 500, 10, 500]);
        // Twice and half; one and a half, and half.
        check(201, ServiceTier::Flex, [100, 750, 20, 750]);
        check(0, ServiceTier::Priority, [250, 1000, 10, 1000]);
        // Stated, so not computed.
        check(201, ServiceTier::Priority, [300, 1500, 20, 1500]);
        check(0, ServiceTier::Batch, [100, 1000, 10, 1000]);
    }

    #[test]
    fn unknown_is_not_free() {
        let at = Prices::default();
        assert_eq!(at.at(0, ServiceTier::Standard).price(Class::Input), None);
        assert!(at.is_empty());
        let embedding = Prices::flat(rates(&[(Class::Input, 0)]));
        let at = embedding.at(0, ServiceTier::Standard);
        assert_eq!((at.price(Class::CacheWrite1h), at.price(Class::Output)), (Some(0), None));
        assert!(at.sells_tokens());
    }

    #[test]
    fn tiers_are_read_as_providers_name_them() {
        let check = |word: &str, expect| assert_eq!(ServiceTier::of(word), expect, "{word}");
        check("flex", ServiceTier::Flex);
        check("priority", ServiceTier::Priority);
        check("batch", ServiceTier::Batch);
        check("default", ServiceTier::Standard);
        check("on_demand", ServiceTier::Standard);
    }
}
