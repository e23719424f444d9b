//! A client calls us, in Cohere's or Jina's words.

use http::StatusCode;
use llm_types::{
    ApiError, Call, Dialect, Head, Members, Op, Output, Ranked, Ranking, RerankRequest, Result, Str, Usage,
};

use super::wire::{Counts, Item, Meta, Reply, Request, Tokens, Units};
use super::{document, reply};
use crate::bearing::Bearing;
use crate::codec::{Asked, Peek, ReplyCx, ServerCodec, StreamEncoder};
use crate::dialect::openai_chat;
use crate::dialect::scalar::Count;

/// The half that a client calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Server;

impl ServerCodec for Server {
    fn peek(&self, head: &Head, asked: &Asked) -> Result<Peek> {
        let peek = openai_chat::Server.peek(head, asked)?;
        Ok(Peek { stream: false, ..peek })
    }

    fn bearing(&self) -> Bearing {
        Bearing::default()
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call> {
        match asked.op {
            Op::Rerank => request(body).map(|request| Call::Rerank(Box::new(request))),
            other => Err(ApiError::bad_request(format!(
                "this route cannot carry {other}: use the route of that operation"
            ))),
        }
    }

    fn encode(&self, output: &Output, cx: &ReplyCx) -> Vec<u8> {
        match output {
            Output::Rerank(ranking) => written(ranking, cx),
            // No row asks this dialect for anything else.
            _ => b"{}".to_vec(),
        }
    }

    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>) {
        openai_chat::Server.encode_error(error)
    }

    /// Nothing of this dialect is streamed.
    fn encoder(&self, cx: ReplyCx) -> Box<dyn StreamEncoder> {
        openai_chat::Server.encoder(cx)
    }
}

fn request(body: &[u8]) -> Result<RerankRequest> {
    let wire: Request<'_> = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("the body is no request to rerank: {error}")))?;
    let Request {
        model,
        query,
        documents,
        top_n,
        return_documents,
        rank_fields,
        max_chunks_per_doc,
        max_tokens_per_doc,
        truncation,
        instruction,
        extra,
    } = wire;
    let missing = |name: &str, what: &str| {
        ApiError::bad_request(format!("`{name}` is missing: {what}")).with_param(name)
    };
    let model = model.ok_or_else(|| missing("model", "name the model"))?;
    let query = query.ok_or_else(|| missing("query", "send what is asked of the documents"))?;
    let list = documents.ok_or_else(|| missing("documents", "send what is to be ordered"))?;
    let mut documents = Vec::with_capacity(list.len());
    for (index, raw) in list.iter().enumerate() {
        documents.push(document::read(raw).ok_or_else(|| {
            let param = format!("documents[{index}]");
            ApiError::bad_request(format!("`{param}` must be a text or an object")).with_param(param)
        })?);
    }
    if documents.is_empty() {
        return Err(missing("documents", "send at least one"));
    }
    Ok(RerankRequest {
        model: model.into_string(),
        query: query.into_string(),
        documents,
        top_n,
        return_documents,
        rank_fields: rank_fields.unwrap_or_default().into_iter().map(Str::into_string).collect(),
        max_chunks_per_doc,
        max_tokens_per_doc,
        truncate: truncation,
        instruction: instruction.map(Str::into_string),
        origin: Some(Dialect::Rerank),
        extra: extra.to_extra(),
    })
}

fn written(ranking: &Ranking, cx: &ReplyCx) -> Vec<u8> {
    let Ranking { id, model, results, usage, origin, extra } = ranking;
    let own = *origin == Some(Dialect::Rerank);
    let mut kept = if own { extra.clone() } else { llm_types::Extra::default() };
    let noted = reply::noted(&mut kept);
    let mut out = Reply {
        id: Some(Str::from(if id.is_empty() { &cx.id } else { id })),
        model: Some(Str::from(if model.is_empty() { &cx.model } else { model })),
        results: Some(results.iter().map(|ranked| item(ranked, own)).collect()),
        meta: Some(meta(usage.as_ref())),
        usage: usage.as_ref().and_then(counts),
        ..Reply::default()
    };
    if let (Some(noted), Some(meta)) = (&noted, &mut out.meta) {
        meta.extra = members(noted);
    }
    out.extra = kept.members();
    serde_json::to_vec(&out).unwrap_or_default()
}

fn members(json: &llm_types::RawValue) -> Members<'_> {
    serde_json::from_str::<super::wire::Open<'_>>(json.get()).map(|open| open.extra).unwrap_or_default()
}

fn item(ranked: &Ranked, own: bool) -> Item<'_> {
    let Ranked { index, score, document, extra } = ranked;
    Item {
        index: Some(*index),
        score: Some(*score),
        document: document.as_ref().and_then(document::shown),
        extra: if own { extra.members() } else { Members::default() },
    }
}

/// What was used, in Cohere's words.
fn meta<'a>(usage: Option<&Usage>) -> Meta<'a> {
    let Some(usage) = usage else { return Meta::default() };
    let (input, output) = (usage.prompt_tokens(), usage.completion_tokens());
    let some = |count: u64| (count > 0).then_some(Count(count));
    Meta {
        billed_units: Some(Units {
            search_units: some(usage.queries),
            total_tokens: some(usage.total_tokens()).filter(|_| usage.queries == 0),
            ..Units::default()
        }),
        tokens: (input > 0).then(|| Tokens {
            input: Some(Count(input)),
            output: some(output),
            ..Tokens::default()
        }),
        ..Meta::default()
    }
}

/// The same in Jina's, where tokens were counted.
fn counts<'a>(usage: &Usage) -> Option<Counts<'a>> {
    let total = usage.total_tokens();
    (total > 0).then(|| Counts {
        prompt_tokens: Some(Count(usage.prompt_tokens())),
        total_tokens: Some(Count(total)),
        ..Counts::default()
    })
}
