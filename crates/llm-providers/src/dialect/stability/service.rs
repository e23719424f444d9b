//! The services behind models' names, and the pictures that each takes
//! (platform.stability.ai/docs/api-reference: generate, edit, control, upscale).

use llm_types::{ApiError, Changes, ImageRequest, ImageTask, Result};

use crate::dialect::mask::{self, Shade};
use crate::dialect::media;
use crate::form::Form;

/// By how much a picture is changed where the client does not say it, between 0 and 1.
pub(in crate::dialect) const STRENGTH: f64 = 0.7;

/// One service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service<'m> {
    /// Its path.
    pub(super) path: &'static str,
    /// The model's name, where the service has several.
    pub(super) model: Option<&'m str>,
    /// Whether it takes words.
    pub(super) words: bool,
    /// Whether it takes proportions.
    pub(super) sized: bool,
    takes: Takes,
}

/// The pictures that a service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    None,
    /// One to begin with, and how far from it.
    Start,
    /// One, and where it is changed, if need be.
    Masked,
    /// One.
    One,
    /// One, and one whose style it gets.
    Styled,
}

/// Services for changing pictures by the model's name, and whether they take words.
const CHANGING: [(&str, &str, bool, Takes); 13] = [
    ("inpaint", "edit/inpaint", true, Takes::Masked),
    ("outpaint", "edit/outpaint", true, Takes::One),
    ("erase", "edit/erase", false, Takes::Masked),
    ("search-and-replace", "edit/search-and-replace", true, Takes::One),
    ("search-and-recolor", "edit/search-and-recolor", true, Takes::One),
    ("remove-background", "edit/remove-background", false, Takes::One),
    ("sketch", "control/sketch", true, Takes::One),
    ("structure", "control/structure", true, Takes::One),
    ("style", "control/style", true, Takes::One),
    ("style-transfer", "control/style-transfer", true, Takes::Styled),
    ("fast", "upscale/fast", false, Takes::One),
    ("conservative", "upscale/conservative", true, Takes::One),
    ("upscale", "upscale/conservative", true, Takes::One),
];

/// The service for a request.
///
/// # Errors
/// When the model has none for it.
pub(super) fn of<'m>(model: &'m str, request: &ImageRequest) -> Result<Service<'m>> {
    let edit = request.task == ImageTask::Edit;
    if edit {
        media::pictures_given(request)?;
    }
    if let Some((_, path, words, takes)) = CHANGING.iter().find(|(name, ..)| *name == model) {
        if !edit {
            let message = "this model changes pictures: send one as an edit";
            return Err(ApiError::bad_request(message).with_param("image"));
        }
        return Ok(Service { path, model: None, words: *words, sized: false, takes: *takes });
    }
    // Whichever model makes it, a part of a picture is changed by one service.
    if request.mask.is_some() {
        let (path, takes) = ("edit/inpaint", Takes::Masked);
        return Ok(Service { path, model: None, words: true, sized: false, takes });
    }
    let takes = if edit { Takes::Start } else { Takes::None };
    let made = |path, model| Service { path, model, words: true, sized: !edit, takes };
    Ok(match model {
        "core" | "stable-image-core" if edit => {
            let message =
                "this model makes pictures from words: send a `mask`, or choose ultra, an sd3 or inpaint";
            return Err(ApiError::bad_request(message).with_param("image"));
        }
        "core" | "stable-image-core" => made("generate/core", None),
        "ultra" | "stable-image-ultra" => made("generate/ultra", None),
        "sd3" => made("generate/sd3", None),
        other if other.starts_with("sd3") => made("generate/sd3", Some(other)),
        other => {
            let changing: Vec<&str> = CHANGING.iter().map(|(name, ..)| *name).collect();
            let message = format!(
                "stability has no `{other}` here: choose core, ultra, an sd3 (`sd3.5-large`), or to change a picture {}",
                changing.join(", ")
            );
            return Err(ApiError::bad_request(message).with_param("model"));
        }
    })
}

/// Services that take words and do without.
const WITHOUT: [&str; 2] = ["edit/outpaint", "control/style-transfer"];

impl Service<'_> {
    /// Whether it does nothing without words.
    pub(super) fn needs_words(&self) -> bool {
        self.words && !WITHOUT.contains(&self.path)
    }

    /// Puts the pictures of a request into its form. `own`: whether what the client adds goes along.
    ///
    /// # Errors
    /// When there are more or fewer than the service takes.
    pub(super) fn pictures(
        &self,
        request: &ImageRequest,
        own: bool,
        form: &mut Form,
        changes: &mut Changes,
    ) -> Result<()> {
        let ImageRequest { images, mask, extra, .. } = request;
        let wrong = |message: &str| Err(ApiError::bad_request(message).with_param("image"));
        if let Some(mask) = mask {
            if self.takes != Takes::Masked {
                let message = "this service takes no `mask`: leave it out, or choose inpaint or erase";
                return Err(ApiError::bad_request(message).with_param("mask"));
            }
            form.file("mask", &mask::painted(mask, Shade::White, changes));
        }
        match (self.takes, &**images) {
            (Takes::None, _) => {}
            (Takes::Styled, [image, style]) => {
                form.file("init_image", image);
                form.file("style_image", style);
            }
            (Takes::Styled, _) => return wrong("this service takes a picture and one for its style"),
            (_, [image]) => form.file("image", image),
            (_, _) => return wrong("this service changes one picture at a time: send one"),
        }
        if self.takes == Takes::Start {
            if self.path == "generate/sd3" {
                form.text("mode", "image-to-image");
            }
            if !(own && extra.get("strength").is_some()) {
                form.text("strength", &STRENGTH.to_string());
                changes.altered("strength", format!("stability wants one: {STRENGTH}"));
            }
        }
        Ok(())
    }
}
