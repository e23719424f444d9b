//! What a token vouches for, and those that were checked: a signature is checked once, not at every request.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::key::KeyHash;
use crate::principal::Bearer;

/// Tokens that are remembered, at the most: twice this in each of the shards.
const HALF: usize = 1024;
const SHARDS: usize = 16;

/// What a token vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The user.
    pub user: Option<Arc<str>>,
    /// The user's name for people.
    pub name: Option<Arc<str>>,
    /// The teams that it names, the best first.
    pub teams: Vec<Arc<str>>,
    /// The organisation.
    pub organisation: Option<Arc<str>>,
    /// Tags, and what may be called.
    pub bearer: Option<Arc<Bearer>>,
    /// Whether it may use the admin API.
    pub admin: bool,
    /// What is noted of the user where one is made: a JSON object.
    pub metadata: Option<Box<str>>,
    /// From when it is good no longer.
    pub until: Timestamp,
}

/// Tokens that were checked, by their hash: with which keys of the issuer, and what came of it. Those that were not
/// asked for lately are forgotten; one that is forgotten is checked again.
#[derive(Debug, Default)]
pub struct Verified {
    shards: [Mutex<Halves>; SHARDS],
}

/// Recent ones, and those from before these.
#[derive(Debug, Default)]
struct Halves {
    young: HashMap<KeyHash, Checked>,
    old: HashMap<KeyHash, Checked>,
}

#[derive(Debug, Clone)]
struct Checked {
    /// Counts the sets of keys that the issuer has had.
    keys: u64,
    vouched: Arc<Vouched>,
}

impl Verified {
    fn shard(&self, token: &KeyHash) -> &Mutex<Halves> {
        let nth = usize::from(token.bytes()[31]) % SHARDS;
        self.shards.get(nth).unwrap_or(&self.shards[0])
    }

    /// What a token vouches for, if it was checked with these keys and is good still.
    #[must_use]
    pub fn get(&self, token: &KeyHash, keys: u64, now: Timestamp) -> Option<Arc<Vouched>> {
        let mut halves = self.shard(token).lock();
        let (checked, is_old) = match halves.young.get(token) {
            Some(checked) => (checked.clone(), false),
            None => (halves.old.remove(token)?, true),
        };
        if checked.keys != keys || checked.vouched.until <= now {
            halves.young.remove(token);
            return None;
        }
        let vouched = Arc::clone(&checked.vouched);
        if is_old {
            halves.put(*token, checked);
        }
        Some(vouched)
    }

    /// Remembers a token.
    pub fn put(&self, token: KeyHash, keys: u64, vouched: Arc<Vouched>) {
        self.shard(&token).lock().put(token, Checked { keys, vouched });
    }
}

impl Halves {
    fn put(&mut self, token: KeyHash, checked: Checked) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, checked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vouched(until: &str) -> Arc<Vouched> {
        Arc::new(Vouched {
            user: Some("ann".into()),
            name: None,
            teams: Vec::new(),
            organisation: None,
            bearer: None,
            admin: false,
            metadata: None,
            until: until.parse().unwrap(),
        })
    }

    #[test]
    fn tokens_are_remembered_until_they_end_or_the_keys_change() {
        let verified = Verified::default();
        let token = KeyHash::of("a token");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (before, end) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T01:00:00Z"));
        let put = || verified.put(token, 1, vouched("2026-01-01T01:00:00Z"));
        put();
        assert!(verified.get(&token, 1, before).is_some());
        assert!(verified.get(&KeyHash::of("another"), 1, before).is_none());
        assert!(verified.get(&token, 1, end).is_none());
        put();
        assert!(verified.get(&token, 2, before).is_none());
        assert!(verified.get(&token, 1, before).is_none(), "forgotten with the keys");
    }

    #[test]
    fn room_is_bounded_and_who_comes_often_stays() {
        let verified = Verified::default();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let often = KeyHash::of("often");
        verified.put(often, 1, vouched("2027-01-01T00:00:00Z"));
        for nth in 0..40_000 {
            verified.put(KeyHash::of(&nth.to_string()), 1, vouched("2027-01-01T00:00:00Z"));
            if nth % 1000 == 0 {
                assert!(verified.get(&often, 1, now).is_some(), "{nth}");
            }
        }
        let sizes = verified.shards.iter().map(|shard| {
            let halves = shard.lock();
            halves.young.len() + halves.old.len()
        });
        let size: usize = sizes.sum();
        assert!(size <= 2 * HALF * SHARDS && size > HALF * SHARDS, "{size}");
    }
}
