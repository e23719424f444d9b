//! Us calling a provider.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use llm_types::{
    ApiError, Call, Dialect, Edits, ErrorKind, Head, ImageRequest, ImageSize, Images, MadeImage, Op, Output,
    Result, Str, Units, Usage,
};

use super::{size, wire};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, MediaMemo, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::media::{self, Made, Tap};
use crate::dialect::openai_chat;
use crate::form::Form;
use crate::quirk::{Row, demanded_in};

const DIALECT: &str = "openai_images";
const MAKE: &str = "/images/generations";
const EDIT: &str = "/images/edits";

/// The proportions that providers of this dialect take who take proportions (docs.x.ai/docs/guides/image-generations).
const ASPECTS: [&str; 9] = ["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "2:1", "1:2"];

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let Call::Image(request) = call else { return Err(cannot(DIALECT, call.op())) };
        let row = Row::of(Dialect::OpenaiImages, cx.spec, cx.model, None);
        let memo = made(request.n);
        if request.edit {
            let (kind, body) = form(request, &row, cx)?.finish()?;
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
            return Ok(WireRequest { method: Method::POST, path: EDIT.to_owned(), headers, body, memo });
        }
        let body = media::bytes(&body(request, &row, cx))?;
        let path = row.path(false).unwrap_or_else(|| MAKE.to_owned());
        demanded_in(Dialect::OpenaiImages, media::json(path, body, memo), cx)
    }

    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        let row = Row::of(Dialect::OpenaiImages, cx.spec, cx.model, None);
        let resized = row.image_size().is_some() && head.get("size").is_some();
        if head.members().is_empty() || resized {
            return Ok(None);
        }
        let mut edits = Edits::default();
        edits.set(head, "model", serde_json::to_vec(&*row.model()).unwrap_or_default());
        row.apply(head, &mut edits, cx.changes);
        let edit = cx.asked.op == Op::ImageEdit;
        let path = if edit { EDIT.to_owned() } else { row.path(false).unwrap_or_else(|| MAKE.to_owned()) };
        let memo = made(head.read::<u32>("n")?);
        Ok(Some(media::json(path, edits.apply(head), memo)))
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        if !matches!(op, Op::Image | Op::ImageEdit) {
            return Err(cannot(DIALECT, op));
        }
        reply(body, cx).map(|images| Output::Images(Box::new(images)))
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        openai_chat::Client.decode_error(status, headers, body)
    }

    /// Streams of this dialect are passed through and never read.
    fn decoder(&self, op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        openai_chat::Client.decoder(op, cx)
    }

    fn tap<'b>(&self, _op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        let wire::Facts { model, data, usage, error, extra: _ } =
            serde_json::from_slice(body).map_err(|error| media::wrong("pictures", error))?;
        if error.is_some_and(|error| error.get() != "null") {
            return Err(media::contained(body));
        }
        let data = data.ok_or_else(|| media::wrong("pictures", "`data` is missing"))?;
        let held = |raw: &&llm_types::RawValue| {
            serde_json::from_str::<wire::Picture<'_>>(raw.get())
                .is_ok_and(|picture| picture.respect_moderation == Some(false))
        };
        if data.iter().any(held) {
            return Err(held_back());
        }
        let counted = usage.and_then(|counts| counts.usage(Made::Pictures));
        Ok(Tapped { usage: Some(with_count(counted, data.len())), model: model.map(|model| model.0) })
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(Tap::new(Made::Pictures))
    }
}

/// What a request tells of its answer: how many pictures are made.
fn made(n: Option<u32>) -> Memo {
    let units = Units { images: n.unwrap_or(1).into(), ..Units::default() };
    let used = Usage { units, estimated: true, ..Usage::default() };
    Memo { media: Some(Arc::new(MediaMemo { used, ..MediaMemo::default() })), ..Memo::default() }
}

/// A usage with the number of pictures, by which many are sold.
pub(super) fn with_count(usage: Option<Usage>, count: usize) -> Usage {
    let mut usage = usage.unwrap_or_default();
    usage.units.images = u64::try_from(count).unwrap_or(u64::MAX);
    usage
}

pub(in crate::dialect) fn held_back() -> ApiError {
    ApiError::upstream(
        ErrorKind::ContentPolicy,
        "the provider holds the picture back: it is against its policy",
    )
}

