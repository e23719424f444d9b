//! Pictures: those of Gemini are conversation turns of certain models, and are written and read as such. Imagen is
//! asked by `predict`.

mod imagen;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_types::chat::{ChatRequest, Image, Media, Message, Part, Role, Text};
use llm_types::{
    ApiError, Changes, Choice, Edits, Extra, FinishKind, Head, ImageRequest, ImageTask, Images, MadeImage,
    Output, RawValue, Result, Segments, Str, Units, Usage, glob_matches,
};

use super::{client, decode};
use crate::codec::{DecodeCx, EncodeCx, MediaMemo, WireRequest};
use crate::dialect::media::{self, raw, wrong};
use crate::dialect::openai_images::{held_back, size};

/// The proportions of pictures (ai.google.dev/gemini-api/docs/image-generation).
const ASPECTS: [&str; 10] = ["1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"];
/// Models that make larger pictures too, and how large (the same page, and that of Imagen).
const LARGER: [(&str, &[&str]); 3] =
    [("gemini-3*", &["1K", "2K", "4K"]), ("imagen-4.0-fast*", &[]), ("imagen-4*", &["1K", "2K"])];
/// Settings of a turn that bear on pictures.
const SETTINGS: [&str; 4] = ["seed", "temperature", "topP", "topK"];

/// Asks for pictures.
///
/// # Errors
/// When more than one is wanted of a model that makes one, or the turn cannot be written.
pub(super) fn draw(request: &ImageRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let ImageRequest {
        model: _,
        prompt: _,
        n,
        size: _,
        quality,
        style,
        background,
        output_format: _,
        response_format,
        user,
        stream: _,
        images: _,
        mask: _,
        task,
        origin: _,
        extra: _,
    } = request;
    let unknown = [
        ("quality", quality.is_some()),
        ("style", style.is_some()),
        ("background", background.is_some()),
        ("user", user.is_some()),
    ];
    lose(&unknown, cx.changes);
    if response_format.as_deref() == Some("url") {
        cx.changes.altered("response_format", "gemini sends pictures, not addresses: `b64_json`");
    }
    match task {
        ImageTask::Make => {}
        ImageTask::Edit => media::pictures_given(request)?,
        ImageTask::Vary => {
            let message =
                "gemini varies no pictures: ask for an edit, and say in words what is to be another";
            return Err(ApiError::bad_request(message).with_param("model"));
        }
    }
    if is_imagen(cx.model) {
        return imagen::ask(request, cx);
    }
    media::words_given(request)?;
    if n.is_some_and(|n| n > 1) {
        let message = "this model makes one picture at a time: ask once for each";
        return Err(ApiError::bad_request(message).with_param("n"));
    }
    turn(request, cx)
}

fn is_imagen(model: &str) -> bool {
    model.contains("imagen") || model.starts_with("imagegeneration")
}

/// A turn of a conversation whose answer is a picture.
fn turn(request: &ImageRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let ImageRequest { model, prompt, output_format, images, mask, extra, .. } = request;
    if mask.is_some() {
        let message = "this model takes no `mask`: leave it out, and say in words what is to change";
        return Err(ApiError::bad_request(message).with_param("mask"));
    }
    lose(&[("output_format", output_format.is_some())], cx.changes);
    let mut parts = vec![Part::Text(Text::new(prompt.clone()))];
    parts.extend(images.iter().map(|image| {
        let kind = if image.kind.starts_with("image/") { &*image.kind } else { "image/png" };
        let data = STANDARD.encode(&image.data);
        Part::Image(Image::new(Media::Base64 { media_type: kind.to_owned(), data }))
    }));
    let (mut config, mut settings) = (Extra::default(), Extra::default());
    for (name, word) in sized(request, &ASPECTS, cx) {
        config.set(name, raw(word)?);
    }
    for (name, json) in extra.iter() {
        match wire_name(name) {
            wire @ ("aspectRatio" | "imageSize") => config.set(wire, json.to_owned()),
            "imageConfig" => merge((name, json), &mut config)?,
            wire if SETTINGS.contains(&wire) => settings.set(wire, json.to_owned()),
            _ => cx.changes.dropped(name.to_owned(), NO_COUNTERPART),
        }
    }
    let mut chat = ChatRequest::new([Message::new(Role::User, parts)]);
    model.clone_into(&mut chat.model);
    chat.output.modalities = vec!["text".to_owned(), "image".to_owned()];
    let mut wire = client::chat(&chat, cx)?;
    if !config.is_empty() {
        settings.set("imageConfig", raw(&config)?);
    }
    wire.body = configured(&wire.body, &settings)?;
    wire.memo.media = Some(Arc::new(MediaMemo { used: made(1), ..MediaMemo::default() }));
    Ok(wire)
}

const NO_COUNTERPART: &str = "gemini has no counterpart";

