//! We call a provider of the Responses API.
//!
//! A body that is in this dialect already is spliced: only its model and what the provider's row demands
//! are edited. Any other call is written anew, always with `store: false` unless the caller asked for
//! storage: whoever speaks another dialect could never name what was stored, and would not know that it
//! is. What the model thought comes back encrypted instead, so that the next turn can go on from it.

mod choice;
mod content;
mod encode;
mod item;
mod option;
mod part;
mod reply;
mod splice;
mod stream;
mod tap;
mod tool;
mod usage;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use llm_types::{ApiError, Call, Head, Op, Output, Result, Segments};

use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::openai_error as error;
use crate::quirk::Row;

/// The half that calls a provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        match call {
            Call::Chat(request) => encode::request(request, cx),
            other => Err(cannot("openai_responses", other.op())),
        }
    }

    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        splice::body(head, cx)
    }

    fn decode(&self, _op: Op, body: &[u8], _cx: &DecodeCx<'_>) -> Result<Output> {
        reply::whole(body).map(Output::from)
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        error::decode(status, headers, body)
    }

    fn decoder(&self, _op: Op, _cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }

    fn tap<'b>(&self, _op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        tap::whole(body)
    }

    fn unfinished(&self, body: &[u8]) -> Option<String> {
        tap::unfinished(body)
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(tap::Tap::default())
    }
}

fn wire_request(body: Segments, row: &Row<'_>) -> WireRequest {
    let json = HeaderValue::from_static("application/json");
    WireRequest {
        method: Method::POST,
        path: row.path(false).unwrap_or_else(|| "/responses".to_owned()),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
        body,
        memo: Memo::default(),
    }
}
