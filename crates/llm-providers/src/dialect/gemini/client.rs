//! Us calling a provider that speaks this dialect.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use llm_types::{ApiError, Call, Head, Op, Output, Result, Segments};

use super::host::{self, Verb};
use super::{decode, encode};
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
                let path = host::path(cx.model, verb)?;
                let (body, memo) = encode::body(request, cx)?;
                demanded(wire(path, Segments::from(body), memo), cx)
            }
            other => Err(cannot("gemini", other.op())),
        }
    }

    /// The model stands in the path, so that the body goes as it came. A body does not say whether its
    /// answer is to be streamed either: whoever serves this dialect knows it from its own path.
    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        let path = host::path(cx.model, Verb::Generate)?;
        let body: Bytes = head.body().clone();
        Ok(Some(wire(path, Segments::from(body), Memo::default())))
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        only_chat(op)?;
        decode::reply(body, cx).map(Output::from)
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        decode::error(status, headers, body)
    }

    fn decoder(&self, _op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(cx))
    }

    fn tap(&self, op: Op, body: &[u8]) -> Result<Tapped> {
        only_chat(op)?;
        decode::tapped(body)
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(decode::Tap::default())
    }
}

fn only_chat(op: Op) -> Result<()> {
    if op == Op::Chat {
        return Ok(());
    }
    Err(cannot("gemini", op))
}

fn wire(path: String, body: Segments, memo: Memo) -> WireRequest {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    WireRequest { method: Method::POST, path, headers, body, memo }
}
