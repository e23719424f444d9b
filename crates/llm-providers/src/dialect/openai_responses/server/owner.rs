//! Where ids of answers stand, and what is served by id.

use bytes::{BufMut, Bytes, BytesMut};
use http::Method;
use llm_types::{ApiError, Edits, ErrorKind, Head, Result, Str};
use memchr::memmem;

use super::{id, thought};
use crate::codec::{Kept, Owned};
use crate::mark::{Mark, MarkedId};

/// Members of a Response object that hold the id of an answer.
const IDS: [&str; 2] = ["id", "previous_response_id"];

/// What a request goes on from, and the request as its provider is to get it. A conversation is one that its provider
/// keeps for the account: its id says nothing of who made it.
pub(super) fn owned(head: &Head) -> Result<Option<Owned>> {
    let given = |name: &&str| !matches!(head.get(name), None | Some(b"null"));
    let Some(param) = ["conversation", "previous_response_id"].into_iter().find(given) else {
        return Ok(None);
    };
    let text = head.read::<Str<'_>>(param).ok().flatten();
    let own = || String::from_utf8_lossy(head.get(param).unwrap_or_default()).into_owned();
    let id = match &text {
        Some(text) if param == "previous_response_id" => id::read(text.as_str()),
        _ => MarkedId { owner: None, seal: None, own: own() },
    };
    if id.owner.is_none() {
        return Ok(Some(Owned { id, head: head.clone(), param }));
    }
    let mut edits = Edits::default();
    edits.set(head, param, serde_json::to_vec(&id.own).unwrap_or_default());
    let head = Head::scan(edits.apply(head).to_bytes())?;
    Ok(Some(Owned { id, head, param }))
}

/// A whole answer with its mark in its ids; `None`: it holds none.
pub(super) fn mark(body: &Bytes, mark: &Mark) -> Option<Bytes> {
    let head = Head::scan(body.clone()).ok()?;
    // A deleted answer is told as `response.deleted`.
    let object = head.read::<Str<'_>>("object").ok()??;
    let is_response = object.as_str() == "response" || object.as_str() == "response.deleted";
    if !is_response {
        return None;
    }
    let marked = object_with(&head, mark);
    thought::mark(marked.as_ref().unwrap_or(body), mark).or(marked)
}

fn object_with(head: &Head, mark: &Mark) -> Option<Bytes> {
    let mut edits = Edits::default();
    for name in IDS {
        let marked = head.read::<Str<'_>>(name).ok().flatten().and_then(|text| id::mark(text.as_str(), mark));
        if let Some(marked) = marked {
            edits.set(head, name, serde_json::to_vec(&marked).ok()?);
        }
    }
    (!edits.is_empty()).then(|| edits.apply(head).to_bytes())
}

/// An event of a stream with its mark in its ids and before what is encrypted; `None`: it holds neither.
pub(super) fn mark_event(event: &[u8], mark: &Mark) -> Option<Bytes> {
    let marked = mark_ids(event, mark);
    thought::mark(marked.as_deref().unwrap_or(event), mark).or(marked)
}

/// Only events with a whole Response object hold its id.
fn mark_ids(event: &[u8], mark: &Mark) -> Option<Bytes> {
    // Inside a text the quotes would be escaped.
    memmem::find(event, b"\"response\"")?;
    let start = memmem::find(event, b"data:")? + "data:".len();
    let rest = event.get(start..)?;
    let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    let (data, tail) = rest.split_at_checked(length)?;
    let head = Head::scan(Bytes::copy_from_slice(data)).ok()?;
    let response = head.nested("response").ok()??;
    let mut edits = Edits::default();
    edits.set(&head, "response", object_with(&response, mark)?);
    let mut out = BytesMut::with_capacity(event.len() + 64);
    out.put_slice(event.get(..start)?);
    out.put_slice(&edits.apply(&head).to_bytes());
    out.put_slice(tail);
    Some(out.freeze())
}

