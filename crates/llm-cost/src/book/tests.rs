//! Which price counts, and at which terms.

use std::sync::Arc;

use llm_types::ServiceTier;
use proptest::prelude::*;

use super::*;
use crate::import;
use crate::rates::Rates;

fn flat(input: u64, output: u64) -> Prices {
    Prices::flat(Rates::new([(Class::Input, input), (Class::Output, output)]))
}

fn own(provider: Option<&str>, model: &str, input: u64) -> Own {
    Own { provider: provider.map(str::to_owned), model: model.to_owned(), prices: flat(input, 10) }
}

fn gpt(model: &str) -> Asked<'_> {
    Asked { provider: "openai", model, ..Asked::default() }
}

#[test]
fn the_nearest_price_counts() {
    let book = PriceBook::default().with_deployment("main/1", flat(1, 1)).with_own([
        own(Some("openai"), "gpt-4o-mini", 2),
        own(None, "openai/gpt-4.1*", 3),
        own(None, "gpt-4o-mini", 4),
        own(Some("azure"), "gpt-4o", 5),
    ]);
    let check = |asked: Asked<'_>, input: Option<u64>, source: Option<Source>| {
        let tariff = book.tariff(&asked);
        let price = tariff.and_then(|tariff| tariff.prices.base().get(Class::Input));
        assert_eq!((price, tariff.map(|tariff| tariff.source)), (input, source), "{asked:?}");
    };
    let configured = Some(Source::Configuration);
    check(gpt("gpt-4o"), Some(2_500_000), Some(Source::Catalogue));
    check(Asked { deployment: "main/1", ..gpt("gpt-4o-mini") }, Some(1), Some(Source::Deployment));
    check(Asked { deployment: "main/2", ..gpt("gpt-4o-mini") }, Some(2), configured);
    check(gpt("gpt-4.1-nano"), Some(3), configured);
    check(Asked { provider: "azure", ..gpt("gpt-4.1-nano") }, Some(100_000), Some(Source::Catalogue));
    check(Asked { provider: "corp", ..gpt("gpt-4o-mini") }, Some(4), configured);
    check(Asked { provider: "azure", ..gpt("gpt-4o") }, Some(5), configured);
    // The model that served goes before the one that was asked for, an own price of either before the catalogue's.
    let served = |model: &'static str| Asked { served: Some(model), ..gpt("gpt-4o") };
    check(served("gpt-4o-2024-05-13"), Some(5_000_000), Some(Source::Catalogue));
    check(served("nobody-knows"), Some(2_500_000), Some(Source::Catalogue));
    check(served("gpt-4o-mini"), Some(2), configured);
    let release = Asked { served: Some("gpt-4o-mini-2024-07-18"), ..gpt("gpt-4o-mini") };
    check(release, Some(2), configured);
    check(gpt("nobody-knows"), None, None);
    check(gpt(""), None, None);
}

