//! Documents: as they come, as they are sent, as an answer shows them.

use llm_types::{Changes, Members, Raw, RawValue, RerankDocument, Str};

use super::wire::Shown;

/// A document that a client sent; `None`: it is neither a text nor an object.
pub(super) fn read(raw: &Raw<'_>) -> Option<RerankDocument> {
    match raw.get().as_bytes().first()? {
        b'"' => serde_json::from_str(raw.get()).ok().map(RerankDocument::Text),
        b'{' => Some(RerankDocument::Object(raw.0.clone().into_owned())),
        _ => None,
    }
}

/// A document as it is sent to a provider that takes objects.
pub(super) fn whole(document: &RerankDocument) -> Option<Raw<'_>> {
    match document {
        RerankDocument::Text(text) => serde_json::value::to_raw_value(text).ok().map(Raw::from),
        RerankDocument::Object(json) => Some(Raw::from(&**json)),
    }
}

/// A document as it is sent to a provider that takes texts only. An object becomes lines of `name: value`, as Cohere
/// advises: those that `fields` names, else all.
pub(super) fn text<'d>(
    document: &'d RerankDocument,
    fields: &[String],
    (index, changes): (usize, &mut Changes),
) -> Option<Raw<'d>> {
    let RerankDocument::Object(json) = document else { return whole(document) };
    let shown: Shown<'_> = serde_json::from_str(json.get()).ok()?;
    let text = match shown {
        Shown { text: Some(text), extra } if fields.is_empty() && extra.is_empty() => text.into_string(),
        Shown { text, extra } => {
            changes.altered(format!("documents[{index}]"), "sent as text: objects are not taken there");
            lines(fields, text.as_ref().map(Str::as_str), &extra)
        }
    };
    serde_json::value::to_raw_value(&text).ok().map(Raw::from)
}

fn lines(fields: &[String], text: Option<&str>, members: &Members<'_>) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = |name: &str, value: &RawValue| {
        let text: Option<Str<'_>> = serde_json::from_str(value.get()).ok();
        lines.push(format!("{name}: {}", text.as_ref().map_or(value.get(), Str::as_str)));
    };
    if fields.is_empty() {
        members.iter().for_each(|(name, value)| line(name, value));
    }
    for value in fields.iter().filter_map(|name| Some((name, members.get(name)?))) {
        line(value.0, value.1);
    }
    if let Some(text) = text.filter(|_| fields.is_empty() || fields.iter().any(|name| name == "text")) {
        lines.insert(0, format!("text: {text}"));
    }
    lines.join("\n")
}

/// A document as an answer shows it: a text is an object with one member.
pub(super) fn shown(document: &RerankDocument) -> Option<Raw<'_>> {
    match document {
        RerankDocument::Text(text) => {
            let shown = Shown { text: Some(Str::from(text)), ..Shown::default() };
            serde_json::value::to_raw_value(&shown).ok().map(Raw::from)
        }
        RerankDocument::Object(json) => Some(Raw::from(&**json)),
    }
}

/// A document that a provider repeats: a text, or an object with nothing but one.
pub(super) fn repeated(raw: &Raw<'_>) -> Option<RerankDocument> {
    let read = read(raw)?;
    if let RerankDocument::Object(json) = &read
        && let Ok(Shown { text: Some(text), extra }) = serde_json::from_str(json.get())
        && extra.is_empty()
    {
        return Some(RerankDocument::Text(text.into_string()));
    }
    Some(read)
}
