//! Base URLs, taken apart once, and the URL of a call.
//!
//! What people configure as a base differs: with or without the version segment, with a slash at the
//! end, or the whole URL of the endpoint copied from a page. The rule that serves all of them: where the
//! end of the base and the beginning of the path are the same segments, they are written once.

use std::fmt;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use llm_types::{ApiError, ErrorKind, Result, UrlForm};

/// API versions that mean the version-less surface of Azure OpenAI.
const AZURE_V1: [&str; 3] = ["v1", "preview", "latest"];
/// Operations of Azure OpenAI that belong to the resource and not to one deployment.
const AZURE_RESOURCE_PATHS: [&str; 4] = ["/batches", "/files", "/models", AZURE_RESPONSES];
/// The realtime API of Azure OpenAI: where there are versions, the query names the deployment
/// (learn.microsoft.com/azure/ai-foundry/openai/realtime-audio-reference).
const AZURE_REALTIME: &str = "/realtime";
/// The Responses API of Azure OpenAI; it is the same on the version-less surface.
const AZURE_RESPONSES: &str = "/responses";
/// The first version of Azure OpenAI's API that has it
/// (learn.microsoft.com/azure/ai-foundry/openai/how-to/responses).
const AZURE_RESPONSES_SINCE: &str = "2025-03-01";
/// Hosts of Azure resources, behind which Foundry's models are at `/models`; serverless endpoints have
/// other hosts and are at `/v1`.
const FOUNDRY_HOSTS: [&str; 3] =
    [".services.ai.azure.com", ".cognitiveservices.azure.com", ".openai.azure.com"];
/// What leads to the other APIs of a resource, as people copy it; the first that fits is the whole of it.
const FOUNDRY_PATHS: [&str; 4] = ["/openai/v1", "/openai", "/models/chat/completions", "/models"];

/// What HuggingFace's servers have beside the version.
const RERANK: &str = "/rerank";
/// Where the resources of Foundry have it (learn.microsoft.com/azure/ai-foundry: Cohere's models).
const FOUNDRY_RERANK: &str = "/providers/cohere/v2/rerank";

/// A base URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Base {
    scheme: Scheme,
    authority: Authority,
    /// Without a slash at the end; empty for a bare origin.
    path: String,
    query: Option<String>,
}

