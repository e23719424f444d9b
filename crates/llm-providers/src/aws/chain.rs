//! Credentials that the vendor's chain finds: profiles, roles, web identity, containers, instances.
//!
//! Finding them takes calls of its own, so that it is done beside those of the clients: one thread per chain asks,
//! keeps what it got and asks again before that expires. Targets with the same settings share a chain, which ends
//! with the last of them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::identity::Identity;
use llm_types::{ApiError, ErrorKind, Result};

use super::Wanted;

/// How long before they expire credentials are asked for again.
const EARLY: Duration = Duration::from_secs(300);
/// How often they are asked for where they do not expire: a file may have changed.
const SELDOM: Duration = Duration::from_secs(3600);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(10);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the thread looks whether anybody still wants to know.
const LOOK: Duration = Duration::from_secs(5);
/// How often somebody who waits for the first answer looks for it.
const GLANCE: Duration = Duration::from_millis(20);
/// How long a call is asked to wait for the first credentials.
const SOON: Duration = Duration::from_millis(500);
/// What sessions are called in the account's log.
const SESSION: &str = "llm-gateway";

static CHAINS: LazyLock<Mutex<HashMap<String, Weak<Chain>>>> = LazyLock::new(Mutex::default);

/// What is known so far.
#[derive(Debug, Clone)]
enum Known {
    Nothing,
    Credentials { identity: Identity, until: Option<SystemTime> },
    Failed(String),
}

/// Credentials that are renewed.
#[derive(Debug)]
pub(super) struct Chain {
    name: String,
    known: RwLock<Known>,
    /// Whom calls were signed as before: a call may outlast its credentials.
    before: RwLock<Option<Identity>>,
}

impl Chain {
    /// The chain for these settings; it begins to ask at once if it is new.
    pub(super) fn of(wanted: Wanted) -> Arc<Self> {
        let name = wanted.name();
        let mut chains = CHAINS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chain) = chains.get(&name).and_then(Weak::upgrade) {
            return chain;
        }
        chains.retain(|_, chain| chain.strong_count() > 0);
        let chain = Arc::new(Self::new(name.clone()));
        chains.insert(name, Arc::downgrade(&chain));
        let asked = Arc::downgrade(&chain);
        let thread = std::thread::Builder::new().name("aws-credentials".to_owned());
        if let Err(error) = thread.spawn(move || keep(&asked, &wanted)) {
            chain.learn(Known::Failed(format!(
                "the thread that asks for AWS credentials cannot start: {error}"
            )));
        }
        chain
    }

    fn new(name: String) -> Self {
        Self { name, known: RwLock::new(Known::Nothing), before: RwLock::default() }
    }

    /// Whom calls in flight may be signed as, whether that still holds or not.
    pub(super) fn signed_as(&self) -> impl Iterator<Item = Identity> {
        let now = match &*self.known.read().unwrap_or_else(PoisonError::into_inner) {
            Known::Credentials { identity, until: _ } => Some(identity.clone()),
            Known::Nothing | Known::Failed(_) => None,
        };
        let before = self.before.read().unwrap_or_else(PoisonError::into_inner).clone();
        now.into_iter().chain(before)
    }

    /// Tells one chain from another, without a secret.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whom calls are signed as now.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] while the first answer is awaited, [`ErrorKind::Auth`] when there is none.
    pub(super) fn identity(&self, now: SystemTime) -> Result<Identity> {
        match &*self.known.read().unwrap_or_else(PoisonError::into_inner) {
            Known::Credentials { identity, until } if until.is_none_or(|until| now < until) => {
                Ok(identity.clone())
            }
            Known::Nothing | Known::Credentials { .. } => {
                let message = "the AWS credentials are being fetched: try again in a moment";
                let mut error = ApiError::new(ErrorKind::Unavailable, message);
                error.retry_after = Some(SOON);
                Err(error)
            }
            Known::Failed(why) => Err(ApiError::new(ErrorKind::Auth, why.clone())),
        }
    }

    /// Waits for the first answer, or as long as it may take.
    pub(super) async fn settled(&self) {
        let unknown = || {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            matches!(&*known, Known::Nothing)
        };
        let answer = async {
            while unknown() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        // Who asks then is told that there is none yet.
        let _ = tokio::time::timeout(PATIENCE, answer).await;
    }

    /// Keeps what was learned. A failure does not replace credentials that still hold.
    fn learn(&self, new: Known) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let holds = match &*known {
            Known::Credentials { identity: _, until } => until.is_none_or(|until| SystemTime::now() < until),
            Known::Nothing | Known::Failed(_) => false,
        };
        if !(holds && matches!(new, Known::Failed(_))) {
            let old = std::mem::replace(&mut *known, new);
            drop(known);
            if let Known::Credentials { identity, until: _ } = old {
                *self.before.write().unwrap_or_else(PoisonError::into_inner) = Some(identity);
            }
        }
    }
}

