//! Us calling a provider that speaks this dialect.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use llm_types::chat::ChatRequest;
use llm_types::{ApiError, Call, Extra, Head, Op, Output, Result, Segments, Str, TokenCount, wire_struct};

use super::host::{self, Verb};
use super::{decode, encode, server, vectors, wire};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::quirk::demanded;

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        match call {
            Call::Chat(request) => {
                let verb = if request.delivery.stream { Verb::Stream } else { Verb::Generate };
                let (body, memo) = encode::body(request, cx)?;
                demanded(wire(host::path(cx.model, verb)?, Segments::from(body), memo), cx)
            }
            Call::CountTokens(request) => counted(request, cx),
            Call::Embed(request) => {
                let body = vectors::body(request, cx)?;
                let path = host::path(cx.model, Verb::EmbedBatch)?;
                Ok(wire(path, Segments::from(body), Memo::default()))
            }
            Call::Rerank(_) => Err(cannot("gemini", call.op())),
        }
    }

    /// The model and the verb stand in the path, so that the body goes as it came: what may have to change
    /// is a model that it names once more. Thoughts of other providers must be put apart first.
    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        let verb = match cx.asked.op {
            Op::Chat if cx.asked.stream == Some(true) => Verb::Stream,
            Op::Chat => Verb::Generate,
            Op::CountTokens => Verb::Count,
            Op::Embed if head.get("requests").is_some() => Verb::EmbedBatch,
            Op::Embed => Verb::Embed,
            other => return Err(cannot("gemini", other)),
        };
        if cx.asked.op == Op::Chat && server::has_seal(head) {
            return Ok(None);
        }
        let body: Bytes = vectors::renamed(head, cx.model)?;
        let wire = wire(host::path(cx.model, verb)?, Segments::from(body), Memo::default());
        if cx.asked.op == Op::Chat { demanded(wire, cx).map(Some) } else { Ok(Some(wire)) }
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        match op {
            Op::Chat => decode::reply(body, cx).map(Output::from),
            Op::CountTokens => tokens(body).map(Output::Tokens),
            Op::Embed => vectors::reply(body, cx).map(|vectors| Output::Embed(Box::new(vectors))),
            other => Err(cannot("gemini", other)),
        }
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        decode::error(status, headers, body)
    }

    fn decoder(&self, _op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(cx))
    }

    fn tap<'b>(&self, op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        match op {
            Op::Chat => decode::tapped(body),
            // Counting uses nothing.
            Op::CountTokens => tokens(body).map(|_| Tapped::default()),
            Op::Embed => vectors::tapped(body).map(|usage| Tapped { usage, model: None }),
            other => Err(cannot("gemini", other)),
        }
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(decode::Tap::default())
    }
}

wire_struct! {
    /// The body of `countTokens` for a whole request: its tools and instructions are counted too.
    struct Counted<'a> {
        whole as "generateContentRequest": wire::Raw<'a>,
    }
}

fn counted(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let (body, _) = encode::body(request, cx)?;
    let unwritable =
        |error| ApiError::bad_request("the request cannot be written as JSON").with_source(error);
    let head = Head::scan(Bytes::from(body))?;
    let mut whole = Extra::default();
    whole.set_json("model", &Str::from(vectors::resource(cx.model))).map_err(unwritable)?;
    for member in head.members() {
        if let Some(value) = head.read(member.name())? {
            whole.set(member.name(), value);
        }
    }
    let whole = serde_json::value::to_raw_value(&whole).map_err(unwritable)?;
    let body = serde_json::to_vec(&Counted { whole: Some(whole.into()), ..Counted::default() });
    let path = host::path(cx.model, Verb::Count)?;
    Ok(wire(path, Segments::from(body.map_err(unwritable)?), Memo::default()))
}

fn tokens(body: &[u8]) -> Result<TokenCount> {
    let counts: wire::Counts<'_> = serde_json::from_slice(body).map_err(|error| decode::malformed(&error))?;
    let wire::Counts { total_tokens, cached_content_token_count, error, extra } = counts;
    if let Some(json) = error {
        return Err(decode::contained(json));
    }
    Ok(TokenCount {
        // Zero is not written.
        input: total_tokens.unwrap_or_default(),
        cached: cached_content_token_count,
        estimated: false,
        extra: extra.to_extra(),
    })
}

fn wire(path: String, body: Segments, memo: Memo) -> WireRequest {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    WireRequest { method: Method::POST, path, headers, body, memo }
}
