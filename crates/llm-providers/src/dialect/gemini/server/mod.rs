//! A client calls us.
//!
//! The path says which model and which operation; the body is read in both spellings of its names. What is
//! this dialect's alone is kept for a provider that speaks it and reported by any other.

mod bound;
mod config;
mod content;
mod decode;
mod embed;
mod encode;
mod error;
mod gist;
mod ground;
mod media;
mod model;
mod part;
mod schema;
mod seal;
mod stream;
mod tool;
mod usage;

use bytes::Bytes;
use http::StatusCode;
use llm_types::{ApiError, Call, Capabilities, Head, Op, Output, Result};

use crate::bearing::Bearing;
use crate::codec::{Asked, ModelCard, Peek, ReplyCx, ReplyForm, ServerCodec, StreamEncoder, VectorsAsked};
use crate::gist::Gist;

pub(super) use seal::has_seal;

/// The half that a client calls.
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

    fn bearing(&self) -> Bearing {
        Bearing { aside: &["labels"], effects: &["store"], headers: &[] }
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call> {
        match asked.op {
            Op::Chat => decode::chat(body, asked).map(Call::from),
            Op::CountTokens => {
                decode::counted(body, asked).map(|request| Call::CountTokens(Box::new(request)))
            }
            Op::Embed => embed::request(body, asked).map(|request| Call::Embed(Box::new(request))),
            other => Err(ApiError::bad_request(format!(
                "gemini's paths cannot carry {other}: use the route of that operation"
            ))),
        }
    }

    fn vectors_asked(&self, head: &Head) -> Option<VectorsAsked> {
        embed::asked(head)
    }

    fn bound(&self, head: &Head) -> Result<Option<ApiError>> {
        bound::bound(head)
    }

    fn encode(&self, output: &Output, cx: &ReplyCx) -> Vec<u8> {
        match output {
            Output::Chat(reply) => encode::reply(reply, cx),
            Output::Tokens(count) => encode::tokens(count),
            Output::Embed(embeddings) => embed::reply(embeddings, cx.form),
            // No row asks this dialect for it.
            _ => b"{}".to_vec(),
        }
    }

    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>) {
        (error.status(), error::body(error))
    }

    fn encoder(&self, cx: ReplyCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(cx))
    }

    fn stream_content_type(&self, form: ReplyForm) -> &'static str {
        match form {
            ReplyForm::Usual => "text/event-stream",
            ReplyForm::List => "application/json",
        }
    }

    /// White space: Google's clients take a comment for a broken event.
    fn keepalive(&self, form: ReplyForm) -> &'static [u8] {
        match form {
            ReplyForm::Usual => b"\r\n\r\n",
            ReplyForm::List => b"\n",
        }
    }

    fn seam(&self, form: ReplyForm, _deployment: &str) -> Bytes {
        // Its clients know no comments.
        Bytes::from_static(self.keepalive(form))
    }

    fn reframes(&self, form: ReplyForm) -> bool {
        form == ReplyForm::List
    }

    fn encode_models(&self, models: &[ModelCard<'_>]) -> Option<Vec<u8>> {
        Some(model::list(models))
    }

    fn encode_model(&self, model: &ModelCard<'_>) -> Option<Vec<u8>> {
        Some(model::one(model))
    }
}
