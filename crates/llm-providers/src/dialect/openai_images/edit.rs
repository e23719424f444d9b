//! Edits as JSON, where that is what a provider takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_types::{ApiError, Edits, Head, ImageRequest, RawValue, Result, Str, Upload};

use super::wire;
use crate::dialect::media;

/// Writes an edit: `members` are those that it has in common with a request for new pictures.
///
/// # Errors
/// When there is no picture, or a part of one is to be changed.
pub(super) fn body(request: &ImageRequest, members: &wire::Request<'_>) -> Result<Vec<u8>> {
    let ImageRequest { images, mask, extra, .. } = request;
    if mask.is_some() {
        let message = "this model changes whole pictures: say in words where, and send no `mask`";
        return Err(ApiError::bad_request(message).with_param("mask"));
    }
    // Those at an address are in a member for providers that fetch them.
    let elsewhere = extra.get("images").and_then(openai);
    let foreign = elsewhere.is_some();
    let own = images.iter().map(|image| Str::from(address(image)));
    let sources: Vec<wire::Source<'_>> = own.chain(elsewhere.into_iter().flatten()).map(source).collect();
    let head = Head::scan(media::bytes(members)?.into())?;
    let mut edits = Edits::default();
    if foreign && sources.len() == 1 {
        edits.remove(&head, "images");
    }
    let said = head.get("image").is_some() || (!foreign && head.get("images").is_some());
    match &*sources {
        [] if said => {}
        [] => {
            let message = "`image` is missing: send the picture to change";
            return Err(ApiError::bad_request(message).with_param("image"));
        }
        [one] => edits.set(&head, "image", media::bytes(one)?),
        all => edits.set(&head, "images", media::bytes(&all)?),
    }
    Ok(edits.apply(&head).to_bytes().to_vec())
}

/// Whether the pictures of a JSON body are in OpenAI's words.
///
/// # Errors
/// When the body is none.
pub(super) fn is_openai(head: &Head) -> Result<bool> {
    let images: Option<Box<RawValue>> = head.read("images")?;
    Ok(images.as_deref().and_then(openai).is_some())
}

/// The addresses of pictures in OpenAI's words; `None`: they are in others.
fn openai(json: &RawValue) -> Option<Vec<Str<'_>>> {
    let list: Vec<wire::Given<'_>> = serde_json::from_str(json.get()).ok()?;
    list.into_iter().map(|given| given.image_url).collect()
}

fn source(url: Str<'_>) -> wire::Source<'_> {
    wire::Source { url: Some(url), kind: Some(Str::from("image_url")), ..wire::Source::default() }
}

fn address(image: &Upload) -> String {
    let kind = if image.kind.starts_with("image/") { &*image.kind } else { "image/png" };
    format!("data:{kind};base64,{}", STANDARD.encode(&image.data))
}
