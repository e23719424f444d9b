//! Where one deployment's calls go: provider, model, address, headers.
//!
//! A target is built once, when the configuration is read, so that whatever is missing or wrong is said
//! then and not at the first call. What is left per call is to join a path and to clone headers whose
//! values are shared.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request};
use llm_types::{ApiError, AuthStyle, Dialect, ErrorKind, Op, ProviderSpec, Result, Secret, Segments};
use sha2::{Digest, Sha256};

use crate::aws::{self, AwsOptions, Signer};
use crate::codec::WireRequest;
use crate::credential::{self, Env, fill, given, header_name, header_value};
use crate::name;
use crate::table::ProviderTable;
use crate::url::Route;

/// Headers that a key may be sent in: none of them is taken from a codec or a client.
const CREDENTIALS: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("api-subscription-key"),
];
/// Headers that belong to the connection or to the body: not for configuration.
const FRAMING: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
];

/// What stands in place of a secret.
const CONCEALED: &str = "[redacted]";
/// What is shorter is a word and not a secret.
const SHORTEST_SECRET: usize = 8;

/// What a deployment says of where its calls go.
#[derive(Clone, Default)]
pub struct TargetOptions {
    /// `provider/model`, or a bare name that is known to belong to a provider.
    pub model: String,
    /// The key; default: the provider's own variables. `os.environ/NAME` names another variable.
    pub api_key: Option<Secret>,
    /// The base URL; default: the provider's variables, then its row's.
    pub api_base: Option<String>,
    /// The API version, where the provider has one.
    pub api_version: Option<String>,
    /// The organization that is billed, where the provider knows one.
    pub organization: Option<String>,
    /// The project that is billed, where the provider knows one.
    pub project: Option<String>,
    /// Headers for every call.
    pub headers: BTreeMap<String, String>,
    /// Where the provider's servers are, where it has several regions.
    pub region: Option<String>,
    /// Who signs, where calls are signed for AWS.
    pub aws: Option<AwsOptions>,
}

impl fmt::Debug for TargetOptions {
    /// Header values are left out: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetOptions")
            .field("model", &self.model)
            .field("api_key", &self.api_key)
            .field("api_version", &self.api_version)
            .field("organization", &self.organization)
            .field("project", &self.project)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("region", &self.region)
            .field("aws", &self.aws)
            .finish_non_exhaustive()
    }
}

impl TargetOptions {
    /// A model with everything else at its default.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }
}

/// Where one deployment's calls go.
#[derive(Clone)]
pub struct Target {
    spec: Arc<ProviderSpec>,
    model: Arc<str>,
    /// `None`: the provider answers without a network.
    route: Option<Route>,
    headers: HeaderMap,
    /// Signs each call; `None`: a key is sent.
    signer: Option<Arc<Signer>>,
    fingerprint: u64,
    verbatim: bool,
}

impl fmt::Debug for Target {
    /// Names of headers only: their values may be keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("provider", &self.spec.name)
            .field("model", &self.model)
            .field("base", &self.route.as_ref().map(Route::base))
            .field("headers", &self.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Target {
    /// Resolves a deployment: its provider, key, address and headers.
    ///
    /// # Errors
    /// When the model names no provider, a key or base URL is missing, or a setting cannot be used.
    pub fn new(options: &TargetOptions, table: &ProviderTable, env: Env<'_>) -> Result<Self> {
        let own_base = given(options.api_base.as_deref(), "api_base", env)?;
        let (spec, mut model) = name::resolve_at(table, &options.model, own_base.as_deref())?;
        let named = |mut error: ApiError| {
            error.provider.get_or_insert_with(|| spec.name.clone());
            error
        };
        let signed = spec.auth == AuthStyle::AwsSigv4;
        let settings = aws::Settings { region: options.region.as_deref(), aws: options.aws.as_ref() };
        let place = signed.then(|| aws::Place::of(settings, &model, env));
        if let Some(place) = &place {
            model = place.model().to_owned();
        }
        let at = |name: &str| place.as_ref().and_then(|place| place.variable(name)).or_else(|| env(name));
        let route = route(&spec, &model, options, &at).map_err(named)?;
        let (headers, keyed) = headers(&spec, route.as_ref(), options, env).map_err(named)?;
        let host = route.as_ref().map(|route| route.base().host()).unwrap_or_default();
        let signer = match &place {
            Some(place) if !keyed => Some(place.signer(settings, host, env).map_err(named)?),
            _ => None,
        };
        let identity = signer.as_ref().map(|signer| signer.identity()).unwrap_or_default();
        let fingerprint = fingerprint(&spec.name, &model, route.as_ref(), (&headers, &identity));
        let spec = Arc::new(settled(&spec, &model));
        let verbatim = spec.quirks_for(&model, None).all(|quirks| quirks.reply.is_empty());
        Ok(Self { spec, model: model.into(), route, headers, signer, fingerprint, verbatim })
    }

    /// The provider's row.
    #[must_use]
    pub fn spec(&self) -> &Arc<ProviderSpec> {
        &self.spec
    }

    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.spec.name
    }

    /// The wire format that is spoken there.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.spec.dialect
    }

