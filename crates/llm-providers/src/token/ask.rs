//! The question that gets a token: made here, asked elsewhere.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request, Uri};
use llm_types::{ApiError, Result, Secret};
use serde_json::json;

use super::google::{self, Google, Kind, ServiceAccount, User};
use super::grant::{Grant, Proof};
use super::refused;
use super::sign::SigningKey;
use crate::url::escape;

/// How long a token that we sign holds.
const SIGNED_FOR: Duration = Duration::from_secs(3600);
/// What Azure's tokens are for (learn.microsoft.com/azure/ai-foundry/openai/how-to/managed-identity).
const AZURE_SCOPE: &str = "https://cognitiveservices.azure.com/.default";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const APIKEY: &str = "urn:ibm:params:oauth:grant-type:apikey";
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");

/// What is to be done for a token.
pub(super) enum Ask {
    /// Nothing more: it was signed here.
    Made {
        /// The token.
        token: Secret,
        /// How long it holds.
        lifetime: Duration,
    },
    /// This has to be sent.
    Send(Box<Request<Bytes>>),
}

impl Grant {
    /// What is to be done for a token.
    ///
    /// # Errors
    /// When a file cannot be read, or holds no key that can sign.
    pub(super) fn ask(&self, now: SystemTime) -> Result<Ask> {
        match self {
            Self::Google(Google::Metadata { host, guess: _ }) => metadata(host),
            Self::Google(Google::Document(document)) => match google::kind(document)? {
                Kind::ServiceAccount(account) => service_account(&account, now),
                Kind::User(user) => refreshed(&user),
            },
            Self::AzureAd { url, client, proof } => azure(url, client, proof),
            Self::Watsonx { url, key } => form(url, &[("grant_type", APIKEY), ("apikey", key.expose())]),
            Self::Databricks { url, client, secret } => databricks(url, client, secret),
            Self::Snowflake { user, key } => snowflake(user, key.read()?.expose(), now),
        }
    }
}

/// `POST` with a form, as OAuth has it (RFC 6749).
fn form(url: &str, fields: &[(&str, &str)]) -> Result<Ask> {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    let request = Request::post(secure(url)?)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(Bytes::from(pairs.join("&")));
    request.map(Box::new).map(Ask::Send).map_err(|_| refused(unusable(url)))
}

/// An address that secrets may be sent to.
fn secure(url: &str) -> Result<Uri> {
    let uri: Uri = url.parse().map_err(|_| refused(unusable(url)))?;
    let host = uri.host().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if here => Ok(uri),
        _ => Err(refused(unusable(url))),
    }
}

fn unusable(url: &str) -> String {
    let origin = url.split(['?', '#']).next().unwrap_or_default();
    format!("secrets are not sent to `{origin}`: the address that gives tokens must begin with https://")
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

/// developers.google.com/identity/protocols/oauth2/service-account
fn service_account(account: &ServiceAccount, now: SystemTime) -> Result<Ask> {
    let ServiceAccount { client_email, private_key, private_key_id, token_uri } = account;
    let issued = seconds(now);
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = private_key_id {
        header["kid"] = json!(id);
    }
    let claims = json!({"iss": client_email, "scope": google::SCOPE, "aud": token_uri,
        "iat": issued, "exp": issued + SIGNED_FOR.as_secs()});
    let assertion = SigningKey::read(private_key.expose())?.token(&header, &claims)?;
    form(token_uri, &[("grant_type", JWT_BEARER), ("assertion", assertion.expose())])
}

fn refreshed(user: &User) -> Result<Ask> {
    let User { client_id, client_secret, refresh_token, token_uri } = user;
    form(
        token_uri,
        &[
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("client_secret", client_secret.expose()),
            ("refresh_token", refresh_token.expose()),
        ],
    )
}

/// cloud.google.com/compute/docs/access/authenticate-workloads#applications
fn metadata(host: &str) -> Result<Ask> {
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    let url = format!("http://{host}{path}?scopes={}", escape(google::SCOPE));
    let request = Request::get(url).header(FLAVOR, "Google").body(Bytes::new());
    request.map(Box::new).map(Ask::Send).map_err(|_| {
        refused(format!("`{host}` is no host: set GCE_METADATA_HOST to that of the metadata server"))
    })
}

fn azure(url: &str, client: &str, proof: &Proof) -> Result<Ask> {
    let mut fields =
        vec![("grant_type", "client_credentials"), ("client_id", client), ("scope", AZURE_SCOPE)];
    match proof {
        Proof::Secret(secret) => {
            fields.push(("client_secret", secret.expose()));
            form(url, &fields)
        }
        Proof::Assertion(document) => {
            let token = document.read()?;
            fields.push(("client_assertion_type", ASSERTION));
            fields.push(("client_assertion", token.expose().trim()));
            form(url, &fields)
        }
    }
}

fn databricks(url: &str, client: &str, secret: &Secret) -> Result<Ask> {
    let mut ask = form(url, &[("grant_type", "client_credentials"), ("scope", "all-apis")])?;
    let basic = STANDARD.encode(format!("{client}:{}", secret.expose()));
    let value = HeaderValue::try_from(format!("Basic {basic}"));
    if let (Ask::Send(request), Ok(mut value)) = (&mut ask, value) {
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(ask)
}

fn snowflake(user: &str, pem: &str, now: SystemTime) -> Result<Ask> {
    let key = SigningKey::read(pem)?;
    let issued = seconds(now);
    let claims = json!({"iss": format!("{user}.SHA256:{}", STANDARD.encode(key.fingerprint()?)), "sub": user,
        "iat": issued, "exp": issued + SIGNED_FOR.as_secs()});
    let token = key.token(&json!({"alg": "RS256", "typ": "JWT"}), &claims)?;
    Ok(Ask::Made { token, lifetime: SIGNED_FOR })
}

/// A part of a JSON Web Token.
pub(super) fn part(json: &serde_json::Value) -> Result<String, ApiError> {
    let text = serde_json::to_vec(json).map_err(|_| refused("the claims of a token cannot be written"))?;
    Ok(URL_SAFE_NO_PAD.encode(text))
}
