//! The two halves of a dialect.
//!
//! A [`ClientCodec`] is us calling a provider, a [`ServerCodec`] is a client calling us. Both go through
//! the neutral form of `llm-types`, so N dialects need 2N halves and never N×M conversions. Codecs never
//! await and never touch a socket: bytes in, bytes or events out.

mod asked;
pub mod batch;
mod content;
mod follow;
mod memo;
mod own;
mod tap;
mod vectors;

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use llm_types::{
    ApiError, Call, Capabilities, Changes, Dialect, EventSink, Flow, Head, Op, Output, ProviderSpec,
    RateLimits, Result, Segments, VectorEncoding,
};

pub use asked::Asked;
pub use content::is_content;
pub use follow::{Follow, Next, Over};
pub use memo::{MediaMemo, Memo, Ordering};
pub use own::OwnCall;
pub(crate) use tap::named;
pub use tap::{Seen, StreamTap, Tapped};
pub use vectors::{Unread, VectorsAsked};

use crate::bearing::Bearing;
use crate::gist::{Extent, Gist};
use crate::mark::{Mark, MarkedId};
use crate::rate_limit;

/// What an encoder knows beside the request.
#[derive(Debug)]
pub struct EncodeCx<'a> {
    /// The provider's row.
    pub spec: &'a ProviderSpec,
    /// The model as the provider names it (no prefix).
    pub model: &'a str,
    /// What the client's route and headers say.
    pub asked: &'a Asked,
    /// Takes what is dropped or altered.
    pub changes: &'a mut Changes,
}

/// What a decoder knows beside the answer.
#[derive(Debug, Clone, Copy)]
pub struct DecodeCx<'a> {
    /// The provider's row.
    pub spec: &'a ProviderSpec,
    /// The model as the provider names it (no prefix).
    pub model: &'a str,
    /// What the encoder of this call left for its decoder.
    pub memo: &'a Memo,
}

/// A call in a provider's dialect, without address and key.
#[derive(Debug)]
pub struct WireRequest {
    /// The HTTP method.
    pub method: Method,
    /// Path and query behind the base URL, with a leading slash.
    pub path: String,
    /// Headers of the dialect, `content-type` included; never a key.
    pub headers: HeaderMap,
    /// The body.
    pub body: Segments,
    /// For the decoder of this call.
    pub memo: Memo,
}

/// The failure of a codec that is asked for what its dialect has not.
pub(crate) fn cannot(dialect: &str, op: Op) -> ApiError {
    ApiError::bad_request(format!("a provider of the {dialect} dialect has no {op}: choose another model"))
}

/// Us calling a provider.
pub trait ClientCodec: Debug + Send + Sync {
    /// Writes a call in this dialect. Whatever it cannot take is recorded in `cx.changes`.
    ///
    /// # Errors
    /// When the call cannot be expressed at all (e.g. sound for a model that cannot hear).
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest>;

    /// Forwards a body that is in this dialect already: the model is replaced in place and the
    /// provider's quirks are applied as edits over the original bytes. `None`: something in it needs
    /// the full way through the neutral form.
    ///
    /// # Errors
    /// When a top-level member is of the wrong type.
    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>>;

