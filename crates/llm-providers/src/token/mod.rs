//! Tokens that are fetched, expire and are fetched again: what calls are made with where there is no key.
//!
//! What is needed to get one (`Grant`) is worked out when the configuration is read, so that what is missing is
//! said then. The asking is done beside the calls, by one thread for all (`keep`): a call takes the token that is
//! there. Only where there is none does it wait, and however many wait, one question is asked.

mod azure;
mod document;
#[cfg_attr(not(feature = "tokens"), expect(dead_code, reason = "nothing is asked without the feature"))]
mod external;
#[cfg_attr(not(feature = "tokens"), expect(dead_code, reason = "nothing is asked without the feature"))]
mod google;
#[cfg_attr(not(feature = "tokens"), expect(dead_code, reason = "nothing is asked without the feature"))]
mod grant;

#[cfg(not(feature = "tokens"))]
mod absent;
#[cfg(feature = "tokens")]
mod answer;
#[cfg(feature = "tokens")]
mod ask;
#[cfg(feature = "tokens")]
mod keep;
#[cfg(feature = "tokens")]
mod settle;
#[cfg(feature = "tokens")]
mod sign;
#[cfg(test)]
#[cfg(all(feature = "tokens", feature = "reqwest"))]
mod tests;

use llm_types::{ApiError, ErrorKind, ProviderSpec, Result, Secret, TokenSource, UrlForm};

#[cfg(not(feature = "tokens"))]
pub(crate) use absent::Tokens;
pub(crate) use google::Google;
pub(crate) use grant::Grant;
#[cfg(feature = "tokens")]
pub(crate) use keep::Tokens;
#[cfg(feature = "tokens")]
pub(crate) use settle::{MadeWith, judge, settle};

use crate::credential::{Env, Key, set_one_of};
use crate::url::Base;
use crate::vertex::Location;

/// An application that gets tokens for itself. Each may be `os.environ/NAME`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OauthOptions {
    /// The directory that it belongs to (Azure).
    pub tenant_id: Option<String>,
    /// Its id.
    pub client_id: Option<String>,
    /// Its secret.
    pub client_secret: Option<Secret>,
}

/// What a deployment says of who gets tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settings<'a> {
    /// Google credentials: the path of a file, or its JSON.
    pub(crate) credentials: Option<&'a Secret>,
    /// An application.
    pub(crate) oauth: Option<&'a OauthOptions>,
    /// The key that is exchanged, where one is.
    pub(crate) key: Option<&'a Key>,
    /// Where calls go.
    pub(crate) base: Option<&'a Base>,
}

/// How tokens for a deployment are got; `None`: its provider's row knows none.
///
/// # Errors
/// [`ErrorKind::Auth`] naming what has to be set, or what is wrong with what is.
pub(crate) fn grant(spec: &ProviderSpec, settings: Settings<'_>, env: Env<'_>) -> Result<Option<Grant>> {
    let Some(source) = spec.tokens else {
        return Ok(None);
    };
    let found = match source {
        TokenSource::Google => Some(Grant::Google(google::find(settings.credentials, env)?)),
        TokenSource::AzureAd => azure::find(settings.oauth, env)?,
        TokenSource::Watsonx => grant::watsonx(settings.key, env)?,
        TokenSource::Databricks => grant::databricks(settings.oauth, settings.base, env)?,
        TokenSource::Snowflake => grant::snowflake(env)?,
    };
    found.map(Some).ok_or_else(|| {
        let own = spec.key_env.iter().map(String::as_str);
        let names: Vec<&str> = own.chain(source.variables().iter().copied()).collect();
        refused(format!("{}give the deployment an api_key", set_one_of(&names)))
    })
}

/// Whether the environment says how tokens are got for this row.
pub(crate) fn is_available(spec: &ProviderSpec, base: Option<&Base>, env: Env<'_>) -> bool {
    let settings = Settings { base, ..Settings::default() };
    match grant(spec, settings, env) {
        // The metadata server is asked as a last resort, whether there is one or not.
        Ok(Some(Grant::Google(found))) => !found.is_guess() && is_placed(spec, &found, env),
        Ok(found) => found.is_some(),
        Err(_) => false,
    }
}

/// Whether the environment says in whose project calls are made, where they are made in one.
fn is_placed(spec: &ProviderSpec, found: &Google, env: Env<'_>) -> bool {
    let placed = || Location::of(None, None, env).and_then(|there| there.place(None, found.project(), env));
    spec.url != UrlForm::Vertex || placed().is_ok()
}

fn refused(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::Auth, message)
}
