//! Us calling Replicate.

use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, Call, ErrorKind, Head, Op, Output, Result};

use super::{encode, reply, stream};
use crate::codec::{ClientCodec, DecodeCx, EncodeCx, StreamDecoder, StreamTap, Tapped, WireRequest, cannot};
use crate::dialect::openai_error;

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        match call {
            Call::Chat(request) => encode::call(request, cx),
            other => Err(cannot("replicate", other.op())),
        }
    }

    /// No client speaks this dialect to us.
    fn splice(&self, _head: &Head, _cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        Ok(None)
    }

    fn decode(&self, op: Op, body: &[u8], _cx: &DecodeCx<'_>) -> Result<Output> {
        match op {
            Op::Chat => reply::reply(body).map(Output::from),
            other => Err(cannot("replicate", other)),
        }
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        let mut error = openai_error::decode(status, headers, body);
        if error.message.to_lowercase().contains("input is too long") {
            error.kind = ErrorKind::ContextWindow;
        }
        error
    }

    fn decoder(&self, _op: Op, _cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }

    fn tap<'b>(&self, _op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        reply::tapped(body)
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(stream::Tap::default())
    }
}
