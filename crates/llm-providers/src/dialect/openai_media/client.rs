//! Us calling a provider.

use std::borrow::Cow;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use llm_types::{
    ApiError, Call, Dialect, Edits, EmbedContent, EmbedInput, EmbedRequest, Embeddings, ErrorKind, Head,
    MessageQuirk, Op, Output, ProviderSpec, Raw, RawValue, ReplyQuirk, Result, Segments, Str, Usage,
    VectorEncoding,
};
use serde::Serialize;

use super::wire::{self, Packed};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::openai_chat;
use crate::dialect::seen::{self, Picture, Seen};
use crate::dialect::stated::stated;
use crate::quirk::{Row, demanded_by};

const DIALECT: &str = "openai_media";
const PATH: &str = "/embeddings";

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let Call::Embed(request) = call else { return Err(cannot(DIALECT, call.op())) };
        let body = body(request, cx)?;
        let path = path(cx);
        let row = Row::embedding(cx.spec, cx.model);
        let mut wire = demanded_by(&row, wire(path, Segments::from(body)), cx)?;
        // Whoever has other words for inputs has others for what becomes of them.
        wire.memo.anew |= row.name_of("input").is_some();
        Ok(wire)
    }

    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        if cx.asked.op != Op::Embed {
            return Err(cannot(DIALECT, cx.asked.op));
        }
        if !cx.spec.takes_tokens(cx.model) && head.get("input").is_some_and(wire::holds_tokens) {
            // Whoever writes it says what is wrong with which input.
            return Ok(None);
        }
        let row = Row::embedding(cx.spec, cx.model);
        // Where inputs have another name they are a list, also of one (watsonx).
        if row.name_of("input").is_some() {
            return Ok(None);
        }
        if row.has(MessageQuirk::PictureInputs) && head.get("input").is_some_and(wire::may_picture) {
            return Ok(None);
        }
        let mut edits = Edits::default();
        edits.set(head, "model", serde_json::to_vec(&*row.model()).unwrap_or_default());
        row.apply(head, &mut edits, cx.changes);
        let mut wire = wire(path(cx), edits.apply(head));
        // Bytes are what a client gets who asks for them by the provider's own word; OpenAI has none for them.
        // Who asks by the provider's own name of it gets what the provider makes of that.
        let own = row.name_of("encoding_format").is_some_and(|name| head.get(name).is_some());
        wire.memo.vectors = wire::asked(head).filter(|_| !own);
        let rewritten = packs_bytes(cx.spec, cx.model)
            || Row::of(Dialect::OpenaiMedia, cx.spec, cx.model, None).normalizes();
        wire.memo.anew = rewritten && wire.memo.vectors.is_some();
        Ok(Some(wire))
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        if op != Op::Embed {
            return Err(cannot(DIALECT, op));
        }
        reply(body, cx).map(|embeddings| Output::Embed(Box::new(embeddings)))
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        openai_chat::Client.decode_error(status, headers, body)
    }

    /// Nothing of this dialect is streamed.
    fn decoder(&self, op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        openai_chat::Client.decoder(op, cx)
    }

    fn tap<'b>(&self, _op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        let facts: wire::Facts<'_> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
        let usage = facts.usage.as_ref().and_then(usage);
        Ok(Tapped { usage, model: facts.model.map(|model| model.0) })
    }

    /// Nothing of this dialect is streamed.
    fn stream_tap(&self, op: Op) -> Box<dyn StreamTap> {
        openai_chat::Client.stream_tap(op)
    }
}

/// Whether the numbers of the provider's vectors come as signed bytes.
fn packs_bytes(spec: &ProviderSpec, model: &str) -> bool {
    spec.has_reply_quirk(model, ReplyQuirk::Int8Vectors)
}

/// The path, where the row has another for this dialect.
fn path(cx: &EncodeCx<'_>) -> String {
    let row = Row::of(Dialect::OpenaiMedia, cx.spec, cx.model, None);
    row.path(false).unwrap_or_else(|| PATH.to_owned())
}

fn wire(path: String, body: Segments) -> WireRequest {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    WireRequest { method: Method::POST, path, headers, body, memo: Memo::default() }
}

fn body(request: &EmbedRequest, cx: &mut EncodeCx<'_>) -> Result<Vec<u8>> {
    let EmbedRequest { model: _, inputs, dimensions, encoding, task, truncate, user, origin, extra } =
        request;
    let row = Row::embedding(cx.spec, cx.model);
    let model = row.model();
    let said = [("task", purpose(task.as_deref(), &row)?), ("truncate", cut(*truncate, &row)?)];
    for ((name, said), asked) in said.iter().zip([task.is_some(), truncate.is_some()]) {
        if asked && said.is_none() {
            cx.changes.dropped(*name, row.why());
        }
    }
    let mut list = Vec::with_capacity(inputs.len());
    for (index, EmbedInput { content, title }) in inputs.iter().enumerate() {
        if title.is_some() {
            cx.changes.dropped(format!("input[{index}].title"), row.why());
        }
        let content = match content {
            EmbedContent::Tokens(_) if !cx.spec.takes_tokens(cx.model) => Err(tokens(row.provider())),
            EmbedContent::Opaque(Dialect::OpenaiMedia, _) if row.has(MessageQuirk::PictureInputs) => {
                pictured(content)
            }
            content => input(content),
        };
        list.push(content.map_err(|error| error.with_param(format!("input[{index}]")))?);
    }
    let mut out = wire::Request {
        model: Some(Str::from(&*model)),
        input: Some(raw(&list)?.into()),
        encoding_format: (*encoding == VectorEncoding::Base64).then(|| Str::from("base64")),
        dimensions: *dimensions,
        user: user.as_ref().map(Str::from),
        ..wire::Request::default()
    };
    if origin.is_none_or(|origin| origin == Dialect::OpenaiMedia) {
        out.extra = extra.members();
    } else {
        for (name, _) in extra.iter() {
            cx.changes.dropped(name.to_owned(), row.why());
        }
    }
    for (name, value) in &said {
        // The client's own word for it stays.
        if let Some(value) = value.as_deref().filter(|_| out.extra.get(name).is_none()) {
            out.extra.push(Cow::Borrowed(name), value);
        }
    }
    serde_json::to_vec(&out).map_err(unwritable)
}

