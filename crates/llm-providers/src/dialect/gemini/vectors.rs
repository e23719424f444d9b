//! Vectors, as the provider gives them.

use std::borrow::Cow;

use bytes::Bytes;
use llm_types::{
    ApiError, Dialect, Edits, EmbedContent, EmbedInput, EmbedRequest, Embeddings, ErrorKind, Head, Result,
    Str, Usage,
};

use super::encode::NO_COUNTERPART;
use super::wire::{self, Whole};
use super::{decode, predict};
use crate::codec::{DecodeCx, EncodeCx};
use crate::dialect::seen::{self, Seen};

/// The body of `batchEmbedContents`.
///
/// # Errors
/// When an input is none that this provider takes.
pub(super) fn body(request: &EmbedRequest, cx: &mut EncodeCx<'_>) -> Result<Vec<u8>> {
    // In which form the numbers are written concerns the client's answer only.
    let EmbedRequest { model: _, inputs, dimensions, encoding: _, task: _, truncate, user, origin, extra } =
        request;
    let name = resource(cx.model);
    let own = *origin == Some(Dialect::Gemini);
    let (purpose, said) = request.purpose().unzip();
    let mut requests = Vec::with_capacity(inputs.len());
    for (index, EmbedInput { content, title }) in inputs.iter().enumerate() {
        let content =
            self::content(content, cx.model).map_err(|error| error.with_param(format!("input[{index}]")))?;
        requests.push(wire::EmbedOne {
            model: Some(Str::from(&name)),
            content: Some(content),
            task_type: purpose.as_deref().map(Str::from),
            title: title.as_ref().map(Str::from),
            output_dimensionality: dimensions.map(Whole),
            extra: if own { extra.members() } else { llm_types::Members::default() },
        });
    }
    if truncate.is_some() {
        cx.changes.dropped("truncate", NO_COUNTERPART);
    }
    if user.is_some() {
        cx.changes.dropped("user", NO_COUNTERPART);
    }
    if !own {
        for (name, _) in extra.iter().filter(|(name, _)| Some(*name) != said.flatten()) {
            cx.changes.dropped(name.to_owned(), NO_COUNTERPART);
        }
    }
    let body = wire::EmbedBody { requests: Some(requests.into()), ..wire::EmbedBody::default() };
    serde_json::to_vec(&body)
        .map_err(|error| ApiError::bad_request("the request cannot be written as JSON").with_source(error))
}

/// The body of `embedContent` at Vertex AI, which takes one input and no name of a model.
///
/// # Errors
/// As [`body`], and when there are several inputs.
pub(super) fn one(request: &EmbedRequest, cx: &mut EncodeCx<'_>) -> Result<Vec<u8>> {
    if request.inputs.len() != 1 {
        let message = format!("{} takes one input at a time: send each by itself", cx.model);
        return Err(ApiError::bad_request(message).with_param("input"));
    }
    let batch = body(request, cx)?;
    let unwritable =
        |error| ApiError::bad_request("the request cannot be written as JSON").with_source(error);
    let batch: wire::EmbedBody<'_> = serde_json::from_slice(&batch).map_err(unwritable)?;
    let only = batch.requests.into_iter().flatten().next().unwrap_or_default();
    serde_json::to_vec(&wire::EmbedOne { model: None, ..only }).map_err(unwritable)
}

/// `models/gemini-embedding-001`
pub(super) fn resource(model: &str) -> String {
    if model.contains('/') { model.to_owned() } else { format!("models/{model}") }
}

fn content<'r>(content: &'r EmbedContent, model: &str) -> Result<wire::Content<'r>> {
    match content {
        EmbedContent::Text(text) => {
            let part = wire::Part { text: Some(text.as_str().into()), ..wire::Part::default() };
            Ok(wire::Content { parts: Some(vec![part].into()), ..wire::Content::default() })
        }
        EmbedContent::Tokens(_) => {
            Err(ApiError::bad_request("gemini takes texts, not tokens: send the text"))
        }
        EmbedContent::Opaque(Dialect::Gemini, json) => serde_json::from_str(json.get())
            .map_err(|error| ApiError::bad_request(format!("not a content: {error}"))),
        EmbedContent::Opaque(..) => {
            let parts = seen::parts(content)?;
            if parts.iter().any(|part| matches!(part, Seen::Picture(_))) && !sees(model) {
                let message =
                    format!("{model} makes vectors of texts only: send texts, or ask gemini-embedding-2");
                return Err(ApiError::bad_request(message));
            }
            let parts: Vec<wire::Part<'_>> = parts.into_iter().map(part).collect::<Result<_>>()?;
            Ok(wire::Content { parts: Some(parts.into()), ..wire::Content::default() })
        }
    }
}