#[test]
fn pictures_cost_what_their_quality_and_size_do() {
    let book = PriceBook::default();
    let pictures = |images| llm_types::Units { images, ..llm_types::Units::default() };
    let check = |model: &str, (quality, size): (&str, &str), tokens: u64, expect: &str| {
        let picture = Picture { quality: quality.into(), size: size.into() };
        let asked = Asked { picture: Some(&picture), ..gpt(model) };
        let usage = Usage { output_image: tokens, units: pictures(2), ..Usage::default() };
        let cost = book.cost(&asked, &usage).total().unwrap();
        assert_eq!(cost.to_string(), expect, "{model} {picture:?}");
        let classes = crate::Classes::INPUT.and(crate::Classes::of(&[Class::OutputImage]));
        let most = Worst { units: pictures(2), classes, ..Worst::text(100, 2 * 8_192) };
        assert!(book.bound(&asked, &most).unwrap().total() >= cost, "{model} {picture:?}");
    };
    check("gpt-image-1", ("high", "1024x1536"), 0, "0.5");
    check("gpt-image-1", ("low", "1024x1024"), 0, "0.022");
    check("gpt-image-1.5", ("auto", "1024x1024"), 0, "0.018");
    // Tokens that the provider counts are what it bills.
    check("gpt-image-1", ("high", "1024x1536"), 1_000, "0.04");
    // Nothing else but pieces is sold.
    let picture = Picture { quality: "low".into(), size: "1024x1024".into() };
    let asked = Asked { provider: "xai", model: "grok-imagine-image-2.0", ..Asked::default() };
    let usage = Usage { units: pictures(1), ..Usage::default() };
    let cost = |asked: &Asked<'_>| book.cost(asked, &usage).total().unwrap().to_string();
    assert_eq!(
        (cost(&asked), cost(&Asked { picture: Some(&picture), ..asked })),
        ("0.06".into(), "0.04".into())
    );
    // Whoever says a price says it of all pictures.
    let own = PriceBook::default().with_deployment("d", Prices::flat(Rates::new([(Class::Image, 7)])));
    let asked = Asked { deployment: "d", picture: Some(&picture), ..gpt("gpt-image-1") };
    assert_eq!(own.cost(&asked, &usage).total(), Some(PicoUsd::from_pico(7)));
}

#[test]
fn unknown_is_none_and_never_zero() {
    let book = PriceBook::default();
    let usage = Usage { input: 3, ..Usage::default() };
    let charge = book.cost(&gpt("nobody-knows"), &usage);
    assert_eq!((charge.total(), charge.source, charge.cost.items().len()), (None, None, 1));
    assert_eq!(book.bound(&gpt("nobody-knows"), &Worst::text(1, 1)), None);
    // What the provider says is a figure all the same.
    let stated = Usage { stated: Some(PicoUsd::from_pico(77)), ..usage };
    assert_eq!(book.cost(&gpt("nobody-knows"), &stated).total(), Some(PicoUsd::from_pico(77)));
}

#[test]
fn what_the_provider_bills_goes_before_the_catalogue_only() {
    let book = PriceBook::default()
        .with_own([own(None, "gpt-4o-mini", 2)])
        .with_terms("openai", Adjustment { discount_ppm: 500_000, margin_ppm: 100_000 });
    let usage =
        |stated: i128| Usage { input: 1_000, stated: Some(PicoUsd::from_pico(stated)), ..Usage::default() };
    let check = |model, stated, total: i128, unitemised: i128| {
        let charge = book.cost(&gpt(model), &usage(stated));
        let got = (charge.total().unwrap().pico(), charge.unitemised().pico());
        assert_eq!(got, (total, unitemised), "{model} {stated}");
    };
    // The margin is put on it; the discount is in it already.
    check("gpt-4o", 3_000_000_000, 3_300_000_000, 1_925_000_000);
    check("gpt-4o", 1_000_000_000, 1_100_000_000, -275_000_000);
    // Agreed: 1,000 × 2, half of it, a tenth more.
    check("gpt-4o-mini", 3_000_000_000, 1_100, 0);
    // A zero and what nobody believes are no figures.
    check("gpt-4o", 0, 1_375_000_000, 0);
    check("gpt-4o", -5, 1_375_000_000, 0);
    check("gpt-4o", i128::MAX, 1_375_000_000, 0);
}

#[test]
fn the_tier_that_answered_is_the_one_that_is_paid() {
    let book = PriceBook::default();
    let cost = |service| {
        let usage = Usage { input: 1_000_000, service, ..Usage::default() };
        book.cost(&gpt("gpt-5"), &usage).total().unwrap().to_string()
    };
    assert_eq!(cost(ServiceTier::Standard), "1.25");
    assert_eq!(cost(ServiceTier::Flex), "0.625");
    assert_eq!(cost(ServiceTier::Priority), "2.5");
}

