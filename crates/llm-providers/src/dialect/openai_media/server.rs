//! A client calls us.

use bytes::Bytes;
use http::StatusCode;
use llm_types::{
    ApiError, Call, Dialect, EmbedInput, EmbedRequest, Embeddings, Head, Op, Output, Raw, RawValue, Str,
};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::wire;
use crate::bearing::Bearing;
use crate::codec::{Asked, Peek, ReplyCx, ServerCodec, StreamEncoder, Unread, VectorsAsked};
use crate::dialect::openai_chat;

/// The half that a client calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Server;

impl ServerCodec for Server {
    fn peek(&self, head: &Head, asked: &Asked) -> llm_types::Result<Peek> {
        let peek = openai_chat::Server.peek(head, asked)?;
        let inner = head.get("input").and_then(|json| json.strip_prefix(b"[")?.strip_suffix(b"]"));
        if inner.is_some_and(|inner| inner.trim_ascii().is_empty()) {
            let message = "`input` is an empty list: send the texts to make vectors of";
            return Err(ApiError::bad_request(message).with_param("input"));
        }
        Ok(Peek { stream: false, ..peek })
    }

    fn bearing(&self) -> Bearing {
        Bearing { aside: &["user"], ..Bearing::default() }
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> llm_types::Result<Call> {
        match asked.op {
            Op::Embed => request(body).map(|request| Call::Embed(Box::new(request))),
            other => Err(ApiError::bad_request(format!(
                "this route cannot carry {other}: use the route of that operation"
            ))),
        }
    }

    fn encode(&self, output: &Output, cx: &ReplyCx) -> Vec<u8> {
        match output {
            Output::Embed(embeddings) => reply(embeddings, cx),
            // No row asks this dialect for anything else.
            _ => b"{}".to_vec(),
        }
    }

    fn vectors_asked(&self, head: &Head) -> Option<VectorsAsked> {
        let inputs = wire::count(head.get("input")?)?;
        Some(VectorsAsked { inputs, encoding: wire::asked(head).unwrap_or_default() })
    }

    fn vectors_unread(&self, body: &Bytes) -> llm_types::Result<Option<Unread>> {
        unread(body)
    }

    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>) {
        openai_chat::Server.encode_error(error)
    }

    /// Nothing of this dialect is streamed.
    fn encoder(&self, cx: ReplyCx) -> Box<dyn StreamEncoder> {
        openai_chat::Server.encoder(cx)
    }
}

fn request(body: &[u8]) -> llm_types::Result<EmbedRequest> {
    let (mut request, input) = opened(body)?;
    let inputs = wire::inputs(&input.0).ok_or_else(wrong_input)?;
    request.inputs = inputs.into_iter().map(read).collect::<llm_types::Result<_>>()?;
    Ok(request)
}

/// The request without its inputs, and what stands in their place.
fn opened(body: &[u8]) -> llm_types::Result<(EmbedRequest, Raw<'_>)> {
    let wrong = |error| ApiError::bad_request(format!("the body is not what OpenAI takes: {error}"));
    let wire: wire::Request<'_> = serde_json::from_slice(body).map_err(wrong)?;
    let wire::Request { model, input, encoding_format, dimensions, user, extra } = wire;
    let missing = |name: &str, what: &str| {
        ApiError::bad_request(format!("`{name}` is missing: {what}")).with_param(name)
    };
    let model = model.ok_or_else(|| missing("model", "name the model"))?;
    let input = input.ok_or_else(|| missing("input", "send what is to be embedded"))?;
    let mut extra = extra.to_extra();
    let word = encoding_format.as_ref().map(Str::as_str);
    let encoding = wire::encoding(word);
    if encoding.is_none() {
        // A provider's own form: it may know it, and others report it.
        extra.set_json("encoding_format", &word).map_err(wrong)?;
    }
    let request = EmbedRequest {
        model: model.into_string(),
        inputs: Vec::new(),
        dimensions,
        encoding: encoding.unwrap_or_default(),
        task: None,
        truncate: None,
        user: user.map(Str::into_string),
        origin: Some(Dialect::OpenaiMedia),
        extra,
    };
    Ok((request, input))
}

/// One input.
fn read(json: &RawValue) -> llm_types::Result<EmbedInput> {
    let content = wire::one(json).ok_or_else(wrong_input)?;
    Ok(EmbedInput { content, title: None })
}

fn wrong_input() -> ApiError {
    ApiError::bad_request("`input` must be a text, tokens, or a list of these").with_param("input")
}

/// The request with its inputs left where they are.
fn unread(body: &Bytes) -> llm_types::Result<Option<Unread>> {
    let (call, input) = opened(body)?;
    let items = wire::inputs(&input.0).ok_or_else(wrong_input)?;
    let whole = body.as_ptr_range();
    let slice = |item: &&RawValue| {
        let range = item.get().as_bytes().as_ptr_range();
        (whole.start <= range.start && range.end <= whole.end).then(|| body.slice_ref(item.get().as_bytes()))
    };
    let inputs: Option<Vec<Bytes>> = items.iter().map(slice).collect();
    let read = |json: &[u8]| read(serde_json::from_slice(json).map_err(|_| wrong_input())?);
    Ok(inputs.map(|inputs| Unread { call: Box::new(call), inputs, read }))
}

/// Written straight from the numbers: as text they are several times as long, and are held once.
fn reply(embeddings: &Embeddings, cx: &ReplyCx) -> Vec<u8> {
    let data = wire::Data { vectors: &embeddings.vectors, encoding: cx.vectors };
    let first = wire::Data { vectors: embeddings.vectors.get(..1).unwrap_or_default(), encoding: cx.vectors };
    // Vectors of one answer are about as long as each other.
    let one = serde_json::to_vec(&first).map(|json| json.len()).unwrap_or_default();
    let mut out = Vec::with_capacity((one + one / 16 + 8).saturating_mul(embeddings.vectors.len()) + 512);
    match serde_json::to_writer(&mut out, &Written { embeddings, data, model: &cx.model }) {
        Ok(()) => out,
        Err(_) => Vec::new(),
    }
}

/// An answer as it is written.
struct Written<'a> {
    embeddings: &'a Embeddings,
    data: wire::Data<'a>,
    /// The model that was asked for.
    model: &'a str,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Embeddings { id, model, vectors: _, usage, origin, extra } = self.embeddings;
        // Clients read the counts unasked: where nobody counted they are zero.
        let prompt = usage.as_ref().map(llm_types::Usage::prompt_tokens).unwrap_or_default();
        let usage = wire::Counts {
            prompt_tokens: Some(prompt),
            total_tokens: Some(prompt),
            ..wire::Counts::default()
        };
        let mut map = serializer.serialize_map(None)?;
        if !id.is_empty() {
            map.serialize_entry("id", id)?;
        }
        map.serialize_entry("object", "list")?;
        map.serialize_entry("data", &self.data)?;
        map.serialize_entry("model", if model.is_empty() { self.model } else { model })?;
        map.serialize_entry("usage", &usage)?;
        if *origin == Some(Dialect::OpenaiMedia) {
            for (name, value) in extra.iter() {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}