/// What a route below `/responses` asks of the one who made an answer; `None`: it is no such route.
pub(super) fn kept(method: &Method, path: &str) -> Option<Result<Kept>> {
    let rest = path.strip_prefix("/responses/")?;
    let (id, below) = rest.split_once('/').map_or((rest, None), |(id, below)| (id, Some(below)));
    let served: &[Method] = match below {
        None => &[Method::GET, Method::DELETE],
        Some("cancel") => &[Method::POST],
        Some("input_items") => &[Method::GET],
        Some(_) => return None,
    };
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if id.is_empty() || !plain {
        return None;
    }
    if !served.contains(method) {
        let served: Vec<&str> = served.iter().map(Method::as_str).collect();
        let message = format!("{path} is served by {}, not {method}", served.join(" and "));
        return Some(Err(ApiError::new(ErrorKind::MethodNotAllowed, message)));
    }
    let says = id::read(id);
    let below = below.map(|below| format!("/{below}")).unwrap_or_default();
    let path = format!("/responses/{}{below}", says.own);
    Some(Ok(Kept { id: id.to_owned(), says, path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "0123456789abcdef";

    fn by_owner() -> Mark {
        Mark { owner: OWNER.into(), seal: None, thoughts: true }
    }

    #[test]
    fn a_request_gets_its_own_id_back() {
        let body = r#"{"model":"m", "previous_response_id" : "resp_gw0123456789abcdef_68a" ,"input":"x"}"#;
        let owned = owned(&Head::scan(body.into()).unwrap()).unwrap().unwrap();
        assert_eq!(owned.id.owner.as_deref(), Some(OWNER));
        let expect = r#"{"model":"m", "previous_response_id" : "resp_68a" ,"input":"x"}"#;
        assert_eq!(owned.head.body(), expect);
        let check = |body: &'static str, expect: Option<(&str, &str)>| {
            let owned = super::owned(&Head::scan(body.into()).unwrap()).unwrap();
            let named = owned.as_ref().map(|owned| (owned.param, owned.id.own.as_str()));
            assert_eq!(named, expect, "{body}");
            assert!(
                owned.is_none_or(|owned| owned.head.body() == body && owned.id.owner.is_none()),
                "{body}"
            );
        };
        check(r#"{"previous_response_id":null,"conversation":null}"#, None);
        check("{}", None);
        check(r#"{"previous_response_id":"resp_68a"}"#, Some(("previous_response_id", "resp_68a")));
        check(r#"{"conversation":{"id":"conv_1"}}"#, Some(("conversation", r#"{"id":"conv_1"}"#)));
    }

    #[test]
    fn ids_are_marked_and_nothing_else() {
        let check = |body: &'static str, expect: Option<&str>| {
            assert_eq!(mark(&Bytes::from(body), &by_owner()).as_deref(), expect.map(str::as_bytes), "{body}");
        };
        check(
            r#"{ "id":"resp_1","object":"response","previous_response_id":"resp_0","output":[{"id":"resp_2"}]}"#,
            Some(concat!(
                r#"{ "id":"resp_gw0123456789abcdef_1","object":"response","#,
                r#""previous_response_id":"resp_gw0123456789abcdef_0","output":[{"id":"resp_2"}]}"#
            )),
        );
        check(
            r#"{"id":"resp_1","object":"response.deleted","deleted":true}"#,
            Some(r#"{"id":"resp_gw0123456789abcdef_1","object":"response.deleted","deleted":true}"#),
        );
        check(r#"{"object":"list","data":[]}"#, None);
        check(r#"{"id":"x","object":"response"}"#, None);
    }

    #[test]
    fn events_with_a_response_are_marked() {
        let event = b"event: response.created\r\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"output\":[]},\"sequence_number\":0}\r\n\r\n";
        let marked = mark_event(event, &by_owner()).unwrap();
        let expect = "event: response.created\r\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_gw0123456789abcdef_1\",\"output\":[]},\"sequence_number\":0}\r\n\r\n";
        assert_eq!(marked, expect);
        let delta =
            br#"data: {"type":"response.output_text.delta","delta":"\"response\":{\"id\":\"resp_1\"}"}"#;
        assert_eq!(mark_event(delta, &by_owner()), None);
    }

    #[test]
    fn routes_below_an_answer() {
        let path = |method: &Method, path: &str| {
            kept(method, path)
                .map(|kept| kept.map(|kept| (kept.says.owner, kept.path)).map_err(|error| error.kind))
        };
        let get = &Method::GET;
        assert_eq!(path(get, "/responses/resp_1"), Some(Ok((None, "/responses/resp_1".to_owned()))));
        assert_eq!(
            path(get, "/responses/resp_gw0123456789abcdef_1/input_items"),
            Some(Ok((Some(OWNER.to_owned()), "/responses/resp_1/input_items".to_owned())))
        );
        assert!(matches!(path(&Method::POST, "/responses/resp_1/cancel"), Some(Ok(_))));
        assert_eq!(path(&Method::PUT, "/responses/resp_1"), Some(Err(ErrorKind::MethodNotAllowed)));
        for other in
            ["/responses/", "/responses/resp_1/other", "/responses/a%2Fb", "/responses/../x", "/models/x"]
        {
            assert!(kept(get, other).is_none(), "{other}");
        }
    }
}