fn lose(names: &[(&'static str, bool)], changes: &mut Changes) {
    for (name, _) in names.iter().filter(|(_, set)| *set) {
        changes.dropped(*name, NO_COUNTERPART);
    }
}

/// Names that other providers have for the same.
fn wire_name(name: &str) -> &str {
    match name {
        "aspect_ratio" => "aspectRatio",
        "image_size" => "imageSize",
        "image_config" => "imageConfig",
        "top_p" => "topP",
        "top_k" => "topK",
        other => other,
    }
}

/// A size of OpenAI's in Gemini's words, unless the client says it in those.
fn sized<'r>(
    request: &'r ImageRequest,
    aspects: &[&'r str],
    cx: &mut EncodeCx<'_>,
) -> impl Iterator<Item = (&'static str, &'r str)> + use<'r> {
    let said = |wire: &str| request.extra.iter().any(|(name, _)| wire_name(name) == wire);
    let size = request.size.as_deref().filter(|size| *size != "auto");
    let aspect = size.and_then(|text| size::aspect(text, aspects)).filter(|_| !said("aspectRatio"));
    let larger = size.and_then(size::pixels).and_then(|(width, height)| larger(cx.model, width.max(height)));
    let larger = larger.filter(|_| !said("imageSize"));
    match (size, aspect, larger) {
        (Some(text), Some(aspect), None) if text == aspect => {}
        (Some(_), Some(aspect), None) => {
            cx.changes.altered("size", format!("gemini takes proportions: {aspect}"));
        }
        (Some(_), _, Some(larger)) => {
            let aspect = aspect.map(|aspect| format!("{aspect}, ")).unwrap_or_default();
            cx.changes.altered("size", format!("gemini takes proportions: {aspect}{larger}"));
        }
        (Some(_), None, None) => cx.changes.dropped("size", NO_COUNTERPART),
        (None, ..) => {}
    }
    aspect.map(|aspect| ("aspectRatio", aspect)).into_iter().chain(larger.map(|larger| ("imageSize", larger)))
}

/// How large a picture is to be, in the model's words, where it is larger than the usual.
fn larger(model: &str, side: u32) -> Option<&'static str> {
    let bare = model.rsplit('/').next().unwrap_or(model);
    let (_, sizes) = LARGER.iter().find(|(glob, _)| glob_matches(glob, bare))?;
    // Of the usual ones the longest side has up to 1,792 pixels, of the next twice that.
    let step = match side {
        0..=1792 => return None,
        1793..=2816 => 1,
        _ => 2,
    };
    sizes.get(step).or(sizes.last()).copied()
}

/// Puts the members of an object among others.
fn merge((name, json): (&str, &RawValue), into: &mut Extra) -> Result<()> {
    let wrong = |_| ApiError::bad_request(format!("`{name}` must be an object")).with_param(name);
    let members: Object<'_> = serde_json::from_str(json.get()).map_err(wrong)?;
    for (inner, json) in members.extra.iter() {
        into.set(wire_name(inner), json.to_owned());
    }
    Ok(())
}

llm_types::wire_struct! {
    /// Members of any name.
    struct Object<'a> {}
}

/// The body with more settings in its `generationConfig`.
fn configured(body: &Segments, settings: &Extra) -> Result<Segments> {
    if settings.is_empty() {
        return Ok(body.clone());
    }
    let head = Head::scan(body.to_bytes())?;
    let config = head.nested("generationConfig")?.unwrap_or_else(Head::empty);
    let mut inner = Edits::default();
    for (name, json) in settings.iter() {
        inner.set(&config, name, json.get().as_bytes().to_vec());
    }
    let mut edits = Edits::default();
    edits.set(&head, "generationConfig", inner.apply(&config).to_bytes());
    Ok(edits.apply(&head))
}

fn made(images: u64) -> Usage {
    Usage { units: Units { images, ..Units::default() }, estimated: true, ..Usage::default() }
}

/// Reads pictures.
///
/// # Errors
/// When there are none.
pub(super) fn drawn(body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
    let used = cx.memo.used().cloned();
    let (data, usage, model) = if is_imagen(cx.model) {
        (imagen::read(body)?, used, String::new())
    } else {
        let reply = decode::reply(body, cx)?;
        let parts = reply.choices.iter().flat_map(|choice| &choice.parts);
        let pictures = parts.filter_map(|part| match part {
            Part::Image(Image { media: Media::Base64 { media_type: _, data }, .. }) => Some(data.clone()),
            _ => None,
        });
        let made = |base64| MadeImage { base64: Some(base64), ..MadeImage::default() };
        let data: Vec<MadeImage> = pictures.map(made).collect();
        if data.is_empty() {
            let held = |choice: &Choice| {
                choice.finish.as_ref().is_some_and(|finish| finish.kind == FinishKind::ContentFilter)
            };
            if reply.choices.iter().any(held) {
                return Err(held_back());
            }
            let said = reply.text();
            return Err(wrong("picture", if said.is_empty() { "the turn has none" } else { &said }));
        }
        (data, reply.usage.clone().or(used), reply.model)
    };
    let mut usage = usage.unwrap_or_default();
    usage.units.images = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let images = Images { model, data, usage: Some(usage), extra: Extra::default(), ..Images::default() };
    Ok(Output::Images(Box::new(images)))
}

/// A text that was borrowed, as its own.
fn text(text: Option<Str<'_>>) -> Option<String> {
    text.map(Str::into_string)
}
