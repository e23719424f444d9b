//! Pictures as inputs of requests for vectors, in the forms in which clients of OpenAI's dialect write them.
//!
//! OpenAI itself has none, so several are in use: `{"image": …}` (Jina), parts as in conversations (`image_url`), a list of
//! these in `content` (Cohere), and a bare `data:` address where a text would stand.

use std::borrow::Cow;

use llm_types::{ApiError, EmbedContent, RawValue, Result, Str};
use serde::Deserialize;

/// A part of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen<'a> {
    Text(Cow<'a, str>),
    Picture(Picture<'a>),
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Picture<'a> {
    /// In base64, with its kind where that is said.
    Bytes { kind: Option<Cow<'a, str>>, base64: Cow<'a, str> },
    /// At an address.
    At(Cow<'a, str>),
}

impl Picture<'_> {
    /// As an address: `data:image/png;base64,…` where it is its bytes.
    pub(super) fn address(&self) -> String {
        match self {
            Self::At(url) => url.clone().into_owned(),
            Self::Bytes { kind, base64 } => {
                let kind = kind.as_deref().unwrap_or_else(|| kind_of(base64));
                format!("data:{kind};base64,{base64}")
            }
        }
    }

    /// Its kind and its bytes in base64; `None`: it lies elsewhere.
    pub(super) fn bytes(&self) -> Option<(&str, &str)> {
        match self {
            Self::At(_) => None,
            Self::Bytes { kind, base64 } => {
                Some((kind.as_deref().unwrap_or_else(|| kind_of(base64)), base64))
            }
        }
    }
}

/// What a picture is, by how it begins (PNG, GIF, WebP; else JPEG).
fn kind_of(base64: &str) -> &'static str {
    let kinds = [("iVBORw0", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")];
    kinds.iter().find(|(start, _)| base64.starts_with(start)).map_or("image/jpeg", |(_, kind)| kind)
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    image: Option<&'a RawValue>,
    #[serde(borrow, default)]
    image_url: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Address<'a> {
    #[serde(borrow)]
    url: Str<'a>,
}

/// Whether a text stands for a picture.
pub(super) fn is_picture(text: &str) -> bool {
    text.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("data:image/"))
}

/// The parts of an input.
///
/// # Errors
/// 400 for a form that is none of these.
pub(super) fn parts(content: &EmbedContent) -> Result<Vec<Seen<'_>>> {
    match content {
        EmbedContent::Text(text) if is_picture(text) => Ok(vec![Seen::Picture(picture(Cow::Borrowed(text)))]),
        EmbedContent::Text(text) => Ok(vec![Seen::Text(Cow::Borrowed(text))]),
        EmbedContent::Tokens(_) => Err(ApiError::bad_request("tokens mean nothing there: send texts")),
        EmbedContent::Opaque(_, json) => object(json),
    }
}

/// The only part of an input, for models that look at one thing at a time.
///
/// # Errors
/// 400 for another number of them.
pub(super) fn alone(content: &EmbedContent) -> Result<Seen<'_>> {
    match <[Seen<'_>; 1]>::try_from(parts(content)?) {
        Ok([one]) => Ok(one),
        Err(_) => Err(ApiError::bad_request(
            "this model makes a vector of one text or one picture: send each as an input of its own",
        )),
    }
}

fn object(json: &RawValue) -> Result<Vec<Seen<'_>>> {
    let unknown = || {
        ApiError::bad_request(
            "this is no text and no picture: send a text, or a picture as `{\"image\": \"data:image/png;base64,…\"}`",
        )
    };
    if json.get().starts_with('"') {
        let text: Str<'_> = serde_json::from_str(json.get()).map_err(|_| unknown())?;
        return Ok(vec![Seen::Picture(picture(text.0))]);
    }
    let Object { text, image, image_url, content } =
        serde_json::from_str(json.get()).map_err(|_| unknown())?;
    if let Some(parts) = content {
        let read = parts.into_iter().map(object).collect::<Result<Vec<_>>>()?;
        return Ok(read.into_iter().flatten().collect());
    }
    let found = match (text, image.or(image_url)) {
        (Some(text), None) => Seen::Text(text.0),
        (None, Some(address)) => {
            let text = serde_json::from_str::<Str<'_>>(address.get()).map(|text| text.0);
            let url = text.or_else(|_| serde_json::from_str::<Address<'_>>(address.get()).map(|at| at.url.0));
            Seen::Picture(picture(url.map_err(|_| unknown())?))
        }
        _ => return Err(unknown()),
    };
    Ok(vec![found])
}

/// A picture by its address, or its bytes in base64.
fn picture(text: Cow<'_, str>) -> Picture<'_> {
    let data = text.strip_prefix("data:").or_else(|| text.strip_prefix("DATA:"));
    if let Some((head, base64)) = data.and_then(|data| data.split_once(',')) {
        let kind = head.split(';').next().filter(|kind| !kind.is_empty()).map(str::to_owned);
        return Picture::Bytes { kind: kind.map(Cow::Owned), base64: Cow::Owned(base64.to_owned()) };
    }
    if text.contains("://") { Picture::At(text) } else { Picture::Bytes { kind: None, base64: text } }
}

#[cfg(test)]
mod tests {
    use llm_types::Dialect;

    use super::*;

    #[test]
    fn pictures_are_read_in_all_their_forms() {
        let check = |json: &str, expect: &[&str]| {
            let json = RawValue::from_string(json.to_owned()).unwrap();
            let content = EmbedContent::Opaque(Dialect::OpenaiMedia, json);
            let parts = parts(&content).unwrap();
            let said = parts.iter().map(|part| match part {
                Seen::Text(text) => text.to_string(),
                Seen::Picture(picture) => picture.address(),
            });
            assert_eq!(said.collect::<Vec<_>>(), expect);
        };
        check(r#"{"text":"Hi"}"#, &["Hi"]);
        check(r#"{"image":"https://a.example/a.png"}"#, &["https://a.example/a.png"]);
        check(r#"{"image":"iVBORw0KGgo="}"#, &["data:image/png;base64,iVBORw0KGgo="]);
        check(r#"{"image":"data:image/webp;base64,AAAA"}"#, &["data:image/webp;base64,AAAA"]);
        check(r#"{"type":"image_url","image_url":{"url":"gs://a/b"}}"#, &["gs://a/b"]);
        check(
            r#"{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":"https://b"}]}"#,
            &["a", "https://b"],
        );
        check(r#""data:image/png;base64,AAAA""#, &["data:image/png;base64,AAAA"]);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for json in [r#"{"video":"x"}"#, r#"{"image":7}"#, r#"{"text":"a","image":"b"}"#] {
            let content =
                EmbedContent::Opaque(Dialect::OpenaiMedia, RawValue::from_string(json.to_owned()).unwrap());
            assert!(parts(&content).is_err(), "{json}");
        }
        let two = r#"{"content":[{"text":"a"},{"text":"b"}]}"#;
        let two = EmbedContent::Opaque(Dialect::OpenaiMedia, RawValue::from_string(two.to_owned()).unwrap());
        assert!(alone(&two).is_err());
    }
}
