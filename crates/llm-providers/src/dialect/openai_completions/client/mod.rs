//! We call a provider.

mod decode;
mod encode;
mod prompt;
mod splice;
mod stream;
mod tap;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use llm_types::{ApiError, Call, Head, Op, Output, Result, Segments};

use super::super::openai_chat;
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};

pub(in crate::dialect) use prompt::text as prompt;

/// The half that calls a provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        match call {
            Call::Chat(request) => encode::request(request, cx).map(wire_request),
            other => Err(cannot("openai_completions", other.op())),
        }
    }

    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        Ok(Some(wire_request(splice::body(head, cx)?)))
    }

    fn decode(&self, _op: Op, body: &[u8], _cx: &DecodeCx<'_>) -> Result<Output> {
        decode::reply(body).map(Output::from)
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        openai_chat::Client.decode_error(status, headers, body)
    }

    fn decoder(&self, _op: Op, _cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }

    fn tap<'b>(&self, _op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        tap::whole(body)
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(tap::Tap::default())
    }
}

fn wire_request(body: Segments) -> WireRequest {
    let json = HeaderValue::from_static("application/json");
    WireRequest {
        method: Method::POST,
        path: "/completions".to_owned(),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
        body,
        memo: Memo::default(),
    }
}
