//! Under what an answer is kept: a hash of all that bears on it.
//!
//! Two requests have one key when they differ in nothing but white space, the order of members and the members that
//! whoever asks names as bearing on nothing. Every part is written with its length in front, so that no two lists
//! of parts make one text; the request comes last, in one form (`canonical`).

use std::fmt;

use llm_types::Head;

use crate::canonical;
use crate::error::Error;
use crate::tenant::Tenant;

/// The largest request that has a key, in bytes: hashing it takes less than a millisecond, and one that is larger
/// hardly comes twice.
pub const LARGEST_REQUEST: usize = 1 << 20;

/// Another form of key must not find what was kept under this one.
const FORM: &[u8] = b"llm-cache/1\0";

/// Under what an answer is kept: 256 bits of BLAKE3. Nothing of the request can be read from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Makes a [`Key`] of what bears on an answer.
#[derive(Debug, Clone)]
pub struct KeyBuilder {
    text: Vec<u8>,
}

impl KeyBuilder {
    /// A key for one tenant, with room for a request of `size` bytes.
    #[must_use]
    pub fn new(tenant: &Tenant<'_>, size: usize) -> Self {
        let mut text = Vec::with_capacity(FORM.len() + 256 + size.min(LARGEST_REQUEST));
        text.extend_from_slice(FORM);
        let builder = Self { text };
        match tenant {
            Tenant::Key(key) => builder.part("key", key.as_bytes()),
            Tenant::Team(team) => builder.part("team", team.as_bytes()),
            Tenant::User(user, Some(team)) => {
                builder.part("user of a team", user.as_bytes()).part("team", team.as_bytes())
            }
            Tenant::User(user, None) => builder.part("user", user.as_bytes()),
            Tenant::Nameless => builder.part("nameless", b""),
            Tenant::Everybody => builder.part("everybody", b""),
        }
    }

    /// Adds something that bears on the answer: the model, the route, a header.
    #[must_use]
    pub fn part(mut self, name: &str, value: &[u8]) -> Self {
        for bytes in [name.as_bytes(), value] {
            self.text.extend_from_slice(&bytes.len().to_le_bytes());
            self.text.extend_from_slice(bytes);
        }
        self
    }

    /// Adds the request, without the members at its top that are named as `aside`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when it is larger than [`LARGEST_REQUEST`] or a member of it is made of more than
    /// 65,536 values.
    pub fn request(mut self, head: &Head, aside: &[&str]) -> Result<Key, Error> {
        if head.body().len() > LARGEST_REQUEST {
            return Err(Error::TooLarge);
        }
        // A length of no part: what follows is the request.
        self.text.extend_from_slice(&usize::MAX.to_le_bytes());
        canonical::write(head, aside, &mut self.text).ok_or(Error::TooLarge)?;
        Ok(Key(*blake3::hash(&self.text).as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn builder(tenant: Tenant<'_>) -> KeyBuilder {
        KeyBuilder::new(&tenant, 0)
    }

    fn key(builder: KeyBuilder) -> Key {
        builder.request(&Head::empty(), &[]).unwrap()
    }

    #[test]
    fn tenants_never_share_whatever_they_are_called() {
        let tenants = [
            Tenant::Key("a"),
            Tenant::Key("b"),
            Tenant::Team("a"),
            Tenant::User("a", None),
            Tenant::User("a", Some("b")),
            Tenant::User("b", Some("a")),
            Tenant::User("ab", None),
            Tenant::Key(""),
            Tenant::Nameless,
            Tenant::Everybody,
            Tenant::Key("everybody"),
        ];
        for (nth, one) in tenants.iter().enumerate() {
            for other in tenants.iter().skip(nth + 1) {
                assert_ne!(key(builder(*one)), key(builder(*other)), "{one:?} {other:?}");
            }
            assert_eq!(key(builder(*one)), key(builder(*one)));
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let of = |parts: &[(&str, &str)]| {
            let tenant = builder(Tenant::Everybody);
            key(parts.iter().fold(tenant, |key, (name, value)| key.part(name, value.as_bytes())))
        };
        let lists: [&[(&str, &str)]; 7] = [
            &[],
            &[("", "")],
            &[("model", "ab")],
            &[("model", "a"), ("b", "")],
            &[("mode", "lab")],
            &[("model", "a\0b")],
            &[("model", "a"), ("\0", "b")],
        ];
        for (nth, one) in lists.iter().enumerate() {
            for other in lists.iter().skip(nth + 1) {
                assert_ne!(of(one), of(other), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn what_is_too_large_has_no_key() {
        let body = format!("{{\"input\":\"{}\"}}", "x".repeat(LARGEST_REQUEST));
        let head = Head::scan(Bytes::from(body)).unwrap();
        assert!(matches!(builder(Tenant::Everybody).request(&head, &[]), Err(Error::TooLarge)));
        let many = format!("{{\"input\":[{}1]}}", "1, ".repeat(70_000));
        let head = Head::scan(Bytes::from(many)).unwrap();
        assert!(matches!(builder(Tenant::Everybody).request(&head, &[]), Err(Error::TooLarge)));
    }

    #[test]
    fn a_key_shows_nothing_but_its_bytes() {
        let key = key(builder(Tenant::Key("secret-id")));
        assert_eq!(key.to_string().len(), 64);
        assert!(!format!("{key:?}").contains("secret"));
    }
}
