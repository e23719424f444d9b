//! Everything that is known of prices, in one value: the catalogue, what a configuration says instead, and at which
//! terms providers bill.
//!
//! Whoever needs a price, for routing, a budget or a bill, asks here, so that all of them go by the same one. A book
//! never changes: another map or configuration makes another book, which takes its place behind an `Arc`.
//!
//! Of several prices for one call the nearest counts: the deployment's own, then a price of the configuration, then
//! the catalogue's; in each the model that served before the one that was asked for. What the provider itself says
//! that it bills goes before the catalogue: it knows fees and contracts that no catalogue has. It does not go before
//! a price of the configuration, which somebody has agreed on.

use std::sync::Arc;

use ahash::HashMap;
use llm_types::{PicoUsd, ServiceTier, Usage, glob_matches};

use crate::adjust::Adjustment;
use crate::bound::{Bound, Worst};
use crate::catalogue::Catalogue;
use crate::class::Class;
use crate::cost::{Cost, cost};
use crate::entry::{Entry, Mode};
use crate::find::{Found, Rule};
use crate::prices::Prices;

/// What a provider may say that one call costs: more is no believable figure.
const MOST_STATED: PicoUsd = PicoUsd::from_pico(100_000 * 1_000_000_000_000);

/// A price that a configuration states for models, instead of the catalogue's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The provider's name in the provider table; `None`: any.
    pub provider: Option<String>,
    /// The model as the provider names it, with or without `provider/` before it; `*` stands for any text.
    pub model: String,
    /// All of its prices.
    pub prices: Prices,
}

impl Own {
    fn is_for(&self, provider: &str, model: &str) -> bool {
        if self.provider.as_deref().is_some_and(|own| own != provider) {
            return false;
        }
        let bare = self.model.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/'));
        glob_matches(&self.model, model) || bare.is_some_and(|bare| glob_matches(bare, model))
    }
}

/// Where a price comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The deployment's own price.
    Deployment,
    /// A price of the configuration.
    Configuration,
    /// A price map that was read later.
    Map,
    /// The catalogue that is built in.
    Catalogue,
}

impl Source {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Configuration => "configuration",
            Self::Map => "map",
            Self::Catalogue => "catalogue",
        }
    }
}

/// What kind of pictures is made: some are sold by quality and size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// In the words of the model (`high`); empty: not said.
    pub quality: Box<str>,
    /// Width and height (`1024x1536`); empty: not said.
    pub size: Box<str>,
}

/// What a price is wanted for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// The deployment's id; empty: none in particular.
    pub deployment: &'a str,
    /// The provider's name in the provider table.
    pub provider: &'a str,
    /// The model that was asked for, as the provider names it.
    pub model: &'a str,
    /// The model that the answer names.
    pub served: Option<&'a str>,
    /// Which pictures are made, if any are.
    pub picture: Option<&'a Picture>,
}

/// The prices of one call, and the terms they are billed at.
#[derive(Debug, Clone, Copy)]
pub struct Tariff<'b> {
    /// List prices.
    pub prices: &'b Prices,
    /// Discount and margin.
    pub terms: Adjustment,
    /// Where the prices come from.
    pub source: Source,
    /// The model's entry, where the prices are the catalogue's, and how it was found.
    pub found: Option<Found<'b>>,
}

impl Tariff<'_> {
    /// What a usage costs, item by item.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Cost {
        self.terms.cost(cost(usage, self.prices, usage.service))
    }

    /// The most that a call can cost; `None` where a price is unknown.
    #[must_use]
    pub fn bound(&self, worst: &Worst) -> Option<Bound> {
        Bound::of(self.prices, worst).map(|bound| bound.at(self.terms))
    }

    /// Whether tokens are what is sold.
    fn sells_tokens(&self) -> bool {
        self.prices.at(0, ServiceTier::Standard).sells_tokens()
    }

    /// What a token of a short prompt, one of its answer and a request cost, in pico-dollars, where tokens are sold.
    #[must_use]
    pub fn per_token(&self) -> Option<(PicoUsd, PicoUsd, PicoUsd)> {
        let base = self.prices.base();
        let answers =
            self.found.is_none_or(|found| !matches!(found.entry.mode, Mode::Embedding | Mode::Rerank));
        let price = |class| base.get(class).map(|pico| self.terms.charge(PicoUsd::from_pico(pico.into())));
        let output = price(Class::Output).or((!answers).then_some(PicoUsd::ZERO))?;
        Some((price(Class::Input)?, output, price(Class::Request).unwrap_or(PicoUsd::ZERO)))
    }
}

