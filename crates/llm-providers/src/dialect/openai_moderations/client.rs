//! Us calling a provider.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use llm_types::{
    ApiError, Call, Dialect, Head, MessageQuirk, ModerateRequest, Moderation, Op, Output, Raw, RawValue,
    Result, Str, Verdict,
};

use super::wire;
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, MediaMemo, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::media::{self, Made};
use crate::dialect::openai_chat;
use crate::quirk::{Row, demanded_in};

const DIALECT: &str = "openai_moderations";
const PATH: &str = "/moderations";

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let Call::Moderate(request) = call else { return Err(cannot(DIALECT, call.op())) };
        let ModerateRequest { model: _, input, origin, extra } = &**request;
        let row = Row::of(Dialect::OpenaiModerations, cx.spec, cx.model, None);
        let model = row.model();
        let text = match row.has(MessageQuirk::FlattenContent) {
            true => one_text(input, row.provider())?,
            false => None,
        };
        let mut out = wire::Request {
            model: Some(Str::from(&*model)),
            input: Some(Raw::from(text.as_deref().unwrap_or(input))),
            ..wire::Request::default()
        };
        if origin.is_none_or(|origin| origin == Dialect::OpenaiModerations) {
            out.extra = extra.members();
        } else {
            for (name, _) in extra.iter() {
                cx.changes.dropped(name.to_owned(), row.why());
            }
        }
        let path = row.path(false).unwrap_or_else(|| PATH.to_owned());
        // Not everybody says `flagged`, which clients read unasked.
        let media = MediaMemo { anew: true, ..MediaMemo::default() };
        let memo = Memo { media: Some(Arc::new(media)), ..Memo::default() };
        demanded_in(Dialect::OpenaiModerations, media::json(path, media::bytes(&out)?, memo), cx)
    }

    /// The answer is looked at in any case.
    fn splice(&self, _head: &Head, _cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        Ok(None)
    }

    fn decode(&self, op: Op, body: &[u8], _cx: &DecodeCx<'_>) -> Result<Output> {
        if op != Op::Moderate {
            return Err(cannot(DIALECT, op));
        }
        let wire::Reply { id, model, results, usage, error, extra } = read(body)?;
        if error.is_some_and(|error| error.get() != "null") {
            return Err(media::contained(body));
        }
        let results = results.ok_or_else(|| media::wrong("verdict", "`results` is missing"))?;
        Ok(Output::Moderation(Box::new(Moderation {
            id: id.map(Str::into_string).unwrap_or_default(),
            model: model.map(Str::into_string).unwrap_or_default(),
            results: results.into_iter().map(verdict).collect(),
            usage: usage.and_then(|counts| counts.usage(Made::Text)),
            origin: Some(Dialect::OpenaiModerations),
            extra: extra.to_extra(),
        })))
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        openai_chat::Client.decode_error(status, headers, body)
    }

    /// Nothing of this dialect is streamed.
    fn decoder(&self, op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        openai_chat::Client.decoder(op, cx)
    }

    fn tap<'b>(&self, _op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        let read = read(body)?;
        let usage = read.usage.and_then(|counts| counts.usage(Made::Text));
        Ok(Tapped { usage, model: read.model.map(|model| model.0) })
    }

    /// Nothing of this dialect is streamed.
    fn stream_tap(&self, op: Op) -> Box<dyn StreamTap> {
        openai_chat::Client.stream_tap(op)
    }
}

/// The parts of an input as one text, for those who judge texts alone; `None`: it has no parts.
///
/// # Errors
/// When one of them is no text.
fn one_text(input: &RawValue, provider: &str) -> Result<Option<Box<RawValue>>> {
    let Ok(parts) = serde_json::from_str::<Vec<wire::Part<'_>>>(input.get()) else { return Ok(None) };
    if parts.is_empty() {
        return Ok(None);
    }
    let texts: Option<Vec<&str>> = parts.iter().map(|part| part.text.as_ref().map(Str::as_str)).collect();
    let Some(texts) = texts else {
        let message =
            format!("{provider} judges texts alone: leave pictures out, or choose a model that sees");
        return Err(ApiError::bad_request(message).with_param("input"));
    };
    media::raw(&texts.join("\n")).map(Some)
}

fn read(body: &[u8]) -> Result<wire::Reply<'_>> {
    serde_json::from_slice(body).map_err(|error| media::wrong("verdict", error))
}

fn verdict(wire: wire::Verdict<'_>) -> Verdict {
    let wire::Verdict { flagged, categories, category_scores, extra } = wire;
    let categories: Vec<(String, bool)> =
        categories.map(|named| wire::values(&named.extra)).unwrap_or_default();
    Verdict {
        // Mistral names the categories only (docs.mistral.ai/capabilities/guardrailing).
        flagged: flagged.unwrap_or_else(|| categories.iter().any(|(_, is)| *is)),
        categories,
        scores: category_scores.map(|named| wire::values(&named.extra)).unwrap_or_default(),
        extra: extra.to_extra(),
    }
}
