//! A call in this dialect.
//!
//! Each group of the neutral request has its own file here and is taken apart without `..`, so that a new field
//! does not compile until it is decided what becomes of it.

mod cache;
mod extra;
mod media;
mod message;
mod option;
mod part;
mod thinking;
mod tool;

use std::collections::HashSet;

use llm_types::chat::ChatRequest;
use llm_types::{ApiError, Changes, Dialect, ErrorKind, Result};
use serde::Serialize;

use super::model::Model;
use super::wire::{Count, CountInput, CountTokens, Request};
use crate::codec::{EncodeCx, Memo};
use crate::dialect::custom;
use crate::dialect::name::{Ids, Names};
use cache::Points;

/// Why a field is left out that has no counterpart.
const NO_COUNTERPART: &str = "bedrock has no counterpart";

/// State of one encoding.
#[derive(Debug)]
struct Encoder<'r, 'c> {
    /// What the model takes.
    model: Model,
    /// Its name, for messages.
    named: &'c str,
    /// Whose members those are that no field names.
    origin: Option<Dialect>,
    /// Takes what is dropped or altered.
    changes: &'c mut Changes,
    /// The tool names.
    names: Names,
    /// The call ids.
    ids: Ids<'r>,
    /// The names of documents that are taken.
    documents: HashSet<String>,
    /// The cache points still to be left out.
    points: Points,
}

impl Encoder<'_, '_> {
    /// Records a field that is set but has no counterpart.
    fn refuse<T>(&mut self, field: Option<&T>, path: &'static str) {
        if field.is_some() {
            self.changes.dropped(path, NO_COUNTERPART);
        }
    }

    /// "not taken by amazon.nova-lite-v1:0"
    fn not_taken(&self) -> String {
        format!("{} does not take it", self.named)
    }

    /// Whether members that no field names are meant for this dialect.
    fn is_own(&self) -> bool {
        self.origin.is_none_or(|origin| origin == Dialect::Bedrock)
    }
}

/// The body of a conversation turn.
///
/// # Errors
/// When the call cannot be expressed: several answers, a file that would have to be fetched, nothing to answer.
pub(super) fn body(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<(Vec<u8>, Memo)> {
    encoded(request, cx, |body| written(&body))
}

/// The body of the question how many tokens a turn is. What bears on the answer only is left out.
///
/// # Errors
/// As [`body`].
pub(super) fn counted(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<Vec<u8>> {
    let counted = encoded(request, cx, |body| {
        let Request { system, messages, tool_config, fields, .. } = body;
        let converse = Count { system, messages, tool_config, fields, ..Count::default() };
        let input = CountInput { converse: Some(converse), ..CountInput::default() };
        written(&CountTokens { input: Some(input), ..CountTokens::default() })
    })?;
    Ok(counted.0)
}

fn written(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the request cannot be written as JSON").with_source(error)
    })
}

fn encoded(
    request: &ChatRequest,
    cx: &mut EncodeCx<'_>,
    write: impl FnOnce(Request<'_>) -> Result<Vec<u8>>,
) -> Result<(Vec<u8>, Memo)> {
    let ChatRequest {
        model: _,
        messages,
        tooling,
        sampling,
        output,
        reasoning,
        limits,
        delivery,
        cache,
        identity,
        web_search,
        origin,
        extra,
    } = request;
    let model = Model::of(cx.model);
    let mut encoder = Encoder {
        model,
        named: cx.model,
        origin: *origin,
        changes: cx.changes,
        names: tool::names(request),
        ids: Ids::default(),
        documents: HashSet::new(),
        points: Points::of(request, model),
    };
    let asked = encoder.own_members(extra)?;
    let mut body = asked.request;
    let mut fields = asked.fields;
    encoder.betas(cx.asked, &mut fields);
    let structured = encoder.output(output)?;
    let mut tools = encoder.tools(tooling, web_search.as_ref())?;
    let mut conversation = encoder.conversation(messages)?;
    let begun = conversation.is_prefilled() && model.facts().is_some_and(|facts| !facts.prefill);
    if begun {
        let message = format!("{} does not go on from a begun answer: end with a user message", cx.model);
        return Err(ApiError::bad_request(message).with_param("messages"));
    }
    let plan = encoder.plan(reasoning, limits, &conversation);
    encoder.thinking(&plan, reasoning, &mut fields);
    let json_tool = structured.tool.is_some().then_some(tool::JSON_TOOL);
    encoder.choose(tooling, &mut tools, structured.tool, (&conversation, plan.thinks()));
    if body.output.is_none() {
        body.output = structured.format;
    } else if structured.format.is_some() {
        encoder.changes.dropped("response_format", "`outputConfig` is given as well");
    }
    encoder.parallel(tooling, &mut tools, &mut fields);
    body.inference = encoder.inference(sampling, limits, &plan, &mut fields);
    encoder.delivery(delivery, &mut body);
    encoder.caching(cache, &mut conversation);
    encoder.identity(identity, &mut body)?;
    encoder.extra(extra, &mut fields);
    let (system, turns) = conversation.into_wire();
    body.system = system;
    body.messages = Some(turns);
    body.tool_config = tools.into_wire();
    body.fields = extra::unless_empty(fields);
    let memo = Memo {
        tool_names: encoder.names.into_memo(),
        json_tool,
        custom_tools: custom::names(tooling),
        ..Memo::default()
    };
    Ok((write(body)?, memo))
}
