//! Where a deployment's key, base URL and API version come from, and how a key is sent.
//!
//! What the deployment says wins; then the variables of the provider's row, in order; then the row's own
//! value. The environment is a closure, so that tests and embedding programs decide what it is. A message
//! names variables and fields, never what they hold.

use std::fmt;

use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, HeaderValue};
use llm_types::{
    ApiError, AuthStyle, ErrorKind, KeyRule, ProviderSpec, Result, Secret, UrlForm, glob_matches,
};

use crate::url::Base;
use crate::{aws, vertex};

/// Looks an environment variable up.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// LiteLLM's way to name a variable in place of a value.
const REFERENCE: &str = "os.environ/";

/// The environment of this process.
#[must_use]
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A key, and the variable that held it.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key itself.
    pub secret: Secret,
    /// The variable; `None`: the deployment gave it.
    pub variable: Option<String>,
}

/// The key of a deployment: its own, which may be `os.environ/NAME`, else the first variable of the row
/// that is set. `None`: the provider needs none.
///
/// # Errors
/// [`ErrorKind::Auth`] naming the variables when the provider needs a key and there is none.
pub fn key(spec: &ProviderSpec, own: Option<&Secret>, env: Env<'_>) -> Result<Option<Key>> {
    if spec.auth == AuthStyle::None {
        return Ok(None);
    }
    if let Some(secret) = given(own.map(Secret::expose), "api_key", env)? {
        return Ok(Some(Key { secret: Secret::new(secret), variable: None }));
    }
    if let Some((variable, value)) = first_set(&spec.key_env, env) {
        return Ok(Some(Key { secret: Secret::new(value), variable: Some(variable.to_owned()) }));
    }
    // What has no key is signed, or is made with a token.
    if spec.key_optional || spec.auth == AuthStyle::AwsSigv4 || spec.tokens.is_some() {
        return Ok(None);
    }
    Err(ApiError::new(
        ErrorKind::Auth,
        format!("{}give the deployment an api_key", set_one_of(&spec.key_env)),
    ))
}

/// The base URL of a deployment: its own, else the first variable of the row that is set, else the
/// row's. Each `{NAME}` in the row's stands for a variable.
///
/// # Errors
/// When there is none, or it is not a URL.
pub fn base(spec: &ProviderSpec, own: Option<&str>, env: Env<'_>) -> Result<Base> {
    if spec.auth == AuthStyle::AwsSigv4 {
        let place = aws::Place::of(aws::Settings::default(), "", env);
        return base_in(spec, own, &|name| place.variable(name).or_else(|| env(name)));
    }
    if spec.url == UrlForm::Vertex {
        let location = vertex::Location::of(None, None, env)?;
        return base_in(spec, own, &|name| location.variable(name).or_else(|| env(name)));
    }
    base_in(spec, own, env)
}

/// As [`base`], where everything that the row's base asks for is a variable.
///
/// # Errors
/// As [`base`].
pub(crate) fn base_in(spec: &ProviderSpec, own: Option<&str>, env: Env<'_>) -> Result<Base> {
    if let Some(own) = given(own, "api_base", env)? {
        return Base::parse(&own);
    }
    if let Some((name, value)) = first_set(&spec.base_env, env) {
        return Base::parse(&value).map_err(|mut error| {
            error.message = format!("{name}: {}", error.message);
            error
        });
    }
    let Some(template) = spec.api_base.as_deref() else {
        let names = set_one_of(&spec.base_env);
        return Err(ApiError::bad_request(format!("{names}give the deployment an api_base")));
    };
    let filled = fill(template, "{", &|name| set(name, env)).map_err(|missing| {
        ApiError::bad_request(format!("{}give the deployment an api_base", set_one_of(&missing)))
    })?;
    Base::parse(&filled)
}

/// The API version of a deployment: its own, else the first variable of the row that is set, else the
/// row's.
///
/// # Errors
/// When the deployment names a variable that is not set.
pub fn version(spec: &ProviderSpec, own: Option<&str>, env: Env<'_>) -> Result<Option<String>> {
    let version = given(own, "api_version", env)?;
    let version = version.or_else(|| first_set(&spec.version_env, env).map(|(_, value)| value));
    Ok(version.or_else(|| spec.api_version.clone()))
}

/// The headers that carry a key to a host: one with the key, marked sensitive, and those of the row's
/// rule for such keys. The name of the first is given beside.
///
/// # Errors
/// When the key cannot stand in a header.
pub fn auth_headers(spec: &ProviderSpec, key: &Key, host: &str) -> Result<Option<(HeaderName, HeaderMap)>> {
    let rule = rule_for(spec, key, host);
    let bare = rule.filter(|rule| rule.strip).and_then(|rule| {
        rule.prefixes.iter().find_map(|prefix| key.secret.expose().strip_prefix(prefix.as_str()))
    });
    let secret = bare.unwrap_or(key.secret.expose());
    let Some((name, value)) = auth_header(rule.map_or(spec.auth, |rule| rule.auth), secret)? else {
        return Ok(None);
    };
    let mut headers = HeaderMap::new();
    for (name, value) in rule.iter().flat_map(|rule| &rule.headers) {
        headers.insert(header_name(name)?, header_value(name, value)?);
    }
    headers.insert(name.clone(), value);
    Ok(Some((name, headers)))
}