/// Whether a model makes vectors of pictures (<https://ai.google.dev/gemini-api/docs/embeddings>).
fn sees(model: &str) -> bool {
    model.contains("gemini-embedding-2") || model.contains("multimodal")
}

fn part(seen: Seen<'_>) -> Result<wire::Part<'_>> {
    let picture = match seen {
        Seen::Text(text) => {
            return Ok(wire::Part { text: Some(text.into_owned().into()), ..wire::Part::default() });
        }
        Seen::Picture(picture) => picture,
    };
    let Some((kind, base64)) = picture.bytes() else {
        let message =
            "pictures at addresses are not read for vectors: send the bytes, `data:image/png;base64,…`";
        return Err(ApiError::bad_request(message));
    };
    let owned = |text: &str| Str(Cow::Owned(text.to_owned()));
    let blob =
        wire::Blob { mime_type: Some(owned(kind)), data: Some(owned(base64)), ..wire::Blob::default() };
    Ok(wire::Part { inline_data: Some(blob), ..wire::Part::default() })
}

/// A body of the client's own with the model that is asked put in wherever it stands.
///
/// # Errors
/// When a request of a batch is no object.
pub(super) fn renamed(head: &Head, model: &str) -> Result<Bytes> {
    let name = serde_json::to_vec(&resource(model)).unwrap_or_default();
    let mut edits = Edits::default();
    if head.get("model").is_some() {
        edits.set(head, "model", name.clone());
    }
    for whole in ["generateContentRequest", "generate_content_request"] {
        if let Some(nested) = head.nested(whole)? {
            let mut inner = Edits::default();
            inner.set(&nested, "model", name.clone());
            edits.set(head, whole, inner.apply(&nested).to_bytes());
        }
    }
    if head.get("requests").is_some() && head.mentions("requests", "model") {
        edits.set(head, "requests", requests(head, &name)?);
    }
    Ok(edits.apply(head).to_bytes())
}

fn requests(head: &Head, name: &[u8]) -> Result<Vec<u8>> {
    let requests: wire::List<&llm_types::RawValue> = head.read("requests")?.unwrap_or_default();
    let mut out = vec![b'['];
    for (index, request) in requests.into_iter().enumerate() {
        let request = Head::scan(Bytes::copy_from_slice(request.get().as_bytes()))
            .map_err(|error| error.with_param(format!("requests[{index}]")))?;
        if index > 0 {
            out.push(b',');
        }
        let mut edits = Edits::default();
        if request.get("model").is_some_and(|json| json != name) {
            edits.set(&request, "model", name.to_vec());
        }
        out.extend_from_slice(&edits.apply(&request).to_bytes());
    }
    out.push(b']');
    Ok(out)
}

/// Reads the vectors.
///
/// # Errors
/// [`ErrorKind::UpstreamFormat`] when they are none, and the error in the answer where it holds one.
pub(super) fn reply(body: &[u8], cx: &DecodeCx<'_>) -> Result<Embeddings> {
    let wire: wire::Vectors<'_> = serde_json::from_slice(body).map_err(|error| decode::malformed(&error))?;
    let wire::Vectors { embedding, embeddings, usage_metadata, predictions, error, extra } = wire;
    if let Some(json) = error {
        return Err(decode::contained(json));
    }
    if let Some(predictions) = predictions {
        return Ok(predict::reply(predictions, &extra, cx));
    }
    if embedding.is_none() && embeddings.is_none() {
        let message = "the upstream answered without vectors: try again";
        return Err(ApiError::upstream(ErrorKind::UpstreamFormat, message));
    }
    let all = embedding.into_iter().chain(embeddings.into_iter().flatten());
    Ok(Embeddings {
        id: String::new(),
        model: super::model::bare(cx.model).to_owned(),
        vectors: all.map(|vector| vector.values.unwrap_or_default()).collect(),
        usage: usage_metadata.as_ref().and_then(usage),
        origin: Some(Dialect::Gemini),
        extra: extra.to_extra(),
    })
}

fn usage(counts: &wire::UsageMetadata<'_>) -> Option<Usage> {
    counts.prompt_token_count.map(|input| Usage { input, ..Usage::default() })
}

/// The usage of vectors that are passed through; the vectors themselves are not read.
///
/// # Errors
/// As [`reply`].
pub(super) fn tapped(body: &[u8]) -> Result<Option<Usage>> {
    let wire: wire::VectorFacts<'_> =
        serde_json::from_slice(body).map_err(|error| decode::malformed(&error))?;
    match wire.error {
        Some(json) => Err(decode::contained(json)),
        None => Ok(wire.usage_metadata.as_ref().and_then(usage)),
    }
}
