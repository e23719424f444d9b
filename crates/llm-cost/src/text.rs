//! The text of a catalogue: one line for each model, below the name of its provider.
//!
//! Read by people in a diff and by the program at its start, so it is short: prices are those of the vendors'
//! pages (USD per million tokens, USD for one of anything else), abilities are letters.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use llm_types::{PicoUsd, ServiceTier};

use crate::catalogue::Catalogue;
use crate::class::Class;
use crate::entry::{Capabilities, Date, Entry, Mode};
use crate::error::Error;
use crate::prices::{Overlay, Prices};
use crate::rates::Rates;

/// What the fields of a line are, for whoever reads the text.
const HEAD: &str = "\
# name, mode, context window, longest answer, abilities, switched off on, prices: separated by tabs.
# Prices: USD per million tokens, else USD for one; then what differs: `>tokens` for prompts that are longer,
# `flex`, `priority`, `batch` for tiers of service, each after a semicolon. Nothing written: unknown.
";

/// A catalogue; `keep` makes a name of a piece of the text.
pub(crate) fn parse<'t>(
    text: &'t str,
    keep: impl Fn(&'t str) -> Cow<'static, str>,
) -> Result<Catalogue, Error> {
    let mut provider: Option<&str> = None;
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let wrong = |reason: String| Error::Line { line: number + 1, reason };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            provider = Some(name);
            continue;
        }
        let provider = provider.ok_or_else(|| wrong("no [provider] stands above it".to_owned()))?;
        entries.push((keep(provider), entry(line, &keep).map_err(wrong)?));
    }
    Ok(Catalogue::new(entries))
}

fn entry<'t>(line: &'t str, keep: impl Fn(&'t str) -> Cow<'static, str>) -> Result<Entry, String> {
    let mut fields = line.split('\t');
    let mut field = |name: &str| fields.next().ok_or_else(|| format!("the field `{name}` is missing"));
    let model = keep(field("name")?);
    let mode = Mode::of(field("mode")?);
    let context_window = tokens(field("context window")?)?;
    let max_output = tokens(field("longest answer")?)?;
    let capabilities = letters(field("abilities")?)?;
    let deprecated_on = match field("switched off on")? {
        "" => None,
        text => Some(Date::parse(text).ok_or_else(|| format!("`{text}` is no date such as 2026-11-21"))?),
    };
    let prices = prices(field("prices")?)?;
    match fields.next() {
        Some(more) => Err(format!("there is a field too many: `{more}`")),
        None => Ok(Entry { model, mode, context_window, max_output, capabilities, prices, deprecated_on }),
    }
}

fn tokens(text: &str) -> Result<Option<u64>, String> {
    match text {
        "" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| format!("`{text}` is no count of tokens")),
    }
}

fn letters(text: &str) -> Result<Option<Capabilities>, String> {
    let mut all = None;
    for letter in text.chars() {
        let found = Capabilities::NAMES.iter().find(|(.., known)| *known == letter);
        let (one, ..) = found.ok_or_else(|| format!("`{letter}` stands for no ability"))?;
        all = Some(all.unwrap_or(Capabilities::default()).and(*one));
    }
    Ok(all)
}

fn prices(text: &str) -> Result<Prices, String> {
    let mut groups = text.split("; ");
    let base = rates(groups.next().unwrap_or_default())?;
    let overlays = groups.map(|group| {
        let (condition, rest) = group.split_once(' ').ok_or_else(|| format!("`{group}` has no prices"))?;
        let (service, above) = condition.split_once('>').unwrap_or((condition, "0"));
        let service = match service {
            "" => ServiceTier::Standard,
            word => *ServiceTier::ALL
                .iter()
                .find(|tier| tier.name() == word)
                .ok_or_else(|| format!("`{word}` is no tier of service"))?,
        };
        let above = above.parse().map_err(|_| format!("`{above}` is no count of tokens"))?;
        Ok(Overlay { service, above, rates: rates(rest)? })
    });
    Ok(Prices::new(base, overlays.collect::<Result<_, String>>()?))
}

fn rates(text: &str) -> Result<Rates, String> {
    let all = text.split_ascii_whitespace().map(|pair| {
        let (name, figure) = pair.split_once('=').ok_or_else(|| format!("`{pair}` is no price"))?;
        let class = Class::of(name).ok_or_else(|| format!("`{name}` is not priced"))?;
        let amount = PicoUsd::exact(figure, power(class)).map_err(|error| format!("`{pair}`: {error}"))?;
        let pico = u64::try_from(amount.pico()).map_err(|_| format!("`{pair}` is no price"))?;
        Ok((class, pico))
    });
    all.collect::<Result<Vec<_>, String>>().map(Rates::new)
}

