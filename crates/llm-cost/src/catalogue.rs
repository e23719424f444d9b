//! Every model whose price is known.
//!
//! The figures are a text in our own form that is part of the binary (`catalogue/models.txt`, written by
//! `cargo xtask catalogue`). It is read once, when it is first needed; names stay where they are in the text.
//! Entries lie in one list, ordered by provider and name, so a look-up is two binary searches and no allocation.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use crate::entry::Entry;
use crate::error::Error;
use crate::text;

static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
    // That it is readable is proved by a test; a library has no business to panic when it is not.
    text::parse(include_str!("../catalogue/models.txt"), Cow::Borrowed).unwrap_or_default()
});

/// Models and their prices, by provider and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// By name, each once.
    sections: Vec<Section>,
    /// By provider, then by name, each once.
    entries: Vec<Entry>,
}

/// The models of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    provider: Cow<'static, str>,
    range: Range<usize>,
}

impl Catalogue {
    /// What is built in.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// These entries, each with its provider; of several for one model the last counts.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = (Cow<'static, str>, Entry)>) -> Self {
        let mut all: Vec<_> = entries.into_iter().collect();
        // Stable, so that the later of two stays behind the earlier.
        all.sort_by(|a, b| (&a.0, &a.1.model).cmp(&(&b.0, &b.1.model)));
        let mut catalogue = Self { sections: Vec::new(), entries: Vec::with_capacity(all.len()) };
        for (provider, entry) in all {
            catalogue.push(provider, entry);
        }
        catalogue.entries.shrink_to_fit();
        catalogue.sections.shrink_to_fit();
        catalogue
    }

    fn push(&mut self, provider: Cow<'static, str>, entry: Entry) {
        let end = self.entries.len();
        match self.sections.last_mut().filter(|section| section.provider == provider) {
            Some(section) => match self.entries.last_mut().filter(|last| last.model == entry.model) {
                Some(last) => *last = entry,
                None => {
                    section.range.end = end + 1;
                    self.entries.push(entry);
                }
            },
            None => {
                self.sections.push(Section { provider, range: end..end + 1 });
                self.entries.push(entry);
            }
        }
    }

    /// Reads a catalogue in the form that [`Catalogue`]'s `Display` writes.
    ///
    /// # Errors
    /// With the number of the first line that is not readable.
    pub fn parse(text: &str) -> Result<Self, Error> {
        text::parse(text, |name| Cow::Owned(name.to_owned()))
    }

    /// This catalogue with other entries laid over it.
    #[must_use]
    pub fn with(&self, entries: impl IntoIterator<Item = (Cow<'static, str>, Entry)>) -> Self {
        let own = self.iter().map(|(provider, entry)| (Cow::Owned(provider.to_owned()), entry.clone()));
        Self::new(own.chain(entries))
    }

    /// Every model with its provider, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.sections.iter().flat_map(|section| {
            let entries = self.entries.get(section.range.clone()).unwrap_or_default();
            entries.iter().map(|entry| (&*section.provider, entry))
        })
    }

    /// The providers, in order.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|section| &*section.provider)
    }

    /// How many models there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The models of a provider, by name.
    #[must_use]
    pub fn of(&self, provider: &str) -> &[Entry] {
        let found = self.sections.binary_search_by(|section| (*section.provider).cmp(provider));
        let section = found.ok().and_then(|at| self.sections.get(at));
        section.and_then(|section| self.entries.get(section.range.clone())).unwrap_or_default()
    }

    /// How much memory it takes, in bytes; names that lie in the binary's text are not counted.
    #[must_use]
    pub fn memory(&self) -> usize {
        let lists =
            self.entries.capacity() * size_of::<Entry>() + self.sections.capacity() * size_of::<Section>();
        lists + self.entries.iter().map(Entry::heap).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;
    use crate::prices::Prices;
    use crate::rates::Rates;

    fn entry(model: &'static str, input: u64) -> (Cow<'static, str>, Entry) {
        let prices = Prices::flat(Rates::new([(Class::Input, input)]));
        ("p".into(), Entry::new(model, prices))
    }

    #[test]
    fn the_built_in_catalogue_is_readable() {
        let parsed = text::parse(include_str!("../catalogue/models.txt"), Cow::Borrowed);
        let parsed = parsed.unwrap();
        assert!(parsed.len() > 3800, "{}", parsed.len());
        assert_eq!(&parsed, Catalogue::builtin());
        // Stated in the README.
        assert!(parsed.memory() < 700_000, "{} bytes", parsed.memory());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = Catalogue::builtin().to_string();
        assert_eq!(&Catalogue::parse(&text).unwrap(), Catalogue::builtin());
    }

    #[test]
    fn later_entries_replace_earlier_ones() {
        let first = Catalogue::new([entry("b", 1), entry("a", 2), entry("b", 3)]);
        let prices = |catalogue: &Catalogue| {
            let all = catalogue.of("p").iter();
            all.map(|one| (one.model.to_string(), one.prices.base().get(Class::Input).unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(prices(&first), [("a".to_owned(), 2), ("b".to_owned(), 3)]);
        let second = first.with([entry("c", 4), entry("a", 5)]);
        assert_eq!(prices(&second), [("a".to_owned(), 5), ("b".to_owned(), 3), ("c".to_owned(), 4)]);
        assert!(second.of("q").is_empty());
    }
}
