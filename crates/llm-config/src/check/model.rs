//! Checks of `[[models]]` and their deployments.

use std::collections::BTreeMap;

use llm_types::{AuthStyle, Dialect, ProviderSpec, TokenSource, glob_matches};

use super::Check;
use crate::diag::Code;
use crate::later::nearest;
use crate::place::Path;
use crate::value::word::Word;
use crate::{Deployment, Model, Oauth, Provider};

/// Who answers for a deployment: a row of this file, one of the table, or the one laid over the other.
#[derive(Clone, Copy)]
struct Answerer<'a> {
    own: Option<&'a Provider>,
    builtin: Option<&'a ProviderSpec>,
}

impl<'a> Answerer<'a> {
    fn name(self) -> &'a str {
        let own = self.own.map(|row| row.name.as_str());
        own.or(self.builtin.map(|row| row.name.as_str())).unwrap_or_default()
    }

    fn key_env(self) -> &'a [String] {
        let own = self.own.map(|row| row.key_env.as_slice()).filter(|names| !names.is_empty());
        own.or(self.builtin.map(|row| row.key_env.as_slice())).unwrap_or_default()
    }

    fn base_env(self) -> &'a [String] {
        let own = self.own.map(|row| row.base_env.as_slice()).filter(|names| !names.is_empty());
        own.or(self.builtin.map(|row| row.base_env.as_slice())).unwrap_or_default()
    }

    /// Whether calls have an address without the deployment naming one.
    fn has_base(self) -> bool {
        let own = self.own.is_some_and(|row| row.api_base.is_some());
        own || self.builtin.is_some_and(|row| row.api_base.is_some() || row.dialect == Dialect::Mock)
    }

    /// Where tokens come from in place of a key.
    fn tokens(self) -> Option<TokenSource> {
        let own = self.own.and_then(|row| row.tokens.as_ref()).map(Word::get);
        own.or(self.builtin.and_then(|row| row.tokens))
    }

    /// Whether calls may go out without a key of the environment.
    fn is_keyless(self) -> bool {
        let own = self.own.is_some_and(|row| row.api_key.is_some() || row.key_optional == Some(true));
        let free = |row: &ProviderSpec| row.key_optional || row.auth == AuthStyle::None;
        own || (self.key_env().is_empty() && self.tokens().is_none()) || self.builtin.is_some_and(free)
    }
}

impl<'a> Check<'a> {
    pub(super) fn models(&mut self) {
        let config = self.config;
        let (mut names, mut ids) = (BTreeMap::new(), BTreeMap::new());
        for (index, model) in config.models.iter().enumerate() {
            let path = Path::default().key("models").index(index);
            self.names(&path, model, &mut names);
            self.overrides(&path, model);
            if model.deployments.is_empty() {
                let message =
                    format!("the model `{}` has no deployments, so nothing can answer for it", model.name);
                self.error(Code::NoDeployments, &path, message).help =
                    Some("add a table [[models.deployments]] with `model = \"provider/model\"`".to_owned());
            }
            for (position, deployment) in model.deployments.iter().enumerate() {
                let path = path.key("deployments").index(position);
                let id = match deployment.id.as_str() {
                    "" => format!("{}/{}", model.name, position + 1),
                    id => id.to_owned(),
                };
                if let Some(other) = ids.insert(id, &model.name) {
                    let message = format!("another deployment of the model `{other}` has the same id");
                    self.error(Code::Duplicate, &path.key("id"), message).help =
                        Some("health and counters are kept by id: give each its own".to_owned());
                }
                self.deployment(&path, model, deployment);
            }
        }
    }

