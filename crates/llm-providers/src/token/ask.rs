//! The question that gets a token: made here, asked elsewhere.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri};
use llm_types::{ApiError, Result, Secret};
use serde_json::json;

use super::external::{External, Impersonated};
use super::google::{self, Google, Kind, ServiceAccount, User};
use super::grant::{Grant, Proof};
use super::refused;
use super::sign::SigningKey;
use crate::url::escape;

/// How long a token that we sign holds.
const SIGNED_FOR: Duration = Duration::from_secs(3600);
/// What Azure's tokens are for (learn.microsoft.com/azure/ai-foundry/openai/how-to/managed-identity).
const AZURE_SCOPE: &str = "https://cognitiveservices.azure.com/.default";
/// The same as managed identities are asked for it.
const AZURE_RESOURCE: &str = "https://cognitiveservices.azure.com";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
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
    /// This has to be sent; what comes of it is the token, or what the last of these goes on with.
    Send(Box<Request<Bytes>>, Vec<Next>),
}

/// What is done with an answer that is not yet the token.
#[derive(Debug)]
pub(super) enum Next {
    /// The token of another issuer is exchanged.
    Exchange(Box<External>),
    /// With the token one acts as a service account.
    Act {
        /// Where its tokens are given.
        url: String,
        /// Those in between.
        delegates: Vec<String>,
    },
}

impl Next {
    /// Goes on with an answer; `rest`: what is to be done after that.
    ///
    /// # Errors
    /// When the answer is none to go on with.
    pub(super) fn ask(
        self,
        grant: &Grant,
        (status, body): (StatusCode, &[u8]),
        rest: Vec<Self>,
    ) -> Result<Ask> {
        match self {
            Self::Exchange(external) => {
                if !status.is_success() {
                    return Err(grant.refusal(status, body));
                }
                let token = external.credential_source.format.token(&String::from_utf8_lossy(body))?;
                Ok(exchange(&external, &token)?.and_then(rest))
            }
            Self::Act { url, delegates } => {
                let given = grant.read(status, body)?;
                let lifetime = format!("{}s", SIGNED_FOR.as_secs());
                let body = json!({"scope": [google::SCOPE], "lifetime": lifetime, "delegates": delegates});
                let mut token = HeaderValue::try_from(format!("Bearer {}", given.token.expose()))
                    .map_err(|_| refused("the token that was given cannot be sent: check who gives it"))?;
                token.set_sensitive(true);
                let request = Request::post(secure(&url)?)
                    .header(CONTENT_TYPE, "application/json")
                    .header(ACCEPT, "application/json")
                    .header(AUTHORIZATION, token)
                    .body(Bytes::from(body.to_string()));
                let request = request.map_err(|_| refused(unusable(&url)))?;
                Ok(Ask::Send(Box::new(request), rest))
            }
        }
    }
}

impl Ask {
    fn send(request: Request<Bytes>) -> Self {
        Self::Send(Box::new(request), Vec::new())
    }

    /// The same with more to be done after it: the last first.
    fn and_then(self, mut then: Vec<Next>) -> Self {
        match self {
            Self::Send(request, own) => {
                then.extend(own);
                Self::Send(request, then)
            }
            made @ Self::Made { .. } => made,
        }
    }
}

impl Grant {
    /// What is to be done for a token.
    ///
    /// # Errors
    /// When a file cannot be read, or holds no key that can sign.
    pub(super) fn ask(&self, now: SystemTime) -> Result<Ask> {
        match self {
            Self::Google(Google::Metadata { host, guess: _ }) => metadata(host),
            Self::Google(Google::Document(document)) => of_kind(google::kind(document)?, now),
            Self::AzureManaged { url, client, key } => managed(url, client.as_deref(), key.as_ref()),
            Self::AzureAd { url, client, proof } => azure(url, client, proof),
            Self::Watsonx { url, key } => form(url, &[("grant_type", APIKEY), ("apikey", key.expose())]),
            Self::Databricks { url, client, secret } => databricks(url, client, secret),
            Self::Snowflake { user, key } => snowflake(user, key.read()?.expose(), now),
        }
    }
}

fn of_kind(kind: Kind, now: SystemTime) -> Result<Ask> {
    match kind {
        Kind::ServiceAccount(account) => service_account(&account, now),
        Kind::User(user) => refreshed(&user),
        Kind::External(external) => external_account(external),
        Kind::Impersonated(who, Impersonated { service_account_impersonation_url: url, delegates, .. }) => {
            Ok(of_kind(*who, now)?.and_then(vec![Next::Act { url, delegates }]))
        }
    }
}

/// google.aip.dev/auth/4117
fn external_account(external: Box<External>) -> Result<Ask> {
    let url = external.service_account_impersonation_url.clone();
    let then: Vec<Next> = url.map(|url| Next::Act { url, delegates: Vec::new() }).into_iter().collect();
    if let Some(token) = external.in_file()? {
        return Ok(exchange(&external, &token)?.and_then(then));
    }
    let unusable = || refused("the `url` of the credential_source cannot be asked: check it and its headers");
    let mut request = Request::get(external.credential_source.url.as_deref().unwrap_or_default());
    for (name, value) in &external.credential_source.headers {
        request = request.header(name, value.expose());
    }
    let request = request.body(Bytes::new()).map_err(|_| unusable())?;
    if !matches!(request.uri().scheme_str(), Some("http" | "https")) {
        return Err(unusable());
    }
    Ok(Ask::send(request).and_then([then, vec![Next::Exchange(external)]].into_iter().flatten().collect()))
}

/// RFC 8693.
fn exchange(external: &External, token: &Secret) -> Result<Ask> {
    let project = external.workforce_pool_user_project.as_deref();
    let options = project.map(|project| json!({"userProject": project}).to_string());
    let mut fields = vec![
        ("grant_type", EXCHANGE),
        ("audience", &*external.audience),
        ("scope", google::SCOPE),
        ("requested_token_type", ACCESS_TOKEN),
        ("subject_token_type", &*external.subject_token_type),
        ("subject_token", token.expose()),
    ];
    fields.extend(options.as_deref().map(|options| ("options", options)));
    form(&external.token_url, &fields)
}

/// learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token,
/// learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
fn managed(url: &str, client: Option<&str>, key: Option<&Secret>) -> Result<Ask> {
    let version = if key.is_some() { "2019-08-01" } else { "2018-02-01" };
    let client = client.map(|client| format!("&client_id={}", escape(client))).unwrap_or_default();
    let url = format!("{url}?api-version={version}&resource={}{client}", escape(AZURE_RESOURCE));
    let request = match key {
        Some(key) => Request::get(url).header("x-identity-header", key.expose()),
        None => Request::get(url).header("metadata", "true"),
    };
    let unusable = "the managed identity cannot be asked: check IDENTITY_ENDPOINT and IDENTITY_HEADER";
    request.body(Bytes::new()).map(Ask::send).map_err(|_| refused(unusable))
}

/// `POST` with a form, as OAuth has it (RFC 6749).
fn form(url: &str, fields: &[(&str, &str)]) -> Result<Ask> {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    let request = Request::post(secure(url)?)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(Bytes::from(pairs.join("&")));
    request.map(Ask::send).map_err(|_| refused(unusable(url)))
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
    request.map(Ask::send).map_err(|_| {
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
    if let (Ask::Send(request, _), Ok(mut value)) = (&mut ask, value) {
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
