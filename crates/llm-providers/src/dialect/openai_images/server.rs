//! A client calls us.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use llm_types::{
    ApiError, Call, Dialect, Extra, Head, ImageRequest, ImageTask, Images, Op, Output, RawValue, Result, Str,
    Upload, Usage,
};
use serde::{Deserialize, Serialize};

use super::wire;
use crate::codec::{Asked, Peek, ReplyCx, ServerCodec, StreamEncoder};
use crate::dialect::openai_chat;
use crate::dialect::openai_transcriptions::server::missing;
use crate::form::{self, Field};

/// The half that a client calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Server;

impl ServerCodec for Server {
    fn is_opaque(&self, asked: &Asked) -> bool {
        matches!(asked.op, Op::ImageEdit | Op::ImageVariation) && form::is_form(&asked.headers)
    }

    fn peek(&self, head: &Head, asked: &Asked) -> Result<Peek> {
        if !self.is_opaque(asked) {
            return Ok(Peek { include_usage: true, ..openai_chat::Server.peek(head, asked)? });
        }
        let fields = form::read(&asked.headers, head.body())?;
        let text = |name: &str| {
            let found = fields.iter().find(|field| field.name == name && !field.is_file);
            found.map(Field::text).transpose()
        };
        let model = text("model")?
            .filter(|model| !model.is_empty())
            .ok_or_else(|| missing("model", "name the model"))?;
        let stream = text("stream")? == Some("true");
        Ok(Peek { model: model.to_owned(), stream, include_usage: true, ..Peek::default() })
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call> {
        self.decode_shared(&Bytes::copy_from_slice(body), asked)
    }

    fn decode_shared(&self, body: &Bytes, asked: &Asked) -> Result<Call> {
        let request = match asked.op {
            Op::Image => request(body, ImageTask::Make),
            Op::ImageEdit if self.is_opaque(asked) => {
                read(form::read(&asked.headers, body)?, ImageTask::Edit)
            }
            Op::ImageEdit => request(body, ImageTask::Edit),
            // Only forms are known of them.
            Op::ImageVariation => read(form::read(&asked.headers, body)?, ImageTask::Vary),
            other => Err(ApiError::bad_request(format!(
                "this route cannot carry {other}: use the route of that operation"
            ))),
        };
        request.map(|request| Call::Image(Box::new(request)))
    }

    fn encode(&self, output: &Output, cx: &ReplyCx) -> Vec<u8> {
        match output {
            Output::Images(images) => serde_json::to_vec(&shown(images, cx).members()).unwrap_or_default(),
            // No row asks this dialect for anything else.
            _ => b"{}".to_vec(),
        }
    }

    fn streamed(&self, output: &Output, cx: &ReplyCx) -> Option<Bytes> {
        let Output::Images(images) = output else { return None };
        let usage = images.usage.as_ref().and_then(counted);
        let kind = match cx.op {
            Some(Op::ImageEdit) => "image_edit.completed",
            _ => "image_generation.completed",
        };
        let mut out = Vec::new();
        for (index, image) in images.data.iter().enumerate() {
            let mut event = Extra::default();
            set(&mut event, "type", kind);
            set(&mut event, "created_at", &created(images, cx));
            if let Some(base64) = &image.base64 {
                set(&mut event, "b64_json", base64);
            }
            if let Some(url) = &image.url {
                set(&mut event, "url", url);
            }
            // All of them together used this.
            if let Some(usage) = usage.as_ref().filter(|_| index + 1 == images.data.len()) {
                event.set("usage", usage.clone());
            }
            out.extend_from_slice(format!("event: {kind}\ndata: ").as_bytes());
            out.extend(serde_json::to_vec(&event.members()).unwrap_or_default());
            out.extend_from_slice(b"\n\n");
        }
        Some(Bytes::from(out))
    }

    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>) {
        openai_chat::Server.encode_error(error)
    }

    fn encoder(&self, cx: ReplyCx) -> Box<dyn StreamEncoder> {
        openai_chat::Server.encoder(cx)
    }
}

fn set(extra: &mut Extra, name: &str, value: &(impl Serialize + ?Sized)) {
    if let Ok(json) = serde_json::value::to_raw_value(value) {
        extra.set(name, json);
    }
}

fn created(images: &Images, cx: &ReplyCx) -> u64 {
    if images.created == 0 { cx.created } else { images.created }
}

