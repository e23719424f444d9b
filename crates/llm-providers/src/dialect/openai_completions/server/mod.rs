//! A client calls us.

mod bound;
mod decode;
mod encode;
mod extent;
mod stream;

use http::StatusCode;
use llm_types::{ApiError, Call, Capabilities, Changes, Dialect, Head, Op, Output, Result};

use super::super::openai_chat;
use crate::bearing::Bearing;
use crate::codec::{Asked, Peek, ReplyCx, ServerCodec, StreamEncoder};
use crate::gist::{Extent, Gist};

/// The half that a client calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Server;

impl ServerCodec for Server {
    fn peek(&self, head: &Head, asked: &Asked) -> Result<Peek> {
        // What routing needs stands where chat completions have it.
        openai_chat::Server.peek(head, asked)
    }

    fn gist<'h>(&self, head: &'h Head, asked: &Asked) -> Gist<'h> {
        Gist { prompt: head.get("prompt").unwrap_or_default(), ..openai_chat::Server.gist(head, asked) }
    }

    fn extent(&self, head: &Head) -> Extent {
        extent::extent(head)
    }

    fn uses(&self, head: &Head, asked: &Asked) -> Capabilities {
        openai_chat::Server.uses(head, asked)
    }

    fn bearing(&self) -> Bearing {
        Bearing { aside: &["stream", "stream_options", "user"], ..Bearing::default() }
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call> {
        match asked.op {
            Op::Chat => decode::request(body).map(Call::from),
            other => Err(ApiError::bad_request(format!(
                "text completions cannot carry {other}: use the route of that operation"
            ))),
        }
    }

    fn bound(&self, head: &Head) -> Result<Option<ApiError>> {
        bound::bound(head)
    }

    fn also(&self, head: &Head) -> &'static [Dialect] {
        bound::also(head)
    }

    fn encode(&self, output: &Output, cx: &ReplyCx) -> Vec<u8> {
        match output {
            Output::Chat(reply) => encode::reply(reply, cx),
            // No row asks text completions for anything else.
            _ => b"{}".to_vec(),
        }
    }

    fn unsaid(&self, output: &Output, changes: &mut Changes) {
        if let Output::Chat(reply) = output {
            encode::unsaid(reply, changes);
        }
    }

    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>) {
        openai_chat::Server.encode_error(error)
    }

    fn encoder(&self, cx: ReplyCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(cx))
    }
}
