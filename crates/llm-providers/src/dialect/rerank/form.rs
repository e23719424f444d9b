//! Requests and answers of providers that have a form of their own (`rerank_form` of a row).
//!
//! - Amazon Bedrock: docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Rerank.html
//! - NVIDIA: docs.nvidia.com/nim/nemo-retriever/text-reranking/latest/using-reranking.html
//! - DeepInfra: deepinfra.com/docs/reranking
//! - Google: cloud.google.com/generative-ai-app-builder/docs/ranking
//! - watsonx: cloud.ibm.com/apidocs/watsonx-ai#text-rerank
//!
//! None of them repeats documents in a way that clients know, so that is done here.

use llm_types::{
    ApiError, Changes, Dialect, Extra, Members, Ranked, Ranking, Raw, RerankForm, RerankQuirk, RerankRequest,
    Result, Str, Usage,
};

use super::{document, reply, shape};
use crate::codec::EncodeCx;
use crate::dialect::media;
use crate::dialect::scalar::Count;
use crate::quirk::Row;

/// How many documents, or pieces of them, Amazon and Google bill as one query
/// (aws.amazon.com/bedrock/pricing, cloud.google.com/generative-ai-app-builder/pricing).
const SEARCHED: u64 = 100;
/// The tokens of a piece of a document at Amazon, the query included.
const PIECE: u64 = 512;
/// The most of a document that is read, in tokens.
const READ: u64 = 4096;
/// How many bytes of text are taken for a token.
const BYTES: u64 = 4;
/// The most documents of one request at Amazon.
const MOST: usize = 1000;

/// What is sent of a request.
struct Sent<'r> {
    request: &'r RerankRequest,
    model: Str<'r>,
    texts: Vec<Raw<'r>>,
    members: Members<'r>,
}

/// Writes a request.
///
/// # Errors
/// When a document cannot be sent, or the model's full name is not known.
pub(super) fn write<'r>(
    form: RerankForm,
    request: &'r RerankRequest,
    row: &Row<'r>,
    cx: &mut EncodeCx<'_>,
) -> Result<Vec<u8>> {
    let RerankRequest {
        model: _,
        query: _,
        documents,
        top_n: _,
        // Done here.
        return_documents: _,
        rank_fields,
        max_chunks_per_doc,
        max_tokens_per_doc,
        truncate,
        instruction,
        origin,
        extra,
    } = request;
    let taken = match form {
        RerankForm::Inputs => ["max_tokens_per_doc"].as_slice(),
        RerankForm::Passages => &["truncation"],
        RerankForm::Queries => &["instruction"],
        RerankForm::Records => &[],
        // What Cohere's models take beside is theirs.
        RerankForm::Sources if cx.model.contains("cohere.rerank") => &["max_tokens_per_doc"],
        RerankForm::Sources => &[],
    };
    let given = [
        ("max_chunks_per_doc", max_chunks_per_doc.is_some()),
        ("max_tokens_per_doc", max_tokens_per_doc.is_some()),
        ("truncation", truncate.is_some()),
        ("instruction", instruction.is_some()),
    ];
    for (name, _) in given.iter().filter(|(name, set)| *set && !taken.contains(name)) {
        cx.changes.dropped(*name, row.why());
    }
    if !rank_fields.is_empty() {
        cx.changes.altered("rank_fields", "the members are put into the texts that are sent");
    }
    let mut members = Members::default();
    let own = origin.is_none_or(|origin| origin == Dialect::Rerank);
    for (name, value) in extra.iter() {
        if own {
            members.push(name.into(), value);
        } else {
            cx.changes.dropped(name.to_owned(), row.why());
        }
    }
    let whole = !row.reranks(RerankQuirk::TextsOnly) && rank_fields.is_empty();
    let texts = documents.iter().enumerate().map(|(index, one)| {
        let raw =
            if whole { document::whole(one) } else { document::text(one, rank_fields, (index, cx.changes)) };
        raw.ok_or_else(|| {
            let message = "a document must be a text or an object";
            ApiError::bad_request(message).with_param(format!("documents[{index}]"))
        })
    });
    let texts = texts.collect::<Result<Vec<_>>>()?;
    let sent = Sent { request, model: Str(row.model()), texts, members };
    match form {
        RerankForm::Inputs => inputs(sent, cx.changes),
        RerankForm::Passages => passages(sent, cx.changes),
        RerankForm::Queries => queries(sent, cx.changes),
        RerankForm::Records => records(sent, cx.changes),
        RerankForm::Sources => sources(sent, cx.changes),
    }
}