    /// The model as the provider names it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The same, to be kept.
    #[must_use]
    pub fn model_name(&self) -> &Arc<str> {
        &self.model
    }

    /// The dialect in which a call goes out; `client` is what the client speaks.
    #[must_use]
    pub fn dialect_for(&self, op: Op, client: Option<Dialect>) -> Dialect {
        self.spec.dialect_for(op, client, &self.model)
    }

    /// The host that calls go to; `None`: no network is needed.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.route.as_ref().map(|route| route.base().host())
    }

    /// Whether answers in this dialect need no mending for clients that speak it too. What a row says of
    /// its answers is about its own dialect.
    #[must_use]
    pub fn answers_verbatim(&self, dialect: Dialect) -> bool {
        self.verbatim || dialect != self.spec.dialect
    }

    /// A number that changes with every setting, key included, and tells none of them. It is the same in
    /// every process.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// A number for the account that calls are made with: provider, address and key, whatever the model.
    #[must_use]
    pub fn account(&self) -> u64 {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        };
        add(self.spec.name.as_bytes());
        add(self.route.as_ref().map(|route| route.base().to_string()).unwrap_or_default().as_bytes());
        let mut sorted: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        sorted.sort_unstable();
        for (name, value) in sorted {
            add(name.as_bytes());
            add(value);
        }
        if let Some(signer) = &self.signer {
            add(signer.identity().as_bytes());
        }
        first_bytes(&hash.finalize())
    }

    /// Takes what calls are sent with out of a failure's words: some providers repeat the key they refuse.
    pub fn conceal(&self, error: &mut ApiError) {
        for secret in self.secrets() {
            if error.message.contains(secret) {
                error.message = error.message.replace(secret, CONCEALED);
            }
            let told =
                error.body.as_deref().map(String::from_utf8_lossy).filter(|body| body.contains(secret));
            if let Some(body) = told.map(|body| body.replace(secret, CONCEALED)) {
                error.body = Some(body.into());
            }
        }
    }

    /// Whether a text repeats a key that is sent to the provider.
    #[must_use]
    pub fn repeats_secret(&self, text: &[u8]) -> bool {
        self.secrets().any(|secret| memchr::memmem::find(text, secret.as_bytes()).is_some())
    }

    // What signs a call is not sent with it and cannot be repeated.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let values = self.headers.values().filter(|value| value.is_sensitive());
        let texts = values.filter_map(|value| value.to_str().ok());
        let bare = texts.map(|text| text.split_once(' ').map_or(text, |(_, key)| key));
        bare.filter(|secret| secret.len() >= SHORTEST_SECRET)
    }

    /// Addresses a call: URL and headers are added to what the codec wrote. Take its memo out before.
    /// The target's own headers win over the codec's, and no key is taken from those.
    ///
    /// # Errors
    /// When the path cannot be part of a URL, or the provider needs no network.
    pub fn request(&self, wire: WireRequest) -> Result<Request<Segments>> {
        let WireRequest { method, path, mut headers, body, memo: _ } = wire;
        let Some(route) = &self.route else {
            let message = format!("{} answers without a network: do not send calls to it", self.spec.name);
            return Err(ApiError::new(ErrorKind::Internal, message));
        };
        for name in &CREDENTIALS {
            headers.remove(name);
        }
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        lay_over(&mut headers, &self.headers);
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = route.uri(&path)?;
        *request.headers_mut() = headers;
        if let Some(signer) = &self.signer {
            signer.sign(&mut request, SystemTime::now())?;
        }
        Ok(request)
    }
}

fn route(spec: &ProviderSpec, model: &str, options: &TargetOptions, env: Env<'_>) -> Result<Option<Route>> {
    if spec.dialect == Dialect::Mock {
        return Ok(None);
    }
    let base = credential::base_in(spec, options.api_base.as_deref(), env)?;
    let version = credential::version(spec, options.api_version.as_deref(), env)?;
    Route::new(spec.url, base, model, version.as_deref()).map(Some)
}

/// The row's headers, the deployment's over them, and the key's over all; and whether there is a key.
fn headers(
    spec: &ProviderSpec,
    route: Option<&Route>,
    options: &TargetOptions,
    env: Env<'_>,
) -> Result<(HeaderMap, bool)> {
    let mut headers = row_headers(spec, options, env)?;
    // Who gives its own AWS credentials does not mean a key that lies about in the environment.
    let key = match (&options.aws, &options.api_key) {
        (Some(_), None) => None,
        (_, own) => credential::key(spec, own.as_ref(), env)?,
    };
    let host = route.map(|route| route.base().host()).unwrap_or_default();
    let auth = match &key {
        Some(key) => credential::auth_headers(spec, key, host)?,
        None => None,
    };
    lay_over(&mut headers, &own_headers(options, auth.as_ref().map(|(name, _)| name), env)?);
    if let Some((_, auth)) = &auth {
        lay_over(&mut headers, auth);
    }
    Ok((headers, auth.is_some()))
}

