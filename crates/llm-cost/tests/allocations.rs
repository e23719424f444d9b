//! A look-up and a cost allocate nothing, nor does a bound.
//!
//! A binary of its own: it counts with the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use llm_cost::{Adjustment, Asked, Catalogue, Own, PriceBook, Prices, Rule, Services, Worst};
use llm_types::{ServiceTier, Usage};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[expect(
    unsafe_code,
    reason = "an allocator cannot be had otherwise; each call goes to the system's unchanged"
)]
// SAFETY: every method hands its arguments to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_look_up_and_a_cost_allocate_nothing() {
    // Read before anything is counted.
    let catalogue = Catalogue::builtin();
    let names = [
        ("openai", "gpt-4o", Rule::Exact),
        ("gemini", "models/gemini-2.5-pro", Rule::Path),
        ("bedrock", "us.amazon.titan-text-lite-v1", Rule::Region),
        ("openai", "gpt-4o-2031-01-01", Rule::Release),
        ("openai", "gpt-4o-audio-preview", Rule::Release),
        ("openai", "ft:gpt-4o:acme::abc", Rule::Base),
    ];
    // As many classes as text has.
    let usage = Usage {
        input: 250_000,
        cache_read: 10,
        cache_write_5m: 20,
        cache_write_1h: 30,
        output: 40,
        reasoning: 50,
        service: ServiceTier::Flex,
        ..Usage::default()
    };
    let terms = Adjustment { discount_ppm: 100_000, margin_ppm: 50_000 };
    let other = |model: &str| Own {
        provider: Some("openai".to_owned()),
        model: model.to_owned(),
        prices: Prices::default(),
    };
    let book = ["openai", "gemini", "bedrock"]
        .iter()
        .fold(PriceBook::default(), |book, provider| book.with_terms(provider, terms));
    let book =
        book.with_own([other("gpt-5*"), other("openai/o*-mini")]).with_deployment("a", Prices::default());
    for (provider, model, rule) in names {
        let before = COUNT.with(Cell::get);
        let asked = Asked { deployment: "b", provider, model, served: Some("nobody-knows"), picture: None };
        let found = book.tariff(&asked).and_then(|tariff| tariff.found);
        let bill = book.cost(&asked, &usage);
        let worst = Worst { services: Services::ALL, ..Worst::text(300_000, 100) };
        let bound = book.bound(&asked, &worst).map(|most| most.total());
        let total = bill.total();
        let after = COUNT.with(Cell::get);
        assert_eq!(after - before, 0, "{model}");
        assert_eq!(found.map(|found| found.rule), Some(rule), "{model}");
        assert!(total.is_some() && total <= bound, "{model}: {total:?} {bound:?}");
    }
    let before = COUNT.with(Cell::get);
    assert!(catalogue.find("openai", "no-such-model-2024-01-01").is_none());
    assert_eq!(COUNT.with(Cell::get), before);
}
