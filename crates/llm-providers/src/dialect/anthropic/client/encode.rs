//! One request, from the neutral form to `POST /v1/messages` or its count of tokens.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use llm_types::chat::{ChatRequest, SEAL};
use llm_types::{ApiError, Dialect, Edits, ErrorKind, Head, Op, RawValue, Result, Segments};

use super::super::model;
use super::super::wire::{Raw, Request};
use super::beta::{self, Betas};
use super::encoder::{Encoder, breakpoint};
use super::host;
use super::tool::{self, JSON_TOOL};
use crate::codec::{Asked, EncodeCx, Memo, WireRequest};
use crate::dialect::custom;
use crate::dialect::name::Ids;

const PATH: &str = "/v1/messages";
/// The version of the API that is spoken here.
pub(super) const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));

/// Encodes a conversation turn, or the question how many tokens it is.
///
/// # Errors
/// When it cannot be expressed: several answers, audio, nothing to answer.
pub(super) fn conversation(request: &ChatRequest, op: Op, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
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
        fetches: host::fetches(cx.spec),
        origin: *origin,
        changes: cx.changes,
        names: tool::names(request),
        ids: Ids::default(),
        prefill: None,
        betas: Betas::of(cx.asked),
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
    let headers = headers(&encoder.betas, cx.asked)?;
    finish(body, encoder, (op, headers, memo))
}

/// What counting tokens takes: the prompt, and nothing that bears on the answer only.
fn prompt_of(body: Request<'_>) -> Request<'_> {
    Request {
        max_tokens: None,
        temperature: None,
        top_p: None,
        top_k: None,
        stop_sequences: None,
        stream: None,
        metadata: None,
        service_tier: None,
        ..body
    }
}

fn path(op: Op) -> String {
    let count = if op == Op::CountTokens { "/count_tokens" } else { "" };
    format!("{PATH}{count}")
}

fn finish(
    body: Request<'_>,
    encoder: Encoder<'_, '_>,
    (op, headers, memo): (Op, HeaderMap, Memo),
) -> Result<WireRequest> {
    let body = if op == Op::CountTokens { prompt_of(body) } else { body };
    let json = serde_json::to_vec(&body).map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the request cannot be written as JSON").with_source(error)
    })?;
    Ok(WireRequest {
        method: Method::POST,
        path: path(op),
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

/// The headers of the dialect. A client that speaks it says itself which version it means.
fn headers(betas: &Betas, asked: &Asked) -> Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (version, ours) = VERSION;
    let own = asked.headers.get(&version).filter(|_| asked.dialect == Some(Dialect::Anthropic));
    headers.insert(version, own.cloned().unwrap_or(ours));
    if let Some(names) = betas.header()? {
        headers.insert(beta::HEADER, names);
    }
    Ok(headers)
}

/// Whether there are thoughts or sources in a body that an upstream of another dialect made: Anthropic
/// refuses what it has not signed, so they have to be taken out. Searched for only where the keys are.
pub(super) fn holds_foreign_thoughts(head: &Head) -> bool {
    let has = |key| head.mentions("messages", key);
    let (signed, cited) = (has("signature"), has("encrypted_index"));
    if !signed && !cited && !has("data") {
        return false;
    }
    let messages = head.get("messages").unwrap_or_default();
    let finds = |text: &str| memchr::memmem::find(messages, text.as_bytes()).is_some();
    let empty = |key: &str| finds(&format!("\"{key}\":\"\"")) || finds(&format!("\"{key}\": \"\""));
    finds(&format!("\"{SEAL}")) || (signed && empty("signature")) || (cited && empty("encrypted_index"))
}

/// Forwards a body that is in this dialect already, under the model's name at the provider.
///
/// # Errors
/// When `anthropic_beta` is not a list of names.
pub(super) fn splice(head: &Head, cx: &EncodeCx<'_>) -> Result<WireRequest> {
    let mut edits = Edits::default();
    let mut betas = Betas::of(cx.asked);
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
        path: path(cx.asked.op),
        headers: headers(&betas, cx.asked)?,
        body: edits.apply(head),
        memo: Memo::default(),
    })
}
