//! One taxonomy of failures.
//!
//! Every failure, ours or a provider's, is put into one [`ErrorKind`]; whether it is retried, cools a
//! deployment down or falls back follows from the kind alone (`providers/errors.md`), and each front
//! renders it in its own shape.

use std::error::Error as StdError;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

/// The result of anything that can fail with an [`ApiError`].
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

/// What went wrong. Its serialised name (`rate_limit`) is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is not well-formed or not allowed.
    BadRequest,
    /// A parameter that the provider cannot take, in strict mode.
    UnsupportedParam,
    /// Well-formed, but the provider cannot process it.
    Unprocessable,
    /// The prompt does not fit the model.
    ContextWindow,
    /// The prompt or the answer offends a policy.
    ContentPolicy,
    /// The key is missing or wrong.
    Auth,
    /// The provider wants money first.
    Payment,
    /// The key may not do this.
    Permission,
    /// No such model, deployment or route.
    NotFound,
    /// No such method on this route.
    MethodNotAllowed,
    /// Nothing came in time.
    Timeout,
    /// The upstream said 504.
    GatewayTimeout,
    /// The provider sees a conflict.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// Too many requests or tokens.
    RateLimit,
    /// The account's quota is used up.
    Quota,
    /// The provider failed.
    Internal,
    /// The provider cannot be reached, or broke the connection.
    Connection,
    /// A proxy before the provider failed.
    BadGateway,
    /// The provider is down or not ready.
    Unavailable,
    /// The provider has too much to do.
    Overloaded,
    /// The provider's answer cannot be understood.
    UpstreamFormat,
    /// The provider failed in another way.
    Api,
    /// The client went away.
    ClientCancelled,
    /// A budget is used up.
    Budget,
    /// A guardrail refused.
    Guardrail,
}

impl ErrorKind {
    /// The HTTP status a client sees.
    #[must_use]
    pub fn status(self) -> StatusCode {
        use ErrorKind as K;
        match self {
            K::BadRequest | K::UnsupportedParam | K::ContextWindow | K::ContentPolicy | K::Guardrail => {
                StatusCode::BAD_REQUEST
            }
            K::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            K::Auth => StatusCode::UNAUTHORIZED,
            K::Payment | K::Budget => StatusCode::PAYMENT_REQUIRED,
            K::Permission => StatusCode::FORBIDDEN,
            K::NotFound => StatusCode::NOT_FOUND,
            K::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            K::Timeout => StatusCode::REQUEST_TIMEOUT,
            K::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
            K::Conflict => StatusCode::CONFLICT,
            K::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            K::RateLimit | K::Quota => StatusCode::TOO_MANY_REQUESTS,
            K::Internal | K::UpstreamFormat | K::Api => StatusCode::INTERNAL_SERVER_ERROR,
            K::Connection | K::BadGateway => StatusCode::BAD_GATEWAY,
            K::Unavailable | K::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            K::ClientCancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        }
    }

    /// OpenAI's `type` word for this kind.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        use ErrorKind as K;
        match self {
            K::BadRequest
            | K::UnsupportedParam
            | K::Unprocessable
            | K::ContextWindow
            | K::ContentPolicy
            | K::NotFound
            | K::MethodNotAllowed
            | K::Conflict
            | K::TooLarge
            | K::ClientCancelled => "invalid_request_error",
            K::Auth => "authentication_error",
            K::Payment | K::Quota => "insufficient_quota",
            K::Permission => "permission_error",
            K::Timeout | K::GatewayTimeout => "timeout_error",
            K::RateLimit => "rate_limit_error",
            K::Internal => "internal_server_error",
            K::Connection => "api_connection_error",
            K::BadGateway => "server_error",
            K::Unavailable => "service_unavailable",
            K::Overloaded => "overloaded_error",
            K::UpstreamFormat | K::Api => "api_error",
            K::Budget => "budget_exceeded",
            K::Guardrail => "guardrail_error",
        }
    }

    /// OpenAI's `code` word for this kind, where it has one.
    #[must_use]
    pub fn code(self) -> Option<&'static str> {
        use ErrorKind as K;
        match self {
            K::UnsupportedParam => Some("unsupported_parameter"),
            K::ContextWindow => Some("context_length_exceeded"),
            K::ContentPolicy => Some("content_policy_violation"),
            K::Auth => Some("invalid_api_key"),
            K::NotFound => Some("model_not_found"),
            K::MethodNotAllowed => Some("method_not_allowed"),
            K::TooLarge => Some("request_too_large"),
            K::Timeout | K::GatewayTimeout => Some("timeout"),
            K::RateLimit => Some("rate_limit_exceeded"),
            K::Payment | K::Quota => Some("insufficient_quota"),
            K::Internal | K::BadGateway => Some("server_error"),
            K::Connection => Some("upstream_unreachable"),
            K::Unavailable => Some("service_unavailable"),
            K::Overloaded => Some("overloaded"),
            K::UpstreamFormat => Some("upstream_format"),
            K::Budget => Some("budget_exceeded"),
            K::Guardrail => Some("guardrail"),
            K::BadRequest | K::Unprocessable | K::Permission | K::Conflict | K::Api | K::ClientCancelled => {
                None
            }
        }
    }

    /// Whether the same call may succeed later on the same deployment.
    #[must_use]
    pub fn retry_same(self) -> bool {
        use ErrorKind as K;
        matches!(
            self,
            K::Timeout
                | K::GatewayTimeout
                | K::Conflict
                | K::RateLimit
                | K::Internal
                | K::Connection
                | K::BadGateway
                | K::Unavailable
                | K::Overloaded
                | K::UpstreamFormat
                | K::Api
        )
    }

    /// Whether another deployment may succeed where this one failed.
    #[must_use]
    pub fn retry_other(self) -> bool {
        use ErrorKind as K;
        self.retry_same() || matches!(self, K::Auth | K::Payment | K::Permission | K::NotFound | K::Quota)
    }
}

