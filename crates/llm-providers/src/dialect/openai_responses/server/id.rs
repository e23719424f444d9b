//! Ids of answers, and whose they are.
//!
//! A stored answer can be gone on from, polled and deleted only where it was made. Where several accounts
//! could have made it, the id that a client gets says which one it was:
//!
//! ```text
//! resp_gw<16 hex digits of the owner>_<what followed `resp_`>
//! ```

use llm_types::Dialect;

use crate::codec::ReplyCx;

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
    Some(match &cx.owner {
        Some(owner) => mark(id, owner).unwrap_or_else(|| id.to_owned()),
        None => id.to_owned(),
    })
}

/// The id with its owner; `None` for one that cannot carry an owner, or does so already.
pub(super) fn mark(id: &str, owner: &str) -> Option<String> {
    let rest = id.strip_prefix(PREFIX)?;
    split(id).is_none().then(|| format!("{PREFIX}{MARK}{owner}_{rest}"))
}

/// The owner of an id, and the id as the owner knows it.
pub(super) fn split(id: &str) -> Option<(&str, String)> {
    let rest = id.strip_prefix(PREFIX)?.strip_prefix(MARK)?;
    let (owner, rest) = rest.split_at_checked(DIGITS)?;
    let rest = rest.strip_prefix('_')?;
    is_owner(owner).then(|| (owner, format!("{PREFIX}{rest}")))
}

/// Whether this is the word for an owner.
pub(super) fn is_owner(word: &str) -> bool {
    word.len() == DIGITS && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "0123456789abcdef";

    #[test]
    fn an_owner_goes_in_and_comes_out() {
        let marked = mark("resp_68a", OWNER).unwrap();
        assert_eq!(marked, "resp_gw0123456789abcdef_68a");
        assert_eq!(split(&marked), Some((OWNER, "resp_68a".to_owned())));
        assert_eq!(mark(&marked, OWNER), None);
        assert_eq!(mark("chatcmpl-1", OWNER), None);
        for other in
            ["resp_68a", "resp_gw0123_x", "resp_gw0123456789abcdeX_x", "resp_gw0123456789abcdefx", "x", ""]
        {
            assert_eq!(split(other), None, "{other}");
        }
    }
}
