//! From a model's name to its entry.
//!
//! Clients, configurations and answers name the same model in several ways: with a provider's prefix or path, in
//! a region, with or without the day it was released, as the latest of its line. The exact name is tried first, so
//! that a release with a price of its own keeps it; then one thing after another is left out. Every step works on
//! parts of the name it was given: nothing is allocated. What no rule finds is unknown.

use crate::catalogue::Catalogue;
use crate::entry::Entry;

/// Regions that stand before a name at Bedrock (`eu.`) and Azure (`eu/`).
const REGIONS: &[&str] = &[
    "us",
    "eu",
    "apac",
    "global",
    "global-standard",
    "us-gov",
    "au",
    "jp",
    "ca",
    "in",
    "sa",
    "me",
    "af",
    "uk",
];

/// A day as a number: its year, month and day of the month in decimal places of their own.
const YEAR: u32 = 10_000;
const MONTH: u32 = 100;

/// Which rule found an entry: how sure its price is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The name stands in the catalogue.
    Exact,
    /// Without the provider's prefix or path (`models/gemini-2.5-pro`).
    Path,
    /// Without the region, whose price may differ (`eu.anthropic.claude-…`).
    Region,
    /// Another release of the same model (`gpt-4o-2031-01-01`, `claude-sonnet-4-latest`).
    Release,
    /// What a fine-tuned model was made of.
    Base,
}

/// An entry and how it was found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The rule that led to it.
    pub rule: Rule,
}

impl Catalogue {
    /// The entry of a model at a provider, by the provider's own name in the provider table.
    #[must_use]
    pub fn find(&self, provider: &str, model: &str) -> Option<Found<'_>> {
        let entries = self.of(provider);
        let found = |rule| move |entry| Found { entry, rule };
        // What nearly every request asks for; the rest takes a hundred times as long.
        if let Some(entry) = exact(entries, model) {
            return Some(Found { entry, rule: Rule::Exact });
        }
        let plain = without_path(provider, model);
        let here = without_region(plain);
        let path = exact(entries, plain).map(found(Rule::Path));
        path.or_else(|| exact(entries, here).map(found(Rule::Region)))
            .or_else(|| release(entries, plain).map(found(Rule::Release)))
            .or_else(|| release(entries, here).map(found(Rule::Release)))
            .or_else(|| base(entries, plain).map(found(Rule::Base)))
    }

    /// The entry of pictures of a quality and size (`high`, `1024-x-1536`), which some providers sell each at
    /// a price of its own; of the model itself where they are not sold apart.
    #[must_use]
    pub fn find_image(&self, provider: &str, model: &str, quality: &str, size: &str) -> Option<Found<'_>> {
        let entries = self.of(provider);
        let names = [&[quality, size, model][..], &[size, quality, model], &[size, model]];
        let apart = names.iter().find_map(|name| exact(entries, &name.join("/")));
        apart.map(|entry| Found { entry, rule: Rule::Exact }).or_else(|| self.find(provider, model))
    }
}

fn exact<'e>(entries: &'e [Entry], model: &str) -> Option<&'e Entry> {
    let at = entries.binary_search_by(|entry| (*entry.model).cmp(model)).ok()?;
    entries.get(at)
}

/// `gemini/x`, `models/x`, `publishers/google/models/x`, `arn:aws:…:inference-profile/x`: x.
fn without_path<'m>(provider: &str, model: &'m str) -> &'m str {
    let own = model.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/'));
    let model = own.unwrap_or(model);
    let path =
        ["models/", "publishers/", "accounts/", "projects/", "arn:", "converse/", "invoke/", "tunedModels/"];
    match model.rsplit_once('/') {
        Some((_, last)) if path.iter().any(|start| model.starts_with(start)) => last,
        _ => model,
    }
}

/// `eu.x`, `eu/x`, `us-east-1/x`: x.
fn without_region(model: &str) -> &str {
    for separator in ['/', '.'] {
        if let Some((region, rest)) = model.split_once(separator)
            && (REGIONS.contains(&region) || (separator == '/' && is_place(region)))
        {
            return rest;
        }
    }
    model
}

/// `us-east-1`, `ap-northeast-2`, `us-gov-west-1`.
fn is_place(word: &str) -> bool {
    let mut parts = word.split('-');
    let country = parts.next().is_some_and(|part| part.len() == 2);
    let number = parts.next_back().is_some_and(|part| part.len() == 1 && is_digits(part));
    country && number && parts.all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()))
}

/// Another release of the same model: the one without a day, else the newest of those with one.
fn release<'e>(entries: &'e [Entry], model: &str) -> Option<&'e Entry> {
    let line = line(model);
    let plain = (line != model).then(|| exact(entries, line)).flatten();
    plain.or_else(|| newest(entries, line))
}

/// A model's name without what tells its release: `-latest`, `@default`, `-v1:0`, a day.
fn line(model: &str) -> &str {
    let mut name = model;
    if let Some((before, _)) = name.rsplit_once('@') {
        name = before;
    }
    name = name.strip_suffix("-latest").unwrap_or(name);
    if let Some((before, number)) = name.rsplit_once(':')
        && is_digits(number)
    {
        name = before;
    }
    if let Some((before, number)) = name.rsplit_once("-v")
        && number.len() == 1
        && is_digits(number)
    {
        name = before;
    }
    day(name).map_or(name, |(before, _)| before)
}

/// The name before a day at its end, and the day as a number: `-2024-11-20`, `-20241120`, `-11-2024`.
fn day(name: &str) -> Option<(&str, u32)> {
    let (before, last) = name.rsplit_once('-')?;
    let compact = || (last.len() == 8 && is_digits(last)).then(|| last.parse().ok()).flatten();
    if let Some(day) = compact().filter(|day| (1990..2100).contains(&(day / YEAR))) {
        return Some((before, day));
    }
    let (before, middle) = before.rsplit_once('-')?;
    match (middle.len(), last.len()) {
        _ if !is_digits(middle) || !is_digits(last) => None,
        (2, 4) => Some((before, number(last)? * YEAR + number(middle)? * MONTH)),
        (2, 2) => {
            let (before, year) = before.rsplit_once('-')?;
            let year = number(year).filter(|_| year.len() == 4)?;
            Some((before, year * YEAR + number(middle)? * MONTH + number(last)?))
        }
        _ => None,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

/// Of a model's releases the newest; one that is called the latest is newer than any day.
fn newest<'e>(entries: &'e [Entry], line: &str) -> Option<&'e Entry> {
    let start = entries.partition_point(|entry| &*entry.model < line);
    let same = entries.get(start..)?.iter().take_while(|entry| entry.model.starts_with(line));
    let dated = same.filter(|entry| self::line(&entry.model) == line);
    dated.max_by_key(|entry| {
        let name = entry.model.split(['@', ':']).next().unwrap_or_default();
        let name = name.strip_suffix("-v1").unwrap_or(name);
        if name.ends_with("-latest") { u32::MAX } else { day(name).map_or(0, |(_, day)| day) }
    })
}

/// `ft:gpt-4o-2024-08-06:org::id`: `ft:gpt-4o-2024-08-06`, or another release of it.
fn base<'e>(entries: &'e [Entry], model: &str) -> Option<&'e Entry> {
    let rest = model.strip_prefix("ft:")?;
    let (name, _) = rest.split_once(':')?;
    let tuned = model.get(.."ft:".len() + name.len())?;
    exact(entries, tuned).or_else(|| release(entries, tuned))
}

#[cfg(test)]
mod tests;
