//! What of a request only a provider of this dialect can do.
//!
//! Tools that the provider itself runs, and what it has stored. Leaving them out would change what the
//! client gets without a word, so such a request goes to a provider of this dialect or is refused.

use llm_types::{ApiError, ErrorKind, Head, Kind, RawValue, Result, Str, wire_struct};

/// Members that speak of what the provider keeps, and what to do without them.
const STORED: [(&str, &str); 4] = [
    ("previous_response_id", "send the whole conversation as `input`"),
    ("conversation", "send the whole conversation as `input`"),
    ("prompt", "send the prompt itself as `instructions` and `input`"),
    ("background", "wait for the answer, or stream it"),
];

/// The refusal of a request that no other dialect can serve; `None`: any can.
pub(super) fn bound(head: &Head) -> Result<Option<ApiError>> {
    for (name, instead) in STORED {
        if !matches!(head.get(name), None | Some(b"null" | b"false")) {
            return Ok(Some(refusal(name, &format!("`{name}`"), instead)));
        }
    }
    // Left out, it asks for nothing that a client could miss.
    if head.get("store") == Some(b"true") {
        return Ok(Some(refusal("store", "`store`", "leave it out, or set it to false")));
    }
    let tools: Vec<&RawValue> = head.read("tools")?.unwrap_or_default();
    for (index, tool) in tools.iter().enumerate() {
        let kind = serde_json::from_str::<Kind<'_>>(tool.get()).unwrap_or_default().0;
        if !matches!(kind.as_str(), "function" | "custom" | "") {
            let what = format!("the tool `{}`", kind.as_str());
            return Ok(Some(refusal(
                &format!("tools[{index}]"),
                &what,
                "offer a function that does the same",
            )));
        }
    }
    if let Some(param) = reference(head) {
        return Ok(Some(refusal(&param, "an `item_reference`", "send the item itself")));
    }
    Ok(None)
}

wire_struct! {
    /// What tells an item from a reference to one.
    struct Item<'a> {
        id: Str<'a>,
        role: Str<'a>,
    }
}

/// Where the first item stands that is not sent but named: an `item_reference`, or an id and nothing that says what it is
/// (the type may be left out, openai-responses.md).
pub(super) fn reference(head: &Head) -> Option<String> {
    if !head.mentions("input", "id") {
        return None;
    }
    let items: Vec<&RawValue> = head.read("input").ok().flatten().unwrap_or_default();
    let refers = |item: &&RawValue| {
        let kind = serde_json::from_str::<Kind<'_>>(item.get()).unwrap_or_default().0;
        match kind.as_str() {
            "" => serde_json::from_str::<Item<'_>>(item.get())
                .is_ok_and(|Item { id, role, extra: _ }| id.is_some() && role.is_none()),
            kind => kind == "item_reference",
        }
    };
    items.iter().position(refers).map(|index| format!("input[{index}]"))
}

fn refusal(param: &str, what: &str, instead: &str) -> ApiError {
    let message = format!(
        "{what} needs a provider that speaks the Responses API, and no deployment of this model does: {instead}"
    );
    ApiError::new(ErrorKind::UnsupportedParam, message).with_param(param)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_cannot_do_is_named() {
        let check = |body: &'static str, param: Option<&str>| {
            let head = Head::scan(body.into()).unwrap();
            let error = bound(&head).unwrap();
            assert_eq!(error.as_ref().and_then(|error| error.param.as_deref()), param, "{body}");
            if let Some(error) = error {
                assert_eq!(error.public_code(), Some("unsupported_parameter"));
                assert_eq!(error.status().as_u16(), 400);
            }
        };
        check(r#"{"input":"x"}"#, None);
        check(r#"{"store":false,"background":false,"previous_response_id":null,"prompt":null}"#, None);
        check(r#"{"store":true}"#, Some("store"));
        check(r#"{"previous_response_id":"resp_1"}"#, Some("previous_response_id"));
        check(r#"{"background":true}"#, Some("background"));
        check(r#"{"conversation":{"id":"conv_1"}}"#, Some("conversation"));
        check(r#"{"prompt":{"id":"pmpt_1"}}"#, Some("prompt"));
        check(r#"{"tools":[{"type":"function","name":"f"},{"type":"custom","name":"c"}]}"#, None);
        check(r#"{"tools":[{"type":"function","name":"f"},{"type":"web_search"}]}"#, Some("tools[1]"));
        check(
            r#"{"input":[{"role":"user","content":"x"},{"type":"item_reference","id":"rs_1"}]}"#,
            Some("input[1]"),
        );
        check(r#"{"input":[{"id":"rs_1"}]}"#, Some("input[0]"));
        check(r#"{"input":[{"role":"user","content":"x"},{"id":"rs_1","type":null}]}"#, Some("input[1]"));
        check(r#"{"input":[{"id":"rs_1","type":"item_\u0072eference"}]}"#, Some("input[0]"));
        check(r#"{"input":[{"type":"message","role":"user","content":"x"}]}"#, None);
        check(r#"{"input":[{"id":"msg_1","role":"assistant","content":"x"}]}"#, None);
        check(r#"{"input":[{"id":"rs_1","type":"reasoning","summary":[]}]}"#, None);
    }
}
