//! Looking up hosts, and which of their addresses may be connected to.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// Whether this address of a host may be connected to.
type Judgement = dyn Fn(&str, IpAddr) -> bool + Send + Sync;

/// Decides for each address that a host's name leads to whether it may be connected to. Hosts that are addresses
/// themselves are not looked up: whoever sends the request checks those. A host that is not known is refused in the same
/// words as one that may not be connected to, so that nobody finds out which names there are.
#[derive(Clone)]
pub struct Guard {
    may: Arc<Judgement>,
    /// What is said where no address may be, or there is none.
    refusal: &'static str,
}

impl Guard {
    /// Of a judgement on a host and one of its addresses.
    #[must_use]
    pub fn new(may: impl Fn(&str, IpAddr) -> bool + Send + Sync + 'static, refusal: &'static str) -> Self {
        Self { may: Arc::new(may), refusal }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// The system's names, as far as a guard lets them through.
#[derive(Debug, Clone)]
pub(super) struct Names {
    system: GaiResolver,
    guard: Option<Guard>,
}

impl Names {
    pub(super) fn new(guard: Option<Guard>) -> Self {
        Self { system: GaiResolver::new(), guard }
    }
}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (host, guard) = (name.as_str().to_owned(), self.guard.clone());
        let found = self.system.call(name);
        Box::pin(async move {
            let found = found.await;
            let Some(Guard { may, refusal }) = guard else {
                return Ok(found?.collect::<Vec<_>>().into_iter());
            };
            let found = found.into_iter().flatten();
            let addresses: Vec<_> = found.filter(|address| may(&host, address.ip())).collect();
            match addresses.is_empty() {
                true => Err(io::Error::new(io::ErrorKind::PermissionDenied, refusal)),
                false => Ok(addresses.into_iter()),
            }
        })
    }
}