/// The row's rule for a key; `None`: it is sent as all are.
pub(crate) fn rule_for<'s>(spec: &'s ProviderSpec, key: &Key, host: &str) -> Option<&'s KeyRule> {
    spec.key_rules.iter().find(|rule| applies(rule, key, host))
}

fn applies(rule: &KeyRule, key: &Key, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    key.variable.as_ref().is_some_and(|variable| rule.env.contains(variable))
        || rule.prefixes.iter().any(|prefix| key.secret.expose().starts_with(prefix.as_str()))
        || rule.hosts.iter().any(|glob| glob_matches(glob, &host))
}

fn auth_header(style: AuthStyle, secret: &str) -> Result<Option<(HeaderName, HeaderValue)>> {
    let (name, scheme) = match style {
        AuthStyle::Bearer | AuthStyle::AwsSigv4 => (AUTHORIZATION, "Bearer "),
        AuthStyle::Token => (AUTHORIZATION, "Token "),
        AuthStyle::ZenApiKey => (AUTHORIZATION, "ZenApiKey "),
        AuthStyle::XApiKey => (HeaderName::from_static("x-api-key"), ""),
        AuthStyle::ApiKey => (HeaderName::from_static("api-key"), ""),
        AuthStyle::XGoogApiKey => (HeaderName::from_static("x-goog-api-key"), ""),
        AuthStyle::ApiSubscriptionKey => (HeaderName::from_static("api-subscription-key"), ""),
        AuthStyle::XiApiKey => (HeaderName::from_static("xi-api-key"), ""),
        AuthStyle::None => return Ok(None),
    };
    // The cause is not kept: nothing of the key may reach a message.
    let mut value = HeaderValue::try_from(format!("{scheme}{secret}")).map_err(|_| {
        ApiError::new(ErrorKind::Auth, "the api_key holds characters that no key has: check it")
    })?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

/// A header name from configuration.
///
/// # Errors
/// When it is not one.
pub(crate) fn header_name(name: &str) -> Result<HeaderName> {
    HeaderName::try_from(name)
        .map_err(|error| ApiError::bad_request(format!("`{name}` is not a header name")).with_source(error))
}

/// A header value from configuration.
///
/// # Errors
/// When it is not one; the value is not repeated.
pub(crate) fn header_value(name: &str, value: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(value).map_err(|_| {
        ApiError::bad_request(format!("the value of header `{name}` holds characters that a header cannot"))
    })
}

/// A setting of a deployment: absent when empty, a variable's value for `os.environ/NAME`.
///
/// # Errors
/// When that variable is not set.
pub(crate) fn given(value: Option<&str>, field: &str, env: Env<'_>) -> Result<Option<String>> {
    let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let Some(name) = value.strip_prefix(REFERENCE) else {
        return Ok(Some(value.to_owned()));
    };
    set(name, env).map(Some).ok_or_else(|| {
        let kind = if field == "api_key" { ErrorKind::Auth } else { ErrorKind::BadRequest };
        ApiError::new(kind, format!("set {name}: the deployment's {field} refers to it"))
    })
}

/// A variable that is set and not empty.
pub(crate) fn set(name: &str, env: Env<'_>) -> Option<String> {
    env(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn first_set<'a>(names: &'a [String], env: Env<'_>) -> Option<(&'a str, String)> {
    names.iter().find_map(|name| Some((name.as_str(), set(name, env)?)))
}

/// `set A, B or C, or `; empty without names.
pub(crate) fn set_one_of<S: fmt::Display>(names: &[S]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("set {one} or "),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            format!("set {} or {last}, or ", first.join(", "))
        }
    }
}

