//! Whether a price map that came from elsewhere should be believed.
//!
//! A map that was cut off, changed its units or lost its prices would let everybody spend without limit, or stop
//! them all. So it is compared with what is known now, as a whole; a single price may do what it wants, but become
//! nothing: a budget does not hold what is free.

use crate::catalogue::Catalogue;
use crate::class::Class;
use crate::entry::Entry;
use crate::error::Error;

use super::litellm::{PriceMap, from_litellm};

/// Of a hundred models with a price, how many may become free or unknown.
const FREED: usize = 5;
/// What every answer costs.
const TOKENS: [(&str, Class); 2] = [("input prices", Class::Input), ("output prices", Class::Output)];
/// What a cached prompt costs.
const CACHED: [(&str, Class); 3] = [
    ("cache read prices", Class::CacheRead),
    ("cache write prices", Class::CacheWrite),
    ("cache write prices of an hour", Class::CacheWrite1h),
];
/// What is taken for another unit.
const FACTOR: u64 = 10;

/// Whether a map may replace what is known.
///
/// # Errors
/// [`Error::Refused`] with the reason: half of the known models are missing, a model that has a price would be free, more
/// than five of a hundred prices of one kind (input, output, cached) are gone or zero, or most of them are ten times what
/// they were, or a tenth.
pub fn check(map: &Catalogue, known: &Catalogue) -> Result<(), Error> {
    let refused = |reason: String| Err(Error::Refused(reason));
    let old: Vec<_> =
        known.iter().map(|(provider, entry)| (entry, named(map, provider, &entry.model))).collect();
    let missing = old.iter().filter(|(_, new)| new.is_none()).count();
    if map.is_empty() || 2 * missing >= old.len().max(1) {
        return refused(format!("it lacks {missing} of {} known models: is it complete?", old.len()));
    }
    let common: Vec<_> = old.into_iter().filter_map(|(old, new)| Some((old, new?))).collect();
    for (name, class) in TOKENS {
        let of = |entry: &Entry| entry.prices.base().get(class);
        alike(name, common.iter().map(|(old, new)| (of(old), of(new))))?;
    }
    for (name, class) in CACHED {
        let of = |entry: &Entry| entry.prices.base().get(class);
        // Without a price of its own it has that of the prompt.
        let told = common.iter().filter(|(_, new)| of(new).is_some());
        alike(name, told.map(|(old, new)| (of(old), of(new))))?;
    }
    alike("prices", common.iter().map(|(old, new)| (price(old), price(new))))?;
    let freed = known
        .iter()
        .find(|(provider, old)| sells_tokens(old) && named(map, provider, &old.model).is_some_and(is_free));
    if let Some((provider, Entry { model, .. })) = freed {
        return refused(format!(
            "`{provider}/{model}` has a price and would be free: if it is, say so in [[prices]] of the configuration"
        ));
    }
    Ok(())
}

/// Whether prices, each as it was and as it would be, change no more than is believed.
fn alike(what: &str, prices: impl Iterator<Item = (Option<u64>, Option<u64>)>) -> Result<(), Error> {
    let (mut both, mut gone, mut odd) = (0, 0, 0);
    for (old, new) in prices {
        let Some(old) = old.filter(|old| *old > 0) else { continue };
        both += 1;
        match new.filter(|new| *new > 0) {
            None => gone += 1,
            Some(new) => odd += usize::from(old / FACTOR >= new || new / FACTOR >= old),
        }
    }
    if 100 * gone > FREED * both {
        let message = format!("{gone} of {both} models that have a price would be free or unknown ({what})");
        return Err(Error::Refused(message));
    }
    if 2 * odd > both - gone {
        let message =
            format!("{odd} of {} {what} would change tenfold: is it in US dollars for one?", both - gone);
        return Err(Error::Refused(message));
    }
    Ok(())
}

/// Reads a price map in LiteLLM's format that may replace what is known.
///
/// # Errors
/// When it is no JSON object, and as [`check`].
pub fn believed(bytes: &[u8], known: &Catalogue) -> Result<PriceMap, Error> {
    let map = from_litellm(bytes)?;
    check(&map.catalogue, known)?;
    Ok(map)
}

fn named<'c>(map: &'c Catalogue, provider: &str, model: &str) -> Option<&'c Entry> {
    map.of(provider).iter().find(|entry| entry.model == model)
}

