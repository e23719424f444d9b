//! Us calling a provider that speaks this dialect.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use llm_types::chat::ChatRequest;
use llm_types::{
    ApiError, Call, Edits, Extra, Head, Member, Op, Output, Result, Segments, Str, TokenCount, wire_struct,
};

use super::host::{self, Host, Verb};
use super::{decode, encode, media, pictures, predict, server, vectors, wire};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::quirk::demanded;

/// Where Vertex AI is told the tier (cloud.google.com/vertex-ai/generative-ai/docs/flex-paygo).
const TIER: HeaderName = HeaderName::from_static("x-vertex-ai-llm-shared-request-type");
/// What Vertex AI's `countTokens` takes
/// (cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models/countTokens).
const COUNTED: [&str; 4] = ["contents", "systemInstruction", "tools", "generationConfig"];

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        match call {
            Call::Chat(request) => chat(request, cx),
            Call::CountTokens(request) => counted(request, cx),
            Call::Embed(request) => {
                let host = Host::of(cx.spec);
                let (body, verb) = match host {
                    Host::Vertex if host.predicts(cx.model) => (predict::body(request, cx)?, Verb::Predict),
                    Host::Vertex => (vectors::one(request, cx)?, Verb::Embed),
                    Host::Gemini => (vectors::body(request, cx)?, Verb::EmbedBatch),
                };
                let path = host::path(host, cx.model, verb)?;
                Ok(wire(path, Segments::from(body), Memo::default()))
            }
            Call::Speak(request) => media::speak(request, cx),
            Call::Transcribe(request) => media::listen(request, cx),
            Call::Image(request) => pictures::draw(request, cx),
            Call::Rerank(_) | Call::Moderate(_) => Err(cannot("gemini", call.op())),
        }
    }

    /// The model and the verb stand in the path, so that the body goes as it came: what may have to change
    /// is a model that it names once more. Thoughts of other providers must be put apart first.
    fn splice(&self, head: &Head, cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        let verb = match cx.asked.op {
            Op::Chat if cx.asked.stream == Some(true) => Verb::Stream,
            Op::Chat => Verb::Generate,
            Op::CountTokens => Verb::Count,
            Op::Embed if head.get("requests").is_some() => Verb::EmbedBatch,
            Op::Embed => Verb::Embed,
            other => return Err(cannot("gemini", other)),
        };
        let host = Host::of(cx.spec);
        // Vertex AI counts and embeds in other forms.
        let same = host == Host::Gemini || cx.asked.op == Op::Chat;
        if !same || (cx.asked.op == Op::Chat && server::has_seal(head)) {
            return Ok(None);
        }
        let body: Bytes = vectors::renamed(head, cx.model)?;
        let wire = wire(host::path(host, cx.model, verb)?, Segments::from(body), Memo::default());
        if cx.asked.op == Op::Chat { demanded(wire, cx).map(Some) } else { Ok(Some(wire)) }
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        match op {
            Op::Chat => decode::reply(body, cx).map(Output::from),
            Op::CountTokens => tokens(body).map(Output::Tokens),
            Op::Embed => vectors::reply(body, cx).map(|vectors| Output::Embed(Box::new(vectors))),
            Op::Speech => media::said(body, cx),
            Op::Transcribe | Op::Translate => media::heard(body, cx),
            Op::Image | Op::ImageEdit => pictures::drawn(body, cx),
            other => Err(cannot("gemini", other)),
        }
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        decode::error(status, headers, body)
    }

    fn decoder(&self, _op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(cx))
    }

    fn tap<'b>(&self, op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        match op {
            Op::Chat => decode::tapped(body),
            // Counting uses nothing.
            Op::CountTokens => tokens(body).map(|_| Tapped::default()),
            Op::Embed => vectors::tapped(body).map(|usage| Tapped { usage, model: None }),
            other => Err(cannot("gemini", other)),
        }
    }

    fn stream_tap(&self, _op: Op) -> Box<dyn StreamTap> {
        Box::new(decode::Tap::default())
    }
}

/// Writes a conversation turn.
pub(super) fn chat(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let verb = if request.delivery.stream { Verb::Stream } else { Verb::Generate };
    let encode::Body { bytes, memo, tier } = encode::body(request, cx)?;
    let path = host::path(Host::of(cx.spec), cx.model, verb)?;
    let mut wire = wire(path, Segments::from(bytes), memo);
    // What is none of the words is left to the usual tier.
    if let Some(tier) = tier.filter(|tier| ["flex", "priority"].contains(&tier.as_str())) {
        let value = HeaderValue::try_from(tier).unwrap_or(HeaderValue::from_static("shared"));
        wire.headers.insert(TIER, value);
    }
    demanded(wire, cx)
}

wire_struct! {
    /// The body of `countTokens` for a whole request: its tools and instructions are counted too.
    struct Counted<'a> {
        whole as "generateContentRequest": wire::Raw<'a>,
    }
}

fn counted(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let host = Host::of(cx.spec);
    let encode::Body { bytes: body, memo: _, tier: _ } = encode::body(request, cx)?;
    let path = host::path(host, cx.model, Verb::Count)?;
    if host == Host::Vertex {
        // It counts the request as it stands, but for what no prompt has.
        let head = Head::scan(Bytes::from(body))?;
        let mut edits = Edits::default();
        for name in head.members().iter().map(Member::name).filter(|name| !COUNTED.contains(name)) {
            edits.remove(&head, name);
        }
        return Ok(wire(path, edits.apply(&head), Memo::default()));
    }
    let unwritable =
        |error| ApiError::bad_request("the request cannot be written as JSON").with_source(error);
    let head = Head::scan(Bytes::from(body))?;
    let mut whole = Extra::default();
    whole.set_json("model", &Str::from(vectors::resource(cx.model))).map_err(unwritable)?;
    for member in head.members() {
        if let Some(value) = head.read(member.name())? {
            whole.set(member.name(), value);
        }
    }
    let whole = serde_json::value::to_raw_value(&whole).map_err(unwritable)?;
    let body = serde_json::to_vec(&Counted { whole: Some(whole.into()), ..Counted::default() });
    Ok(wire(path, Segments::from(body.map_err(unwritable)?), Memo::default()))
}

fn tokens(body: &[u8]) -> Result<TokenCount> {
    let counts: wire::Counts<'_> = serde_json::from_slice(body).map_err(|error| decode::malformed(&error))?;
    let wire::Counts { total_tokens, cached_content_token_count, error, extra } = counts;
    if let Some(json) = error {
        return Err(decode::contained(json));
    }
    Ok(TokenCount {
        // Zero is not written.
        input: total_tokens.unwrap_or_default(),
        cached: cached_content_token_count,
        estimated: false,
        extra: extra.to_extra(),
    })
}

pub(super) fn wire(path: String, body: Segments, memo: Memo) -> WireRequest {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    WireRequest { method: Method::POST, path, headers, body, memo }
}
