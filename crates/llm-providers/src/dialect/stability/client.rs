//! Us calling Stability.

use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use llm_types::{
    ApiError, Call, Changes, Dialect, Head, ImageRequest, ImageTask, Images, MadeImage, Op, Output, Result,
    Str, Units, Usage,
};

use super::service::{self, Service};
use super::wire;
use crate::classify::{self, Said};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, MediaMemo, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::openai_images::{held_back, size};
use crate::dialect::{media, openai_chat};
use crate::form::Form;
use crate::quirk::Row;

const DIALECT: &str = "stability";
/// The proportions that it makes.
pub(in crate::dialect) const ASPECTS: [&str; 9] =
    ["1:1", "16:9", "9:16", "21:9", "9:21", "3:2", "2:3", "5:4", "4:5"];

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let Call::Image(request) = call else { return Err(cannot(DIALECT, call.op())) };
        if request.task == ImageTask::Vary {
            return Err(cannot(DIALECT, call.op()));
        }
        let row = Row::new(cx.spec, cx.model, None);
        let model = row.model();
        let service = service::of(&model, request)?;
        if service.needs_words() {
            media::words_given(request)?;
        }
        let (kind, body) = form(request, &row, &service, cx.changes)?.finish()?;
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind), (ACCEPT, json)]);
        let units = Units { images: 1, ..Units::default() };
        let media = MediaMemo { used: Usage { units, ..Usage::default() }, ..MediaMemo::default() };
        let memo = Memo { media: Some(Arc::new(media)), ..Memo::default() };
        let path = format!("/v2beta/stable-image/{}", service.path);
        Ok(WireRequest { method: Method::POST, path, headers, body, memo })
    }

    /// No client speaks this dialect to us.
    fn splice(&self, _head: &Head, _cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        Ok(None)
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        if !matches!(op, Op::Image | Op::ImageEdit) {
            return Err(cannot(DIALECT, op));
        }
        let wire::Reply { image, finish_reason, seed: _, extra: _ } =
            serde_json::from_slice(body).map_err(|error| media::wrong("picture", error))?;
        if finish_reason.is_some_and(|reason| reason.as_str() == "CONTENT_FILTERED") {
            return Err(held_back());
        }
        let image = image.ok_or_else(|| media::wrong("picture", "`image` is missing"))?;
        let data = vec![MadeImage { base64: Some(image.into_string()), ..MadeImage::default() }];
        let usage = cx.memo.used().cloned();
        Ok(Output::Images(Box::new(Images { data, usage, ..Images::default() })))
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        let failure: wire::Failure<'_> = serde_json::from_slice(body).unwrap_or_default();
        let wire::Failure { id, name, errors, extra: _ } = failure;
        let errors: Vec<String> = errors.into_iter().flatten().map(Str::into_string).collect();
        let (message, kind) = (errors.join("; "), name.map(Str::into_string).unwrap_or_default());
        let said = Said { message: &message, kind: &kind, code: &kind, ..Said::default() };
        let mut error = classify::upstream_error(status, headers, &said, body);
        if kind == "content_moderation" {
            error.kind = llm_types::ErrorKind::ContentPolicy;
            // Clients know it by the code that all of them share.
            error.code = None;
        }
        if error.request_id.is_none() {
            error.request_id = id.map(Str::into_string);
        }
        error
    }

    /// Nothing of this dialect is streamed.
    fn decoder(&self, op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        openai_chat::Client.decoder(op, cx)
    }

    fn tap<'b>(&self, _op: Op, _body: &'b [u8]) -> Result<Tapped<'b>> {
        Ok(Tapped::default())
    }

    /// Nothing of this dialect is streamed.
    fn stream_tap(&self, op: Op) -> Box<dyn StreamTap> {
        openai_chat::Client.stream_tap(op)
    }
}

fn form(request: &ImageRequest, row: &Row<'_>, service: &Service<'_>, changes: &mut Changes) -> Result<Form> {
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
        stream: _,
        images: _,
        mask: _,
        task: _,
        origin,
        extra,
    } = request;
    if n.is_some_and(|n| n != 1) {
        let message = "stability makes one picture at a time: ask once for each";
        return Err(ApiError::bad_request(message).with_param("n"));
    }
    let mut form = Form::default();
    let set = [
        ("prompt", !prompt.is_empty() && !service.words),
        ("quality", quality.is_some()),
        ("style", style.is_some()),
        ("background", background.is_some()),
        ("user", user.is_some()),
    ];
    for (name, _) in set.into_iter().filter(|(_, set)| *set) {
        changes.dropped(name, row.why());
    }
    if service.words && !prompt.is_empty() {
        form.text("prompt", prompt);
    }
    if let Some(model) = service.model {
        form.text("model", model);
    }
    form.text("output_format", output_format.as_deref().unwrap_or("png"));
    let aspect = size.as_deref().and_then(|text| size::aspect(text, &ASPECTS)).filter(|_| service.sized);
    match (size.as_deref(), aspect) {
        (Some(text), Some(aspect)) => {
            form.text("aspect_ratio", aspect);
            if text != aspect {
                changes.altered("size", format!("stability takes proportions: {aspect}"));
            }
        }
        (Some("auto") | None, None) => {}
        (_, None) => changes.dropped("size", row.why()),
        (None, Some(_)) => {}
    }
    if response_format.as_deref() == Some("url") {
        changes.altered("response_format", "stability sends pictures, not addresses: `b64_json`");
    }
    let own = origin.is_none_or(|origin| origin == Dialect::OpenaiImages);
    service.pictures(request, own, &mut form, changes)?;
    for (name, json) in extra.iter().filter(|_| own) {
        if foreign(name) {
            changes.dropped(name.to_owned(), row.why());
            continue;
        }
        let text = serde_json::from_str::<Str<'_>>(json.get());
        if !form.extra(name, text.as_ref().map_or(json.get(), Str::as_str)) {
            changes.dropped(name.to_owned(), "another field of the request says it already");
        }
    }
    Ok(form)
}

/// Whether a member is OpenAI's alone, and would be refused.
pub(in crate::dialect) fn foreign(name: &str) -> bool {
    matches!(name, "moderation" | "output_compression" | "input_fidelity" | "partial_images")
}
