//! Vectors.
//!
//! Numbers come as lists whatever the client wants them written as: our own half of its dialect writes them.

use llm_types::{
    ApiError, Dialect, EmbedContent, EmbedInput, EmbedRequest, Embeddings, ErrorKind, Extra, Result, Str,
    Usage,
};

use super::decode::malformed;
use super::encode::{NO_COUNTERPART, OPTIONS};
use super::wire::{self, EmbedReply, Raw};
use crate::codec::{EncodeCx, Tapped};
use crate::dialect::media;
use crate::dialect::scalar::Count;

/// The body of a request for vectors.
///
/// # Errors
/// When an input is not a text.
pub(super) fn body(request: &EmbedRequest, cx: &mut EncodeCx<'_>) -> Result<Vec<u8>> {
    let EmbedRequest { model: _, inputs, dimensions, encoding: _, task, truncate, user, origin, extra } =
        request;
    let mut texts = Vec::with_capacity(inputs.len());
    for (index, EmbedInput { content, title }) in inputs.iter().enumerate() {
        if title.is_some() {
            cx.changes.dropped(format!("input[{index}].title"), NO_COUNTERPART);
        }
        let EmbedContent::Text(text) = content else {
            let message = "ollama makes vectors of texts alone: send the input as text";
            return Err(ApiError::bad_request(message).with_param(format!("input[{index}]")));
        };
        texts.push(Str::from(text));
    }
    for (name, set) in [("task", task.is_some()), ("user", user.is_some())] {
        if set {
            cx.changes.dropped(name, NO_COUNTERPART);
        }
    }
    let mut out = wire::EmbedRequest {
        model: Some(Str::from(cx.model)),
        input: Some(texts),
        truncate: *truncate,
        dimensions: *dimensions,
        ..wire::EmbedRequest::default()
    };
    let own = origin.is_none_or(|origin| origin == Dialect::Ollama);
    let mut options = Extra::default();
    for (name, value) in extra.iter() {
        if OPTIONS.contains(&name) {
            options.set(name, value.to_owned());
        } else if name == "options" && options.is_empty() {
            out.options = Some(Raw::from(value));
        } else if own || name == "keep_alive" || (name == "truncate" && truncate.is_none()) {
            out.extra.push(name.into(), value);
        } else {
            cx.changes.dropped(name.to_owned(), NO_COUNTERPART);
        }
    }
    if !options.is_empty() {
        if out.options.is_some() {
            cx.changes.dropped("options", "options are given beside the input too");
        }
        out.options = serde_json::value::to_raw_value(&options).ok().map(Raw::from);
    }
    media::beside(&out, cx.changes)
}

/// Reads vectors.
///
/// # Errors
/// When the answer holds none.
pub(super) fn reply(body: &[u8]) -> Result<Embeddings> {
    let EmbedReply { model, embeddings, prompt_eval_count, extra } = read(body)?;
    let vectors = embeddings.ok_or_else(|| {
        let message = "the upstream's answer holds no vectors: `embeddings` is missing";
        ApiError::upstream(ErrorKind::UpstreamFormat, message)
    })?;
    Ok(Embeddings {
        id: String::new(),
        model: model.map(Str::into_string).unwrap_or_default(),
        vectors,
        usage: usage(prompt_eval_count),
        origin: Some(Dialect::Ollama),
        extra: extra.to_extra(),
    })
}

/// Reads what was used.
///
/// # Errors
/// When the answer is not one.
pub(super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    let EmbedReply { model, embeddings: _, prompt_eval_count, extra: _ } = read(body)?;
    Ok(Tapped { usage: usage(prompt_eval_count), model: model.map(|model| model.0) })
}

fn read(body: &[u8]) -> Result<EmbedReply<'_>> {
    serde_json::from_slice(body).map_err(|error| malformed(body, error))
}

fn usage(count: Option<Count>) -> Option<Usage> {
    count.map(|Count(input)| Usage { input, ..Usage::default() })
}
