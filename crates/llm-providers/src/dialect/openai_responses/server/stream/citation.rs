//! Sources of a text, as annotations.

use bytes::BufMut;
use llm_types::Dialect;
use llm_types::chat::Citation;
use serde::Serialize;

use super::super::json::member;
use super::{Body, Encoder, Item, place, raw};

#[derive(Serialize)]
struct UrlCitation<'a> {
    r#type: &'static str,
    start_index: u64,
    end_index: u64,
    url: &'a str,
    title: &'a str,
}

#[derive(Serialize)]
struct Quoted<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quote: Option<&'a str>,
}

/// Adds a source to the last content part of a message. A source without an address has no form here: it
/// stands beside the text in its provider's own form.
pub(super) fn add(encoder: &mut Encoder, index: usize, source: &Citation) {
    let Citation { url, title, start, end, quote, native } = source;
    let Some(Item { id, body: Body::Message(contents), .. }) = encoder.items.get_mut(index) else { return };
    let at = contents.len().saturating_sub(1);
    let Some(content) = contents.last_mut() else { return };
    let annotation = match (native, url) {
        (Some((Dialect::OpenaiResponses, own)), _) => Some(own.clone()),
        (_, Some(url)) => raw(&UrlCitation {
            r#type: "url_citation",
            start_index: start.unwrap_or(0),
            end_index: end.unwrap_or_else(|| u64::try_from(content.text.chars().count()).unwrap_or(u64::MAX)),
            url,
            title: title.as_deref().unwrap_or(url),
        }),
        (Some((_, own)), None) => {
            content.citations.push(own.clone());
            None
        }
        (None, None) => {
            content.citations.extend(raw(&Quoted { title: title.as_deref(), quote: quote.as_deref() }));
            None
        }
    };
    let Some(annotation) = annotation else { return };
    encoder.wire.event("response.output_text.annotation.added", |out| {
        place(out, id, index);
        out.put_u8(b',');
        member(out, "content_index", &at);
        out.put_u8(b',');
        member(out, "annotation_index", &content.annotations.len());
        out.put_u8(b',');
        member(out, "annotation", &annotation);
    });
    content.annotations.push(annotation);
}
