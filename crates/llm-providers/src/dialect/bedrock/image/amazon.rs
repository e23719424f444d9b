//! Nova Canvas and Titan: a task, its parameters, and how the pictures are to be
//! (docs.aws.amazon.com/nova/latest/userguide/image-gen-access.html).

use llm_types::{ApiError, Changes, Extra, ImageRequest, ImageTask, RawValue, Result, Str};

use super::{Asked, NO_COUNTERPART, encoded};
use crate::dialect::mask::{self, Shade};
use crate::dialect::media::{bytes, raw};
use crate::dialect::openai_images::size;

/// A task: its name, the member that holds its parameters, and those that it has beside the pictures.
struct Task {
    name: &'static str,
    params: &'static str,
    takes: &'static [&'static str],
}

const TEXT_IMAGE: Task = Task {
    name: "TEXT_IMAGE",
    params: "textToImageParams",
    takes: &["text", "negativeText", "style", "conditionImage", "controlMode", "controlStrength"],
};
const COLORS: Task = Task {
    name: "COLOR_GUIDED_GENERATION",
    params: "colorGuidedGenerationParams",
    takes: &["text", "negativeText", "colors", "referenceImage"],
};
const VARIATION: Task = Task {
    name: "IMAGE_VARIATION",
    params: "imageVariationParams",
    takes: &["text", "negativeText", "similarityStrength"],
};
const INPAINTING: Task = Task {
    name: "INPAINTING",
    params: "inPaintingParams",
    takes: &["text", "negativeText", "maskPrompt", "returnMask"],
};
const OUTPAINTING: Task = Task {
    name: "OUTPAINTING",
    params: "outPaintingParams",
    takes: &["text", "negativeText", "maskPrompt", "returnMask", "outPaintingMode"],
};
const BACKGROUND: Task = Task { name: "BACKGROUND_REMOVAL", params: "backgroundRemovalParams", takes: &[] };
/// Every task that a request can name in `taskType`.
const TASKS: [Task; 6] = [TEXT_IMAGE, COLORS, VARIATION, INPAINTING, OUTPAINTING, BACKGROUND];

/// The member for how many, how large, how well.
const CONFIG: &str = "imageGenerationConfig";
/// What it takes beside what OpenAI has names for.
const SETTINGS: [&str; 2] = ["cfgScale", "seed"];
/// What the gateway has to know of, for limits and prices: OpenAI's names alone say it.
const COUNTED: [(&str, &str); 4] =
    [("numberOfImages", "n"), ("width", "size"), ("height", "size"), ("quality", "quality")];

/// Names that other providers have for the same.
fn wire_name(name: &str) -> &str {
    match name {
        "negative_prompt" | "negativePrompt" | "negative_text" => "negativeText",
        "cfg_scale" | "guidance_scale" => "cfgScale",
        "mask_prompt" => "maskPrompt",
        "similarity_strength" => "similarityStrength",
        other => other,
    }
}

/// Writes the body.
///
/// # Errors
/// When the model has no such task, or a picture that it needs is missing.
pub(super) fn body(asked: &Asked<'_>, changes: &mut Changes) -> Result<Vec<u8>> {
    let task = task(asked)?;
    let (mut params, mut config) = (pictures(asked, &task, changes)?, config(asked, changes)?);
    named(asked, &task, &mut params, changes)?;
    for (name, json) in asked.own.iter().filter(|(name, _)| *name != "taskType") {
        if name == CONFIG || name == task.params {
            let (inner, all) =
                if name == CONFIG { (&mut config, &SETTINGS[..]) } else { (&mut params, task.takes) };
            nested((name, json), all, inner, changes)?;
            continue;
        }
        let wire = wire_name(name);
        if SETTINGS.contains(&wire) {
            config.set(wire, json.to_owned());
        } else if task.takes.contains(&wire) && wire != "text" {
            params.set(wire, json.to_owned());
        } else if let Some((_, ours)) = COUNTED.iter().find(|(theirs, _)| *theirs == wire) {
            return Err(in_our_words(name, ours));
        } else {
            changes.dropped(name.to_owned(), NO_COUNTERPART);
        }
    }
    let mut body = Extra::default();
    body.set("taskType", raw(task.name)?);
    body.set(task.params, raw(&params)?);
    if task.name != BACKGROUND.name {
        body.set(CONFIG, raw(&config)?);
    } else if !config.is_empty() {
        changes.dropped(CONFIG, "a background is removed as it is");
    }
    bytes(&body)
}

