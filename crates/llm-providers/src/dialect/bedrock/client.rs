//! Us calling a provider that speaks this dialect.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use llm_types::{ApiError, Call, Head, Op, Output, Result, Segments};

use super::{decode, encode, image, vectors};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::quirk::demanded;

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let (verb, (body, memo)) = match call {
            Call::Chat(request) if request.delivery.stream => ("converse-stream", encode::body(request, cx)?),
            Call::Chat(request) => ("converse", encode::body(request, cx)?),
            Call::CountTokens(request) => {
                let wire = wire(cx.model, "count-tokens", encode::counted(request, cx)?, Memo::default());
                return Ok(wire);
            }
            Call::Image(request) => return image::encode(request, cx),
            Call::Embed(request) => return vectors::encode(request, cx),
            _ => return Err(cannot("bedrock", call.op())),
        };
        demanded(wire(cx.model, verb, body, memo), cx)
    }

    /// No client speaks this dialect to us.
    fn splice(&self, _head: &Head, _cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        Ok(None)
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        match op {
            Op::Chat => decode::reply(body, cx).map(Output::from),
            Op::CountTokens => decode::count(body).map(Output::Tokens),
            op if op.is_picture() => image::decode(body, cx),
            Op::Embed => vectors::decode(body).map(|vectors| Output::Embed(Box::new(vectors))),
            other => Err(cannot("bedrock", other)),
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
            Op::CountTokens => decode::count(body).map(|_| Tapped::default()),
            Op::Embed => vectors::tapped(body),
            op if op.is_picture() => image::tapped(body),
            other => Err(cannot("bedrock", other)),
        }
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(decode::Tap::default())
    }
}

fn wire(model: &str, verb: &str, body: Vec<u8>, memo: Memo) -> WireRequest {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let path = format!("/model/{}/{verb}", crate::url::escape(model));
    WireRequest { method: Method::POST, path, headers, body: Segments::from(body), memo }
}
