//! A few prices by class, packed.
//!
//! Most models price two or three of nineteen classes, and there are thousands of models: only the known prices
//! are kept, and which they are stands in one word of bits.

use crate::class::Class;

/// Prices in pico-dollars of one token, picture, second and so on. What is not here is unknown, not free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    known: u32,
    /// One for each bit, from the lowest.
    pico: Box<[u64]>,
}

impl Rates {
    /// These prices; of several for one class the last counts.
    #[must_use]
    pub fn new(prices: impl IntoIterator<Item = (Class, u64)>) -> Self {
        let mut all = [None; Class::COUNT];
        for (class, pico) in prices {
            if let Some(place) = all.get_mut(class as usize) {
                *place = Some(pico);
            }
        }
        let known = Class::ALL.into_iter().zip(all).filter(|(_, pico)| pico.is_some());
        Self {
            known: known.fold(0, |bits, (class, _)| bits | class.bit()),
            pico: all.into_iter().flatten().collect(),
        }
    }

    /// The price of one, if it is known.
    #[must_use]
    pub fn get(&self, class: Class) -> Option<u64> {
        let bit = class.bit();
        if self.known & bit == 0 {
            return None;
        }
        let before = (self.known & (bit - 1)).count_ones();
        self.pico.get(usize::try_from(before).ok()?).copied()
    }

    /// Every known price, in the order of the classes.
    pub fn iter(&self) -> impl Iterator<Item = (Class, u64)> {
        Class::ALL.into_iter().filter_map(|class| Some((class, self.get(class)?)))
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known == 0
    }

    /// Memory beside the value itself, in bytes.
    pub(crate) fn heap(&self) -> usize {
        size_of_val(&*self.pico)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_prices_are_found_and_others_are_not() {
        let rates = Rates::new([(Class::Page, 7), (Class::Input, 1), (Class::Output, 0), (Class::Page, 9)]);
        for class in Class::ALL {
            let expect = match class {
                Class::Input => Some(1),
                Class::Output => Some(0),
                Class::Page => Some(9),
                _ => None,
            };
            assert_eq!(rates.get(class), expect, "{class:?}");
        }
        assert_eq!(rates.iter().count(), 3);
        assert!(!rates.is_empty() && Rates::default().is_empty());
    }
}
