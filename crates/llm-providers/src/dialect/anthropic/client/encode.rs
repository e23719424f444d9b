//! One request, from the neutral form to `POST /v1/messages`.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use llm_types::chat::ChatRequest;
use llm_types::{ApiError, Edits, ErrorKind, Head, RawValue, Result, Segments};

use super::super::model;
use super::super::wire::{Raw, Request};
use super::beta::{self, Betas};
use super::encoder::{Encoder, breakpoint};
use super::name::Ids;
use super::tool::{self, JSON_TOOL};
use crate::codec::{EncodeCx, Memo, WireRequest};
use crate::dialect::custom;

const PATH: &str = "/v1/messages";
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// Encodes a conversation turn.
///
/// # Errors
/// When it cannot be expressed: several answers, audio, nothing to answer.
pub(super) fn chat(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
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
    let mut encoder = Encoder {
        facts: model::facts(cx.model),
        model: cx.model,
        origin: *origin,
        changes: cx.changes,
        names: tool::names(request),
        ids: Ids::default(),
        prefill: None,
        betas: Betas::default(),
    };
    let mut members = encoder.request_members(extra);
    if let Some(asked) = members.remove("anthropic_beta") {
        encoder.betas.add_asked(asked.get())?;
    }
    for (name, value) in members.iter() {
        encoder.betas.add_member(name, value.get());
    }
    let structured = encoder.output(output)?;
    let mut tools = encoder.tools(tooling, web_search.as_ref())?;
    let mut conversation = encoder.conversation(messages)?;
    if conversation.is_prefilled() && !encoder.facts.prefill {
        let message = format!("{} does not go on from a begun answer: end with a user message", cx.model);
        return Err(ApiError::bad_request(message).with_param("messages"));
    }
    let plan = encoder.plan(reasoning, limits, &conversation);
    let json_tool = structured.tool.is_some().then_some(JSON_TOOL);
    let choice = encoder.choose(tooling, &mut tools, structured.tool, (&conversation, &plan));
    let config = members.remove("output_config");
    let own_servers = servers(members.remove("mcp_servers"))?;
    let automatic = breakpoint(cache.control.as_ref());
    encoder.limit_breakpoints(
        tools.cached + usize::from(automatic.is_some()),
        &mut tools.list,
        &mut conversation,
    );
    let display = encoder.display(reasoning.summary.as_deref(), &plan);
    let edits = members.get("context_management").and_then(beta::context_edits);
    if edits.is_some() {
        members.remove("context_management");
    }
    let (system, turns) = conversation.into_wire();
    let mut body = Request {
        model: Some(cx.model.into()),
        max_tokens: Some(plan.max_tokens),
        system,
        messages: Some(turns),
        tools: (!tools.list.is_empty()).then(|| tools.list.into_iter().map(|offered| offered.tool).collect()),
        tool_choice: choice,
        thinking: plan.thinking(display),
        output_config: encoder.output_config(config, &plan, structured.format)?,
        stop_sequences: encoder.stop(limits),
        metadata: encoder.identity(identity),
        cache_control: automatic,
        context_management: edits.map(Raw::from),
        mcp_servers: Some([own_servers, tools.servers].concat()).filter(|servers| !servers.is_empty()),
        extra: members,
        ..Request::default()
    };
    encoder.sampling(sampling, &plan, &mut body);
    encoder.delivery(delivery, &mut body);
    encoder.caching(cache);
    let memo = Memo { json_tool, custom_tools: custom::names(tooling), ..Memo::default() };
    finish(&body, encoder, memo)
}

fn finish(body: &Request<'_>, encoder: Encoder<'_, '_>, memo: Memo) -> Result<WireRequest> {
    let headers = headers(&encoder.betas)?;
    let json = serde_json::to_vec(body).map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the request cannot be written as JSON").with_source(error)
    })?;
    Ok(WireRequest {
        method: Method::POST,
        path: PATH.to_owned(),
        headers,
        body: Segments::from(json),
        memo: Memo { tool_names: encoder.names.into_memo(), ..memo },
    })
}

/// The tool servers that the caller set.
fn servers(asked: Option<&RawValue>) -> Result<Vec<Raw<'_>>> {
    let Some(asked) = asked else {
        return Ok(Vec::new());
    };
    serde_json::from_str(asked.get())
        .map_err(|_| ApiError::bad_request("`mcp_servers` must be an array").with_param("mcp_servers"))
}

fn headers(betas: &Betas) -> Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(VERSION, HeaderValue::from_static("2023-06-01"));
    if let Some(names) = betas.header()? {
        headers.insert(BETA, names);
    }
    Ok(headers)
}

/// Forwards a body that is in this dialect already, under the model's name at the provider.
///
/// # Errors
/// When `anthropic_beta` is not a list of names.
pub(super) fn splice(head: &Head, cx: &EncodeCx<'_>) -> Result<WireRequest> {
    let mut edits = Edits::default();
    let mut betas = Betas::default();
    let model = serde_json::to_vec(cx.model).map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the model name cannot be written").with_source(error)
    })?;
    if head.get("model") != Some(&model) {
        edits.set(head, "model", Bytes::from(model));
    }
    for member in head.members() {
        let value = head.get(member.name()).and_then(|raw| std::str::from_utf8(raw).ok());
        let Some(value) = value else {
            continue;
        };
        if member.name() == "anthropic_beta" {
            // The direct API takes these names in a header only.
            betas.add_asked(value)?;
            edits.remove(head, "anthropic_beta");
        } else {
            betas.add_member(member.name(), value);
        }
    }
    Ok(WireRequest {
        method: Method::POST,
        path: PATH.to_owned(),
        headers: headers(&betas)?,
        body: edits.apply(head),
        memo: Memo::default(),
    })
}