    fn names<'m>(&mut self, path: &Path, model: &'m Model, seen: &mut BTreeMap<&'m str, &'m str>) {
        let aliases = model.aliases.iter().enumerate();
        let aliases = aliases.map(|(index, alias)| (path.key("aliases").index(index), alias.as_str()));
        for (path, name) in std::iter::once((path.key("name"), model.name.as_str())).chain(aliases) {
            if name.trim() != name || name.is_empty() || name.chars().any(char::is_control) {
                self.error(
                    Code::BadValue,
                    &path,
                    "a model's name must not be empty or begin or end with a space",
                );
            }
            if let Some(other) = seen.insert(name, &model.name) {
                let message = format!("`{name}` is already a name of the model `{other}`");
                self.error(Code::Duplicate, &path, message).help =
                    Some("put the deployments of both under one [[models]] table, or rename one".to_owned());
            }
        }
        if model.name.contains('*') && !is_wildcard(&model.name) {
            self.bad_wildcard(&path.key("name"), "`*` can stand only at the end of a name, once");
        }
        for (index, alias) in model.aliases.iter().enumerate() {
            if alias.contains('*') {
                self.bad_wildcard(
                    &path.key("aliases").index(index),
                    "an alias is one name and can't hold `*`",
                );
            }
        }
    }

    fn bad_wildcard(&mut self, path: &Path, message: &str) {
        self.error(Code::BadWildcard, path, message).help =
            Some("\"openai/*\" stands for every name with that beginning, \"*\" for every name".to_owned());
    }

    fn deployment(&mut self, path: &Path, model: &Model, deployment: &Deployment) {
        self.not_empty_secret(&path.key("api_key"), deployment.api_key.as_ref());
        self.not_empty_secret(&path.key("credentials"), deployment.credentials.as_ref());
        if let Some(Oauth { tenant_id: _, client_id: _, client_secret }) = &deployment.oauth {
            self.not_empty_secret(&path.key("oauth").key("client_secret"), client_secret.as_ref());
        }
        self.headers(&path.key("headers"), deployment.headers.iter());
        if let Some(timeout) = deployment.timeout {
            self.not_zero(&path.key("timeout"), timeout);
        }
        if let Some(price) = &deployment.price {
            self.price(&path.key("price"), price);
        }
        if let Some(address) = &deployment.api_base {
            self.address(&path.key("api_base"), address);
        }
        for (key, value) in [
            ("organization", &deployment.organization),
            ("project", &deployment.project),
            ("location", &deployment.location),
            ("api_version", &deployment.api_version),
        ] {
            let valid = |text: &String| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
            if value.as_ref().is_some_and(|text| !valid(text)) {
                self.error(Code::BadValue, &path.key(key), "must be visible ASCII without spaces");
            }
        }
        self.target(path, model, deployment);
    }

    /// Where the calls of a deployment go.
    fn target(&mut self, path: &Path, model: &Model, deployment: &Deployment) {
        let (target, at) = (deployment.model.as_str(), path.key("model"));
        if target.trim() != target || target.is_empty() {
            self.error(Code::BadValue, &at, "must name a model, as `provider/model`");
            return;
        }
        if target.contains('*') {
            if !model.name.contains('*') {
                self.bad_wildcard(
                    &at,
                    "`*` needs a model whose name holds it too: there is nothing to fill it with",
                );
                return;
            }
            if !is_wildcard(target) {
                self.bad_wildcard(&at, "`*` can stand only at the end of a name, once");
                return;
            }
        }
        if let Some(answerer) = self.answerer(&at, target) {
            self.address_and_key(path, deployment, answerer);
        }
    }

    /// Who answers; `None` where it is not known before a request comes (`*`), not checked, or nobody
    /// (which is recorded).
    fn answerer(&mut self, at: &Path, target: &str) -> Option<Answerer<'a>> {
        let (config, known) = (self.config, self.known);
        if known.is_empty() || target == "*" {
            return None;
        }
        let Some((prefix, rest)) = target.split_once('/') else {
            return self.bare(at, target);
        };
        let own = config.provider(prefix);
        let builtin = match own {
            Some(own) => known.of_name(&own.name),
            None => known.of_prefix(prefix),
        };
        // The other way round: the file changes a built-in row, the model uses an alias of it.
        let own = own.or_else(|| builtin.and_then(|row| config.provider(&row.name)));
        if own.is_some() || builtin.is_some() {
            if rest.is_empty() {
                self.error(Code::BadValue, at, format!("a model must follow `{prefix}/`"));
                return None;
            }
            return Some(Answerer { own, builtin });
        }
        let message = format!("no provider is called `{prefix}`");
        let names = self.provider_prefixes();
        let help = match nearest(prefix, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}/{rest}`?"),
            None => "write `provider/model`; more providers can be described in [[providers]]".to_owned(),
        };
        self.error(Code::UnknownProvider, at, message).help = Some(help);
        None
    }

    /// A name without a prefix.
    fn bare(&mut self, at: &Path, target: &str) -> Option<Answerer<'a>> {
        let owned = |provider: &&Provider| provider.bare_names.iter().any(|glob| glob_matches(glob, target));
        let (own, builtin) = match self.config.providers.iter().find(owned) {
            Some(own) => (Some(own), self.known.of_name(&own.name)),
            None => {
                let builtin = self.known.of_bare_name(target);
                (builtin.and_then(|row| self.config.provider(&row.name)), builtin)
            }
        };
        if own.is_none() && builtin.is_none() {
            let message = format!("`{target}` is no well-known model name, so its provider is not known");
            self.error(Code::UnknownProvider, at, message).help =
                Some(format!("write `provider/{target}`, for example `openai/{target}`"));
            return None;
        }
        Some(Answerer { own, builtin })
    }

    pub(super) fn provider_prefixes(&self) -> Vec<&'a str> {
        let own = self.config.providers.iter().map(|row| (&row.name, &row.aliases));
        let builtin = self.known.providers.iter().map(|row| (&row.name, &row.aliases));
        own.chain(builtin)
            .flat_map(|(name, aliases)| std::iter::once(name).chain(aliases))
            .map(String::as_str)
            .collect()
    }

    /// Whether calls have an address to go to and a key to go with.
    fn address_and_key(&mut self, path: &Path, deployment: &Deployment, answerer: Answerer<'a>) {
        let env = self.env;
        let set =
            |names: &[String]| names.iter().any(|name| env.var(name).is_some_and(|value| !value.is_empty()));
        let at = path.key("model");
        if deployment.api_base.is_none() && !answerer.has_base() && !set(answerer.base_env()) {
            let name = answerer.name();
            let message = format!("`{name}` has no address of its own, so this deployment needs `api_base`");
            let help = match answerer.base_env().first() {
                Some(name) => {
                    format!("add `api_base = \"https://…\"`, or set the environment variable {name}")
                }
                None => "add `api_base = \"https://…\"`".to_owned(),
            };
            self.error(Code::MissingBase, &at, message).help = Some(help);
        }
        // Behind an address of its own a generic prefix may mean another provider, with another key.
        let elsewhere = deployment.api_base.is_some() && answerer.builtin.is_some_and(|row| row.generic);
        let signs = answerer.builtin.is_some_and(|row| row.auth == AuthStyle::AwsSigv4)
            && (deployment.aws.is_some() || set(&["AWS_ACCESS_KEY_ID".to_owned()]));
        let tokens = answerer.tokens();
        let variables = tokens.map(TokenSource::variables).unwrap_or_default();
        let fetched = deployment.credentials.is_some()
            || deployment.oauth.is_some()
            || variables.iter().any(|name| set(&[(*name).to_owned()]));
        let has_key = deployment.api_key.is_some()
            || signs
            || fetched
            || answerer.is_keyless()
            || set(answerer.key_env());
        if !has_key && !elsewhere {
            let message = format!("no key for `{}`: calls to it will be refused", answerer.name());
            let own = answerer.key_env().iter().map(String::as_str);
            let names: Vec<&str> = own.chain(variables.iter().copied()).collect();
            let here = if tokens == Some(TokenSource::Google) { "credentials" } else { "api_key" };
            self.warning(Code::NoApiKey, &at, message).help =
                Some(format!("set the environment variable {}, or `{here}` here", names.join(" or ")));
        }
    }
}

/// Whether `*` stands once, at the end.
fn is_wildcard(name: &str) -> bool {
    name.find('*') == Some(name.len() - 1)
}