fn body<'r>(request: &'r ImageRequest, row: &Row<'r>, cx: &mut EncodeCx<'_>) -> wire::Request<'r> {
    let ImageRequest {
        model: _,
        prompt,
        n,
        size,
        quality,
        style,
        background,
        output_format,
        response_format,
        user,
        stream,
        images: _,
        mask: _,
        edit: _,
        origin,
        extra,
    } = request;
    let text = |text: &'r Option<String>| text.as_ref().map(Str::from);
    let mut out = wire::Request {
        model: Some(Str(row.model())),
        prompt: Some(Str::from(prompt)),
        n: *n,
        quality: text(quality),
        style: text(style),
        background: text(background),
        output_format: text(output_format),
        response_format: text(response_format),
        stream: stream.then_some(true),
        user: text(user),
        ..wire::Request::default()
    };
    sized(&mut out, size.as_deref(), row, cx);
    if origin.is_none_or(|origin| origin == Dialect::OpenaiImages) {
        out.extra = extra.members();
    } else {
        for (name, _) in extra.iter() {
            cx.changes.dropped(name.to_owned(), row.why());
        }
    }
    out
}

/// Says the size as the row has it.
fn sized<'r>(out: &mut wire::Request<'r>, size: Option<&'r str>, row: &Row<'r>, cx: &mut EncodeCx<'_>) {
    let Some(text) = size else { return };
    match row.image_size() {
        None => out.size = Some(Str::from(text)),
        Some(ImageSize::AspectRatio) => match size::aspect(text, &ASPECTS) {
            Some(aspect) => {
                out.aspect_ratio = Some(Str::from(aspect));
                cx.changes.altered("size", format!("{} takes proportions: {aspect}", row.provider()));
            }
            None => cx.changes.dropped("size", row.why()),
        },
        Some(ImageSize::WidthHeight) => match size::pixels(text) {
            Some((width, height)) => (out.width, out.height) = (Some(width), Some(height)),
            None => cx.changes.dropped("size", row.why()),
        },
    }
}

/// An edit as a form.
fn form(request: &ImageRequest, row: &Row<'_>, cx: &mut EncodeCx<'_>) -> Result<Form> {
    let ImageRequest { images, mask, .. } = request;
    if images.is_empty() {
        return Err(
            ApiError::bad_request("`image` is missing: send the picture to change").with_param("image")
        );
    }
    let mut form = Form::default();
    // The fields are the members of the JSON, each as its text.
    let members = media::bytes(&body(request, row, cx))?;
    let head = Head::scan(members.into())?;
    for member in head.members() {
        let json = head.get(member.name()).unwrap_or_default();
        let text = serde_json::from_slice::<Str<'_>>(json)
            .map_or_else(|_| String::from_utf8_lossy(json).into_owned(), Str::into_string);
        if let Some((name, text)) = row.field(member.name(), &text, cx.changes) {
            form.text(name, text);
        }
    }
    row.fields().for_each(|(name, text)| form.text(name, text));
    let name = if images.len() == 1 { "image" } else { "image[]" };
    images.iter().for_each(|image| form.file(name, image));
    if let Some(mask) = mask {
        form.file("mask", mask);
    }
    Ok(form)
}

fn reply(body: &[u8], cx: &DecodeCx<'_>) -> Result<Images> {
    let wire::Reply { model, created, data, usage, error, extra } =
        serde_json::from_slice(body).map_err(|error| media::wrong("pictures", error))?;
    if error.is_some_and(|error| error.get() != "null") {
        return Err(media::contained(body));
    }
    let data = data.ok_or_else(|| media::wrong("pictures", "`data` is missing"))?;
    if data.iter().any(|picture| picture.respect_moderation == Some(false)) {
        return Err(held_back());
    }
    let counted = usage.and_then(|counts| counts.usage(Made::Pictures));
    let usage = with_count(counted, data.len());
    let picture = |picture: wire::Picture<'_>| {
        let wire::Picture { b64_json, url, revised_prompt, respect_moderation: _, extra } = picture;
        MadeImage {
            base64: b64_json.map(Str::into_string).filter(|text| !text.is_empty()),
            url: url.map(Str::into_string).filter(|text| !text.is_empty()),
            revised_prompt: revised_prompt.map(Str::into_string),
            extra: extra.to_extra(),
        }
    };
    Ok(Images {
        model: model.map_or_else(|| cx.model.to_owned(), Str::into_string),
        created: created.unwrap_or_default(),
        data: data.into_iter().map(picture).collect(),
        usage: Some(usage),
        origin: Some(Dialect::OpenaiImages),
        extra: extra.to_extra(),
    })
}
