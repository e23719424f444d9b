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
/// What is taken for another unit.
const FACTOR: u64 = 10;

/// Whether a map may replace what is known.
///
/// # Errors
/// [`Error::Refused`] with the reason: half of the known models are missing, more than five of a hundred prices are
/// gone or zero, a model that has a price would be free, or most prices are ten times what they were, or a tenth.
pub fn check(map: &Catalogue, known: &Catalogue) -> Result<(), Error> {
    let refused = |reason: String| Err(Error::Refused(reason));
    let old: Vec<_> =
        known.iter().map(|(provider, entry)| (entry, named(map, provider, &entry.model))).collect();
    let missing = old.iter().filter(|(_, new)| new.is_none()).count();
    if map.is_empty() || 2 * missing >= old.len().max(1) {
        return refused(format!("it lacks {missing} of {} known models: is it complete?", old.len()));
    }
    let prices: Vec<_> =
        old.iter().filter_map(|(old, new)| Some((price(old)?, (*new).and_then(price)))).collect();
    let both = old.iter().filter(|(old, new)| new.is_some() && price(old).is_some()).count();
    let gone =
        old.iter().filter(|(old, new)| price(old).is_some() && new.is_some_and(|new| price(new).is_none()));
    let gone = gone.count();
    if 100 * gone > FREED * both {
        return refused(format!("{gone} of {both} models that have a price would be free or unknown"));
    }
    let freed = known
        .iter()
        .find(|(provider, old)| sells_tokens(old) && named(map, provider, &old.model).is_some_and(is_free));
    if let Some((provider, Entry { model, .. })) = freed {
        return refused(format!(
            "`{provider}/{model}` has a price and would be free: if it is, say so in [[prices]] of the configuration"
        ));
    }
    let odd = prices.iter().filter_map(|(old, new)| Some((*old, (*new)?)));
    let odd = odd.filter(|(old, new)| old / FACTOR >= *new || new / FACTOR >= *old).count();
    if 2 * odd > both {
        return refused(format!("{odd} of {both} prices would change tenfold: is it in US dollars for one?"));
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
            "51 of 100 prices would change tenfold",
        );
    }

    #[test]
    fn the_built_in_catalogue_may_replace_itself() {
        check(Catalogue::builtin(), Catalogue::builtin()).unwrap();
        assert!(check(&Catalogue::default(), Catalogue::builtin()).is_err());
    }
}
