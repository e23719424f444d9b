//! The client half: we call a provider of the Messages API.
//!
//! The API is strict where OpenAI's is lenient (orders, names, budgets), so encoding is split by what is
//! being fitted: messages and parts, tools, thinking, the remaining options. Reading is one place.

mod batch;
mod beta;
mod cache;
mod choice;
mod encode;
mod encoder;
mod host;
mod media;
mod message;
mod option;
mod part;
mod reply;
mod thinking;
mod tool;

#[cfg(test)]
mod tests;

use http::{HeaderMap, StatusCode};
use llm_types::{ApiError, Call, Dialect, Head, Op, Output, RateLimits, Result};

use super::stream;
use crate::codec::batch::BatchCodec;
use crate::codec::{ClientCodec, DecodeCx, EncodeCx, StreamDecoder, StreamTap, Tapped, WireRequest, cannot};
use crate::quirk::demanded_in;
use crate::rate_limit;

pub(super) use reply::{citation, keep, opaque, stream_error};

/// The client half of the `anthropic` dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        match call {
            Call::Chat(request) | Call::CountTokens(request) => {
                let wire =
                    demanded_in(Dialect::Anthropic, encode::conversation(request, call.op(), cx)?, cx)?;
                host::fit(wire, call.op(), cx)
            }
            _ => Err(cannot("anthropic", call.op())),
        }
    }

    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        if encode::holds_foreign_thoughts(head) {
            return Ok(None);
        }
        let wire = demanded_in(Dialect::Anthropic, encode::splice(head, cx)?, cx)?;
        host::fit(wire, cx.asked.op, cx).map(Some)
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        match op {
            Op::CountTokens => reply::count(body).map(Output::Tokens),
            _ => reply::decode(body, cx.memo).map(Output::from),
        }
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        reply::error(status, headers, body)
    }

    fn rate_limits(&self, headers: &HeaderMap) -> Option<RateLimits> {
        rate_limit::named(headers, &rate_limit::ANTHROPIC)
    }

    fn decoder(&self, _op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::new(cx.memo.clone()))
    }

    fn tap<'b>(&self, _op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        reply::tap(body)
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(stream::Tap::default())
    }

    fn batches(&self) -> Option<&'static dyn BatchCodec> {
        Some(&batch::Batches)
    }
}