/// What the vectors are for, where the row has a word for it.
fn purpose(task: Option<&str>, row: &Row<'_>) -> Result<Option<Box<RawValue>>> {
    let word = task.filter(|_| row.takes("task")).and_then(|task| row.word_for("task", task));
    word.map(|word| raw(&word)).transpose()
}

/// Whether what is too long is cut, where the row knows such a member: in its words, or as it is.
fn cut(truncate: Option<bool>, row: &Row<'_>) -> Result<Option<Box<RawValue>>> {
    let Some(truncate) = truncate.filter(|_| row.takes("truncate")) else { return Ok(None) };
    match row.word_for("truncate", if truncate { "true" } else { "false" }) {
        Some(word) => raw(&word),
        None => raw(&truncate),
    }
    .map(Some)
}

/// What a text as tokens is answered where they mean nothing, or something else.
fn tokens(provider: &str) -> ApiError {
    let message = format!(
        "{provider} takes texts and no tokens: send the text of each input, or set `token_inputs` among the provider's \
         quirks where its server takes them"
    );
    ApiError::bad_request(message)
}

/// An input where pictures may be among them: `{"image": …}`, by an address or in base64.
fn pictured(content: &EmbedContent) -> Result<Raw<'_>> {
    #[derive(Serialize)]
    struct Image<'a> {
        image: &'a str,
    }
    match seen::alone(content)? {
        Seen::Text(text) => raw(&text),
        Seen::Picture(Picture::At(url)) => raw(&Image { image: &url }),
        Seen::Picture(Picture::Bytes { kind: _, base64 }) => raw(&Image { image: &base64 }),
    }
    .map(Raw::from)
}

fn input(content: &EmbedContent) -> Result<Raw<'_>> {
    match content {
        EmbedContent::Text(text) => raw(text).map(Raw::from),
        EmbedContent::Tokens(tokens) => raw(tokens).map(Raw::from),
        EmbedContent::Opaque(Dialect::OpenaiMedia, json) => Ok(Raw::from(&**json)),
        EmbedContent::Opaque(dialect, _) => Err(ApiError::bad_request(format!(
            "an input of this kind is known to {dialect} only: send texts"
        ))),
    }
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(value).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> ApiError {
    ApiError::bad_request("the request cannot be written as JSON").with_source(error)
}

fn malformed(error: &serde_json::Error) -> ApiError {
    wrong(&error.to_string())
}

fn wrong(why: &str) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, format!("the upstream's answer holds no vectors: {why}"))
}

fn reply(body: &[u8], cx: &DecodeCx<'_>) -> Result<Embeddings> {
    let wire: wire::Reply<'_> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    let wire::Reply { id, object: _, data, results, model, usage, tokens, error, extra } = wire;
    if error.is_some() {
        // Some put an error into a 200; its body says what it is.
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Err(openai_chat::Client.decode_error(status, &HeaderMap::new(), body));
    }
    let packed = if packs_bytes(cx.spec, cx.model) { Packed::Int8 } else { Packed::Float };
    let mut data = data.or(results).ok_or_else(|| wrong("`data` is missing"))?;
    // Where the places are named they count; the sort keeps others in their order.
    data.sort_by_key(|vector| vector.index.unwrap_or_default());
    let numbers = |vector: wire::Vector<'_>| {
        let json = vector.embedding.ok_or_else(|| wrong("a vector is missing"))?;
        wire::numbers(&json.0, packed).ok_or_else(|| wrong("a vector cannot be read"))
    };
    Ok(Embeddings {
        id: id.map(Str::into_string).unwrap_or_default(),
        model: model.map(Str::into_string).unwrap_or_default(),
        vectors: data.into_iter().map(numbers).collect::<Result<_>>()?,
        usage: usage
            .as_ref()
            .and_then(self::usage)
            .or_else(|| tokens.map(|input| Usage { input, ..Usage::default() })),
        origin: Some(Dialect::OpenaiMedia),
        extra: extra.to_extra(),
    })
}

fn usage(counts: &wire::Counts<'_>) -> Option<Usage> {
    let wire::Counts { prompt_tokens, total_tokens, extra } = counts;
    prompt_tokens.or(*total_tokens).map(|input| Usage { input, stated: stated(extra), ..Usage::default() })
}
