//! Checks of `price`, `[[prices]]`, `[price_map]`, and of the terms of providers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Check, base_url};
use crate::diag::Code;
use crate::later::nearest;
use crate::place::Path;
use crate::schema::{ModelPrice, Price, Rates};

/// More is a mistake: a price per token taken for one per million.
const DEAREST: f64 = 1_000_000.0;
/// The largest margin: a hundred times the cost.
const MARGIN: f64 = 100.0;
/// Reading a price map more often than this is of no use to anybody.
const OFTEN: Duration = Duration::from_secs(1);

impl Check<'_> {
    pub(super) fn prices(&mut self) {
        let config = self.config;
        let mut seen = BTreeSet::new();
        for (index, one) in config.prices.iter().enumerate() {
            let path = Path::default().key("prices").index(index);
            let ModelPrice { model, provider, price } = one;
            if model.is_empty() || model.trim() != model {
                self.error(Code::BadValue, &path.key("model"), "must name a model, such as \"gpt-4o*\"");
            }
            if let Some(provider) = provider {
                self.provider_of_price(&path.key("provider"), provider);
            }
            if !seen.insert((provider, model)) {
                self.no_effect(&path, "another [[prices]] before it is for the same model: the first counts");
            }
            self.price(&path, price);
        }
        self.price_map();
    }

    fn provider_of_price(&mut self, path: &Path, name: &str) {
        let (config, known) = (self.config, self.known);
        if known.is_empty() || config.provider(name).is_some() || known.of_prefix(name).is_some() {
            return;
        }
        let names = self.provider_prefixes();
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "leave it out for any provider".to_owned(),
        };
        self.error(Code::UnknownProvider, path, format!("no provider is called `{name}`")).help = Some(help);
    }

    /// All prices of a model.
    pub(super) fn price(&mut self, path: &Path, price: &Price) {
        let Price { rates, above, flex, priority, batch } = price;
        if *price == Price::default() {
            self.error(Code::BadValue, path, "no price is given").help = Some(
                "write for example `input = 2.5` and `output = 10.0`, in USD per million tokens".to_owned(),
            );
        }
        self.rates(path, rates);
        self.lengths(&path.key("above"), above);
        for (name, tier) in [("flex", flex), ("priority", priority), ("batch", batch)] {
            if let Some(tier) = tier {
                let path = path.key(name);
                self.rates(&path, &tier.rates);
                self.lengths(&path.key("above"), &tier.above);
            }
        }
    }

    fn lengths(&mut self, path: &Path, above: &BTreeMap<String, Rates>) {
        for (length, rates) in above {
            let path = path.key(length);
            if !length.replace('_', "").parse::<u64>().is_ok_and(|length| length > 0) {
                let message = format!("`{length}` is not a length of prompts in tokens");
                self.error(Code::BadValue, &path, message).help =
                    Some("write for example `above = { 200_000 = { input = 5.0 } }`".to_owned());
            }
            self.rates(&path, rates);
        }
    }

    fn rates(&mut self, path: &Path, rates: &Rates) {
        for (name, usd) in rates.iter() {
            if !(0.0..=DEAREST).contains(&usd) {
                let of = if name.starts_with("per_") { "USD" } else { "USD per million tokens" };
                self.error(Code::BadValue, &path.key(name), format!("must be from 0 to 1000000 {of}"));
            }
        }
    }

    /// What a provider takes off, and what is put on.
    pub(super) fn terms(&mut self, path: &Path, discount: Option<f64>, margin: Option<f64>) {
        for (name, share, most) in [("discount", discount, 1.0), ("margin", margin, MARGIN)] {
            if share.is_some_and(|share| !(0.0..=most).contains(&share)) {
                self.error(Code::BadValue, &path.key(name), format!("must be from 0 to {most}")).help =
                    Some("write 0.15 for 15 percent".to_owned());
            }
        }
    }

    fn price_map(&mut self) {
        let Some(map) = &self.config.price_map else { return };
        let path = Path::default().key("price_map");
        let source = map.source.as_str();
        if source.trim().is_empty() {
            self.error(Code::BadValue, &path.key("source"), "must be a file or an http(s) address");
        } else if map.is_url()
            && !self.is_open(source)
            && let Err(problem) = base_url(source.split(['?', '#']).next().unwrap_or_default())
        {
            self.error(Code::BadValue, &path.key("source"), problem).help =
                Some("write a file, or for example \"https://prices.example.com/map.json\"".to_owned());
        }
        if map.every < OFTEN {
            self.error(Code::BadValue, &path.key("every"), "must be one second or longer").help =
                Some("leave it out for 6 hours".to_owned());
        }
    }
}
