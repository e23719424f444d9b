//! Pictures from Nova Canvas, Titan and Stability's models by `InvokeModel`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, HeaderValue};
use llm_types::{
    ApiError, Changes, Dialect, Extra, ImageRequest, Images, MadeImage, Members, Output, Result, Str, Units,
    Usage, wire_struct,
};

use crate::codec::{DecodeCx, EncodeCx, MediaMemo, Memo, WireRequest};
use crate::dialect::media::{self, wrong};
use crate::dialect::openai_images::{held_back, size};

/// The proportions that Stability's models make.
const ASPECTS: [&str; 9] = ["1:1", "16:9", "9:16", "21:9", "9:21", "3:2", "2:3", "5:4", "4:5"];

wire_struct! {
    /// What Amazon's models are asked
    /// (docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html).
    struct Task<'a> {
        task as "taskType": Str<'a>,
        words as "textToImageParams": Words<'a>,
        variation as "imageVariationParams": Words<'a>,
        inpainting as "inPaintingParams": Words<'a>,
        config as "imageGenerationConfig": Config<'a>,
    }
}

wire_struct! {
    /// What is to be seen, and from what.
    struct Words<'a> {
        text: Str<'a>,
        image: Str<'a>,
        images: Vec<Str<'a>>,
        mask as "maskImage": Str<'a>,
    }
}

wire_struct! {
    /// How many, how large, how well.
    struct Config<'a> {
        count as "numberOfImages": u32,
        width: u32,
        height: u32,
        quality: Str<'a>,
    }
}

wire_struct! {
    /// What Stability's models are asked.
    struct Prompt<'a> {
        prompt: Str<'a>,
        aspect_ratio: Str<'a>,
        output_format: Str<'a>,
    }
}

wire_struct! {
    /// Pictures of either.
    struct Made<'a> {
        images: Vec<Str<'a>>,
        error: Str<'a>,
        finish_reasons: Vec<Option<Str<'a>>>,
    }
}

/// Writes a request.
///
/// # Errors
/// When the model cannot do what is asked.
pub(super) fn encode(request: &ImageRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let ImageRequest {
        model: _,
        prompt: _,
        n,
        size: _,
        quality: _,
        style,
        background,
        output_format,
        response_format,
        user,
        stream: _,
        images: _,
        mask: _,
        edit: _,
        origin,
        extra,
    } = request;
    let stability = cx.model.contains("stability.");
    let lost = [
        ("style", style.is_some()),
        ("background", background.is_some()),
        ("output_format", output_format.is_some() && !stability),
        ("user", user.is_some()),
    ];
    for (name, _) in lost.into_iter().filter(|(_, set)| *set) {
        cx.changes.dropped(name, "the model on bedrock has no counterpart");
    }
    if response_format.as_deref() == Some("url") {
        cx.changes.altered("response_format", "bedrock sends pictures, not addresses: `b64_json`");
    }
    // What a client adds for the model goes along, as it does for others.
    let own = origin.is_none_or(|origin| origin == Dialect::OpenaiImages);
    let members = Some(extra).filter(|_| own);
    let body =
        if stability { stable(request, members, cx.changes)? } else { amazon(request, members, cx.changes)? };
    let path = format!("/model/{}/invoke", crate::url::escape(cx.model));
    let units = Units { images: n.unwrap_or(1).into(), ..Units::default() };
    let used = Usage { units, ..Usage::default() };
    let memo = MediaMemo { used, ..MediaMemo::default() };
    let mut wire = media::json(path, body, Memo { media: Some(Arc::new(memo)), ..Memo::default() });
    wire.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    Ok(wire)
}

fn amazon(request: &ImageRequest, own: Option<&Extra>, changes: &mut Changes) -> Result<Vec<u8>> {
    let ImageRequest { prompt, n, size, quality, images, mask, edit, .. } = request;
    let pixels = size.as_deref().and_then(size::pixels);
    if size.is_some() && pixels.is_none() {
        changes.dropped("size", "the model on bedrock takes width and height only");
    }
    let best = |quality: &str| matches!(quality, "hd" | "premium" | "high");
    let config = Config {
        count: *n,
        width: pixels.map(|(width, _)| width),
        height: pixels.map(|(_, height)| height),
        quality: quality.as_deref().map(|text| Str::from(if best(text) { "premium" } else { "standard" })),
        extra: Members::default(),
    };
    let text = Some(Str::from(prompt));
    let encoded: Vec<String> = images.iter().map(|image| STANDARD.encode(&image.data)).collect();
    let mut task =
        Task { config: Some(config), extra: own.map(Extra::members).unwrap_or_default(), ..Task::default() };
    match (*edit, mask, encoded.first()) {
        (false, ..) => {
            task.task = Some(Str::from("TEXT_IMAGE"));
            task.words = Some(Words { text, ..Words::default() });
        }
        (true, Some(mask), Some(image)) => {
            task.task = Some(Str::from("INPAINTING"));
            let mask = Some(Str::from(STANDARD.encode(&mask.data)));
            task.inpainting = Some(Words { text, image: Some(Str::from(image)), mask, ..Words::default() });
        }
        (true, None, Some(_)) => {
            task.task = Some(Str::from("IMAGE_VARIATION"));
            let images = Some(encoded.iter().map(Str::from).collect());
            task.variation = Some(Words { text, images, ..Words::default() });
        }
        (true, _, None) => {
            let message = "`image` is missing: send the picture itself";
            return Err(ApiError::bad_request(message).with_param("image"));
        }
    }
    media::bytes(&task)
}

fn stable(request: &ImageRequest, own: Option<&Extra>, changes: &mut Changes) -> Result<Vec<u8>> {
    let ImageRequest { prompt, n, size, quality, output_format, edit, .. } = request;
    if *edit || n.is_some_and(|n| n > 1) {
        let message = "this model makes one picture from words: ask once for each";
        return Err(ApiError::bad_request(message).with_param(if *edit { "image" } else { "n" }));
    }
    if quality.is_some() {
        changes.dropped("quality", "the model on bedrock has no counterpart");
    }
    let aspect = size.as_deref().and_then(|text| size::aspect(text, &ASPECTS));
    match (size, aspect) {
        (Some(_), Some(aspect)) => changes.altered("size", format!("the model takes proportions: {aspect}")),
        (Some(_), None) => changes.dropped("size", "the model takes proportions"),
        (None, _) => {}
    }
    media::bytes(&Prompt {
        prompt: Some(Str::from(prompt)),
        aspect_ratio: aspect.map(Str::from),
        output_format: output_format.as_ref().map(Str::from),
        extra: own.map(Extra::members).unwrap_or_default(),
    })
}

/// Reads pictures.
///
/// # Errors
/// When there are none, or they are held back.
pub(super) fn decode(body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
    let Made { images, error, finish_reasons, extra: _ } =
        serde_json::from_slice(body).map_err(|error| wrong("pictures", error))?;
    if finish_reasons.into_iter().flatten().flatten().next().is_some() {
        return Err(held_back());
    }
    let made = |base64: Str<'_>| MadeImage { base64: Some(base64.into_string()), ..MadeImage::default() };
    let data: Vec<MadeImage> = images.into_iter().flatten().map(made).collect();
    if data.is_empty() {
        let why = error.map_or_else(|| "there are none".to_owned(), Str::into_string);
        return Err(wrong("pictures", why));
    }
    let mut usage = cx.memo.used().cloned().unwrap_or_default();
    usage.units.images = u64::try_from(data.len()).unwrap_or(u64::MAX);
    Ok(Output::Images(Box::new(Images { data, usage: Some(usage), ..Images::default() })))
}
