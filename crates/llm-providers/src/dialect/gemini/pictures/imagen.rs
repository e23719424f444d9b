//! Imagen's `predict` (cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api; edits:
//! …/imagen-api-edit, at Vertex AI alone).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_types::{
    ApiError, Extra, ImageRequest, ImageTask, MadeImage, Result, Segments, Str, Upload, wire_struct,
};

use super::super::client;
use super::super::host::{self, Host, Verb};
use super::{NO_COUNTERPART, lose, made, sized, text, wire_name};
use crate::codec::{EncodeCx, MediaMemo, Memo, WireRequest};
use crate::dialect::mask::{self, Shade};
use crate::dialect::media::{bytes, raw, wrong};
use crate::dialect::openai_images::held_back;

/// The proportions that it makes (ai.google.dev/gemini-api/docs/imagen).
const ASPECTS: [&str; 5] = ["1:1", "3:4", "4:3", "9:16", "16:9"];
/// What it can be told beside.
const PARAMETERS: [&str; 13] = [
    "aspectRatio",
    "sampleImageSize",
    "negativePrompt",
    "seed",
    "guidanceScale",
    "personGeneration",
    "safetySetting",
    "enhancePrompt",
    "language",
    "addWatermark",
    "includeRaiReason",
    "editMode",
    "editConfig",
];

wire_struct! {
    /// What is to be seen.
    struct Instance<'a> {
        prompt: Str<'a>,
        references as "referenceImages": Vec<Reference<'a>>,
    }
}

wire_struct! {
    /// A picture to be changed, or where.
    struct Reference<'a> {
        kind as "referenceType": Str<'a>,
        id as "referenceId": u32,
        image as "referenceImage": Picture<'a>,
        mask as "maskImageConfig": Mask<'a>,
    }
}

wire_struct! {
    /// A picture.
    struct Picture<'a> {
        data as "bytesBase64Encoded": Str<'a>,
    }
}

wire_struct! {
    /// Whose mask it is.
    struct Mask<'a> {
        mode as "maskMode": Str<'a>,
    }
}

wire_struct! {
    /// Pictures.
    struct Predicted<'a> {
        predictions: Vec<Prediction<'a>>,
    }
}

wire_struct! {
    /// One of them, or why it is held back.
    struct Prediction<'a> {
        data as "bytesBase64Encoded": Str<'a>,
        prompt: Str<'a>,
    }
}

wire_struct! {
    /// In which format pictures are sent.
    struct Format<'a> {
        kind as "mimeType": Str<'a>,
    }
}

/// Asks for pictures.
///
/// # Errors
/// When the model changes no pictures and is to.
pub(super) fn ask(request: &ImageRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let ImageRequest { prompt, n, size, output_format, task, extra, .. } = request;
    let host = Host::of(cx.spec);
    let mut parameters = Extra::default();
    parameters.set("sampleCount", raw(&n.unwrap_or(1))?);
    let mut instance = Instance { prompt: Some(Str::from(prompt)), ..Instance::default() };
    if *task == ImageTask::Make {
        for (name, word) in sized(request, &ASPECTS, cx) {
            parameters.set(if name == "imageSize" { "sampleImageSize" } else { name }, raw(word)?);
        }
    } else {
        lose(&[("size", size.as_deref().is_some_and(|size| size != "auto"))], cx.changes);
        let mode = if request.mask.is_some() { "EDIT_MODE_INPAINT_INSERTION" } else { "EDIT_MODE_DEFAULT" };
        parameters.set("editMode", raw(mode)?);
        instance.references = Some(references(request, host, cx)?);
    }
    match output_format.as_deref().map(|format| (host, format)) {
        Some((Host::Vertex, format @ ("png" | "jpeg"))) => {
            let kind = Some(Str::from(format!("image/{format}")));
            parameters.set("outputOptions", raw(&Format { kind, ..Format::default() })?);
        }
        format => lose(&[("output_format", format.is_some())], cx.changes),
    }
    for (name, json) in extra.iter() {
        let wire = match wire_name(name) {
            "imageSize" => "sampleImageSize",
            "negative_prompt" => "negativePrompt",
            "guidance_scale" => "guidanceScale",
            "person_generation" => "personGeneration",
            "safety_setting" => "safetySetting",
            other => other,
        };
        if PARAMETERS.contains(&wire) {
            parameters.set(wire, json.to_owned());
        } else {
            cx.changes.dropped(name.to_owned(), NO_COUNTERPART);
        }
    }
    let mut body = Extra::default();
    body.set("instances", raw(&[instance])?);
    body.set("parameters", raw(&parameters)?);
    let body = bytes(&body)?;
    let path = host::path(host, cx.model, Verb::Predict)?;
    let media = MediaMemo { used: made(n.unwrap_or(1).into()), ..MediaMemo::default() };
    let memo = Memo { media: Some(Arc::new(media)), ..Memo::default() };
    Ok(client::wire(path, Segments::from(body), memo))
}

/// The picture to be changed, and where.
fn references<'a>(request: &ImageRequest, host: Host, cx: &mut EncodeCx<'_>) -> Result<Vec<Reference<'a>>> {
    if host != Host::Vertex || !cx.model.contains("capability") {
        let message = "this model changes no pictures: choose a gemini image model, or at Vertex AI imagen-3.0-capability-001";
        return Err(ApiError::bad_request(message).with_param("model"));
    }
    let [image] = &*request.images else {
        let message = "this model changes one picture at a time: send one";
        return Err(ApiError::bad_request(message).with_param("image"));
    };
    let picture =
        |file: &Upload| Picture { data: Some(Str::from(STANDARD.encode(&file.data))), ..Picture::default() };
    let mut all = vec![Reference {
        kind: Some(Str::from("REFERENCE_TYPE_RAW")),
        id: Some(1),
        image: Some(picture(image)),
        ..Reference::default()
    }];
    if let Some(mask) = &request.mask {
        all.push(Reference {
            kind: Some(Str::from("REFERENCE_TYPE_MASK")),
            id: Some(2),
            image: Some(picture(&mask::painted(mask, Shade::White, cx.changes))),
            mask: Some(Mask { mode: Some(Str::from("MASK_MODE_USER_PROVIDED")), ..Mask::default() }),
            ..Reference::default()
        });
    }
    Ok(all)
}

/// Reads pictures.
///
/// # Errors
/// When there are none: what is held back is left out.
pub(super) fn read(body: &[u8]) -> Result<Vec<MadeImage>> {
    let predicted: Predicted<'_> = serde_json::from_slice(body).map_err(|error| wrong("pictures", error))?;
    let list = predicted.predictions.into_iter().flatten();
    let data: Vec<MadeImage> = list
        .filter_map(|one| {
            let base64 = Some(one.data?.into_string());
            Some(MadeImage { base64, revised_prompt: text(one.prompt), ..MadeImage::default() })
        })
        .collect();
    if data.is_empty() { Err(held_back()) } else { Ok(data) }
}
