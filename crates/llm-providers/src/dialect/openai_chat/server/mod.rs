//! A client calls us.
//!
//! Reading is strict where a mistake would change the meaning (an error names the member), and keeps
//! whatever it does not know, so that a request that goes to the same dialect loses nothing.

mod decode;
mod encode;
mod error;
mod gist;
mod message;
mod option;
mod part;
mod stream;
mod tool;
mod usage;

use http::StatusCode;
use llm_types::{ApiError, Call, Capabilities, Head, Op, Output, RawValue, Result, Usage};

use crate::bearing::Bearing;
use crate::codec::{Asked, Peek, ReplyCx, ServerCodec, StreamEncoder};
use crate::gist::Gist;

/// The half that a client calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Server;

impl ServerCodec for Server {
    fn peek(&self, head: &Head, _asked: &Asked) -> Result<Peek> {
        decode::peek(head)
    }

    fn gist<'h>(&self, head: &'h Head, _asked: &Asked) -> Gist<'h> {
        gist::gist(head)
    }

    fn uses(&self, head: &Head, _asked: &Asked) -> Capabilities {
        gist::uses(head)
    }

    fn is_plain(&self, head: &Head) -> bool {
        gist::PLAIN.fits(head)
    }

    fn bearing(&self) -> Bearing {
        Bearing {
            aside: &[
                "stream",
                "stream_options",
                "user",
                "safety_identifier",
                "prompt_cache_key",
                "prompt_cache_retention",
                "metadata",
            ],
            effects: &["store"],
            headers: &[],
        }
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call> {
        match asked.op {
            Op::Chat => decode::request(body).map(Call::from),
            other => Err(ApiError::bad_request(format!(
                "chat completions cannot carry {other}: use the route of that operation"
            ))),
        }
    }

    fn encode(&self, output: &Output, cx: &ReplyCx) -> Vec<u8> {
        match output {
            Output::Chat(reply) => encode::reply(reply, cx),
            // No row asks chat completions for anything else.
            _ => b"{}".to_vec(),
        }
    }

    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>) {
        (error.status(), error::body(error))
    }

    fn encoder(&self, cx: ReplyCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(cx))
    }
}

/// Writes a usage, which OpenAI's other format of text has in the same form.
pub(in crate::dialect) fn usage_json(used: &Usage) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(&usage::usage(used)).ok()
}