/// Who found the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Us, before or beside any call.
    Gateway,
    /// The provider, or the way to it.
    Upstream,
}

/// What is known about a failure. A message never holds a secret.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The class, from which everything else follows.
    pub kind: ErrorKind,
    /// Who found it.
    pub origin: Origin,
    /// A lowercase fragment that says what to do, or the provider's own words.
    pub message: String,
    /// A more exact word than the kind's own.
    pub code: Option<String>,
    /// The parameter at fault.
    pub param: Option<String>,
    /// Which provider.
    pub provider: Option<String>,
    /// The provider's HTTP status.
    pub upstream_status: Option<StatusCode>,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// The provider's own word on whether to retry (`x-should-retry`).
    pub should_retry: Option<bool>,
    /// The id under which the client finds its request again.
    pub request_id: Option<String>,
    /// The provider's body, for the log and for its own front; at most 64 KiB.
    pub body: Option<Bytes>,
    /// What caused it.
    pub source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// A failure, one word wide.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Fault>);

/// OpenAI's other codes of what has a fixed one.
const OPENAI: [&str; 5] = [
    "billing_hard_limit_reached",
    "content_filter",
    "image_content_policy_violation",
    "invalid_prompt",
    "moderation_blocked",
];
/// The code of what [`ApiError::wants_bytes`].
const NOT_FETCHED: &str = "address_not_fetched";

impl ApiError {
    /// A failure that we found.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Fault {
            kind,
            origin: Origin::Gateway,
            message: message.into(),
            code: None,
            param: None,
            provider: None,
            upstream_status: None,
            retry_after: None,
            should_retry: None,
            request_id: None,
            body: None,
            source: None,
        }))
    }

    /// A failure of a provider, or of the way to it.
    #[must_use]
    pub fn upstream(kind: ErrorKind, message: impl Into<String>) -> Self {
        let mut error = Self::new(kind, message);
        error.origin = Origin::Upstream;
        error
    }

    /// A malformed request.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, message)
    }

    /// Names the parameter at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Gives a more exact code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The HTTP status a client sees: the provider's own for a plain 4xx/5xx it was not mapped from, and a 404 for what
    /// the client itself named and is not there.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match (self.kind, self.upstream_status) {
            (ErrorKind::Api, Some(status)) if status.is_client_error() || status.is_server_error() => status,
            (ErrorKind::BadRequest, Some(StatusCode::NOT_FOUND)) => StatusCode::NOT_FOUND,
            _ => self.kind.status(),
        }
    }

    /// Says that a provider fetches no such address: with the bytes in its place the request can be sent.
    #[must_use]
    pub fn wants_bytes(self) -> Self {
        self.with_code(NOT_FETCHED)
    }

    /// Whether it was said so.
    #[must_use]
    pub fn is_about_bytes(&self) -> bool {
        self.code.as_deref() == Some(NOT_FETCHED)
    }

    /// The code a client sees. Clients go by the words that OpenAI has for a prompt that is too long, for content
    /// that is refused and for a limit: what another provider calls them stays in [`Fault::code`] and in its body, for the log.
    #[must_use]
    pub fn public_code(&self) -> Option<&str> {
        let own = self.code.as_deref();
        let foreign = self.origin == Origin::Upstream
            && matches!(
                self.kind,
                ErrorKind::ContextWindow | ErrorKind::ContentPolicy | ErrorKind::RateLimit | ErrorKind::Quota
            );
        own.filter(|own| !foreign || OPENAI.contains(own)).or_else(|| self.kind.code())
    }
}

impl Deref for ApiError {
    type Target = Fault;

    fn deref(&self) -> &Fault {
        &self.0
    }
}

impl DerefMut for ApiError {
    fn deref_mut(&mut self) -> &mut Fault {
        &mut self.0
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(provider) = &self.provider {
            write!(f, "{provider}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl StdError for ApiError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
