//! Ids of files and batches, and whose they are.
//!
//! All tenants of a gateway share a provider's account. So the id that a client gets says who keeps the thing and, under
//! a seal, for whom ([`crate::mark`]):
//!
//! ```text
//! gw<16 hex digits of the owner>[<32 hex digits of the seal>]-<the provider's own id>
//! ```

use crate::mark::{Mark, MarkedId, SEAL_DIGITS};

const MARK: &str = "gw";
/// How many hex digits name an owner.
const DIGITS: usize = 16;

/// The id with its mark.
#[must_use]
pub fn mark(id: &str, mark: &Mark) -> String {
    format!("{MARK}{}{}-{id}", mark.owner, mark.seal_on(id))
}

/// What an id says.
#[must_use]
pub fn read(id: &str) -> MarkedId {
    marked(id).unwrap_or_else(|| MarkedId { owner: None, seal: None, own: id.to_owned() })
}

fn marked(id: &str) -> Option<MarkedId> {
    let (word, own) = id.strip_prefix(MARK)?.split_once('-')?;
    let (owner, seal) = word.split_at_checked(DIGITS)?;
    let good = matches!(seal.len(), 0 | SEAL_DIGITS) && is_hex(owner) && is_hex(seal) && !own.is_empty();
    let seal = Some(seal).filter(|seal| !seal.is_empty()).map(str::to_owned);
    good.then(|| MarkedId { owner: Some(owner.to_owned()), seal, own: own.to_owned() })
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::Seal;

    #[test]
    fn an_owner_and_a_seal_go_in_and_come_out() {
        let seal = Seal::of(b"master", &["key", "k1"]);
        for own in ["file-abc", "batch_1", "f3b2-77aa", "gw0123456789abcdef-file-1"] {
            for seal in [None, Some(seal.clone())] {
                let with = Mark { owner: "0123456789abcdef".into(), seal: seal.clone(), thoughts: false };
                let says = read(&mark(own, &with));
                assert_eq!((says.owner.as_deref(), says.own.as_str()), (Some("0123456789abcdef"), own));
                assert!(seal.as_ref().is_none_or(|seal| says.has(seal)), "{own}");
                // It cannot be moved to another owner.
                let moved = MarkedId { owner: Some("fedcba9876543210".to_owned()), ..says };
                assert!(seal.is_none_or(|seal| !moved.has(&seal)), "{own}");
            }
        }
        for other in
            ["file-abc", "gw-1", "gw0123456789abcdef-", "gw0123456789abcdeX-1", "gw0123456789abcdef01-1", ""]
        {
            assert_eq!(read(other), MarkedId { owner: None, seal: None, own: other.to_owned() }, "{other}");
        }
    }
}