fn row_headers(spec: &ProviderSpec, options: &TargetOptions, env: Env<'_>) -> Result<HeaderMap> {
    let organization = given(options.organization.as_deref(), "organization", env)?;
    let project = given(options.project.as_deref(), "project", env)?;
    let settings = [("organization", organization), ("project", project)];
    for (name, value) in &settings {
        if value.is_some() && !spec.headers.values().any(|template| mentions(template, name)) {
            let message = format!("no {name} is known there: remove it, or set the header that carries it");
            return Err(ApiError::bad_request(message));
        }
    }
    let value = |name: &str| {
        let own = settings.iter().find(|(setting, _)| *setting == name);
        let found = own.map_or_else(|| env(name), |(_, value)| value.clone());
        found.filter(|value| !value.trim().is_empty())
    };
    let mut headers = HeaderMap::new();
    for (name, template) in &spec.headers {
        // A variable that is not set means that the header is not wanted.
        if let Ok(text) = fill(template, "${", &value) {
            headers.insert(header_name(name)?, header_value(name, text.trim())?);
        }
    }
    Ok(headers)
}

/// Whether a template has a place for this name.
fn mentions(template: &str, name: &str) -> bool {
    let places = template.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    places.flat_map(|names| names.split('|')).any(|other| other == name)
}

fn own_headers(options: &TargetOptions, auth: Option<&HeaderName>, env: Env<'_>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (text, value) in &options.headers {
        let name = header_name(text)?;
        if auth == Some(&name) {
            let message = format!("header `{name}` carries the api_key: remove it from headers");
            return Err(ApiError::bad_request(message));
        }
        if FRAMING.contains(&name) {
            return Err(ApiError::bad_request(format!("header `{name}` is set for each call: remove it")));
        }
        let value = given(Some(value), &format!("header `{name}`"), env)?.unwrap_or_default();
        let mut value = header_value(text, &value)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Puts `over` into `headers`, replacing what is there. Lists of betas are joined instead: each side
/// needs its own (docs.anthropic.com/en/api/beta-headers).
fn lay_over(headers: &mut HeaderMap, over: &HeaderMap) {
    for (name, value) in over {
        let joined = match headers.get(name) {
            Some(there) if name.as_str().ends_with("-beta") => join_lists(there, value),
            _ => None,
        };
        headers.insert(name.clone(), joined.unwrap_or_else(|| value.clone()));
    }
}

fn join_lists(first: &HeaderValue, second: &HeaderValue) -> Option<HeaderValue> {
    let (first, second) = (first.to_str().ok()?, second.to_str().ok()?);
    let mut items: Vec<&str> = Vec::new();
    for item in first.split(',').chain(second.split(',')).map(str::trim) {
        if !item.is_empty() && !items.contains(&item) {
            items.push(item);
        }
    }
    HeaderValue::try_from(items.join(",")).ok()
}

fn fingerprint(
    provider: &str,
    model: &str,
    route: Option<&Route>,
    (headers, identity): (&HeaderMap, &str),
) -> u64 {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    add(provider.as_bytes());
    add(model.as_bytes());
    if let Some(uri) = route.and_then(|route| route.uri("/").ok()) {
        add(uri.to_string().as_bytes());
    }
    let mut sorted: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    sorted.sort_unstable();
    for (name, value) in sorted {
        add(name.as_bytes());
        add(value);
    }
    if !identity.is_empty() {
        add(identity.as_bytes());
    }
    first_bytes(&hash.finalize())
}

fn first_bytes(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// Whether a provider of this row can be called with what the environment holds: its key, where it needs
/// one, and its base URL. Local servers are left out: that no key is needed does not mean one is running.
#[must_use]
pub fn is_configured(spec: &ProviderSpec, env: Env<'_>) -> bool {
    let key = credential::key(spec, None, env);
    let signs = spec.auth == AuthStyle::AwsSigv4 && aws::has_keys(env);
    let has_key = signs || (spec.auth != AuthStyle::None && matches!(key, Ok(Some(_))));
    let has_base = spec.base_env.iter().any(|name| env(name).is_some_and(|value| !value.trim().is_empty()));
    (has_key || (spec.key_optional && has_base)) && credential::base(spec, None, env).is_ok()
}

/// The row with the rules that are for this model and no others, so that no call has to match names.
fn settled(spec: &ProviderSpec, model: &str) -> ProviderSpec {
    let mut spec = spec.clone();
    spec.rules.retain(|rule| rule.is_for(model));
    for rule in &mut spec.rules {
        rule.models = vec!["*".to_owned()];
        rule.except = Vec::new();
    }
    spec
}

#[cfg(test)]
mod tests;