/// Pictures as OpenAI shows them.
fn shown(images: &Images, cx: &ReplyCx) -> Extra {
    let own = images.origin == Some(Dialect::OpenaiImages);
    let mut out = Extra::default();
    set(&mut out, "created", &created(images, cx));
    let pictures: Vec<Extra> = images
        .data
        .iter()
        .map(|image| {
            let mut one = Extra::default();
            if let Some(base64) = &image.base64 {
                set(&mut one, "b64_json", base64);
            }
            if let Some(url) = &image.url {
                set(&mut one, "url", url);
            }
            if let Some(prompt) = &image.revised_prompt {
                set(&mut one, "revised_prompt", prompt);
            }
            for (name, json) in image.extra.iter().filter(|_| own) {
                one.set(name, json.to_owned());
            }
            one
        })
        .collect();
    set(&mut out, "data", &pictures.iter().map(Extra::members).collect::<Vec<_>>());
    for (name, json) in images.extra.iter().filter(|_| own) {
        out.set(name, json.to_owned());
    }
    if let Some(usage) = images.usage.as_ref().and_then(counted) {
        out.set("usage", usage);
    }
    out
}

/// A usage in OpenAI's words, where tokens are counted.
fn counted(usage: &Usage) -> Option<Box<RawValue>> {
    #[derive(Serialize)]
    struct Parts {
        text_tokens: u64,
        image_tokens: u64,
    }
    #[derive(Serialize)]
    struct Tokens {
        input_tokens: u64,
        input_tokens_details: Parts,
        output_tokens: u64,
        total_tokens: u64,
    }
    let image_tokens = usage.input_image;
    let parts = Parts { text_tokens: usage.prompt_tokens().saturating_sub(image_tokens), image_tokens };
    let tokens = Tokens {
        input_tokens: usage.prompt_tokens(),
        input_tokens_details: parts,
        output_tokens: usage.completion_tokens(),
        total_tokens: usage.total_tokens(),
    };
    (usage.total_tokens() > 0).then(|| serde_json::value::to_raw_value(&tokens).ok())?
}

fn request(body: &[u8], task: ImageTask) -> Result<ImageRequest> {
    let wrong = |error| ApiError::bad_request(format!("the body is not what OpenAI takes: {error}"));
    let wire: wire::Request<'_> = serde_json::from_slice(body).map_err(wrong)?;
    let wire::Request {
        model,
        prompt,
        n,
        size,
        aspect_ratio,
        width,
        height,
        quality,
        style,
        background,
        output_format,
        response_format,
        stream,
        user,
        extra,
    } = wire;
    let mut extra = extra.to_extra();
    // Others' words for the size go through as they are.
    let mut keep = |name: &str, json: serde_json::Result<Box<RawValue>>| {
        if let Ok(json) = json {
            extra.set(name, json);
        }
    };
    if let Some(aspect_ratio) = aspect_ratio {
        keep("aspect_ratio", serde_json::value::to_raw_value(aspect_ratio.as_str()));
    }
    for (name, number) in [("width", width), ("height", height)] {
        if let Some(number) = number {
            keep(name, serde_json::value::to_raw_value(&number));
        }
    }
    let (images, mask) = match task {
        ImageTask::Edit => (given(&mut extra)?, masked(&mut extra)?),
        ImageTask::Make | ImageTask::Vary => (Vec::new(), None),
    };
    let text = |text: Option<Str<'_>>| text.map(Str::into_string);
    Ok(ImageRequest {
        model: model.ok_or_else(|| missing("model", "name the model"))?.into_string(),
        prompt: match (prompt, task) {
            (Some(prompt), _) => prompt.into_string(),
            // Backgrounds are removed and pictures enlarged without words: whoever needs some says so.
            (None, ImageTask::Edit | ImageTask::Vary) => String::new(),
            (None, ImageTask::Make) => return Err(missing("prompt", "say what is to be seen")),
        },
        n,
        size: text(size),
        quality: text(quality),
        style: text(style),
        background: text(background),
        output_format: text(output_format),
        response_format: text(response_format),
        user: text(user),
        stream: stream.unwrap_or_default(),
        images,
        mask,
        task,
        origin: Some(Dialect::OpenaiImages),
        extra,
    })
}

/// A picture of an edit in JSON.
#[derive(Deserialize)]
struct Given {
    image_url: String,
}

