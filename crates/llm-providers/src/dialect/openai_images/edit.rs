//! Edits in other forms than OpenAI's: as JSON, or by other paths.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_types::{ApiError, Changes, Edits, Head, ImageRequest, RawValue, Result, Str, Upload};

use super::wire;
use crate::dialect::media;
use crate::form::Form;

/// By how much a picture is changed where the client does not say it, between 0 and 1.
const STRENGTH: &str = "0.5";

/// Writes an edit: `members` are those that it has in common with a request for new pictures.
///
/// # Errors
/// When there is no picture, or a part of one is to be changed.
pub(super) fn body(request: &ImageRequest, members: &wire::Request<'_>) -> Result<Vec<u8>> {
    let Sources { head, mut edits, addresses, said } = sources(request, members)?;
    let sources: Vec<wire::Source<'_>> = addresses.into_iter().map(source).collect();
    match &*sources {
        [] if said => {}
        [] => return Err(no_picture()),
        [one] => edits.set(&head, "image", media::bytes(one)?),
        all => edits.set(&head, "images", media::bytes(&all)?),
    }
    Ok(edits.apply(&head).to_bytes().to_vec())
}

/// Writes an edit as a request for new pictures that refers to others
/// (docs.together.ai/docs/images-overview: `image_url`; `reference_images` of FLUX.2).
///
/// # Errors
/// As [`body`].
pub(super) fn referring(request: &ImageRequest, members: &wire::Request<'_>) -> Result<Vec<u8>> {
    let Sources { head, mut edits, addresses, said } = sources(request, members)?;
    let said = said || head.get("image_url").is_some() || head.get("reference_images").is_some();
    match &*addresses {
        [] if said => {}
        [] => return Err(no_picture()),
        [one] => edits.set(&head, "image_url", media::bytes(one)?),
        all => edits.set(&head, "reference_images", media::bytes(&all)?),
    }
    edits.remove(&head, "images");
    Ok(edits.apply(&head).to_bytes().to_vec())
}

/// The path of an edit at a provider that has one for each kind, and its form
/// (recraft.ai/docs/api-reference/usage: a whole picture with `strength`, or a part of one with a mask).
///
/// # Errors
/// When there is more than one picture.
pub(super) fn by_path(
    request: &ImageRequest,
    mut form: Form,
    changes: &mut Changes,
) -> Result<(&'static str, Form)> {
    let ImageRequest { images, mask, extra, .. } = request;
    if images.len() > 1 {
        let message = "this model changes one picture at a time: send one";
        return Err(ApiError::bad_request(message).with_param("image"));
    }
    if mask.is_some() {
        return Ok(("/images/inpaint", form));
    }
    if extra.get("strength").is_none() {
        form.text("strength", STRENGTH);
        changes.altered("strength", format!("the provider wants one: {STRENGTH}"));
    }
    Ok(("/images/imageToImage", form))
}

/// The pictures of an edit, beside its members.
struct Sources<'a> {
    head: Head,
    edits: Edits,
    addresses: Vec<Str<'a>>,
    /// They are in the provider's own words among the members.
    said: bool,
}

fn sources<'a>(request: &'a ImageRequest, members: &wire::Request<'_>) -> Result<Sources<'a>> {
    let ImageRequest { images, mask, extra, .. } = request;
    if mask.is_some() || extra.get("mask").is_some() {
        let message = "this model changes whole pictures: say in words where, and send no `mask`";
        return Err(ApiError::bad_request(message).with_param("mask"));
    }
    // Those at an address are in a member for providers that fetch them.
    let elsewhere = extra.get("images").and_then(openai);
    let foreign = elsewhere.is_some();
    let own = images.iter().map(|image| Str::from(address(image)));
    let addresses: Vec<Str<'_>> = own.chain(elsewhere.into_iter().flatten()).collect();
    let head = Head::scan(media::bytes(members)?.into())?;
    let mut edits = Edits::default();
    if foreign && addresses.len() == 1 {
        edits.remove(&head, "images");
    }
    let said = head.get("image").is_some() || (!foreign && head.get("images").is_some());
    Ok(Sources { head, edits, addresses, said })
}

fn no_picture() -> ApiError {
    ApiError::bad_request("`image` is missing: send the picture to change").with_param("image")
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
