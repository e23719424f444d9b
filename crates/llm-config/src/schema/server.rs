//! `[server]`: how the gateway listens and what it bounds.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{duration, listen, size};

/// How the gateway listens and what it bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port. Any address that is not loopback refuses to start without `auth.master_key`.
    #[serde(with = "listen")]
    #[schemars(with = "listen::Text")]
    pub listen: SocketAddr,
    /// The largest request body; a larger one is answered with 413.
    #[serde(with = "size")]
    #[schemars(with = "size::Text")]
    pub max_body: usize,
    /// The folder where large uploads (sound to be transcribed, above 1 MiB) are kept while they are worked on, in files
    /// without a name. Without it: the system's temporary files; where none can be made they are held in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub spool: Option<PathBuf>,
    /// How long one request may take, all attempts together.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub request_timeout: Duration,
    /// How long open requests may go on after the order to stop.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub drain_timeout: Duration,
    /// How long a client may take to send the head of a request.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub header_timeout: Duration,
    /// How long a connection may stay open without a request.
    #[serde(with = "duration")]
    #[schemars(with = "duration::Text")]
    pub idle_timeout: Duration,
    /// Connections at once; further ones wait to be accepted.
    #[schemars(range(min = 1))]
    pub max_connections: usize,
    /// Requests at once; beyond it: 503 with Retry-After. 0: no bound.
    pub max_in_flight: usize,
    /// Refuse a request with 400 where a parameter would be dropped for the provider.
    pub strict: bool,
    /// Whether an answer that the caller does not bound is bounded to what a hard budget affords; otherwise such a
    /// request is refused.
    pub clamp_output: bool,
    /// Proxies in front of the gateway, as addresses or ranges (`10.0.0.0/8`): of their requests `x-forwarded-for` says
    /// where they come from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<String>,
    /// Answer browsers of other origins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// Serve HTTPS instead of HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4000)),
            max_body: 32 << 20,
            spool: None,
            request_timeout: Duration::from_secs(600),
            drain_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            max_connections: 10_000,
            max_in_flight: 0,
            strict: false,
            clamp_output: true,
            trusted_proxies: Vec::new(),
            cors: None,
            tls: None,
        }
    }
}

/// Which web pages may call the gateway from a browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Origins such as `https://app.example.com`; `*` allows every page.
    pub origins: Vec<String>,
}

/// The gateway's own certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Path of a PEM file with the certificate, intermediates behind it.
    #[schemars(with = "String")]
    pub cert: PathBuf,
    /// Path of a PEM file with the private key.
    #[schemars(with = "String")]
    pub key: PathBuf,
}