#[test]
fn a_map_lies_over_the_catalogue() {
    let map = br#"{"gpt-4o": {"litellm_provider": "openai", "mode": "chat",
        "input_cost_per_token": 3e-06, "output_cost_per_token": 1.2e-05}}"#;
    let map = import::from_litellm(map).unwrap().catalogue;
    let book = Arc::new(PriceBook::default().with_map(map));
    let check = |book: &PriceBook, model, input, source| {
        let tariff = book.tariff(&gpt(model)).unwrap();
        let price = tariff.prices.base().get(Class::Input).unwrap();
        assert_eq!((price, tariff.source), (input, source), "{model}");
    };
    check(&book, "gpt-4o", 3_000_000, Source::Map);
    check(&book, "gpt-4o-mini", 150_000, Source::Catalogue);
    let next = PriceBook::default().with_own([own(None, "gpt-4o", 1)]).with_map_of(&book);
    check(&next, "gpt-4o", 1, Source::Configuration);
    assert_eq!(next.map().map(Catalogue::len), Some(1));
}

#[test]
fn a_deployment_of_any_name_costs_what_its_base_does() {
    let based = |own: Vec<Own>| PriceBook::default().with_own(own).with_base("d", ("openai", "gpt-4o"));
    let asked =
        |served| Asked { deployment: "d", provider: "azure", model: "corp-7", served, ..Asked::default() };
    let input = |book: &PriceBook, asked: &Asked<'_>| {
        book.tariff(asked).map(|tariff| tariff.prices.base().get(Class::Input).unwrap())
    };
    let book = based(Vec::new());
    assert_eq!(input(&book, &asked(None)), Some(2_500_000));
    // The answer's own name says less than the operator.
    assert_eq!(input(&book, &asked(Some("gpt-4o-mini"))), Some(2_500_000));
    assert_eq!(input(&book, &Asked { deployment: "other", ..asked(None) }), None);
    assert_eq!(book.entry_of("d", "azure", "corp-7").unwrap().context_window, Some(128_000));
    // Prices of the configuration are for either name.
    assert_eq!(input(&based(vec![own(None, "corp-7", 7)]), &asked(None)), Some(7));
    assert_eq!(input(&based(vec![own(None, "gpt-4o", 8)]), &asked(None)), Some(8));
}

#[test]
fn routing_goes_by_what_is_paid() {
    let book = PriceBook::default().with_terms("openai", Adjustment { discount_ppm: 200_000, margin_ppm: 0 });
    let per = |model| {
        book.tariff(&gpt(model))
            .and_then(|tariff| tariff.per_token())
            .map(|(i, o, r)| [i.pico(), o.pico(), r.pico()])
    };
    assert_eq!(per("gpt-4o"), Some([2_000_000, 8_000_000, 0]));
    assert_eq!(per("text-embedding-3-small"), Some([16_000, 0, 0]));
    assert_eq!(per("whisper-1"), None);
}

proptest! {
    /// A charge is never more than the bound that was reserved for it, at any terms.
    #[test]
    fn a_charge_is_within_its_bound(input in 0..400_000_u64, cached in 0..400_000_u64, output in 0..100_000_u64,
        discount in 0..=1_000_000_u32, margin in 0..2_000_000_u32, nth in 0..100_000_usize, more in 0..9_u64) {
        let all: Vec<_> = Catalogue::builtin().iter().collect();
        let (provider, entry) = all[nth % all.len()];
        let book = PriceBook::default()
            .with_terms(provider, Adjustment { discount_ppm: discount, margin_ppm: margin });
        let asked = Asked { provider, model: &entry.model, ..Asked::default() };
        let usage = Usage { input, cache_read: cached, output, ..Usage::default() };
        let worst = Worst::text(input + cached + more, output + more);
        let charge = book.cost(&asked, &usage);
        if let (Some(bound), Some(total)) = (book.bound(&asked, &worst), charge.total()) {
            prop_assert!(total <= bound.total(), "{}: {total} of {}", entry.model, bound.total());
            prop_assert_eq!(total, charge.cost.known());
        }
    }
}
