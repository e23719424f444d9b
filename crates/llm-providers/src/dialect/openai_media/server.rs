//! A client calls us.

use http::StatusCode;
use llm_types::{
    ApiError, Call, Dialect, EmbedInput, EmbedRequest, Embeddings, Head, Op, Output, RawValue, Result, Str,
    VectorEncoding,
};

use super::wire;
use crate::bearing::Bearing;
use crate::codec::{Asked, Peek, ReplyCx, ServerCodec, StreamEncoder};
use crate::dialect::openai_chat;

/// The half that a client calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Server;

impl ServerCodec for Server {
    fn peek(&self, head: &Head, asked: &Asked) -> Result<Peek> {
        let peek = openai_chat::Server.peek(head, asked)?;
        Ok(Peek { stream: false, ..peek })
    }

    fn bearing(&self) -> Bearing {
        Bearing { aside: &["user"], ..Bearing::default() }
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call> {
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

    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>) {
        openai_chat::Server.encode_error(error)
    }

    /// Nothing of this dialect is streamed.
    fn encoder(&self, cx: ReplyCx) -> Box<dyn StreamEncoder> {
        openai_chat::Server.encoder(cx)
    }
}

fn request(body: &[u8]) -> Result<EmbedRequest> {
    let wrong = |error| ApiError::bad_request(format!("the body is not what OpenAI takes: {error}"));
    let wire: wire::Request<'_> = serde_json::from_slice(body).map_err(wrong)?;
    let wire::Request { model, input, encoding_format, dimensions, user, extra } = wire;
    let missing = |name: &str, what: &str| {
        ApiError::bad_request(format!("`{name}` is missing: {what}")).with_param(name)
    };
    let model = model.ok_or_else(|| missing("model", "name the model"))?;
    let input = input.ok_or_else(|| missing("input", "send what is to be embedded"))?;
    let inputs = wire::inputs(&input.0).ok_or_else(|| {
        ApiError::bad_request("`input` must be a text, tokens, or a list of these").with_param("input")
    })?;
    let mut extra = extra.to_extra();
    let encoding = match encoding_format.as_ref().map(Str::as_str) {
        None | Some("float") => VectorEncoding::Float,
        Some("base64") => VectorEncoding::Base64,
        Some(other) => {
            // A provider's own form: it may know it, and others report it.
            extra.set_json("encoding_format", &other).map_err(wrong)?;
            VectorEncoding::Float
        }
    };
    Ok(EmbedRequest {
        model: model.into_string(),
        inputs: inputs.into_iter().map(|content| EmbedInput { content, title: None }).collect(),
        dimensions,
        encoding,
        task: None,
        truncate: None,
        user: user.map(Str::into_string),
        origin: Some(Dialect::OpenaiMedia),
        extra,
    })
}

fn reply(embeddings: &Embeddings, cx: &ReplyCx) -> Vec<u8> {
    let Embeddings { id, model, vectors, usage, origin, extra } = embeddings;
    let data = vectors.iter().enumerate().map(|(index, numbers)| wire::Vector {
        object: Some(Str::from("embedding")),
        index: Some(index),
        embedding: written(numbers, cx.vectors).map(llm_types::Raw::from),
        ..wire::Vector::default()
    });
    // Clients read the counts unasked: where nobody counted they are zero.
    let prompt = usage.as_ref().map(llm_types::Usage::prompt_tokens).unwrap_or_default();
    let mut out = wire::Reply {
        id: (!id.is_empty()).then(|| Str::from(id)),
        object: Some(Str::from("list")),
        data: Some(data.collect()),
        model: Some(Str::from(if model.is_empty() { &*cx.model } else { model })),
        usage: Some(wire::Counts {
            prompt_tokens: Some(prompt),
            total_tokens: Some(prompt),
            ..wire::Counts::default()
        }),
        ..wire::Reply::default()
    };
    if *origin == Some(Dialect::OpenaiMedia) {
        out.extra = extra.members();
    }
    serde_json::to_vec(&out).unwrap_or_default()
}

fn written(numbers: &[f32], encoding: VectorEncoding) -> Option<Box<RawValue>> {
    let json = match encoding {
        VectorEncoding::Float => serde_json::value::to_raw_value(numbers),
        VectorEncoding::Base64 => serde_json::value::to_raw_value(&wire::base64(numbers)),
    };
    json.ok()
}
