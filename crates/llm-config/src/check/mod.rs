//! What types cannot say: values that contradict each other, names that point nowhere, settings that would
//! open the gateway to strangers.
//!
//! Checks read the plain [`Config`] and name what they dislike by its path.

mod alerts;
mod cache;
mod files;
mod jwt;
mod model;
mod owner;
mod pem;
mod price;
mod provider;
mod redis;
mod router;
mod server;
mod store;

use llm_types::{ProviderSpec, glob_matches};

use crate::Config;
use crate::diag::{Code, Finding};
use crate::env::Env;
use crate::place::{Path, Places};

/// What the caller knows and this crate does not: the built-in providers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The rows of the provider table; without any (the default) provider names are not checked.
    pub providers: &'a [ProviderSpec],
}

impl<'a> Known<'a> {
    fn is_empty(self) -> bool {
        self.providers.is_empty()
    }

    /// The row that a user's row of this name is laid over.
    fn of_name(self, name: &str) -> Option<&'a ProviderSpec> {
        self.providers.iter().find(|row| row.name == name)
    }

    /// The row with this prefix.
    fn of_prefix(self, prefix: &str) -> Option<&'a ProviderSpec> {
        self.of_name(prefix).or_else(|| self.providers.iter().find(|row| row.is_named(prefix)))
    }

    /// The row that a bare model name belongs to.
    fn of_bare_name(self, model: &str) -> Option<&'a ProviderSpec> {
        self.providers.iter().find(|row| row.bare_names.iter().any(|glob| glob_matches(glob, model)))
    }
}

/// A run of checks.
struct Check<'a> {
    config: &'a Config,
    places: &'a Places<'a>,
    env: &'a dyn Env,
    known: Known<'a>,
    findings: Vec<Finding>,
}

/// Every fault of a configuration that deserialised.
pub(crate) fn run(config: &Config, places: &Places<'_>, env: &dyn Env, known: Known<'_>) -> Vec<Finding> {
    let mut check = Check { config, places, env, known, findings: Vec::new() };
    check.server();
    check.alerts();
    check.redis();
    check.store();
    check.cache();
    check.files();
    check.router();
    check.providers();
    check.models();
    check.owners();
    check.jwt();
    check.prices();
    check.findings
}

impl Check<'_> {
    /// Records an error at a path. Without a file the message names the path.
    fn error(&mut self, code: Code, path: &Path, message: impl Into<String>) -> &mut Finding {
        let span = self.places.span(path);
        let message = match span {
            Some(_) => message.into(),
            None => format!("{path}: {}", message.into()),
        };
        self.findings.push_mut(Finding::error(code, span, message))
    }

    fn warning(&mut self, code: Code, path: &Path, message: impl Into<String>) -> &mut Finding {
        let finding = self.error(code, path, message);
        finding.severity = crate::Severity::Warning;
        finding
    }

    fn not_zero(&mut self, path: &Path, duration: std::time::Duration) {
        if duration.is_zero() {
            self.error(Code::BadValue, path, "must be longer than zero").help =
                Some("leave it out for the default".to_owned());
        }
    }

    /// An address that calls can go to.
    fn address(&mut self, path: &Path, address: &str) {
        if self.is_open(address) {
            return;
        }
        if let Err(problem) = base_url(address) {
            self.error(Code::BadValue, path, problem).help =
                Some("write for example \"https://llm.example.com/v1\"".to_owned());
        }
    }

    /// Whether a text still holds a reference, because what it names is not on this machine.
    fn is_open(&self, text: &str) -> bool {
        self.env.is_elsewhere() && text.contains("${")
    }

    fn headers<'h>(
        &mut self,
        path: &Path,
        headers: impl Iterator<Item = (&'h String, &'h llm_types::Secret)>,
    ) {
        for (name, value) in headers {
            let path = path.key(name);
            if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                self.error(Code::BadValue, &path, format!("`{name}` is not the name of a header"));
            }
            if http::HeaderValue::from_str(value.expose()).is_err() {
                self.error(Code::BadValue, &path, "a header's value must be visible ASCII on one line");
            }
        }
    }

    fn not_empty_secret(&mut self, path: &Path, secret: Option<&llm_types::Secret>) {
        let Some(secret) = secret else { return };
        if secret.expose().is_empty() {
            self.error(Code::BadValue, path, "must not be empty").help =
                Some("is the variable set to an empty text? unset it, or leave this key out".to_owned());
        } else if http::HeaderValue::from_str(secret.expose()).is_err() {
            self.error(Code::BadValue, path, "a key must be visible ASCII on one line");
        }
    }
}

/// Whether this is an absolute http(s) address with a host and nothing that a path cannot follow.
fn base_url(address: &str) -> Result<(), &'static str> {
    let Ok(uri) = address.parse::<http::Uri>() else {
        return Err("not a URL");
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("a URL must begin with http:// or https://");
    }
    let host = uri.host().unwrap_or_default();
    if host.is_empty() {
        return Err("a URL needs a host");
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("a URL must not hold a user or password, use `api_key` or `headers`");
    }
    if uri.query().is_some() || address.contains('#') {
        return Err("a base URL must not have a query or a fragment");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let check = |address, expect: Result<(), &str>| match (base_url(address), expect) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.contains(part), "{address}: {error}"),
            (got, _) => panic!("{address}: {got:?}"),
        };
        check("https://api.openai.com/v1", Ok(()));
        check("http://localhost:8000", Ok(()));
        check("http://[::1]:8000/v1/", Ok(()));
        check("api.openai.com/v1", Err("not a URL"));
        check("/v1", Err("must begin"));
        check("ftp://x/v1", Err("must begin"));
        check("https://u:p@x/v1", Err("user or password"));
        check("https://x/v1?a=b", Err("query"));
        check("https://x/v1#a", Err("query"));
        check("https:// x/v1", Err("not a URL"));
        check("", Err("not a URL"));
    }
}
