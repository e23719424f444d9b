//! Us calling a provider.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use llm_types::{
    ApiError, Call, Dialect, ErrorKind, Head, Op, Output, RerankQuirk, RerankRequest, Result, Segments, Str,
};

use super::{document, form, reply, wire};
use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, MediaMemo, Memo, Ordering, StreamDecoder, StreamTap, Tapped,
    WireRequest, cannot,
};
use crate::dialect::{bedrock, openai_chat};
use crate::quirk::{Row, demanded_in};

const DIALECT: &str = "rerank";
/// Where most providers have it.
const PATH: &str = "/rerank";
/// Where Amazon says the type of an error.
const AMAZON: &str = "x-amzn-errortype";

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let Call::Rerank(request) = call else { return Err(cannot(DIALECT, call.op())) };
        let row = Row::of(Dialect::Rerank, cx.spec, cx.model, None);
        let path = row.path(false).unwrap_or_else(|| PATH.to_owned());
        if request.documents.is_empty() {
            let message = "`documents` is empty: send what is to be ordered";
            return Err(ApiError::bad_request(message).with_param("documents"));
        }
        let form = row.rerank_form();
        let body = match form {
            Some(form) => form::write(form, request, &row, cx)?,
            None => body(request, &row, cx)?,
        };
        let body = Segments::from(body);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let used = form.and_then(|form| form::used(form, request));
        let media = used.map(|used| Arc::new(MediaMemo { used, ..MediaMemo::default() }));
        let memo = Memo { ordering: Some(Arc::new(ordering(request))), media, ..Memo::default() };
        let wire = WireRequest { method: Method::POST, path, headers, body, memo };
        demanded_in(Dialect::Rerank, wire, cx)
    }

    /// The answer has to be looked at in any case: not everybody cuts it, or repeats the documents.
    fn splice(&self, _head: &Head, _cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        Ok(None)
    }

    fn decode(&self, op: Op, body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
        if op != Op::Rerank {
            return Err(cannot(DIALECT, op));
        }
        let ordering = cx.memo.ordering.as_deref();
        let ranking = match Row::of(Dialect::Rerank, cx.spec, cx.model, None).rerank_form() {
            Some(form) => reply::finished(form::read(form, body, cx.memo.used())?, ordering),
            None => reply::read(body, ordering)?,
        };
        Ok(Output::Rerank(Box::new(ranking)))
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        if headers.contains_key(AMAZON) {
            return bedrock::Client.decode_error(status, headers, body);
        }
        openai_chat::Client.decode_error(status, headers, body)
    }

    /// Nothing of this dialect is streamed.
    fn decoder(&self, op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        openai_chat::Client.decoder(op, cx)
    }

    fn tap<'b>(&self, _op: Op, body: &'b [u8]) -> Result<Tapped<'b>> {
        reply::tapped(body)
    }

    /// Nothing of this dialect is streamed.
    fn stream_tap(&self, op: Op) -> Box<dyn StreamTap> {
        openai_chat::Client.stream_tap(op)
    }
}

/// What is done with the answer here.
fn ordering(request: &RerankRequest) -> Ordering {
    let wanted = request.return_documents == Some(true);
    Ordering {
        top_n: request.top_n,
        documents: if wanted { request.documents.clone() } else { Vec::new() },
        bare: request.return_documents == Some(false),
    }
}

fn body(request: &RerankRequest, row: &Row<'_>, cx: &mut EncodeCx<'_>) -> Result<Vec<u8>> {
    let RerankRequest {
        model: _,
        query,
        documents,
        top_n,
        // The answer repeats them in any case: nothing has to be sent twice over the network for it.
        return_documents: _,
        rank_fields,
        max_chunks_per_doc,
        max_tokens_per_doc,
        truncate,
        instruction,
        origin,
        extra,
    } = request;
    let texts = row.reranks(RerankQuirk::TextsOnly);
    if texts && !rank_fields.is_empty() {
        cx.changes.altered("rank_fields", "the members are put into the texts that are sent");
    }
    let mut sent = Vec::with_capacity(documents.len());
    for (index, one) in documents.iter().enumerate() {
        let raw =
            if texts { document::text(one, rank_fields, (index, cx.changes)) } else { document::whole(one) };
        sent.push(raw.ok_or_else(|| {
            ApiError::bad_request("a document must be a text or an object")
                .with_param(format!("documents[{index}]"))
        })?);
    }
    let model = row.model();
    let fields = (!texts && !rank_fields.is_empty()).then(|| rank_fields.iter().map(Str::from).collect());
    let mut out = wire::Request {
        // A server of one model is not told which.
        model: (!row.drops("model")).then(|| Str::from(&*model)),
        query: Some(Str::from(query)),
        documents: Some(sent),
        // Where it cannot be said the answer is cut all the same.
        top_n: top_n.filter(|_| !row.drops("top_n")),
        return_documents: None,
        rank_fields: fields,
        max_chunks_per_doc: *max_chunks_per_doc,
        max_tokens_per_doc: *max_tokens_per_doc,
        truncation: *truncate,
        instruction: instruction.as_ref().map(Str::from),
        ..wire::Request::default()
    };
    if origin.is_none_or(|origin| origin == Dialect::Rerank) {
        out.extra = extra.members();
    } else {
        for (name, _) in extra.iter() {
            cx.changes.dropped(name.to_owned(), row.why());
        }
    }
    serde_json::to_vec(&out).map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the request cannot be written as JSON").with_source(error)
    })
}