    /// Reads a whole answer (status 2xx).
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::UpstreamFormat`] when it is not one; the contained error when the
    /// provider put one into a 200.
    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output>;

    /// Classifies an answer that is not 2xx.
    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError;

    /// What the headers of an answer say of the provider's rate limits; `None`: nothing.
    fn rate_limits(&self, headers: &HeaderMap) -> Option<RateLimits> {
        rate_limit::usual(headers)
    }

    /// Reads a streamed answer.
    fn decoder(&self, op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder>;

    /// Reads the facts of a whole answer that is passed through.
    ///
    /// # Errors
    /// As [`ClientCodec::decode`].
    fn tap<'b>(&self, op: Op, body: &'b [u8]) -> Result<Tapped<'b>>;

    /// Where a whole answer that is not complete, for it is made in the background, is asked for again: path and query
    /// behind the base URL. `None`: it is complete.
    fn unfinished(&self, _body: &[u8]) -> Option<String> {
        None
    }

    /// Watches a streamed answer that is passed through.
    fn stream_tap(&self, op: Op) -> Box<dyn StreamTap>;

    /// What a call of the provider's own API is, where no front of ours has its path. `body`: the JSON, where there is one.
    fn own(&self, _path: &str, _body: Option<&[u8]>) -> Option<OwnCall> {
        None
    }

    /// Batches whose requests are in the call that makes one; `None`: the dialect has no such.
    fn batches(&self) -> Option<&'static dyn batch::BatchCodec> {
        None
    }
}

/// Reads a streamed answer, chunk by chunk, wherever the chunks are cut.
pub trait StreamDecoder: Debug + Send {
    /// Reads the next bytes and hands on the events that they complete.
    ///
    /// # Errors
    /// When the bytes are not of this dialect. Nothing may be fed afterwards.
    fn feed(&mut self, chunk: &[u8], sink: &mut dyn EventSink) -> Result<Flow>;

    /// The upstream closed the stream.
    ///
    /// # Errors
    /// When it was not complete: no terminal event was seen.
    fn finish(&mut self, sink: &mut dyn EventSink) -> Result<()>;

    /// Whether the terminal event was seen: the rest of the body holds nothing more.
    fn is_done(&self) -> bool;
}

/// Which of its forms an answer has, in dialects that have two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReplyForm {
    /// The usual one.
    #[default]
    Usual,
    /// A list: a stream as the elements of one JSON array, vectors as a batch.
    List,
}

/// What the gateway needs to know of a request before it reads it in full.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peek {
    /// The model, as the client names it.
    pub model: String,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// Whether the client wants the usage in the stream.
    pub include_usage: bool,
    /// In which form the client wants the answer.
    pub form: ReplyForm,
    /// The stream is no stream of events: nothing can be told in it before it begins.
    pub binary: bool,
}

/// How a client wants its answer.
#[derive(Debug, Clone, Default)]
pub struct ReplyCx {
    /// Whether the client wants the usage in the stream.
    pub include_usage: bool,
    /// Whether the client used the deprecated `functions` form.
    pub legacy_functions: bool,
    /// The model to name where the provider names none.
    pub model: String,
    /// An id to use where the provider gives none.
    pub id: String,
    /// Unix seconds to use where the provider gives none.
    pub created: u64,
    /// In which form the client wants the answer.
    pub form: ReplyForm,
    /// How the client wants the numbers of vectors written.
    pub vectors: VectorEncoding,
    /// What the upstream speaks, where one answers: signatures and encrypted thoughts are its own.
    pub upstream: Option<Dialect>,
    /// What was asked for; `None`: nobody's wire says it.
    pub op: Option<Op>,
    /// The client's body, for dialects whose answers repeat parts of the request.
    pub request: Bytes,
    /// What ids of the answer carry so that they lead back to who made them; `None`: they stay as they are.
    pub mark: Option<Arc<Mark>>,
}

/// A request that goes on from what one deployment made.
#[derive(Debug, Clone)]
pub struct Owned {
    /// What it goes on from.
    pub id: MarkedId,
    /// The request with the id as its provider knows it.
    pub head: Head,
    /// The member that holds the id.
    pub param: &'static str,
}

/// A call about an answer that its provider keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The id, as the client gave it.
    pub id: String,
    /// What that says.
    pub says: MarkedId,
    /// The path at the provider, with the id as the provider knows it.
    pub path: String,
}

/// A model on offer.
#[derive(Debug, Clone)]
pub struct ModelCard<'a> {
    /// Its name here.
    pub id: &'a str,
    /// What can be asked of it.
    pub operations: Vec<Op>,
}

/// A client calling us.
pub trait ServerCodec: Debug + Send + Sync {
    /// Reads what routing needs from a shallow scan of the body.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::BadRequest`] when a member that routing needs is missing or wrong.
    fn peek(&self, head: &Head, asked: &Asked) -> Result<Peek>;

    /// Whether a request is text alone, and nothing of it makes it dearer than text: then its size bounds its cost.
    /// Only where that is sure.
    fn is_plain(&self, _head: &Head) -> bool {
        false
    }

    /// How much it asks for where the neutral form does not say it.
    fn extent(&self, _head: &Head) -> Extent {
        Extent::default()
    }

    /// What the request is like, for choosing who is to answer it.
    fn gist<'h>(&self, _head: &'h Head, _asked: &Asked) -> Gist<'h> {
        Gist::default()
    }

    /// What a request for vectors asks for, from a shallow look; `None`: it has to be read.
    fn vectors_asked(&self, _head: &Head) -> Option<VectorsAsked> {
        None
    }

    /// The same request with its inputs left where they are, to be read bit by bit; `None`: this dialect reads them all
    /// at once.
    ///
    /// # Errors
    /// As [`ServerCodec::decode`], but for faults of single inputs.
    fn vectors_unread(&self, _body: &Bytes) -> Result<Option<Unread>> {
        Ok(None)
    }

    /// What a request uses of a model, from a shallow look.
    fn uses(&self, _head: &Head, _asked: &Asked) -> Capabilities {
        Capabilities::NONE
    }

    /// What of a request bears on its answer.
    fn bearing(&self) -> Bearing {
        Bearing::default()
    }

    /// Reads the whole request into the neutral form.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::BadRequest`] naming the member at fault.
    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call>;

    /// Whether a body is no JSON: then [`ServerCodec::peek`] gets it whole, and nothing of it is a member.
    fn is_opaque(&self, _asked: &Asked) -> bool {
        false
    }

    /// The same for a body whose parts may be kept: what is large in it is not copied.
    ///
    /// # Errors
    /// As [`ServerCodec::decode`].
    fn decode_shared(&self, body: &Bytes, asked: &Asked) -> Result<Call> {
        self.decode(body, asked)
    }

    /// Writes a whole answer.
    fn encode(&self, output: &Output, cx: &ReplyCx) -> Vec<u8>;

    /// The content type of a whole answer; `None`: JSON.
    fn content_type(&self, _output: &Output) -> Option<HeaderValue> {
        None
    }

    /// A whole answer that is no conversation as the stream that the client wants; `None`: it is shown whole.
    fn streamed(&self, _output: &Output, _cx: &ReplyCx) -> Option<Bytes> {
        None
    }

    /// Records what of a whole answer this dialect cannot say. Of a stream it is not known in time.
    fn unsaid(&self, output: &Output, changes: &mut Changes) {
        let _ = (output, changes);
    }

    /// Writes an error body; its HTTP status is [`ApiError::status`] unless the dialect has its own.
    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>);

    /// Writes a streamed answer.
    fn encoder(&self, cx: ReplyCx) -> Box<dyn StreamEncoder>;

    /// Whether answers are kept under ids by the providers of this dialect. Only then are the next six asked.
    fn keeps(&self) -> bool {
        false
    }

    /// What of a request only providers of this dialect can do, as the error for a client whose model has
    /// none; `None`: any provider can serve it.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::BadRequest`] when a member at its top is of the wrong type.
    fn bound(&self, head: &Head) -> Result<Option<ApiError>> {
        let _ = head;
        Ok(None)
    }

    /// Dialects of others that can do, too, what [`bound`](Self::bound) tells of.
    fn also(&self, _head: &Head) -> &'static [Dialect] {
        &[]
    }

    /// What a request goes on from that its provider keeps; `None`: nothing.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::BadRequest`] when it cannot be read.
    fn owned(&self, head: &Head) -> Result<Option<Owned>> {
        let _ = head;
        Ok(None)
    }

    /// Where a request names a single piece of what its provider keeps for the account, of which nothing says for whom that
    /// was made; `None`: nowhere.
    fn refers(&self, head: &Head) -> Option<String> {
        let _ = head;
        None
    }

    /// Who encrypted thoughts that a request holds, in its order, as far as the request says it.
    fn thinkers(&self, head: &Head) -> Vec<String> {
        let _ = head;
        Vec::new()
    }

    /// The request as providers know it, without what says who encrypted the thoughts in it. What none of the
    /// owners that `by` names encrypted is left out.
    ///
    /// # Errors
    /// When it cannot be written anew.
    fn readable(&self, head: Head, by: &dyn Fn(&str) -> bool, changes: &mut Changes) -> Result<Head> {
        let _ = (by, changes);
        Ok(head)
    }

    /// A whole answer of this dialect with its mark in its ids; `None`: it needs none.
    fn mark(&self, body: &Bytes, mark: &Mark) -> Option<Bytes> {
        let _ = (body, mark);
        None
    }

    /// An event of this dialect with its mark in its ids; `None`: it needs none.
    fn mark_event(&self, event: &[u8], mark: &Mark) -> Option<Bytes> {
        let _ = (event, mark);
        None
    }

    /// What a route (without `/v1`) asks of the provider that keeps an answer; `None`: it is no such route.
    fn kept(&self, method: &Method, path: &str) -> Option<Result<Kept>> {
        let _ = (method, path);
        None
    }

    /// The header in which clients of this dialect look for the id of their request.
    fn request_id_header(&self) -> HeaderName {
        HeaderName::from_static("x-request-id")
    }

    /// The content type of a streamed answer.
    fn stream_content_type(&self, _form: ReplyForm) -> &'static str {
        "text/event-stream"
    }

    /// Bytes that keep an idle stream open and mean nothing.
    fn keepalive(&self, _form: ReplyForm) -> &'static [u8] {
        b": keepalive\n\n"
    }

    /// Whether a provider of this dialect keeps the answer under its id, for later requests to go on from: then
    /// nobody else can have a part in it.
    fn is_kept(&self, _head: &Head) -> bool {
        false
    }

    /// What marks the place in a stream where another deployment goes on with the answer: a comment, which
    /// clients pass over.
    fn seam(&self, _form: ReplyForm, deployment: &str) -> Bytes {
        let shown: String = deployment.chars().filter(|c| !c.is_control()).collect();
        Bytes::from(format!(": continued by {shown}\n\n"))
    }

    /// Whether a stream that passes through is put into another frame, event by event, by
    /// [`StreamEncoder::pass`].
    fn reframes(&self, _form: ReplyForm) -> bool {
        false
    }

    /// Writes the models on offer; `None`: in OpenAI's shape.
    fn encode_models(&self, _models: &[ModelCard<'_>]) -> Option<Vec<u8>> {
        None
    }

    /// Writes one of the models on offer; `None`: in OpenAI's shape.
    fn encode_model(&self, _model: &ModelCard<'_>) -> Option<Vec<u8>> {
        None
    }
}

/// Writes a streamed answer into a buffer of its own, which is taken after each wake-up.
pub trait StreamEncoder: EventSink + Debug + Send {
    /// Takes the bytes written since the last time.
    fn take(&mut self) -> Bytes;

    /// Takes one complete event of an upstream that speaks this dialect, content untouched. Only for
    /// forms that [`ServerCodec::reframes`] names.
    fn pass(&mut self, _event: &[u8]) {}

    /// Writes what must follow the last event of a clean stream.
    fn finish(&mut self);

    /// Writes an error event; nothing follows it.
    fn fail(&mut self, error: &ApiError);
}
