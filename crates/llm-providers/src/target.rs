//! Where one deployment's calls go: provider, model, address, headers.
//!
//! A target is built once, when the configuration is read, so that whatever is missing or wrong is said
//! then and not at the first call. What is left per call is to join a path and to clone headers whose
//! values are shared.

mod header;
mod secret;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Request};
use llm_types::{
    ApiError, AuthStyle, Dialect, ErrorKind, Head, NameSet, Op, ProviderSpec, Result, Secret, Segments,
    TokenSource, UrlForm,
};
use sha2::{Digest, Sha256};

pub use secret::Screen;

use crate::aws::{self, AwsOptions, Signer};
use crate::codec::WireRequest;
use crate::credential::{self, Env, Key, given, set};
use crate::name;
use crate::other_model;
use crate::table::ProviderTable;
use crate::token::{self, Google, Grant, OauthOptions, Tokens};
use crate::url::Route;
use crate::vertex::Location;

/// Headers that a key may be sent in: none of them is taken from a codec or a client.
const CREDENTIALS: [HeaderName; 7] = [
    http::header::AUTHORIZATION,
    http::header::PROXY_AUTHORIZATION,
    http::header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("api-subscription-key"),
];

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
    /// The provider's word for where calls go, in place of `region` (Vertex AI).
    pub location: Option<String>,
    /// Google credentials: the path of a file, or its JSON.
    pub credentials: Option<Secret>,
    /// An application, where tokens are got for one (Azure, Databricks).
    pub oauth: Option<OauthOptions>,
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
            .field("location", &self.location)
            .field("credentials", &self.credentials)
            .field("oauth", &self.oauth)
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
    /// What each call is made with in place of a key.
    tokens: Option<Arc<Tokens>>,
    /// What the address holds that may be a key.
    in_address: Arc<[String]>,
    fingerprint: u64,
    verbatim: bool,
    /// The members in which bodies may name further models.
    others: NameSet,
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
        let settings = aws::Settings {
            region: options.region.as_deref(),
            aws: options.aws.as_ref(),
            service: spec.aws_service.as_deref(),
        };
        let place = signed.then(|| aws::Place::of(settings, &model, env));
        if let Some(place) = &place {
            model = place.model().to_owned();
        }
        let location = location(&spec, options, env).map_err(named)?;
        let at = |name: &str| {
            let signed = place.as_ref().and_then(|place| place.variable(name));
            signed.or_else(|| location.as_ref().and_then(|there| there.variable(name))).or_else(|| env(name))
        };
        let documented = table.get(&spec.name).and_then(|row| row.api_base.as_deref());
        let mut route = route(&spec, &model, (options, documented), &at).map_err(named)?;
        let host = route.as_ref().map(|route| route.base().host()).unwrap_or_default().to_owned();
        let key = key(&spec, options, env).map_err(named)?;
        let sent = key.as_ref().filter(|key| !is_exchanged(&spec, key, &host));
        let mut headers =
            header::all(&spec, sent.map(|key| (key, host.as_str())), options, env).map_err(named)?;
        let signer = match &place {
            Some(place) if sent.is_none() => Some(place.signer(settings, &host, env).map_err(named)?),
            _ => None,
        };
        let base = route.as_ref().map(Route::base);
        let wanted = token::Settings { key: key.as_ref(), base, ..own_tokens(options) };
        let grant = match sent {
            Some(_) => None,
            None => token::grant(&spec, wanted, env).map_err(named)?,
        };
        if let Some(there) = &location {
            let google = grant.as_ref().and_then(Grant::google);
            let own = options.project.as_deref();
            let project = there.place(own, google.and_then(Google::project), env).map_err(named)?;
            route = route.map(|route| route.within(project));
            header::add_quota_project(&mut headers, google.and_then(Google::quota_project)).map_err(named)?;
        }
        let tokens = grant.map(Tokens::of).transpose().map_err(named)?;
        let signs = signer.as_ref().map(|signer| signer.identity());
        let identity =
            signs.or_else(|| tokens.as_ref().map(|tokens| tokens.name().to_owned())).unwrap_or_default();
        let fingerprint = fingerprint(&spec.name, &model, route.as_ref(), (&headers, &identity));
        let values = header::values(options, env).map_err(named)?;
        let spec = Arc::new(settled(&spec, &model, &host, (&values, &at)));
        let verbatim = spec.quirks_for(&model, None).all(|quirks| quirks.reply.is_empty());
        let others = other_model::members(&spec, &model);
        let model = model.into();
        let in_address =
            route.as_ref().map(|route| secret::of_address(route.base())).unwrap_or_default().into();
        Ok(Self { spec, model, route, headers, signer, tokens, in_address, fingerprint, verbatim, others })
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

    /// Whether a body may name models beside the target's own
    /// ([`other_models`](crate::other_model::other_models)); `false`: it names none.
    #[must_use]
    pub fn may_name_others(&self, head: &Head) -> bool {
        head.may_have(self.others) || self.model.contains(',')
    }

    /// The host that calls go to; `None`: no network is needed.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.route.as_ref().map(|route| route.base().host())
    }

    /// Whether calls go out without TLS.
    pub(crate) fn is_plain(&self) -> bool {
        self.route.as_ref().is_some_and(|route| route.base().to_string().starts_with("http://"))
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
        if let Some(tokens) = &self.tokens {
            add(tokens.name().as_bytes());
        }
        first_bytes(&hash.finalize())
    }

    /// Addresses a call: URL and headers are added to what the codec wrote. Take its memo out before.
    /// The target's own headers win over the codec's, and no key is taken from those.
    ///
    /// # Errors
    /// When the path cannot be part of a URL, or the provider needs no network.
    pub fn request(&self, wire: WireRequest) -> Result<Request<Segments>> {
        let uri = self.route()?.uri(&wire.path)?;
        self.addressed(uri, wire)
    }

    /// The same for a call of the provider's own API: the path lies below its base address as it is.
    ///
    /// # Errors
    /// As [`Target::request`].
    pub fn request_below(&self, wire: WireRequest) -> Result<Request<Segments>> {
        let uri = self.route()?.below(&wire.path)?;
        self.addressed(uri, wire)
    }

    /// Whether calls are signed, so that a body must be whole before it is sent.
    #[must_use]
    pub fn signs(&self) -> bool {
        self.signer.is_some()
    }

    /// Waits until calls can be signed, where that takes an answer of somebody else. A gateway does not wait: it asks
    /// another deployment.
    pub(crate) async fn ready(&self) {
        #[cfg(feature = "aws-chain")]
        if let Some(signer) = &self.signer {
            signer.ready().await;
        }
    }

    fn route(&self) -> Result<&Route> {
        self.route.as_ref().ok_or_else(|| {
            let message = format!("{} answers without a network: do not send calls to it", self.spec.name);
            ApiError::new(ErrorKind::Internal, message)
        })
    }

    fn addressed(&self, uri: http::Uri, wire: WireRequest) -> Result<Request<Segments>> {
        let WireRequest { method, path: _, mut headers, body, memo } = wire;
        for name in &CREDENTIALS {
            headers.remove(name);
        }
        headers.insert(http::header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        header::lay_over(&mut headers, &self.headers);
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        if let Some(follow) = memo.follow {
            request.extensions_mut().insert(follow);
        }
        if let Some(signer) = &self.signer {
            signer.sign(&mut request, SystemTime::now())?;
        }
        if let Some(tokens) = &self.tokens {
            // Where there is none yet, the transport waits for it.
            if let Some(held) = tokens.current(Instant::now()) {
                request.headers_mut().insert(http::header::AUTHORIZATION, held.header().clone());
            }
            request.extensions_mut().insert(Arc::clone(tokens));
        }
        Ok(request)
    }
}

