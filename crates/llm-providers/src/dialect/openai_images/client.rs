//! Us calling a provider.

use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use llm_types::{
    ApiError, Call, Dialect, Edits, ErrorKind, Head, ImageEditForm, ImageRequest, ImageSize, ImageTask,
    Images, MadeImage, Op, Output, Result, Str, Units, Usage,
};

use super::{edit, size, wire};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, MediaMemo, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::mask::{self, Shade};
use crate::dialect::media::{self, Made, Tap};
use crate::dialect::openai_chat;
use crate::form::Form;
use crate::quirk::{Row, demanded_in};

const DIALECT: &str = "openai_images";
const MAKE: &str = "/images/generations";
const EDIT: &str = "/images/edits";
const VARY: &str = "/images/variations";

/// The proportions that providers of this dialect take who take proportions (docs.x.ai/docs/guides/image-generations).
const ASPECTS: [&str; 9] = ["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "2:1", "1:2"];

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let Call::Image(request) = call else { return Err(cannot(DIALECT, call.op())) };
        let row = Row::of(Dialect::OpenaiImages, cx.spec, cx.model, None);
        if row.drops("n") && request.n.is_some_and(|n| n > 1) {
            let message = "this model makes one picture at a time: ask once for each";
            return Err(ApiError::bad_request(message).with_param("n"));
        }
        // Whoever is asked in OpenAI's own form may need none, and says so otherwise.
        if row.image_edit().is_some() {
            media::words_given(request)?;
        }
        let memo = made(request.n, request.response_format.as_deref().filter(|_| !request.stream), &row);
        let path = match request.task {
            ImageTask::Make => row.path(false).unwrap_or_else(|| MAKE.to_owned()),
            ImageTask::Vary => return posted(VARY, form(request, &row, cx)?, memo),
            ImageTask::Edit => match row.image_edit() {
                None => return posted(EDIT, form(request, &row, cx)?, memo),
                Some(ImageEditForm::ImageToImage) => {
                    let (path, form) = edit::by_path(request, form(request, &row, cx)?, cx.changes)?;
                    return posted(path, form, memo);
                }
                Some(ImageEditForm::Json) => {
                    let body = edit::body(request, &body(request, &row, cx))?;
                    return demanded_in(Dialect::OpenaiImages, media::json(EDIT.to_owned(), body, memo), cx);
                }
                Some(ImageEditForm::Reference) => {
                    let body = edit::referring(request, &body(request, &row, cx))?;
                    return demanded_in(Dialect::OpenaiImages, media::json(MAKE.to_owned(), body, memo), cx);
                }
            },
        };
        let mut wire = media::json(path, media::bytes(&body(request, &row, cx))?, memo);
        if own_form(&row) {
            wire.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        }
        demanded_in(Dialect::OpenaiImages, wire, cx)
    }

    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        let row = Row::of(Dialect::OpenaiImages, cx.spec, cx.model, None);
        let resized = row.image_size().is_some() && head.get("size").is_some();
        let edit = cx.asked.op == Op::ImageEdit;
        let foreign = match row.image_edit().filter(|_| edit) {
            None => cx.asked.op == Op::ImageVariation,
            Some(ImageEditForm::Json) => edit::is_openai(head)?,
            Some(ImageEditForm::Reference | ImageEditForm::ImageToImage) => true,
        };
        if head.members().is_empty() || resized || foreign || own_form(&row) {
            return Ok(None);
        }
        let mut edits = Edits::default();
        edits.set(head, "model", serde_json::to_vec(&*row.model()).unwrap_or_default());
        row.apply(head, &mut edits, cx.changes);
        let path = if edit { EDIT.to_owned() } else { row.path(false).unwrap_or_else(|| MAKE.to_owned()) };
        let streamed = head.read::<bool>("stream")?.unwrap_or_default();
        let format = head.read::<String>("response_format")?.filter(|_| !streamed);
        let memo = made(head.read::<u32>("n")?, format.as_deref(), &row);
        Ok(Some(media::json(path, edits.apply(head), memo)))
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        if !op.is_picture() {
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

/// A form to post.
fn posted(path: &'static str, form: Form, memo: Memo) -> Result<WireRequest> {
    let (kind, body) = form.finish()?;
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    Ok(WireRequest { method: Method::POST, path: path.to_owned(), headers, body, memo })
}

/// What a request tells of its answer: how many pictures are made, and in which format, where that is said.
fn made(n: Option<u32>, format: Option<&str>, row: &Row<'_>) -> Memo {
    let units = Units { images: n.unwrap_or(1).into(), ..Units::default() };
    let used = Usage { units, estimated: true, ..Usage::default() };
    // Not every provider keeps to it: the answer is looked at. Who cannot be asked has one format, which the row knows.
    let bytes = format == Some("b64_json") && !row.drops("response_format");
    let media = MediaMemo { used, anew: own_form(row) || bytes, bytes, ..MediaMemo::default() };
    Memo { media: Some(Arc::new(media)), ..Memo::default() }
}

/// Whether the answer has another form: it does where the model is named by the path alone.
fn own_form(row: &Row<'_>) -> bool {
    row.drops("model")
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
        task: _,
        origin,
        extra,
    } = request;
    let text = |text: &'r Option<String>| text.as_ref().map(Str::from);
    let mut out = wire::Request {
        model: Some(Str(row.model())),
        prompt: Some(Str::from(prompt)).filter(|prompt| !prompt.as_str().is_empty()),
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
    let sized = [
        ("aspect_ratio", out.aspect_ratio.is_some()),
        ("width", out.width.is_some()),
        ("height", out.height.is_some()),
    ];
    for (name, _) in sized.into_iter().filter(|(name, said)| *said && extra.get(name).is_some()) {
        cx.changes.dropped(name, "`size` says it already");
    }
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

/// An edit or a variation as a form.
fn form(request: &ImageRequest, row: &Row<'_>, cx: &mut EncodeCx<'_>) -> Result<Form> {
    let ImageRequest { images, mask, .. } = request;
    media::pictures_given(request)?;
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
    match mask {
        // Recraft's are black and white.
        Some(mask) if row.image_edit() == Some(ImageEditForm::ImageToImage) => {
            form.file("mask", &mask::painted(mask, Shade::White, cx.changes));
        }
        Some(mask) => form.file("mask", mask),
        None => {}
    }
    Ok(form)
}

/// Pictures that are nothing but base64, as Fireworks sends them.
fn bare(list: Vec<Str<'_>>, reason: Option<&Str<'_>>) -> Result<Vec<MadeImage>> {
    if reason.is_some_and(|reason| reason.as_str() == "CONTENT_FILTERED") {
        return Err(held_back());
    }
    let made = |text: Str<'_>| {
        let text = text.as_str();
        let data = text.split_once(";base64,").map_or(text, |(_, data)| data);
        MadeImage { base64: Some(data.to_owned()), ..MadeImage::default() }
    };
    Ok(list.into_iter().map(made).collect())
}

fn listed(body: &[u8]) -> Result<Vec<MadeImage>> {
    let list: Vec<wire::Listed<'_>> =
        serde_json::from_slice(body).map_err(|error| media::wrong("pictures", error))?;
    let mut all = Vec::with_capacity(list.len());
    for wire::Listed { base64, finish_reason, extra: _ } in list {
        all.extend(bare(base64.into_iter().collect(), finish_reason.as_ref())?);
    }
    Ok(all)
}

fn reply(body: &[u8], cx: &DecodeCx<'_>) -> Result<Images> {
    let whole = |data: Vec<MadeImage>| {
        let usage = Some(with_count(None, data.len()));
        Images { model: cx.model.to_owned(), data, usage, ..Images::default() }
    };
    if body.trim_ascii_start().starts_with(b"[{") {
        return listed(body).map(whole);
    }
    let wire::Reply { model, created, data, usage, error, base64, finish_reason, extra } =
        serde_json::from_slice(body).map_err(|error| media::wrong("pictures", error))?;
    if let Some(list) = base64 {
        return bare(list, finish_reason.as_ref()).map(whole);
    }
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