/// Fills each `{A|B}` (or `${A|B}`, as `open` says) with the first of the names that has a value.
///
/// # Errors
/// The names of the first place that stays empty.
pub(crate) fn fill(
    template: &str,
    open: &str,
    value: &dyn Fn(&str) -> Option<String>,
) -> std::result::Result<String, Vec<String>> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once(open) {
        let Some((names, tail)) = after.split_once('}') else {
            break;
        };
        let found = names.split('|').find_map(value);
        out.push_str(before);
        out.push_str(&found.ok_or_else(|| names.split('|').map(str::to_owned).collect::<Vec<_>>())?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ProviderTable;

    fn env(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    fn spec(name: &str) -> ProviderSpec {
        (**ProviderTable::builtin().get(name).unwrap()).clone()
    }

    fn found(name: &str, own: Option<&str>, env: Env<'_>) -> Result<Option<String>> {
        let own = own.map(Secret::new);
        Ok(key(&spec(name), own.as_ref(), env)?.map(|key| key.secret.expose().to_owned()))
    }

    #[test]
    fn keys_are_found_in_order() {
        let both = env(&[("GOOGLE_API_KEY", "google"), ("GEMINI_API_KEY", " gemini\n"), ("MINE", "mine")]);
        let second = env(&[("GOOGLE_API_KEY", "  "), ("GEMINI_API_KEY", " gemini\n")]);
        let check = |own: Option<&str>, env: Env<'_>, expect: &str| {
            assert_eq!(found("gemini", own, env).unwrap().as_deref(), Some(expect));
        };
        check(Some("own"), &both, "own");
        check(Some("os.environ/MINE"), &both, "mine");
        check(Some(""), &both, "google");
        check(None, &both, "google");
        check(None, &second, "gemini");
        assert_eq!(found("llamafile", None, &env(&[])).unwrap(), None);
        assert_eq!(found("mock", Some("x"), &env(&[])).unwrap(), None);
    }

    #[test]
    fn a_missing_key_is_named() {
        let check = |name: &str, own: Option<&str>, expect: &str| {
            let error = found(name, own, &env(&[])).unwrap_err();
            assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Auth, expect));
        };
        check("openai", None, "set OPENAI_API_KEY or give the deployment an api_key");
        check("gemini", None, "set GOOGLE_API_KEY or GEMINI_API_KEY, or give the deployment an api_key");
        check("openai", Some("os.environ/NOPE"), "set NOPE: the deployment's api_key refers to it");
    }

    #[test]
    fn bases_are_found_in_order_and_filled() {
        let check = |name: &str, own: Option<&str>, env: Env<'_>, expect: &str| {
            assert_eq!(base(&spec(name), own, env).unwrap().to_string(), expect);
        };
        let proxy =
            env(&[("OPENAI_API_BASE", "http://b/v1"), ("OPENAI_BASE_URL", "http://a/v1"), ("B", "http://c")]);
        check("openai", Some("http://own/v1"), &proxy, "http://own/v1");
        check("openai", Some("os.environ/B"), &proxy, "http://c");
        check("openai", None, &proxy, "http://a/v1");
        check("openai", None, &env(&[]), "https://api.openai.com/v1");
        let cloudflare = env(&[("CLOUDFLARE_ACCOUNT_ID", "acc")]);
        check("cloudflare", None, &cloudflare, "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1");
        let region = env(&[("AWS_REGION", "eu-west-1")]);
        check("bedrock_mantle", None, &region, "https://bedrock-mantle.eu-west-1.api.aws/v1");
    }

    #[test]
    fn a_missing_base_is_named() {
        let check = |name: &str, env: Env<'_>, expect: &str| {
            assert_eq!(base(&spec(name), None, env).unwrap_err().message, expect);
        };
        check("cloudflare", &env(&[]), "set CLOUDFLARE_ACCOUNT_ID or give the deployment an api_base");
        check(
            "azure",
            &env(&[]),
            "set AZURE_API_BASE or AZURE_OPENAI_ENDPOINT, or give the deployment an api_base",
        );
        let bare = env(&[("OLLAMA_HOST", "0.0.0.0")]);
        check("ollama", &bare, "OLLAMA_HOST: api_base must begin with https:// or http://");
    }

    #[test]
    fn keys_are_sent_as_the_row_and_its_rules_say() {
        let check =
            |name: &str, secret: &str, variable: Option<&str>, host: &str, expect: &[(&str, &str)]| {
                let key = Key { secret: Secret::new(secret), variable: variable.map(str::to_owned) };
                let (auth, headers) = auth_headers(&spec(name), &key, host).unwrap().unwrap();
                assert!(headers[&auth].is_sensitive());
                let mut sent: Vec<_> =
                    headers.iter().map(|(k, v)| (k.as_str(), v.to_str().unwrap())).collect();
                sent.sort_unstable();
                assert_eq!(sent, expect, "{name} {host}");
            };
        let oauth = ("anthropic-beta", "oauth-2025-04-20");
        check("openai", "k", None, "h", &[("authorization", "Bearer k")]);
        check("anthropic", "k", Some("ANTHROPIC_API_KEY"), "h", &[("x-api-key", "k")]);
        check("anthropic", "k", Some("ANTHROPIC_AUTH_TOKEN"), "h", &[oauth, ("authorization", "Bearer k")]);
        check("anthropic", "sk-ant-oat1", None, "h", &[oauth, ("authorization", "Bearer sk-ant-oat1")]);
        check("gemini", "k", None, "h", &[("x-goog-api-key", "k")]);
        check("azure", "k", None, "h", &[("api-key", "k")]);
        check("azure", "k", Some("AZURE_AD_TOKEN"), "h", &[("authorization", "Bearer k")]);
        check("azure", "eyJ.x.y", None, "h", &[("authorization", "Bearer eyJ.x.y")]);
        check("azure_ai", "k", None, "R.services.ai.azure.com", &[("api-key", "k")]);
        check("azure_ai", "k", None, "x.models.ai.azure.com", &[("authorization", "Bearer k")]);
        check("sarvam", "k", None, "h", &[("api-subscription-key", "k")]);
        let broken = Key { secret: Secret::new("planted\nkey"), variable: None };
        let error = auth_headers(&spec("openai"), &broken, "h").unwrap_err();
        assert!(!format!("{error:?}").contains("planted"), "{error:?}");
    }
}