/// The pictures of an edit in JSON: `images: [{"image_url": "data:…"}]`. Those at an address are for providers that
/// fetch them.
fn given(extra: &mut Extra) -> Result<Vec<Upload>> {
    let Some(json) = extra.get("images") else { return Ok(Vec::new()) };
    let Ok(list) = serde_json::from_str::<Vec<Given>>(json.get()) else { return Ok(Vec::new()) };
    let mut images = Vec::with_capacity(list.len());
    for Given { image_url } in list {
        // Nobody fetches it here.
        let Some(image) = held(&image_url, "images")? else { return Ok(Vec::new()) };
        images.push(image);
    }
    extra.remove("images");
    Ok(images)
}

/// The mask of an edit in JSON: `mask: {"image_url": "data:…"}`.
fn masked(extra: &mut Extra) -> Result<Option<Upload>> {
    let Some(json) = extra.get("mask") else { return Ok(None) };
    let Ok(Given { image_url }) = serde_json::from_str(json.get()) else { return Ok(None) };
    let mask = held(&image_url, "mask")?;
    if mask.is_some() {
        extra.remove("mask");
    }
    Ok(mask)
}

/// The addresses of the pictures of an edit and of its mask, where not all of them hold what they name.
#[must_use]
pub fn named(request: &ImageRequest) -> (Vec<String>, Option<String>) {
    let read = |name: &str| request.extra.get(name).map(|json| json.get());
    let images = read("images").and_then(|json| serde_json::from_str::<Vec<Given>>(json).ok());
    let mask = read("mask").and_then(|json| serde_json::from_str::<Given>(json).ok());
    let images = images.filter(|_| request.task == ImageTask::Edit && request.images.is_empty());
    let images = images.unwrap_or_default().into_iter().map(|given| given.image_url).collect();
    (images, mask.filter(|_| request.mask.is_none()).map(|given| given.image_url))
}

/// Puts pictures in the place of their addresses.
pub fn put(request: &mut ImageRequest, images: Vec<Upload>, mask: Option<Upload>) {
    if !images.is_empty() {
        request.extra.remove("images");
        request.images = images;
    }
    if mask.is_some() {
        request.extra.remove("mask");
        request.mask = mask;
    }
}

/// A picture that an address holds itself; `None`: it lies elsewhere.
fn held(address: &str, param: &'static str) -> Result<Option<Upload>> {
    let Some((kind, data)) = address.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"))
    else {
        return Ok(None);
    };
    let data = STANDARD.decode(data).map_err(|_| {
        ApiError::bad_request(format!("a picture in `{param}` is no base64")).with_param(param)
    })?;
    Ok(Some(Upload { name: String::from("image"), kind: kind.to_owned(), data: data.into() }))
}

/// An edit, or a variation, that came as a form.
fn read(fields: Vec<Field>, task: ImageTask) -> Result<ImageRequest> {
    let mut out = ImageRequest { task, origin: Some(Dialect::OpenaiImages), ..ImageRequest::default() };
    for field in fields {
        if field.is_file {
            match &*field.name {
                "image" | "image[]" => out.images.push(field.file),
                "mask" if task == ImageTask::Edit => out.mask = Some(field.file),
                name => {
                    let message = format!("`{name}` is no field for a file: send pictures as `image`");
                    return Err(ApiError::bad_request(message).with_param(name));
                }
            }
            continue;
        }
        let text = field.text()?.to_owned();
        match &*field.name {
            "model" => out.model = text,
            "prompt" => out.prompt = text,
            "n" => {
                let wrong = || ApiError::bad_request("`n` must be a number").with_param("n");
                out.n = Some(text.parse().map_err(|_| wrong())?);
            }
            "size" => out.size = Some(text),
            "quality" => out.quality = Some(text),
            "style" => out.style = Some(text),
            "background" => out.background = Some(text),
            "output_format" => out.output_format = Some(text),
            "response_format" => out.response_format = Some(text),
            "user" => out.user = Some(text),
            "stream" => out.stream = text == "true",
            name => keep(&mut out.extra, name, text),
        }
    }
    if out.images.is_empty() {
        return Err(missing("image", "send the picture to change"));
    }
    Ok(out)
}

/// Keeps a field that no member names. Forms know texts alone: what reads as another value of JSON is that, because
/// providers that take JSON refuse a number in quotes. In a form it is written as the same text again.
fn keep(extra: &mut Extra, name: &str, text: String) {
    let is_value = |json: &RawValue| {
        let json = json.get();
        json == text
            && (json.starts_with(['{', '[', '-']) || json.as_bytes().first().is_some_and(u8::is_ascii_digit))
            || matches!(json, "true" | "false")
    };
    match RawValue::from_string(text.clone()) {
        Ok(json) if is_value(&json) => extra.set(name, json),
        _ => set(extra, name, &text),
    }
}
