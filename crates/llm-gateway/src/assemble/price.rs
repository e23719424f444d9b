//! From a configuration to the book of prices.

use std::sync::Arc;

use llm_config::{Config, Deployment, ModelPrice, PriceMap};
use llm_cost::{Adjustment, Catalogue, Own, PriceBook, Prices, import};
use llm_providers::table::ProviderTable;
use llm_types::{ApiError, PriceSpec, Result};

use crate::price_map;
use crate::snapshot::Snapshot;

/// The prices of a configuration. A price map that is a file is read at once; one at an address is fetched later, and
/// until it is believed the one before it holds.
///
/// # Errors
/// When a price makes no sense, which checks of the configuration have seen before.
pub(super) fn book(
    config: &Config,
    table: &ProviderTable,
    map: Option<Catalogue>,
    previous: Option<&Snapshot>,
) -> Result<Arc<PriceBook>> {
    let own = config.prices.iter().map(|one| own(one, table)).collect::<Result<Vec<_>>>()?;
    let mut book = PriceBook::default().with_own(own);
    for deployment in config.models.iter().flat_map(|model| &model.deployments) {
        if let Some(price) = &deployment.price {
            book = book.with_deployment(&deployment.id, prices(&price.spec(), &deployment.id)?);
        }
        if let Some((provider, model)) = base(deployment, table) {
            book = book.with_base(&deployment.id, (&provider, &model));
        }
    }
    for provider in &config.providers {
        let terms = Adjustment { discount_ppm: ppm(provider.discount), margin_ppm: ppm(provider.margin) };
        if terms != Adjustment::NONE {
            book = book.with_terms(&provider.name, terms);
        }
    }
    Ok(Arc::new(with_map(book, config.price_map.as_ref(), map, previous)))
}

/// The model that a deployment is of, and whose it is, where its own name does not say it.
fn base(deployment: &Deployment, table: &ProviderTable) -> Option<(String, String)> {
    let base = deployment.base_model.as_deref()?;
    let named = |model: &str| {
        let (spec, model) = llm_providers::name::resolve(table, model).ok()?;
        Some((spec.name.clone(), model))
    };
    // Without a provider it is one of the deployment's own.
    let own = || named(&deployment.model).map(|(provider, _)| (provider, base.to_owned()));
    let prefixed = base.split_once('/').is_some_and(|(prefix, _)| table.get(prefix).is_some());
    if prefixed { named(base) } else { own() }
}

fn with_map(
    book: PriceBook,
    rule: Option<&PriceMap>,
    map: Option<Catalogue>,
    previous: Option<&Snapshot>,
) -> PriceBook {
    let Some(rule) = rule else { return book };
    if let Some(map) = map {
        return book.with_map(map);
    }
    let before = previous.map(|previous| &previous.prices);
    let is_same = previous.is_some_and(|previous| previous.price_map.as_ref() == Some(rule));
    if !is_same && !rule.is_url() {
        let known = before.map_or(Catalogue::builtin(), |book| book.catalogue());
        match price_map::of_file(&rule.source).and_then(|bytes| price_map::read(&bytes, known)) {
            Ok(map) => return book.with_map(map),
            Err(reason) => price_map::refused(&rule.source, &reason),
        }
    }
    match before {
        Some(before) => book.with_map_of(before),
        None => book,
    }
}

/// A price of the configuration, its provider by the name that the table has.
fn own(one: &ModelPrice, table: &ProviderTable) -> Result<Own> {
    let named = |name: &str| table.get(name).map(|spec| spec.name.clone());
    let model = match one.model.split_once('/') {
        Some((prefix, rest)) if one.provider.is_none() => {
            named(prefix).map_or_else(|| one.model.clone(), |name| format!("{name}/{rest}"))
        }
        _ => one.model.clone(),
    };
    let provider =
        one.provider.as_ref().map(|name| named(name).unwrap_or_else(|| import::provider(name).to_owned()));
    Ok(Own { provider, prices: prices(&one.price.spec(), &one.model)?, model })
}

fn prices(spec: &PriceSpec, of: &str) -> Result<Prices> {
    Prices::from_spec(spec).map_err(|error| {
        ApiError::bad_request(format!("the price of `{of}` cannot be used: {error}")).with_source(error)
    })
}

/// Parts per million of a share that is from 0 to 100.
fn ppm(share: Option<f64>) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded just before")]
    share.map_or(0, |share| (share.clamp(0.0, 100.0) * 1e6).round() as u32)
}
