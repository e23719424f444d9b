//! We call a provider.
//!
//! A body that is in this dialect already is spliced: its bytes go through and only what the provider's
//! row demands is edited. Any other call is written anew, and the same edits are applied to what was
//! written, so that both ways agree on every quirk.

mod citation;
mod content;
mod decode;
mod encode;
mod finish;
mod foreign;
mod message;
mod option;
mod part;
mod schema;
mod shape;
mod splice;
mod stream;
mod tap;
mod tool;
mod turns;
mod usage;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use llm_types::{ApiError, Call, Edits, Head, Op, Output, RawValue, ReplyQuirk, Result, Segments, Usage};

use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::{openai_error as error, payload};
use crate::quirk::path_of;

/// The half that calls a provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        match call {
            Call::Chat(request) => {
                let body = encode::request(request, cx)?;
                Ok(wire_request(body, request.delivery.stream, cx))
            }
            other => Err(cannot("openai_chat", other.op())),
        }
    }

    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        let stream = head.read::<bool>("stream")?.unwrap_or(false);
        Ok(splice::body(head, cx)?.map(|body| wire_request(body, stream, cx)))
    }

    fn decode(&self, _op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        decode::reply(body, cx).map(Output::from)
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        error::decode(status, headers, body)
    }

    fn decoder(&self, _op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        let events = stream::Decoder::new(cx);
        if cx.spec.has_reply_quirk(cx.model, ReplyQuirk::PayloadParts) {
            return Box::new(payload::Decoder::new(Box::new(events)));
        }
        Box::new(events)
    }

    fn tap<'b>(&self, _op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        tap::whole(body)
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(tap::Tap::default())
    }
}

fn wire_request(body: Segments, stream: bool, cx: &EncodeCx<'_>) -> WireRequest {
    let path = path_of(cx, stream);
    let json = HeaderValue::from_static("application/json");
    WireRequest {
        method: Method::POST,
        path: path.unwrap_or_else(|| "/chat/completions".to_owned()),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
        body,
        memo: Memo::default(),
    }
}

/// Classifies a failure that came inside an answer with status 200, for OpenAI's other formats.
pub(in crate::dialect) fn failure(json: &str) -> ApiError {
    error::inside(json)
}

/// Reads the usage of an answer, which OpenAI's other format of text has in the same form.
pub(in crate::dialect) fn read_usage(json: &RawValue) -> Option<Usage> {
    let wire = serde_json::from_str(json.get()).ok()?;
    Some(usage::usage(&wire, usage::Reasoning::Inside))
}

/// Makes sure that a stream ends with its usage; the gateway withholds it from a client that did not ask.
///
/// # Errors
/// When `stream_options` is not what it should be.
pub(in crate::dialect) fn ask_for_usage(head: &Head, edits: &mut Edits) -> Result<()> {
    splice::ask_for_usage(head, edits)
}

/// Whether a top-level member is for the gateway and for no provider.
pub(in crate::dialect) fn is_for_gateway(name: &str) -> bool {
    foreign::foreign(name) == Some(foreign::Foreign::Gateway)
}
