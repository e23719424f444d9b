//! The server half: clients of the Messages API call us.
//!
//! Reading keeps whatever it does not know, so that a call that goes to Anthropic after all loses nothing.
//! Writing makes Anthropic's strict order out of any answer: blocks one after the other, never open
//! together, and why the answer ended only when its usage is known.

mod block;
mod decode;
mod encode;
mod error;
mod fault;
mod finish;
mod gist;
mod message;
mod option;
mod part;
mod seal;
mod stream;
mod tool;
mod usage;

#[cfg(test)]
mod tests;

use http::{HeaderName, StatusCode};
use llm_types::{ApiError, Call, Capabilities, Head, Op, Output, Result};

use crate::bearing::Bearing;
use crate::codec::{Asked, Peek, ReplyCx, ReplyForm, ServerCodec, StreamEncoder};
use crate::gist::Gist;

/// The server half of the `anthropic` dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Server;

impl ServerCodec for Server {
    fn peek(&self, head: &Head, asked: &Asked) -> Result<Peek> {
        decode::peek(head, asked)
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
            aside: &["stream", "metadata"],
            // A container has a state; servers of tools may do anything.
            effects: &["container", "mcp_servers"],
            headers: &["anthropic-version", "anthropic-beta"],
        }
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call> {
        match asked.op {
            Op::Chat => decode::request(body, asked.op).map(Call::from),
            Op::CountTokens => Ok(Call::CountTokens(Box::new(decode::request(body, asked.op)?))),
            other => Err(ApiError::bad_request(format!(
                "the messages API cannot carry {other}: use the route of that operation"
            ))),
        }
    }

    fn encode(&self, output: &Output, cx: &ReplyCx) -> Vec<u8> {
        match output {
            Output::Chat(reply) => encode::reply(reply, cx),
            Output::Tokens(count) => encode::count(count),
            // No row asks this API for vectors.
            _ => b"{}".to_vec(),
        }
    }

    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>) {
        error::body(error)
    }

    fn encoder(&self, cx: ReplyCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(cx))
    }

    fn request_id_header(&self) -> HeaderName {
        HeaderName::from_static("request-id")
    }

    fn keepalive(&self, _form: ReplyForm) -> &'static [u8] {
        stream::PING
    }
}
