//! What inputs for vectors hold: texts, and pictures where the model sees them.

use llm_types::{ApiError, EmbedInput, Result, Str};

use crate::codec::EncodeCx;
use crate::dialect::seen::{self, Picture, Seen};

/// Why something is left out.
pub(super) const NO_COUNTERPART: &str = "the model on bedrock has no counterpart";

/// What an input holds: one of them at least.
pub(super) struct Content<'r> {
    pub(super) text: Option<Str<'r>>,
    pub(super) picture: Option<Picture<'r>>,
}

/// What the inputs hold.
///
/// # Errors
/// 400, with the place of an input that the model does not take.
pub(super) fn contents<'r>(inputs: &'r [EmbedInput], cx: &mut EncodeCx<'_>) -> Result<Vec<Content<'r>>> {
    let mut contents = Vec::with_capacity(inputs.len());
    for (index, EmbedInput { content, title }) in inputs.iter().enumerate() {
        if title.is_some() {
            cx.changes.dropped(format!("input[{index}].title"), NO_COUNTERPART);
        }
        let read = seen::parts(content).and_then(|parts| self::content(parts, cx.model));
        contents.push(read.map_err(|error| error.with_param(format!("input[{index}]")))?);
    }
    Ok(contents)
}

fn content<'r>(parts: Vec<Seen<'r>>, model: &str) -> Result<Content<'r>> {
    let sees = !model.contains("titan-embed") || model.contains("embed-image");
    let both = model.contains("titan-embed-image");
    let several = if both { "a text and a picture" } else { "a text or a picture" };
    let many =
        || ApiError::bad_request(format!("this model makes a vector of {several}: send more as inputs"));
    let mut out = Content { text: None, picture: None };
    for part in parts {
        match part {
            Seen::Text(text) if out.text.is_none() => out.text = Some(Str(text)),
            Seen::Picture(_) if !sees => {
                return Err(ApiError::bad_request(
                    "this model sees no pictures: use titan-embed-image, Nova's or Cohere's models for them",
                ));
            }
            Seen::Picture(picture) if picture.bytes().is_none() => {
                return Err(ApiError::bad_request(
                    "pictures at addresses are not read for vectors: send the bytes, `data:image/png;base64,…`",
                ));
            }
            Seen::Picture(picture) if out.picture.is_none() => out.picture = Some(picture),
            Seen::Text(_) | Seen::Picture(_) => return Err(many()),
        }
    }
    match (&out.text, &out.picture) {
        (Some(_), Some(_)) if !both => Err(many()),
        (None, None) => Err(ApiError::bad_request("there is nothing in it: send a text or a picture")),
        _ => Ok(out),
    }
}

/// The only input. A longer list is cut into calls before it comes here.
pub(super) fn alone(contents: Vec<Content<'_>>) -> Result<Content<'_>> {
    match <[Content<'_>; 1]>::try_from(contents) {
        Ok([one]) => Ok(one),
        Err(_) => Err(ApiError::bad_request("this model takes one input at a time").with_param("input")),
    }
}

/// The bytes of a picture in base64.
pub(super) fn base64(picture: &Picture<'_>) -> Option<Str<'static>> {
    picture.bytes().map(|(_, base64)| Str::from(base64.to_owned()))
}
