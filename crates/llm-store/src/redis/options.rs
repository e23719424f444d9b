//! Where the server is and how long it may take.

use std::time::Duration;

use llm_types::Secret;
use redis::{Client, IntoConnectionInfo, ProtocolVersion};

/// Connecting takes several turns, with TLS and a name to look up: so many times the bound on one command…
const CONNECT_FACTOR: u32 = 10;
/// …and at least this.
const CONNECT_LEAST: Duration = Duration::from_secs(1);

/// How Redis is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisOptions {
    /// `redis://[user][:password@]host[:port][/database]`; `rediss://` for TLS.
    pub url: Secret,
    /// What names of keys and channels begin with. Channels are common to all databases of a server, so
    /// two installations on one need two prefixes.
    pub prefix: String,
    /// How long one command may take.
    pub timeout: Duration,
}

impl RedisOptions {
    /// The defaults: names begin with `gateway:`, a command may take 20 ms.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: Secret::new(url), prefix: "gateway:".to_owned(), timeout: Duration::from_millis(20) }
    }

    /// The name of the channel, and of the record of what still holds.
    pub(super) fn name(&self) -> String {
        format!("{}cooldowns:v1", self.prefix)
    }

    /// How long it may take until a connection can be used.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.timeout.saturating_mul(CONNECT_FACTOR).max(CONNECT_LEAST)
    }

    /// A client, which has not connected yet.
    pub(super) fn client(&self) -> Result<Client, StoreError> {
        let info = self.url.expose().into_connection_info().map_err(StoreError::Url)?;
        // Answers and messages share one connection, which the third version of the protocol allows.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error means that another thread was quicker.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        Client::open(info.set_redis_settings(settings)).map_err(StoreError::Url)
    }
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address cannot be read. The source does not hold it.
    #[error("not an address of Redis, write redis://host:6379 or rediss://host:6379")]
    Url(#[source] redis::RedisError),
}