/// A text as an object with one member.
fn passage(raw: Raw<'_>) -> shape::Passage<'_> {
    shape::Passage { text: Some(raw), ..shape::Passage::default() }
}

fn inputs(sent: Sent<'_>, changes: &mut Changes) -> Result<Vec<u8>> {
    let Sent { request, model, texts, members } = sent;
    let options = request.top_n.map(|top_n| shape::Options { top_n: Some(top_n), ..Default::default() });
    let parameters = shape::Parameters {
        truncate_input_tokens: request.max_tokens_per_doc,
        return_options: options,
        ..Default::default()
    };
    let body = shape::Inputs {
        model_id: Some(model),
        query: Some(Str::from(&request.query)),
        inputs: Some(texts.into_iter().map(passage).collect()),
        parameters: Some(parameters),
        extra: members,
    };
    media::beside(&body, changes)
}

fn passages(sent: Sent<'_>, changes: &mut Changes) -> Result<Vec<u8>> {
    let Sent { request, model, texts, members } = sent;
    let query = serde_json::value::to_raw_value(&request.query).map(Raw::from).ok();
    let body = shape::Passages {
        model: Some(model),
        query: query.map(passage),
        passages: Some(texts.into_iter().map(passage).collect()),
        truncate: request.truncate.map(|cut| Str::from(if cut { "END" } else { "NONE" })),
        extra: members,
    };
    media::beside(&body, changes)
}

fn queries(sent: Sent<'_>, changes: &mut Changes) -> Result<Vec<u8>> {
    let Sent { request, model: _, texts, members } = sent;
    let body = shape::Queries {
        queries: Some(vec![Str::from(&request.query); texts.len()]),
        documents: Some(texts),
        instruction: request.instruction.as_ref().map(Str::from),
        extra: members,
    };
    media::beside(&body, changes)
}

fn records(sent: Sent<'_>, changes: &mut Changes) -> Result<Vec<u8>> {
    let Sent { request, model, texts, members } = sent;
    let body = shape::Records {
        model: Some(model),
        query: Some(Str::from(&request.query)),
        records: Some(texts.into_iter().enumerate().map(record).collect()),
        top_n: request.top_n,
        bare: Some(true),
        extra: members,
    };
    media::beside(&body, changes)
}

/// A document under its number.
fn record((index, content): (usize, Raw<'_>)) -> shape::Record<'_> {
    shape::Record { id: Some(Str::from(index.to_string())), content: Some(content), ..Default::default() }
}

fn sources(sent: Sent<'_>, changes: &mut Changes) -> Result<Vec<u8>> {
    let Sent { request, model, texts, members } = sent;
    if !model.as_str().starts_with("arn:") {
        let message = "no region: set AWS_REGION, give the deployment a region, or name the model by its ARN";
        return Err(ApiError::bad_request(message).with_param("model"));
    }
    let count = texts.len().min(MOST);
    let most = request.top_n.map_or(usize::MAX, |top_n| usize::try_from(top_n).unwrap_or(usize::MAX));
    let query = serde_json::value::to_raw_value(&request.query).map(Raw::from).ok();
    let max_tokens_per_doc = request.max_tokens_per_doc.filter(|_| model.as_str().contains("cohere.rerank"));
    let fields = shape::Fields { max_tokens_per_doc, extra: members };
    let model = shape::Model {
        arn: Some(model),
        fields: Some(fields).filter(|all| all.max_tokens_per_doc.is_some() || !all.extra.is_empty()),
        ..Default::default()
    };
    let settings =
        shape::Settings { count: Some(most.min(count).max(1)), model: Some(model), ..Default::default() };
    let body = shape::Sources {
        queries: Some(vec![shape::Query {
            kind: Some(Str::from("TEXT")),
            text: query.map(passage),
            ..Default::default()
        }]),
        sources: Some(texts.into_iter().map(source).collect()),
        settings: Some(shape::Reranking {
            kind: Some(Str::from("BEDROCK_RERANKING_MODEL")),
            settings: Some(settings),
            ..Default::default()
        }),
        ..Default::default()
    };
    media::beside(&body, changes)
}

/// A document as Bedrock is sent it.
fn source(raw: Raw<'_>) -> shape::Source<'_> {
    let is_text = raw.get().starts_with('"');
    let kind = if is_text { "TEXT" } else { "JSON" };
    let (text, json) = if is_text { (Some(passage(raw)), None) } else { (None, Some(raw)) };
    let document = shape::Inline { kind: Some(Str::from(kind)), text, json, ..Default::default() };
    shape::Source { kind: Some(Str::from("INLINE")), document: Some(document), ..Default::default() }
}

/// What the request itself tells of what is billed, for answers that say nothing of it; `None`: they do, or it is
/// not known.
pub(super) fn used(form: RerankForm, request: &RerankRequest) -> Option<Usage> {
    let bytes = |text: usize| u64::try_from(text).unwrap_or(u64::MAX);
    let room = PIECE - (bytes(request.query.len()) / BYTES).min(PIECE / 2);
    let most = request.max_tokens_per_doc.unwrap_or(READ).min(READ);
    let pieces = request.documents.iter().map(|one| match form {
        RerankForm::Sources => (bytes(one.size()) / BYTES).min(most).div_ceil(room).max(1),
        _ => 1,
    });
    let queries = pieces.fold(0, u64::saturating_add).div_ceil(SEARCHED);
    matches!(form, RerankForm::Records | RerankForm::Sources).then(|| Usage {
        queries,
        estimated: true,
        ..Usage::default()
    })
}

/// Reads an answer; `used` is what it is taken to have used where it does not say.
///
/// # Errors
/// When it holds no order.
pub(super) fn read(form: RerankForm, body: &[u8], used: Option<&Usage>) -> Result<Ranking> {
    let shape::Answer {
        id,
        model,
        results,
        rankings,
        records,
        scores,
        usage,
        tokens,
        status,
        detail,
        extra: _,
    } = serde_json::from_slice(body).map_err(|error| reply::malformed(&error))?;
    let results = match form {
        RerankForm::Inputs | RerankForm::Sources => items(results)?,
        RerankForm::Passages => items(rankings)?,
        RerankForm::Records => items(records)?,
        RerankForm::Queries => {
            if let Some(detail) = detail.filter(|_| scores.is_none()) {
                return Err(reply::wrong(detail.get()));
            }
            let scores = scores.ok_or_else(|| reply::wrong("`scores` is missing"))?;
            scores.into_iter().enumerate().map(|(index, score)| ranked(index, score)).collect()
        }
    };
    let tokens = tokens.map(|Count(input)| Usage { input, ..Usage::default() });
    let stated = status.and_then(|status| crate::dialect::stated::stated(&status.extra));
    let told = usage.as_ref().and_then(|counts| reply::usage(None, Some(counts)));
    let usage = told.or(tokens).or_else(|| used.cloned());
    Ok(Ranking {
        id: id.map(Str::into_string).unwrap_or_default(),
        model: model.map(Str::into_string).unwrap_or_default(),
        results,
        usage: usage.map(|usage| Usage { stated: usage.stated.or(stated), ..usage }),
        origin: Some(Dialect::Rerank),
        extra: Extra::default(),
    })
}

fn ranked(index: usize, score: f64) -> Ranked {
    Ranked { index, score, document: None, extra: Extra::default() }
}

fn items(list: Option<Vec<shape::Item<'_>>>) -> Result<Vec<Ranked>> {
    let list = list.ok_or_else(|| reply::wrong("the list of scores is missing"))?;
    let one = |item: shape::Item<'_>| {
        let shape::Item { index, id, score, logit, relevance, extra: _ } = item;
        let index = index.or_else(|| id?.as_str().parse().ok());
        let index = index.ok_or_else(|| reply::wrong("a result does not say of which document it is"))?;
        let score = score.or(logit).or(relevance).ok_or_else(|| reply::wrong("a result has no score"))?;
        Ok(ranked(index, score))
    };
    list.into_iter().map(one).collect()
}
