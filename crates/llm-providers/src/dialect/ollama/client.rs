//! Us calling Ollama.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use llm_types::{ApiError, Call, Head, Op, Output, Result, Segments};

use super::{decode, embed, encode};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::quirk::demanded;

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let (path, body, memo) = match call {
            Call::Chat(request) => encode::call(request, cx)?,
            Call::Embed(request) => ("/api/embed", embed::body(request, cx)?, Memo::default()),
            _ => return Err(cannot("ollama", call.op())),
        };
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let body = Segments::from(body);
        demanded(WireRequest { method: Method::POST, path: path.to_owned(), headers, body, memo }, cx)
    }

    /// No client speaks this dialect to us.
    fn splice(&self, _head: &Head, _cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        Ok(None)
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        match op {
            Op::Chat => decode::reply(body, cx).map(Output::from),
            Op::Embed => embed::reply(body).map(|vectors| Output::Embed(Box::new(vectors))),
            other => Err(cannot("ollama", other)),
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
            Op::Embed => embed::tapped(body),
            other => Err(cannot("ollama", other)),
        }
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(decode::Tap::default())
    }
}
