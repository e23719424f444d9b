//! What ids of kept answers say: who made them, and for whom.
//!
//! A provider keeps answers for an account, and all tenants of a gateway share that account. So the id that a client
//! gets carries a seal: a keyed hash over the tenant, who keeps the answer and the provider's own id. It can neither be made without the
//! secret nor be moved to another id, and whoever has the same secret can check it: no table of ids is kept, and
//! replicas need not tell each other.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// What is put into the ids of one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// 16 hex digits for the deployment that makes it.
    pub owner: Arc<str>,
    /// For whom it is; `None`: for everybody.
    pub seal: Option<Seal>,
    /// Whether thoughts that are encrypted in it say whose they are: several accounts may get them back.
    pub thoughts: bool,
}

/// What an id that a client names says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedId {
    /// The word for who made it; `None`: it says nothing.
    pub owner: Option<String>,
    /// The seal; `None`: it has none.
    pub seal: Option<String>,
    /// The id as its provider knows it.
    pub own: String,
}

impl Mark {
    /// The seal in hex digits, on who keeps something and the provider's own id; empty: for everybody.
    #[must_use]
    pub fn seal_on(&self, id: &str) -> String {
        let Self { owner, seal, thoughts: _ } = self;
        seal.as_ref().map(|seal| seal.on(&sealed(owner, id))).unwrap_or_default()
    }
}

impl MarkedId {
    /// Whether it has this seal, on its owner as well: two accounts may call different things the same.
    #[must_use]
    pub fn has(&self, seal: &Seal) -> bool {
        let Self { owner, seal: given, own } = self;
        let owner = owner.as_deref().unwrap_or_default();
        given.as_deref().is_some_and(|given| seal.fits(&sealed(owner, own), given))
    }
}

fn sealed(owner: &str, id: &str) -> String {
    format!("{owner}.{id}")
}

/// Seals ids for one tenant.
#[derive(Clone, PartialEq, Eq)]
pub struct Seal([u8; 32]);

/// How many hex digits a seal has.
pub const SEAL_DIGITS: usize = 32;

impl Seal {
    /// The seal of a tenant: what it is and how it is called, in words that nobody chooses for both.
    #[must_use]
    pub fn of(secret: &[u8], tenant: &[&str]) -> Self {
        let mut named = Vec::new();
        for word in tenant {
            named.extend_from_slice(&u64::try_from(word.len()).unwrap_or(u64::MAX).to_le_bytes());
            named.extend_from_slice(word.as_bytes());
        }
        Self(keyed(&keyed(b"ids of kept answers", secret), &named))
    }

    /// The seal of an id, in hex digits.
    #[must_use]
    pub fn on(&self, id: &str) -> String {
        let hash = keyed(&self.0, id.as_bytes());
        hash.iter().take(SEAL_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether this is the seal of that id, in a time that does not depend on how much of it is right.
    #[must_use]
    pub fn fits(&self, id: &str, given: &str) -> bool {
        let own = self.on(id);
        let differs = own.bytes().zip(given.bytes()).fold(0, |all, (own, given)| all | (own ^ given));
        own.len() == given.len() && differs == 0
    }
}

impl fmt::Debug for Seal {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal([redacted])")
    }
}

/// A keyed hash: the inner one is hashed again with the key, so that nothing can be appended to what it is of.
fn keyed(key: &[u8], data: &[u8]) -> [u8; 32] {
    let inner = Sha256::new().chain_update(key).chain_update(data).finalize();
    Sha256::new().chain_update(key).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_of_one_secret_one_tenant_and_one_id() {
        let seal = Seal::of(b"master", &["key", "k1"]);
        let on = seal.on("resp_1");
        assert_eq!(on.len(), SEAL_DIGITS);
        assert!(seal.fits("resp_1", &on) && Seal::of(b"master", &["key", "k1"]).fits("resp_1", &on));
        assert!(
            !seal.fits("resp_2", &on)
                && !seal.fits("resp_1", "")
                && !seal.fits("resp_1", on.get(1..).unwrap())
        );
        for other in [
            Seal::of(b"other", &["key", "k1"]),
            Seal::of(b"master", &["key", "k2"]),
            Seal::of(b"master", &["team", "k1"]),
            Seal::of(b"master", &["keyk", "1"]),
            Seal::of(b"master", &[]),
        ] {
            assert!(!other.fits("resp_1", &on));
        }
        assert_eq!(format!("{seal:?}"), "Seal([redacted])");
    }
}