/// What one call costs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Charge {
    /// Item by item, discount and margin applied.
    pub cost: Cost,
    /// What the provider says that it bills, margin applied; only where that counts.
    pub stated: Option<PicoUsd>,
    /// Where the prices come from; `None`: nothing is known of them.
    pub source: Option<Source>,
}

impl Charge {
    /// What is owed: what the provider states where that counts, else the sum of the items; `None` where a price is
    /// unknown.
    #[must_use]
    pub fn total(&self) -> Option<PicoUsd> {
        self.stated.or_else(|| self.cost.total())
    }

    /// The least that it costs: the total, else the sum of what has a price.
    #[must_use]
    pub fn known(&self) -> PicoUsd {
        self.total().unwrap_or_else(|| self.cost.known())
    }

    /// What the total has more than the items, or less: fees that no price says.
    #[must_use]
    pub fn unitemised(&self) -> PicoUsd {
        self.known().saturating_sub(self.cost.known())
    }
}

/// Everything that is known of prices.
///
/// ```
/// use llm_cost::{Asked, PriceBook};
/// use llm_types::Usage;
/// let book = PriceBook::default();
/// let asked = Asked { provider: "openai", model: "gpt-4o", ..Asked::default() };
/// let usage = Usage { input: 1_000, output: 100, ..Usage::default() };
/// assert_eq!(book.cost(&asked, &usage).total().unwrap().to_string(), "0.0035");
/// ```
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    map: Option<Arc<Map>>,
    own: Vec<Own>,
    deployments: HashMap<Box<str>, Prices>,
    bases: HashMap<Box<str>, Base>,
    terms: HashMap<Box<str>, Adjustment>,
}

/// The model behind a deployment whose own name says nothing.
#[derive(Debug, Clone)]
struct Base {
    provider: Box<str>,
    model: Box<str>,
}

/// A price map, and the catalogue below it.
#[derive(Debug)]
struct Map {
    own: Catalogue,
    merged: Catalogue,
}

impl PriceBook {
    /// With a price map laid over the catalogue. Whether to believe it is for [`check`](crate::import::check) to say.
    #[must_use]
    pub fn with_map(mut self, map: Catalogue) -> Self {
        let entries = map.iter().map(|(provider, entry)| (provider.to_owned().into(), entry.clone()));
        let merged = Catalogue::builtin().with(entries);
        self.map = Some(Arc::new(Map { own: map, merged }));
        self
    }

    /// With the map of another book.
    #[must_use]
    pub fn with_map_of(mut self, other: &Self) -> Self {
        self.map.clone_from(&other.map);
        self
    }

    /// With prices instead of the catalogue's; of several that are for one model the first counts.
    #[must_use]
    pub fn with_own(mut self, own: impl IntoIterator<Item = Own>) -> Self {
        self.own.extend(own);
        self
    }

    /// With a deployment's own prices.
    #[must_use]
    pub fn with_deployment(mut self, id: &str, prices: Prices) -> Self {
        self.deployments.insert(id.into(), prices);
        self
    }

    /// With the model that a deployment is of: where nothing else says what it costs, the catalogue does by that name.
    #[must_use]
    pub fn with_base(mut self, id: &str, (provider, model): (&str, &str)) -> Self {
        self.bases.insert(id.into(), Base { provider: provider.into(), model: model.into() });
        self
    }

    /// With the terms of a provider.
    #[must_use]
    pub fn with_terms(mut self, provider: &str, terms: Adjustment) -> Self {
        self.terms.insert(provider.into(), terms);
        self
    }