/// What is to be done: what the client says in the model's words, else what follows from what it sends.
fn task(asked: &Asked<'_>) -> Result<Task> {
    let said = asked.own.get("taskType").map(|json| serde_json::from_str::<Str<'_>>(json.get()));
    if let Some(said) = said {
        let said = said.ok();
        let found =
            TASKS.into_iter().find(|task| said.as_ref().is_some_and(|said| said.as_str() == task.name));
        return found.ok_or_else(|| {
            let names = TASKS.map(|task| task.name).join(", ");
            ApiError::bad_request(format!("`taskType` must be one of {names}")).with_param("taskType")
        });
    }
    let has = |name: &str| asked.own.iter().any(|(own, _)| wire_name(own) == name);
    let by_params = TASKS.into_iter().find(|task| asked.own.get(task.params).is_some());
    Ok(match (asked.request.task, &asked.request.mask) {
        (ImageTask::Vary, _) => VARIATION,
        (_, _) if let Some(task) = by_params => task,
        (ImageTask::Make, _) if has("colors") => COLORS,
        (ImageTask::Make, _) => TEXT_IMAGE,
        (ImageTask::Edit, _) if has("outPaintingMode") => OUTPAINTING,
        (ImageTask::Edit, Some(_)) => INPAINTING,
        (ImageTask::Edit, None) if has("maskPrompt") => INPAINTING,
        (ImageTask::Edit, None) => VARIATION,
    })
}

/// The pictures of a task, under its names for them.
fn pictures(asked: &Asked<'_>, task: &Task, changes: &mut Changes) -> Result<Extra> {
    let ImageRequest { images, mask, .. } = asked.request;
    let mut params = Extra::default();
    let several = task.name == VARIATION.name;
    if several {
        params.set("images", raw(&images.iter().map(encoded).collect::<Vec<_>>())?);
    } else if let Some(image) = images.first() {
        if images.len() > 1 {
            let message = format!("{} changes one picture: send one", task.name);
            return Err(ApiError::bad_request(message).with_param("image"));
        }
        let name = if task.name == TEXT_IMAGE.name { "conditionImage" } else { "image" };
        params.set(name, raw(&encoded(image))?);
    }
    let Some(mask) = mask else { return Ok(params) };
    // What is black is painted by the one, and kept by the other.
    let shade = match task.name {
        name if name == INPAINTING.name => Shade::Black,
        name if name == OUTPAINTING.name => Shade::White,
        name => {
            let message =
                format!("{name} takes no `mask`: leave it out, or ask for INPAINTING or OUTPAINTING");
            return Err(ApiError::bad_request(message).with_param("mask"));
        }
    };
    params.set("maskImage", raw(&encoded(&mask::painted(mask, shade, changes)))?);
    Ok(params)
}

/// How many, how large, how well.
fn config(asked: &Asked<'_>, changes: &mut Changes) -> Result<Extra> {
    let ImageRequest { n, size, quality, .. } = asked.request;
    let mut config = Extra::default();
    if let Some(n) = n {
        config.set("numberOfImages", raw(n)?);
    }
    match size.as_deref().map(size::pixels) {
        Some(Some((width, height))) => {
            config.set("width", raw(&width)?);
            config.set("height", raw(&height)?);
        }
        // It is chosen by itself in any case.
        Some(None) if size.as_deref() == Some("auto") => {}
        Some(None) => changes.dropped("size", "the model on bedrock takes width and height only"),
        None => {}
    }
    let word = match quality.as_deref() {
        Some("hd" | "premium" | "high") => Some("premium"),
        Some(_) => Some("standard"),
        None => None,
    };
    if let Some(word) = word.filter(|_| quality.as_deref() != Some("auto")) {
        config.set("quality", raw(word)?);
        if quality.as_deref() != Some(word) {
            changes.altered("quality", format!("the model on bedrock says `{word}`"));
        }
    }
    Ok(config)
}

/// What OpenAI has names for and the task takes.
fn named(asked: &Asked<'_>, task: &Task, params: &mut Extra, changes: &mut Changes) -> Result<()> {
    let ImageRequest { prompt, style, output_format, .. } = asked.request;
    if !prompt.is_empty() && task.takes.contains(&"text") {
        params.set("text", raw(prompt)?);
    } else if !prompt.is_empty() {
        changes.dropped("prompt", format!("{} takes no words", task.name));
    }
    // Its own styles are written in capitals: PHOTOREALISM.
    let own_style = |style: &str| task.takes.contains(&"style") && style == style.to_uppercase();
    match style.as_deref() {
        Some(style) if own_style(style) && !asked.model.contains("titan") => params.set("style", raw(style)?),
        style => asked.drop_all(&[("style", style.is_some())], changes),
    }
    if output_format.as_deref().is_some_and(|format| format != "png") {
        changes.dropped("output_format", "the model on bedrock sends PNG");
    }
    Ok(())
}

/// Puts the members of an object in the model's own form where they belong.
fn nested(
    (name, json): (&str, &RawValue),
    takes: &[&str],
    into: &mut Extra,
    changes: &mut Changes,
) -> Result<()> {
    let wrong = |_| ApiError::bad_request(format!("`{name}` must be an object")).with_param(name);
    let members: Object<'_> = serde_json::from_str(json.get()).map_err(wrong)?;
    for (inner, json) in members.extra.iter() {
        if let Some((_, ours)) = COUNTED.iter().find(|(theirs, _)| name == CONFIG && *theirs == inner) {
            return Err(in_our_words(&format!("{name}.{inner}"), ours));
        }
        if takes.contains(&inner) {
            into.set(inner, json.to_owned());
        } else {
            changes.dropped(format!("{name}.{inner}"), NO_COUNTERPART);
        }
    }
    Ok(())
}

llm_types::wire_struct! {
    /// Members of any name.
    struct Object<'a> {}
}

fn in_our_words(theirs: &str, ours: &str) -> ApiError {
    ApiError::bad_request(format!("say `{ours}` in place of `{theirs}`: it decides what is paid"))
        .with_param(theirs)
}