/// `documented`: the usual base of the provider, which people configure also for models that are elsewhere.
fn route(
    spec: &ProviderSpec,
    model: &str,
    (options, documented): (&TargetOptions, Option<&str>),
    env: Env<'_>,
) -> Result<Option<Route>> {
    if spec.dialect == Dialect::Mock {
        return Ok(None);
    }
    let base = credential::base_in(spec, options.api_base.as_deref(), env)?;
    let base = match documented {
        Some(documented) => base.beside(documented, spec.api_base.as_deref().unwrap_or_default()),
        None => base,
    };
    let version = credential::version(spec, options.api_version.as_deref(), env)?;
    Route::new(spec.url, base, model, version.as_deref()).map(Some)
}

/// The key of a deployment. Who gives its own credentials does not mean a key that lies about in the environment.
fn key(spec: &ProviderSpec, options: &TargetOptions, env: Env<'_>) -> Result<Option<Key>> {
    let own = options.aws.is_some() || options.credentials.is_some() || options.oauth.is_some();
    match &options.api_key {
        None if own => Ok(None),
        api_key => credential::key(spec, api_key.as_ref(), env),
    }
}

/// Where calls go at a provider that has locations.
fn location(spec: &ProviderSpec, options: &TargetOptions, env: Env<'_>) -> Result<Option<Location>> {
    if spec.url == UrlForm::VertexGlobal {
        return Ok(Some(Location::global()));
    }
    if spec.url != UrlForm::Vertex {
        return match &options.location {
            Some(_) => Err(ApiError::bad_request("no location is known there: remove it, or set a region")),
            None => Ok(None),
        };
    }
    Location::of(options.location.as_deref(), options.region.as_deref(), env).map(Some)
}