/// What a written price is for: a million tokens, or one of anything else.
pub(crate) fn power(class: Class) -> i32 {
    if class.is_token() { -6 } else { 0 }
}

/// A price as it is written.
pub(crate) fn figure(class: Class, pico: u64) -> PicoUsd {
    let one = PicoUsd::from_pico(i128::from(pico));
    if class.is_token() { one.saturating_mul(1_000_000) } else { one }
}

impl fmt::Display for Catalogue {
    /// The text that [`Catalogue::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        f.write_str("# Abilities:")?;
        for (_, name, letter) in Capabilities::NAMES {
            write!(f, " {letter} {name}")?;
        }
        f.write_char('\n')?;
        for provider in self.providers() {
            write!(f, "\n[{provider}]\n")?;
            self.of(provider).iter().try_for_each(|entry| write_entry(entry, f))?;
        }
        Ok(())
    }
}

fn write_entry(entry: &Entry, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Entry { model, mode, context_window, max_output, capabilities, prices, deprecated_on } = entry;
    write!(f, "{model}\t{}\t", mode.name())?;
    for count in [context_window, max_output] {
        if let Some(count) = count {
            write!(f, "{count}")?;
        }
        f.write_char('\t')?;
    }
    let abilities = capabilities.unwrap_or_default();
    for (_, _, letter) in Capabilities::NAMES.into_iter().filter(|(one, ..)| abilities.has(*one)) {
        f.write_char(letter)?;
    }
    f.write_char('\t')?;
    if let Some(date) = deprecated_on {
        write!(f, "{date}")?;
    }
    f.write_char('\t')?;
    write_rates(prices.base(), f)?;
    for (service, above, rates) in prices.overlays() {
        let service = if service == ServiceTier::Standard { "" } else { service.name() };
        match above {
            0 => write!(f, "; {service} ")?,
            _ => write!(f, "; {service}>{above} ")?,
        }
        write_rates(rates, f)?;
    }
    f.write_char('\n')
}

fn write_rates(rates: &Rates, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (nth, (class, pico)) in rates.iter().enumerate() {
        let space = if nth == 0 { "" } else { " " };
        write!(f, "{space}{}={}", class.name(), figure(class, pico))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_everything() {
        let text = "[p]\nm\tchat\t1000\t100\tvt\t2026-09-30\t\
                    input=2.5 output=10 query=0.01; >200 input=5; flex input=1.25; flex>200 input=2\n\
                    bare\tembedding\t\t\t\t\t\n";
        let catalogue = Catalogue::parse(text).unwrap();
        let [bare, model] = catalogue.of("p") else { unreachable!() };
        assert_eq!((bare.mode, bare.context_window, bare.capabilities), (Mode::Embedding, None, None));
        assert!(bare.prices.is_empty());
        assert_eq!((model.context_window, model.max_output), (Some(1000), Some(100)));
        assert_eq!(model.capabilities, Some(Capabilities::TOOLS.and(Capabilities::VISION)));
        assert_eq!(model.deprecated_on.unwrap().to_string(), "2026-09-30");
        assert_eq!(model.prices.base().get(Class::Input), Some(2_500_000));
        assert_eq!(model.prices.base().get(Class::Query), Some(10_000_000_000));
        let at = |prompt, service| model.prices.at(prompt, service).price(Class::Input);
        assert_eq!(at(201, ServiceTier::Standard), Some(5_000_000));
        assert_eq!(at(0, ServiceTier::Flex), Some(1_250_000));
        assert_eq!(at(201, ServiceTier::Flex), Some(2_000_000));
        assert_eq!(Catalogue::parse(&catalogue.to_string()).unwrap(), catalogue);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |line: &str, expect: &str| {
            let error = Catalogue::parse(&format!("[p]\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with("line 2") && error.contains(expect), "{line}: {error}");
        };
        check("m", "`mode` is missing");
        check("m\tchat\tmany\t\t\t\t", "`many` is no count");
        check("m\tchat\t\t\t!\t\t", "`!` stands for no ability");
        check("m\tchat\t\t\t\tsoon\t", "`soon` is no date");
        check("m\tchat\t\t\t\t\tinput", "`input` is no price");
        check("m\tchat\t\t\t\t\ttoken=1", "`token` is not priced");
        check("m\tchat\t\t\t\t\tinput=-1", "`input=-1` is no price");
        check("m\tchat\t\t\t\t\tinput=0.0000001", "twelve decimal places");
        check("m\tchat\t\t\t\t\tinput=1; slow input=1", "`slow` is no tier");
        check("m\tchat\t\t\t\t\tinput=1; >x input=1", "`x` is no count");
        check("m\tchat\t\t\t\t\tinput=1\tmore", "a field too many");
        assert!(Catalogue::parse("m\tchat\n").unwrap_err().to_string().contains("no [provider]"));
    }
}
