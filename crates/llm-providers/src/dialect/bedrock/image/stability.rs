//! Stability's models and its services for changing pictures
//! (docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-stability-diffusion.html).

use llm_types::{ApiError, Changes, Extra, ImageRequest, ImageTask, Members, Result, Str, wire_struct};

use super::{Asked, NO_COUNTERPART, encoded};
use crate::dialect::mask::{self, Shade};
use crate::dialect::media::{bytes, raw, words_given};
use crate::dialect::openai_images::size;
use crate::dialect::stability::{ASPECTS, STRENGTH, foreign};

wire_struct! {
    /// What is asked of the first models, which have a form of their own.
    struct First<'a> {
        text_prompts: Vec<Weighed<'a>>,
        width: u32,
        height: u32,
    }
}

wire_struct! {
    /// A text, and how much it counts.
    struct Weighed<'a> {
        text: Str<'a>,
        weight: f64,
    }
}

/// What a model does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Makes pictures from words; may be given one to begin with.
    Both,
    /// Makes pictures from words alone.
    Words,
    /// Changes pictures.
    Changes,
    /// The same, and takes no words.
    Silent,
    /// Puts the style of the second picture on the first.
    Transfer,
}

impl Kind {
    /// Whether it does nothing without words.
    fn needs_words(self, model: &str) -> bool {
        !matches!(self, Self::Silent | Self::Transfer) && !model.contains("outpaint")
    }
}

fn kind(model: &str) -> Kind {
    let has = |name: &str| model.contains(name);
    match () {
        () if has("erase") || has("remove-background") || has("fast-upscale") => Kind::Silent,
        () if has("style-transfer") => Kind::Transfer,
        () if has("inpaint") || has("outpaint") || has("search-") || has("upscale") => Kind::Changes,
        () if has("control-") || has("style-guide") => Kind::Changes,
        () if has("sd3") => Kind::Both,
        () => Kind::Words,
    }
}

/// Writes the body.
///
/// # Errors
/// When the model cannot do what is asked.
pub(super) fn body(asked: &Asked<'_>, changes: &mut Changes) -> Result<Vec<u8>> {
    let ImageRequest { prompt, n, size, quality, style, output_format, task, .. } = asked.request;
    if n.is_some_and(|n| n > 1) {
        let message = "this model makes one picture at a time: ask once for each";
        return Err(ApiError::bad_request(message).with_param("n"));
    }
    asked.drop_all(&[("quality", quality.is_some()), ("style", style.is_some())], changes);
    if asked.model.contains("stable-diffusion-xl") {
        return first(asked, changes);
    }
    let kind = kind(asked.model);
    let mut body = Extra::default();
    if kind.needs_words(asked.model) {
        words_given(asked.request)?;
    }
    if kind == Kind::Silent {
        asked.drop_all(&[("prompt", !prompt.is_empty())], changes);
    } else if !prompt.is_empty() {
        body.set("prompt", raw(prompt)?);
    }
    let aspect = size.as_deref().and_then(|text| size::aspect(text, &ASPECTS));
    match (size, aspect.filter(|_| *task == ImageTask::Make)) {
        (Some(text), Some(aspect)) => {
            body.set("aspect_ratio", raw(aspect)?);
            if text != aspect {
                changes.altered("size", format!("the model takes proportions: {aspect}"));
            }
        }
        (Some(text), None) if text != "auto" => changes.dropped("size", NO_COUNTERPART),
        (Some(_) | None, _) => {}
    }
    if let Some(format) = output_format {
        body.set("output_format", raw(format)?);
    }
    given(asked, kind, &mut body, changes)?;
    for (name, json) in asked.own.iter() {
        if foreign(name) {
            changes.dropped(name.to_owned(), NO_COUNTERPART);
        } else {
            body.set(name, json.to_owned());
        }
    }
    bytes(&body)
}

/// The pictures that the model is given.
fn given(asked: &Asked<'_>, kind: Kind, body: &mut Extra, changes: &mut Changes) -> Result<()> {
    let ImageRequest { images, mask, task, .. } = asked.request;
    let wrong = |param: &'static str, message: &str| Err(ApiError::bad_request(message).with_param(param));
    let (image, more) = match (&**images, kind) {
        ([], Kind::Both | Kind::Words) if *task == ImageTask::Make => return Ok(()),
        ([], _) => return wrong("image", "this model changes pictures: send one as an edit"),
        (_, Kind::Words) => return wrong("image", "this model makes pictures from words: ask without any"),
        ([image, style], Kind::Transfer) => (image, Some(style)),
        (_, Kind::Transfer) => return wrong("image", "this model takes a picture and one for its style"),
        ([image], _) => (image, None),
        _ => return wrong("image", "this model changes one picture at a time: send one"),
    };
    match more {
        Some(style) => {
            body.set("init_image", raw(&encoded(image))?);
            body.set("style_image", raw(&encoded(style))?);
        }
        None => body.set("image", raw(&encoded(image))?),
    }
    if kind == Kind::Both {
        if mask.is_some() {
            return wrong("mask", "this model changes whole pictures: stable-image-inpaint takes a `mask`");
        }
        body.set("mode", raw("image-to-image")?);
        if asked.own.get("strength").is_none() {
            body.set("strength", raw(&STRENGTH)?);
            changes.altered("strength", format!("the model wants one: {STRENGTH}"));
        }
    }
    if let Some(mask) = mask {
        body.set("mask", raw(&encoded(&mask::painted(mask, Shade::White, changes)))?);
    }
    Ok(())
}

/// The form of the first models.
fn first(asked: &Asked<'_>, changes: &mut Changes) -> Result<Vec<u8>> {
    let ImageRequest { prompt, size, output_format, task, .. } = asked.request;
    if *task != ImageTask::Make {
        let message = "this model makes pictures from words: ask without any";
        return Err(ApiError::bad_request(message).with_param("image"));
    }
    asked.drop_all(&[("output_format", output_format.is_some())], changes);
    let pixels = size.as_deref().and_then(size::pixels);
    asked.drop_all(
        &[("size", pixels.is_none() && size.as_deref().is_some_and(|size| size != "auto"))],
        changes,
    );
    let mut texts =
        vec![Weighed { text: Some(Str::from(prompt)), weight: Some(1.0), extra: Members::default() }];
    let mut members = Members::default();
    for (name, json) in asked.own.iter() {
        match (name, serde_json::from_str::<Str<'_>>(json.get())) {
            ("negative_prompt", Ok(text)) => {
                texts.push(Weighed { text: Some(text), weight: Some(-1.0), extra: Members::default() });
            }
            (name, _) if foreign(name) => changes.dropped(name.to_owned(), NO_COUNTERPART),
            (name, _) => members.push(name.into(), json),
        }
    }
    let (width, height) = pixels.unzip();
    bytes(&First { text_prompts: Some(texts), width, height, extra: members })
}
