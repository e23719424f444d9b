//! Whose encrypted thoughts are, where several accounts could have encrypted them.
//!
//! Only the account that encrypted thoughts can read them, and refuses those of any other. Clients that keep
//! nothing at the provider send them back with each request, so with several accounts behind a model they say
//! whose they are, before what the provider gave:
//!
//! ```text
//! gw<16 hex digits of the owner>.<encrypted thoughts>
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use llm_types::{Changes, Edits, Head, RawValue, Result, Str, wire_struct};
use memchr::memmem;

use super::id::is_owner;
use crate::mark::Mark;

/// The member that holds them, in thoughts and in what a conversation was compacted to.
const MEMBER: &str = "encrypted_content";
const KEY: &[u8] = b"\"encrypted_content\"";
const PREFIX: &str = "gw";
const END: char = '.';

wire_struct! {
    /// What matters of an item.
    struct Encrypted<'a> {
        encrypted_content: Str<'a>,
    }
}

/// The same bytes with the owner before all that is encrypted in them; `None`: nothing is, or it need not be said.
pub(super) fn mark(json: &[u8], mark: &Mark) -> Option<Bytes> {
    let owner = mark.thoughts.then_some(&mark.owner)?;
    let mut out = BytesMut::new();
    let mut from = 0;
    // Inside a text the quotes would be escaped.
    for at in memmem::find_iter(json, KEY) {
        let Some(rest) = json.get(at + KEY.len()..) else { break };
        let value = rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        let Some(text) = value.and_then(|value| value.strip_prefix(b"\"")) else { continue };
        if text.starts_with(b"\"") || text.starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let start = json.len() - text.len();
        out.put_slice(json.get(from..start)?);
        out.put_slice(format!("{PREFIX}{owner}{END}").as_bytes());
        from = start;
    }
    if out.is_empty() {
        return None;
    }
    out.put_slice(json.get(from..)?);
    Some(out.freeze())
}

/// The owner of encrypted thoughts, and the thoughts as the owner knows them.
fn split(text: &str) -> Option<(&str, &str)> {
    let (owner, data) = text.strip_prefix(PREFIX)?.split_once(END)?;
    is_owner(owner).then_some((owner, data))
}

/// Whose thoughts the input holds, in its order.
pub(super) fn owners(head: &Head) -> Vec<String> {
    let Some(items) = marked_items(head) else { return Vec::new() };
    items.into_iter().filter_map(|item| Some(split(encrypted(item)?.as_str())?.0.to_owned())).collect()
}

/// The request without marks. What an owner encrypted that is none of `readable` is left out, since nobody
/// else can read it.
///
/// # Errors
/// When the input cannot be written anew.
pub(super) fn unmarked(head: Head, readable: &dyn Fn(&str) -> bool, changes: &mut Changes) -> Result<Head> {
    let Some(items) = marked_items(&head) else { return Ok(head) };
    let mut list = BytesMut::new();
    for (index, item) in items.into_iter().enumerate() {
        let text = encrypted(item);
        let owned = text.as_ref().and_then(|text| split(text.as_str()));
        if owned.is_some_and(|(owner, _)| !readable(owner)) {
            changes.dropped(format!("input[{index}]"), "another account of the provider encrypted it");
            continue;
        }
        list.put_u8(if list.is_empty() { b'[' } else { b',' });
        match owned {
            Some((_, data)) => {
                let inner = Head::scan(Bytes::copy_from_slice(item.get().as_bytes()))?;
                let mut edits = Edits::default();
                edits.set(&inner, MEMBER, serde_json::to_vec(data).unwrap_or_default());
                list.put_slice(&edits.apply(&inner).to_bytes());
            }
            None => list.put_slice(item.get().as_bytes()),
        }
    }
    if list.is_empty() {
        list.put_u8(b'[');
    }
    list.put_u8(b']');
    let mut edits = Edits::default();
    edits.set(&head, "input", list.freeze());
    Head::scan(edits.apply(&head).to_bytes())
}