impl fmt::Debug for Base {
    /// Without the query, which may hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Base {
    /// Takes a base URL apart.
    ///
    /// # Errors
    /// When it is not an absolute `http` or `https` URL, or holds a user name or password.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| ApiError::new(ErrorKind::BadRequest, format!("api_base {why}"));
        let uri: Uri = text
            .trim()
            .parse()
            .map_err(|error| wrong("is not a URL: write https://host/path").with_source(error))?;
        let parts = uri.into_parts();
        let scheme = parts
            .scheme
            .filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
            .ok_or_else(|| wrong("must begin with https:// or http://"))?;
        let authority = parts.authority.ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("holds a user name or password: use api_key or headers for credentials"));
        }
        if authority.host().is_empty() {
            return Err(wrong("names no host"));
        }
        let path = parts.path_and_query.as_ref().map(PathAndQuery::path).unwrap_or_default();
        let query = parts.path_and_query.as_ref().and_then(PathAndQuery::query);
        Ok(Self {
            scheme,
            authority,
            path: path.trim_end_matches('/').to_owned(),
            query: query.filter(|query| !query.is_empty()).map(str::to_owned),
        })
    }

    /// The same without the `/v1` at its end.
    fn without_version(mut self) -> Self {
        if self.path.ends_with("/v1") {
            self.path.truncate(self.path.len() - "/v1".len());
        }
        self
    }

    /// The same without what leads to the other APIs of a Foundry resource.
    fn without_foundry(mut self) -> Self {
        if let Some(end) = FOUNDRY_PATHS.iter().find(|end| self.path.ends_with(*end)) {
            self.path.truncate(self.path.len() - end.len());
        }
        self
    }

    /// The host, without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// The path, without a slash at its end.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The base of a model that is at `own`, where this one is, or ends like, the `documented` base below it.
    #[must_use]
    pub(crate) fn beside(mut self, documented: &str, own: &str) -> Self {
        let path = |text: &str| Self::parse(text).map(|base| base.path).unwrap_or_default();
        let (documented, own) = (path(documented), path(own));
        let is_below = documented.strip_prefix(&own).is_some_and(|rest| rest.starts_with('/'));
        if let Some(rest) = self.path.strip_suffix(&documented).filter(|_| is_below) {
            self.path = format!("{rest}{own}");
        }
        self
    }

    /// The value of a member of the query.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Names and values of the query, as they stand; a value may be empty.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.query.as_deref().unwrap_or_default().split('&');
        pairs.filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// Whether host and port are those of `other` and the path is the same or lies below it.
    #[must_use]
    pub fn is_at_or_below(&self, other: &Self) -> bool {
        let port = |base: &Self| {
            base.authority.port_u16().unwrap_or(if base.scheme == Scheme::HTTP { 80 } else { 443 })
        };
        self.host().eq_ignore_ascii_case(other.host())
            && port(self) == port(other)
            && self
                .path
                .strip_prefix(&*other.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The URL of `path` (with a leading slash, with or without a query) behind this base. `query` and
    /// the base's own query are added.
    ///
    /// # Errors
    /// When `path` holds what a URL cannot.
    fn join(&self, path: &str, query: Option<&str>) -> Result<Uri> {
        let (path, own_query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let rest = path.get(overlap(&self.path, path)..).unwrap_or(path);
        let mut out = String::with_capacity(self.path.len() + path.len() + 32);
        out.push_str(&self.path);
        out.push_str(rest);
        let mut mark = '?';
        for query in [self.query.as_deref(), own_query, query].into_iter().flatten() {
            out.push(mark);
            out.push_str(query);
            mark = '&';
        }
        let path = PathAndQuery::try_from(out).map_err(|error| {
            ApiError::bad_request("the model name cannot be part of a URL").with_source(error)
        })?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts)
            .map_err(|error| ApiError::bad_request("the URL of the call cannot be built").with_source(error))
    }
}

/// How many bytes of `path` are the end of `base` already, in whole segments.
fn overlap(base: &str, path: &str) -> usize {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    ends.filter(|end| path.get(..*end).is_some_and(|head| base.ends_with(head))).last().unwrap_or(0)
}

/// How the URLs of one deployment are built: what goes between the base and a call's path, and what
/// is added behind it. Worked out once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    base: Base,
    prefix: Prefix,
    query: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Prefix {
    None,
    Fixed(&'static str),
    /// `/v1`, except before what lies beside it.
    Version,
    /// `/models`, except before what another vendor's models have of their own.
    Models,
    /// Where within the host the account is.
    Place(String),
    /// `/openai/deployments/{model}`, or `/openai` for what belongs to the resource.
    Deployment {
        /// The deployment, as a segment of a path.
        model: String,
        /// The version is older than the Responses API, which is then asked on the version-less surface.
        old: bool,
    },
}

impl Route {
    /// The route of a deployment.
    ///
    /// # Errors
    /// When the URL form needs an API version and there is none.
    pub fn new(form: UrlForm, base: Base, model: &str, version: Option<&str>) -> Result<Self> {
        // A version in the base's own query is the user's word and stays there.
        let given = base.query("api-version").map(str::to_owned);
        let version = given.as_deref().or(version);
        let base = match form {
            UrlForm::WithoutV1 => base.without_version(),
            UrlForm::AzureAnthropic => base.without_foundry(),
            _ => base,
        };
        let pinned = |version: Option<&str>| {
            let version = version.ok_or_else(|| {
                ApiError::bad_request(
                    "no API version: give the deployment an api_version, e.g. 2025-02-01-preview",
                )
            })?;
            Ok(given.is_none().then(|| format!("api-version={}", escape(version))))
        };
        let (prefix, query) = match form {
            // Whose place it is comes later: see `within`.
            UrlForm::Plain | UrlForm::Vertex | UrlForm::VertexGlobal => (Prefix::None, None),
            UrlForm::Versioned => {
                let version = version.filter(|_| base.query("version").is_none());
                (Prefix::None, version.map(|version| format!("version={}", escape(version))))
            }
            UrlForm::WithoutV1 => (Prefix::None, None),
            UrlForm::AzureAnthropic => (Prefix::Fixed("/anthropic"), None),
            UrlForm::AddV1 if base.path().ends_with("/openai") => (Prefix::None, None),
            UrlForm::AddV1 => (Prefix::Version, None),
            UrlForm::AzureDeployment => {
                let v1 = version.is_some_and(|version| AZURE_V1.contains(&version));
                if v1 || base.path().ends_with("/openai/v1") {
                    // `preview` asks for more than the stable surface; the others are its default.
                    let preview = version == Some("preview") && given.is_none();
                    (Prefix::Fixed("/openai/v1"), preview.then(|| "api-version=preview".to_owned()))
                } else {
                    let query = pinned(version)?;
                    // Versions are dates. One in the base's own query cannot be left out.
                    let old =
                        query.is_some() && version.is_some_and(|version| version < AZURE_RESPONSES_SINCE);
                    (Prefix::Deployment { model: escape(model), old }, query)
                }
            }
            UrlForm::AzureFoundry => {
                let host = base.host().to_ascii_lowercase();
                if base.path().ends_with("/v1") {
                    (Prefix::None, None)
                } else if FOUNDRY_HOSTS.iter().any(|end| host.ends_with(end)) {
                    (Prefix::Models, pinned(version)?)
                } else {
                    (Prefix::Fixed("/v1"), None)
                }
            }
        };
        Ok(Self { base, prefix, query })
    }

    /// This route with `place` before the path of every call.
    pub(crate) fn within(self, place: String) -> Self {
        Self { prefix: Prefix::Place(place), ..self }
    }

    /// The base URL.
    #[must_use]
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// The URL of a call of the provider's own API: nothing is put before its path. The API version is added where
    /// the call names none.
    ///
    /// # Errors
    /// When `path` holds what a URL cannot.
    pub(crate) fn below(&self, path: &str) -> Result<Uri> {
        let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
        let given = path.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let own = self.query.as_deref().filter(|own| !given.split('&').any(|pair| name(pair) == name(own)));
        self.base.join(path, own)
    }

    /// The URL of a call. A path that begins with `..` lies beside the version of the base.
    ///
    /// # Errors
    /// When `path` holds what a URL cannot.
    pub fn uri(&self, path: &str) -> Result<Uri> {
        let query = self.query.as_deref();
        if let Some(beside) = path.strip_prefix("..") {
            return self.base.clone().without_version().join(beside, query);
        }
        match &self.prefix {
            Prefix::None => self.base.join(path, query),
            // What has its version already (`/v1/messages`) gets no other.
            Prefix::Version if path == RERANK || path.starts_with("/v1/") => self.base.join(path, query),
            Prefix::Version => self.base.join(&format!("/v1{path}"), query),
            Prefix::Models if path == RERANK => self.base.join(FOUNDRY_RERANK, None),
            Prefix::Models => self.base.join(&format!("/models{path}"), query),
            Prefix::Fixed(prefix) => self.base.join(&format!("{prefix}{path}"), query),
            Prefix::Place(place) => self.base.join(&format!("{place}{path}"), query),
            Prefix::Deployment { model: _, old: true } if path.starts_with(AZURE_RESPONSES) => {
                self.base.join(&format!("/openai/v1{path}"), None)
            }
            Prefix::Deployment { model, old: _ } if path.starts_with(AZURE_REALTIME) => {
                // The rest of the query goes on; the model is the deployment.
                let rest = path.find('&').and_then(|at| path.get(at..)).unwrap_or_default();
                self.base.join(&format!("/openai{AZURE_REALTIME}?deployment={model}{rest}"), query)
            }
            Prefix::Deployment { .. } if AZURE_RESOURCE_PATHS.iter().any(|start| path.starts_with(start)) => {
                self.base.join(&format!("/openai{path}"), query)
            }
            Prefix::Deployment { model, old: _ } => {
                self.base.join(&format!("/openai/deployments/{model}{path}"), query)
            }
        }
    }
}

/// Text as one segment of a path, or one value of a query.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
