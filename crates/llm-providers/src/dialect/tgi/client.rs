//! Us calling a text generation server.

use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, Call, ErrorKind, Head, Op, Output, ReplyQuirk, Result};

use super::{encode, reply, stream};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::{media, openai_error, payload};
use crate::quirk::{demanded, path_of};

const DIALECT: &str = "tgi";

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let Call::Chat(request) = call else { return Err(cannot(DIALECT, call.op())) };
        let stream = request.delivery.stream;
        let usual = || if stream { "/generate_stream" } else { "/generate" }.to_owned();
        let body = encode::body(request, cx)?;
        let path = path_of(cx, stream).unwrap_or_else(usual);
        demanded(media::json(path, body, Memo::default()), cx)
    }

    /// No client speaks this dialect to us.
    fn splice(&self, _head: &Head, _cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        Ok(None)
    }

    fn decode(&self, op: Op, body: &[u8], _cx: &DecodeCx<'_>) -> Result<Output> {
        match op {
            Op::Chat => reply::reply(body).map(Output::from),
            other => Err(cannot(DIALECT, other)),
        }
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        // Of a service that runs the server: it has no such machine.
        let mut error = openai_error::decode(status, headers, body);
        if error.message.contains("instance type with more CPU capacity or memory") {
            error.kind = ErrorKind::ContextWindow;
        }
        error
    }

    fn decoder(&self, _op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        let events = Box::new(stream::Decoder::default());
        if cx.spec.has_reply_quirk(cx.model, ReplyQuirk::PayloadParts) {
            return Box::new(payload::Decoder::new(events));
        }
        events
    }

    fn tap<'b>(&self, _op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        reply::tapped(body)
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(stream::Tap::default())
    }
}