    /// What is known of models: the built-in catalogue, with the map laid over it.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        self.map.as_ref().map_or(Catalogue::builtin(), |map| &map.merged)
    }

    /// The price map, if there is one.
    #[must_use]
    pub fn map(&self) -> Option<&Catalogue> {
        self.map.as_ref().map(|map| &map.own)
    }

    /// The terms of a provider.
    #[must_use]
    pub fn terms(&self, provider: &str) -> Adjustment {
        if self.terms.is_empty() {
            return Adjustment::NONE;
        }
        self.terms.get(provider).copied().unwrap_or(Adjustment::NONE)
    }

    /// The prices of a call; `None` where nothing is known.
    #[must_use]
    pub fn tariff(&self, asked: &Asked<'_>) -> Option<Tariff<'_>> {
        let Asked { deployment, provider, model, served, picture: _ } = *asked;
        let terms = self.terms(provider);
        let stated = |prices, source| Tariff { prices, terms, source, found: None };
        if !self.deployments.is_empty()
            && let Some(prices) = self.deployments.get(deployment)
        {
            return Some(stated(prices, Source::Deployment));
        }
        let names = || served.into_iter().chain([model]).filter(|name| !name.is_empty());
        let own = |name| self.own.iter().find(|own| own.is_for(provider, name));
        if let Some(own) = names().find_map(own) {
            return Some(stated(&own.prices, Source::Configuration));
        }
        let base = self.bases.get(deployment);
        if let Some(own) =
            base.and_then(|Base { provider, model }| self.own.iter().find(|own| own.is_for(provider, model)))
        {
            return Some(stated(&own.prices, Source::Configuration));
        }
        let (provider, found) = match base {
            Some(Base { provider, model }) => (&**provider, self.listed(provider, model)?),
            None => (provider, names().find_map(|name| self.listed(provider, name))?),
        };
        let is_new = self.map().is_some_and(|map| {
            map.find(provider, &found.entry.model).is_some_and(|own| own.rule == Rule::Exact)
        });
        let source = if is_new { Source::Map } else { Source::Catalogue };
        Some(Tariff { prices: &found.entry.prices, terms, source, found: Some(found) })
    }

    /// The prices of pictures of a quality and size, where the catalogue has them; what a configuration says is for
    /// all of a model's pictures.
    fn by_size(&self, asked: &Asked<'_>) -> Option<Tariff<'_>> {
        let Asked { deployment, provider, model, served, picture } = *asked;
        let Picture { quality, size } = picture?;
        let tariff = self.tariff(asked)?;
        let listed = tariff.found?;
        let size = size.replacen('x', "-x-", 1);
        let (provider, served, model) = match self.bases.get(deployment) {
            Some(base) => (&*base.provider, None, &*base.model),
            None => (provider, served, model),
        };
        let names = served.into_iter().chain([model]).filter(|name| !name.is_empty());
        let apart = |name| self.catalogue().find_image(provider, name, quality, &size);
        let mut apart = names.filter_map(apart).filter(|found| found.entry.model != listed.entry.model);
        let found = apart.find(|found| !found.entry.prices.is_empty() && found.rule == Rule::Exact)?;
        Some(Tariff { prices: &found.entry.prices, found: Some(found), ..tariff })
    }

    /// The catalogue's entry, if it has prices.
    fn listed(&self, provider: &str, model: &str) -> Option<Found<'_>> {
        self.catalogue().find(provider, model).filter(|found| !found.entry.prices.is_empty())
    }

    /// What is known of a model beside its price.
    #[must_use]
    pub fn entry(&self, provider: &str, model: &str) -> Option<&Entry> {
        self.catalogue().find(provider, model).map(|found| found.entry)
    }

    /// The same of the model that a deployment is of.
    #[must_use]
    pub fn entry_of(&self, deployment: &str, provider: &str, model: &str) -> Option<&Entry> {
        match self.bases.get(deployment) {
            Some(base) => self.entry(&base.provider, &base.model),
            None => self.entry(provider, model),
        }
    }

    /// What a usage costs. Nothing known of the prices: every item is unknown, and only what the provider states
    /// is a total.
    #[must_use]
    pub fn cost(&self, asked: &Asked<'_>, usage: &Usage) -> Charge {
        // Tokens that are counted are what is billed, where a model sells both.
        let counted = usage.total_tokens() > 0;
        let plain = self.tariff(asked);
        let sells_tokens = plain.is_some_and(|tariff| tariff.sells_tokens());
        let by_size = asked.picture.filter(|_| !(counted && sells_tokens)).and_then(|_| self.by_size(asked));
        let tariff = by_size.or(plain);
        let source = tariff.map(|tariff| tariff.source);
        let agreed = matches!(source, Some(Source::Deployment | Source::Configuration));
        let stated =
            usage.stated.filter(|usd| !agreed && (PicoUsd::from_pico(1)..=MOST_STATED).contains(usd));
        // The provider's discount is in what it bills.
        let margin = Adjustment { discount_ppm: 0, ..self.terms(asked.provider) };
        let unknown = || cost(usage, &Prices::default(), usage.service);
        Charge {
            cost: tariff.map_or_else(unknown, |tariff| tariff.cost(usage)),
            stated: stated.map(|usd| margin.charge(usd)),
            source,
        }
    }

    /// The most that a call can cost; `None` where a price is unknown, so that there is no bound.
    #[must_use]
    pub fn bound(&self, asked: &Asked<'_>, worst: &Worst) -> Option<Bound> {
        let plain = self.tariff(asked)?;
        let Some(by_size) = self.by_size(asked) else { return plain.bound(worst) };
        // Whether the tokens will be told is not known.
        let plain = if plain.sells_tokens() { Some(plain.bound(worst)?) } else { None };
        let sized = by_size.bound(worst)?;
        Some(plain.filter(|plain| plain.total() > sized.total()).unwrap_or(sized))
    }
}

#[cfg(test)]
mod tests;
