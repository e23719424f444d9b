//! Ids of answers, and whose they are.
//!
//! A stored answer can be gone on from, polled and deleted only where it was made, and only by those for whom it
//! was made. Where several accounts could have made it, or where there are keys, the id that a client gets says so:
//!
//! ```text
//! resp_gw<16 hex digits of the owner>[<32 hex digits of the seal>]_<what followed `resp_`>
//! ```

use llm_types::Dialect;

use crate::codec::ReplyCx;
use crate::mark::{Mark, MarkedId, SEAL_DIGITS};

const PREFIX: &str = "resp_";
const MARK: &str = "gw";
/// How many hex digits name an owner.
const DIGITS: usize = 16;

/// The id of an answer that its upstream gave none that clients could use.
pub(super) fn response(request_id: &str) -> String {
    if request_id.is_empty() {
        return format!("{PREFIX}{}", uuid::Uuid::new_v4().simple());
    }
    format!("{PREFIX}{request_id}")
}

/// The upstream's own id, where clients can use it: it speaks this dialect too.
pub(super) fn of_upstream(id: &str, cx: &ReplyCx) -> Option<String> {
    if cx.upstream != Some(Dialect::OpenaiResponses) || id.is_empty() {
        return None;
    }
    let marked = cx.mark.as_ref().and_then(|one| mark(id, one));
    Some(marked.unwrap_or_else(|| id.to_owned()))
}

/// The id with its mark; `None` for one that cannot carry any, or carries this one already.
pub(super) fn mark(id: &str, mark: &Mark) -> Option<String> {
    let rest = id.strip_prefix(PREFIX)?;
    if read(id).owner.as_deref() == Some(&*mark.owner) {
        return None;
    }
    Some(format!("{PREFIX}{MARK}{}{}_{rest}", mark.owner, mark.seal_on(id)))
}

/// What an id says.
pub(super) fn read(id: &str) -> MarkedId {
    let nothing = || MarkedId { owner: None, seal: None, own: id.to_owned() };
    marked(id).unwrap_or_else(nothing)
}

fn marked(id: &str) -> Option<MarkedId> {
    let (word, rest) = id.strip_prefix(PREFIX)?.strip_prefix(MARK)?.split_once('_')?;
    let (owner, seal) = word.split_at_checked(DIGITS)?;
    let good = is_owner(owner) && matches!(seal.len(), 0 | SEAL_DIGITS) && is_hex(seal);
    let seal = Some(seal).filter(|seal| !seal.is_empty()).map(str::to_owned);
    good.then(|| MarkedId { owner: Some(owner.to_owned()), seal, own: format!("{PREFIX}{rest}") })
}

/// Whether this is the word for an owner.
pub(super) fn is_owner(word: &str) -> bool {
    word.len() == DIGITS && is_hex(word)
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::mark::Seal;

    const OWNER: &str = "0123456789abcdef";

    fn by_owner(seal: Option<Seal>) -> Mark {
        Mark { owner: OWNER.into(), seal, thoughts: true }
    }

    #[test]
    fn an_owner_goes_in_and_comes_out() {
        let plain = by_owner(None);
        let marked = mark("resp_68a", &plain).unwrap();
        assert_eq!(marked, "resp_gw0123456789abcdef_68a");
        let says = |owner: Option<&str>, own: &str| MarkedId {
            owner: owner.map(str::to_owned),
            seal: None,
            own: own.into(),
        };
        assert_eq!(read(&marked), says(Some(OWNER), "resp_68a"));
        assert_eq!(mark(&marked, &plain), None);
        assert_eq!(mark("chatcmpl-1", &plain), None);
        for other in [
            "resp_68a",
            "resp_gw0123_x",
            "resp_gw0123456789abcdeX_x",
            "resp_gw0123456789abcdefx",
            "resp_gw0123456789abcdef01_x",
            "x",
            "",
        ] {
            assert_eq!(read(other), says(None, other), "{other}");
        }
        // A gateway behind this one marks its ids as well.
        let inner = "resp_gwfedcba9876543210_68a";
        assert_eq!(read(&mark(inner, &plain).unwrap()), says(Some(OWNER), inner));
    }

    #[test]
    fn a_seal_is_of_the_owner_and_the_providers_own_id() {
        let seal = Seal::of(b"master", &["key", "k1"]);
        let marked = mark("resp_68a", &by_owner(Some(seal.clone()))).unwrap();
        let says = read(&marked);
        assert_eq!((says.owner.as_deref(), says.own.as_str()), (Some(OWNER), "resp_68a"));
        assert!(says.has(&seal), "{marked}");
        let moved = MarkedId { owner: Some("fedcba9876543210".to_owned()), ..says };
        assert!(!moved.has(&seal), "{marked}");
    }
}
