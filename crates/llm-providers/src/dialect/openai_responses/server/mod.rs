//! A client calls us.
//!
//! A conversation is a flat list of items here. Reading gathers the items of one turn of the model into one
//! message; writing opens an item for each part. What only another dialect's provider can read travels as a
//! reasoning item ([`super::seal`]), so that thinking models keep their thoughts behind this front too.

mod bound;
mod decode;
mod encode;
mod error;
mod gist;
mod id;
mod item;
mod json;
mod option;
mod owner;
mod part;
mod reasoning;
mod response;
mod stream;
mod thought;
mod tool;
mod usage;

use bytes::Bytes;
use http::{Method, StatusCode};
use llm_types::{ApiError, Call, Capabilities, Changes, Head, Op, Output, Result};

use crate::bearing::Bearing;
use crate::codec::{Asked, Kept, Owned, Peek, ReplyCx, ServerCodec, StreamEncoder};
use crate::gist::{Extent, Gist};
use crate::mark::Mark;

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

    fn extent(&self, head: &Head) -> Extent {
        // Whatever is neither of these is taken for a yes.
        let background = !matches!(head.get("background"), None | Some(b"false" | b"null"));
        Extent { background, ..Extent::default() }
    }

    fn uses(&self, head: &Head, _asked: &Asked) -> Capabilities {
        gist::uses(head)
    }

    fn bearing(&self) -> Bearing {
        // The answer repeats most of its request, `user` and `metadata` among it.
        Bearing {
            aside: &["stream", "stream_options"],
            effects: &["background", "conversation"],
            ..Bearing::default()
        }
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call> {
        match asked.op {
            Op::Chat => decode::request(body).map(Call::from),
            other => Err(ApiError::bad_request(format!(
                "the Responses API cannot carry {other}: use the route of that operation"
            ))),
        }
    }

    fn encode(&self, output: &Output, cx: &ReplyCx) -> Vec<u8> {
        encode::output(output, cx)
    }

    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>) {
        (error.status(), error::body(error))
    }

    fn encoder(&self, cx: ReplyCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(cx))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn bound(&self, head: &Head) -> Result<Option<ApiError>> {
        bound::bound(head)
    }

    fn owned(&self, head: &Head) -> Result<Option<Owned>> {
        owner::owned(head)
    }

    fn refers(&self, head: &Head) -> Option<String> {
        bound::reference(head)
    }

    fn thinkers(&self, head: &Head) -> Vec<String> {
        thought::owners(head)
    }

    fn readable(&self, head: Head, by: &dyn Fn(&str) -> bool, changes: &mut Changes) -> Result<Head> {
        thought::unmarked(head, by, changes)
    }

    fn mark(&self, body: &Bytes, mark: &Mark) -> Option<Bytes> {
        owner::mark(body, mark)
    }

    fn is_kept(&self, head: &Head) -> bool {
        // Kept unless the request says otherwise (openai-responses.md, `store`).
        head.get("store").is_none_or(|json| json != b"false")
    }

    fn mark_event(&self, event: &[u8], mark: &Mark) -> Option<Bytes> {
        owner::mark_event(event, mark)
    }

    fn kept(&self, method: &Method, path: &str) -> Option<Result<Kept>> {
        owner::kept(method, path)
    }
}

#[cfg(test)]
mod tests;
