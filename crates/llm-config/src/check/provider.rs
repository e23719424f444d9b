//! Checks of `[[providers]]`.

use std::collections::BTreeMap;

use llm_types::Dialect;

use super::Check;
use crate::diag::Code;
use crate::place::Path;
use crate::{Provider, Quirks};

impl Check<'_> {
    pub(super) fn providers(&mut self) {
        let config = self.config;
        let mut seen = BTreeMap::new();
        for (index, provider) in config.providers.iter().enumerate() {
            let path = Path::default().key("providers").index(index);
            self.provider_names(&path, provider, &mut seen);
            self.provider(&path, provider);
        }
    }

    fn provider_names<'a>(&mut self, path: &Path, row: &'a Provider, seen: &mut BTreeMap<&'a str, &'a str>) {
        let aliases = row.aliases.iter().enumerate();
        let aliases = aliases.map(|(index, alias)| (path.key("aliases").index(index), alias.as_str()));
        for (path, name) in std::iter::once((path.key("name"), row.name.as_str())).chain(aliases) {
            let valid = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if name.is_empty() || !valid {
                self.error(
                    Code::BadValue,
                    &path,
                    "a provider's name is made of letters, digits, `-`, `_` and `.`",
                );
            }
            if let Some(other) = seen.insert(name, &row.name) {
                let message = format!("`{name}` is already a name of the provider `{other}`");
                self.error(Code::Duplicate, &path, message).help =
                    Some("give it another name, or put both into one [[providers]] table".to_owned());
            }
        }
    }

    fn provider(&mut self, path: &Path, row: &Provider) {
        self.not_empty_secret(&path.key("api_key"), row.api_key.as_ref());
        self.headers(&path.key("headers"), row.headers.iter());
        // Without a table any name may be a built-in one.
        let builtin = self.known.is_empty() || self.known.of_name(&row.name).is_some();
        let is_mock = row.dialect.as_ref().is_some_and(|dialect| dialect.get() == Dialect::Mock);
        match &row.api_base {
            Some(address) => self.address(&path.key("api_base"), address),
            None if !builtin && row.base_env.is_empty() && !is_mock => {
                let message = format!("`{}` is no built-in provider, so it needs `api_base`", row.name);
                self.error(Code::MissingBase, path, message).help =
                    Some("add for example `api_base = \"http://vllm.internal:8000/v1\"`".to_owned());
            }
            None => {}
        }
        self.terms(path, row.discount, row.margin);
        if let Some(quirks) = &row.quirks {
            self.quirks(&path.key("quirks"), quirks);
        }
        for (index, rule) in row.rules.iter().enumerate() {
            let path = path.key("rules").index(index);
            if rule.models.is_empty() {
                self.no_effect(&path, "a rule without `models` is for no model");
            }
            self.quirks(&path, &rule.quirks);
        }
    }

    fn quirks(&mut self, path: &Path, quirks: &Quirks) {
        for (name, [low, high]) in &quirks.clamp {
            if low.partial_cmp(high).is_none_or(std::cmp::Ordering::is_gt) {
                let path = path.key("clamp").key(name);
                self.error(Code::BadValue, &path, "the lower bound must not be above the upper one");
            }
        }
    }
}