/// The items of an input that may hold a mark.
fn marked_items(head: &Head) -> Option<Vec<&RawValue>> {
    let input = head.get("input").filter(|_| head.mentions("input", MEMBER))?;
    memmem::find(input, format!("\"{PREFIX}").as_bytes())?;
    head.read("input").ok().flatten()
}

fn encrypted(item: &RawValue) -> Option<Str<'_>> {
    serde_json::from_str::<Encrypted<'_>>(item.get()).ok()?.encrypted_content
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "0123456789abcdef";

    fn by_owner() -> Mark {
        Mark { owner: OWNER.into(), seal: None, thoughts: true }
    }

    #[test]
    fn what_is_encrypted_says_whose_it_is() {
        let check = |json: &str, expect: Option<&str>| {
            let marked = mark(json.as_bytes(), &by_owner());
            assert_eq!(marked.as_deref(), expect.map(str::as_bytes), "{json}");
            if let Some(marked) = marked {
                assert_eq!(mark(&marked, &by_owner()), None, "once is enough");
            }
        };
        check(
            r#"{"item":{"id":"rs_1", "encrypted_content" : "gAA" },"x":[{"encrypted_content":"gBB"}]}"#,
            Some(
                r#"{"item":{"id":"rs_1", "encrypted_content" : "gw0123456789abcdef.gAA" },"x":[{"encrypted_content":"gw0123456789abcdef.gBB"}]}"#,
            ),
        );
        for other in [
            r#"{"encrypted_content":null}"#,
            r#"{"encrypted_content":""}"#,
            r#"{"properties":{"encrypted_content":{"type":"string"}}}"#,
            r#"{"delta":"\"encrypted_content\":\"gAA\""}"#,
            r#"{"include":["reasoning.encrypted_content"]}"#,
            "{}",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn the_owner_gets_back_what_it_gave_and_nothing_else() {
        let body = r#"{"model":"m", "input":[{"role":"user","content":"encrypted_content gw"},
            {"type":"reasoning","id":"rs_1","encrypted_content":"gw0123456789abcdef.gAA.b","summary":[]},
            {"type":"reasoning","encrypted_content":"gwffffffffffffffff.gBB"},
            {"type":"reasoning","encrypted_content":"gCC"}],"store":false}"#;
        let head = || Head::scan(body.into()).unwrap();
        assert_eq!(owners(&head()), [OWNER, "ffffffffffffffff"]);
        let mut changes = Changes::default();
        let read = unmarked(head(), &|owner| owner == OWNER, &mut changes).unwrap();
        let expect = r#"{"model":"m", "input":[{"role":"user","content":"encrypted_content gw"},{"type":"reasoning","id":"rs_1","encrypted_content":"gAA.b","summary":[]},{"type":"reasoning","encrypted_content":"gCC"}],"store":false}"#;
        assert_eq!(read.body(), expect);
        assert_eq!(changes.header(), "dropped input[2] (another account of the provider encrypted it)");
        let mut changes = Changes::default();
        let all = r#"{"input":[{"encrypted_content":"gw0123456789abcdef.gAA"}]}"#;
        let read = unmarked(Head::scan(all.into()).unwrap(), &|_| false, &mut changes).unwrap();
        assert_eq!((read.body(), changes.list().len()), (&Bytes::from(r#"{"input":[]}"#), 1));
    }

    #[test]
    fn a_request_without_marks_stays_as_it_is() {
        for body in [
            r#"{"input":"gw encrypted_content"}"#,
            r#"{"input":[{"encrypted_content":"gAAA"}]}"#,
            r#"{"input":[{"encrypted_content":"gw"}, {"encrypted_content":"gwX.y"}]}"#,
            "{}",
        ] {
            let head = Head::scan(body.into()).unwrap();
            assert!(owners(&head).is_empty(), "{body}");
        }
    }
}