/// Whether its tokens cost something: other prices a map may tell in words that are not understood.
fn sells_tokens(entry: &Entry) -> bool {
    let base = entry.prices.base();
    [Class::Input, Class::Output].into_iter().any(|class| base.get(class).is_some_and(|pico| pico > 0))
}

/// Whether it says of a model that it costs nothing.
fn is_free(entry: &Entry) -> bool {
    price(entry).is_none() && entry.prices.base().iter().next().is_some()
}

/// What stands for all prices of a model: its first that is not zero.
fn price(entry: &Entry) -> Option<u64> {
    entry.prices.base().iter().map(|(_, pico)| pico).find(|pico| *pico > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::Prices;
    use crate::rates::Rates;

    fn catalogue(models: usize, pico: impl Fn(usize) -> Option<u64>) -> Catalogue {
        Catalogue::new((0..models).map(|nth| {
            let prices = Rates::new(pico(nth).map(|pico| (Class::Input, pico)));
            ("p".into(), Entry::new(format!("m{nth:03}"), Prices::flat(prices)))
        }))
    }

    #[test]
    fn maps_that_lose_what_is_known_are_refused() {
        let known = catalogue(100, |_| Some(1_000));
        let check = |map: Catalogue, expect: &str| {
            let result = check(&map, &known).map_err(|error| error.to_string());
            match expect {
                "" => assert_eq!(result, Ok(())),
                _ => {
                    assert!(result.as_ref().is_err_and(|error| error.contains(expect)), "{result:?} {expect}")
                }
            }
        };
        check(catalogue(100, |_| Some(1_000)), "");
        check(catalogue(300, |_| Some(1_500)), "");
        check(catalogue(51, |_| Some(1_000)), "");
        check(catalogue(50, |_| Some(1_000)), "it lacks 50 of 100");
        check(catalogue(0, |_| None), "it lacks 100 of 100");
        check(catalogue(100, |nth| (nth >= 5).then_some(1_000)), "");
        check(
            catalogue(100, |nth| (nth >= 6).then_some(1_000)),
            "6 of 100 models that have a price would be free",
        );
        check(catalogue(100, |nth| Some(if nth < 6 { 0 } else { 1_000 })), "would be free or unknown");
        check(
            catalogue(100, |nth| Some(if nth == 7 { 0 } else { 1_000 })),
            "`p/m007` has a price and would be free",
        );
        check(catalogue(100, |nth| Some(if nth < 50 { 10_000 } else { 1_000 })), "");
        check(catalogue(100, |_| Some(1_000_000)), "change tenfold");
        check(
            catalogue(100, |nth| Some(if nth < 51 { 100 } else { 1_000 })),
            "51 of 100 input prices would change tenfold",
        );
    }

    #[test]
    fn no_kind_of_price_is_lost() {
        let full = [(Class::Input, 1_000), (Class::Output, 4_000), (Class::CacheRead, 100)];
        let catalogue = |rates: &[(Class, u64)]| {
            Catalogue::new((0..100).map(|nth| {
                let prices = Prices::flat(Rates::new(rates.iter().copied()));
                ("p".into(), Entry::new(format!("m{nth:03}"), prices))
            }))
        };
        let known = catalogue(&full);
        let check = |rates: &[(Class, u64)], expect: &str| {
            let result = check(&catalogue(rates), &known).map_err(|error| error.to_string());
            let is_so = result
                .as_ref()
                .map_or_else(|error| !expect.is_empty() && error.contains(expect), |()| expect.is_empty());
            assert!(is_so, "{result:?} {expect}");
        };
        let [input, output, read] = full;
        check(&full, "");
        // The prompt's own price, which is dearer.
        check(&[input, output], "");
        check(&[input, (Class::Output, 0), read], "free or unknown (output prices)");
        check(&[input, read], "free or unknown (output prices)");
        check(&[output, read], "free or unknown (input prices)");
        check(&[input, output, (Class::CacheRead, 0)], "free or unknown (cache read prices)");
        check(&[input, (Class::Output, 4), read], "output prices would change tenfold");
        check(&[input, output, (Class::CacheRead, 1)], "cache read prices would change tenfold");
    }

    #[test]
    fn the_built_in_catalogue_may_replace_itself() {
        check(Catalogue::builtin(), Catalogue::builtin()).unwrap();
        assert!(check(&Catalogue::default(), Catalogue::builtin()).is_err());
    }
}