/// Asks for as long as somebody wants to know.
fn keep(chain: &Weak<Chain>, wanted: &Wanted) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match (runtime, chain.upgrade()) {
        (Ok(runtime), _) => runtime,
        (Err(error), Some(chain)) => {
            return chain.learn(Known::Failed(format!("AWS credentials cannot be asked for: {error}")));
        }
        (Err(_), None) => return,
    };
    while chain.strong_count() > 0 {
        let new = runtime.block_on(ask(wanted));
        let pause = match &new {
            Known::Credentials { identity: _, until: Some(until) } => {
                until.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(EARLY).max(PAUSE)
            }
            Known::Credentials { identity: _, until: None } => SELDOM,
            Known::Nothing | Known::Failed(_) => PAUSE,
        };
        match chain.upgrade() {
            Some(chain) => chain.learn(new),
            None => return,
        }
        let mut left = pause;
        while !left.is_zero() && chain.strong_count() > 0 {
            let step = left.min(LOOK);
            std::thread::sleep(step);
            left -= step;
        }
    }
}

async fn ask(wanted: &Wanted) -> Known {
    match tokio::time::timeout(PATIENCE, found(wanted)).await {
        Ok(Ok(credentials)) => {
            Known::Credentials { until: credentials.expiry(), identity: credentials.into() }
        }
        Ok(Err(why)) => Known::Failed(format!(
            "no AWS credentials were found: give the deployment an api_key or aws keys, or check its profile and \
             role ({why})"
        )),
        Err(_) => Known::Failed("the AWS credentials did not come in time: check the network".to_owned()),
    }
}

async fn found(wanted: &Wanted) -> std::result::Result<Credentials, String> {
    let Wanted { fixed, profile, role, region } = wanted;
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region.clone()));
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    if let Some(fixed) = fixed {
        loader = loader.credentials_provider(SharedCredentialsProvider::new(fixed.clone()));
    }
    let config = loader.load().await;
    let told = |error: aws_credential_types::provider::error::CredentialsError| error.to_string();
    if let Some(role) = role {
        let provider =
            AssumeRoleProvider::builder(role).session_name(SESSION).configure(&config).build().await;
        return provider.provide_credentials().await.map_err(told);
    }
    let provider = config.credentials_provider().ok_or("there is no chain of credentials")?;
    provider.provide_credentials().await.map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Signer;
    use crate::aws::sign::Source;

    #[test]
    fn credentials_that_were_renewed_or_expired_are_still_known_to_have_been_sent() {
        let chain = Arc::new(Chain::new("chain".to_owned()));
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let known = |token: &str| Known::Credentials {
            identity: Credentials::new("id", "key", Some(token.to_owned()), None, "test").into(),
            until: Some(past),
        };
        let signer = Signer::new(Source::Chain(Arc::clone(&chain)), "r".to_owned(), "s".to_owned());
        let check = |expect: &[&str]| {
            let mut seen = Vec::new();
            signer.sent(&mut |token| seen.push(token.to_owned()));
            assert_eq!(seen, expect);
        };
        check(&[]);
        chain.learn(known("first"));
        check(&["first"]);
        chain.learn(known("second"));
        check(&["second", "first"]);
        chain.learn(Known::Failed("no answer".to_owned()));
        check(&["second"]);
    }
}