/// Whether a key is not sent but what a token is got for.
fn is_exchanged(spec: &ProviderSpec, key: &Key, host: &str) -> bool {
    spec.tokens.is_some_and(TokenSource::takes_key) && credential::rule_for(spec, key, host).is_none()
}

/// What a deployment says of who gets its tokens.
fn own_tokens(options: &TargetOptions) -> token::Settings<'_> {
    let TargetOptions { credentials, oauth, .. } = options;
    token::Settings { credentials: credentials.as_ref(), oauth: oauth.as_ref(), key: None, base: None }
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
    let base = credential::base(spec, None, env).ok();
    let has_key = has_key || token::is_available(spec, base.as_ref(), env);
    let has_base = spec.base_env.iter().any(|name| env(name).is_some_and(|value| !value.trim().is_empty()));
    (has_key || (spec.key_optional && has_base)) && base.is_some()
}

/// The row with the rules that are for this model at this host and no others, so that no call has to match names, and with what it
/// sets filled in.
fn settled(
    spec: &ProviderSpec,
    model: &str,
    host: &str,
    (values, at): (&header::Values<'_>, Env<'_>),
) -> ProviderSpec {
    let mut spec = spec.clone();
    spec.variants = Vec::new();
    spec.rules.retain(|rule| rule.is_at(host));
    spec.rules.iter_mut().for_each(|rule| rule.hosts.clear());
    spec.rules.retain(|rule| rule.is_for(model));
    for rule in &mut spec.rules {
        rule.models = vec!["*".to_owned()];
        rule.except = Vec::new();
    }
    let rules = spec.rules.iter_mut().map(|rule| &mut rule.quirks);
    for quirks in std::iter::once(&mut spec.quirks).chain(rules) {
        // A place that nobody knows is said where the model is named in full.
        let prefix = quirks.model_prefix.take();
        quirks.model_prefix =
            prefix.and_then(|text| credential::fill(&text, "{", &|name| set(name, at)).ok());
        quirks.set.retain(|_, template| match values.fill(template) {
            Some(text) => {
                *template = text;
                true
            }
            None => false,
        });
    }
    spec
}

#[cfg(test)]
mod tests;
