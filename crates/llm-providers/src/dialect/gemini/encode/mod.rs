//! A call in this dialect.
//!
//! Each group of the neutral request has its own file here and is taken apart without `..`, so that a
//! new field does not compile until it is decided what becomes of it.

mod extra;
mod media;
mod message;
mod name;
mod option;
mod part;
mod thinking;
mod tool;

use llm_types::chat::{CacheOptions, ChatRequest, Identity, Role};
use llm_types::{ApiError, Changes, Dialect, Result, Str};

use super::host::Host;
use super::model::Model;
use super::wire;
use crate::codec::{EncodeCx, Memo};
use crate::dialect::custom;
use extra::Native;
pub(super) use extra::camel;
use name::Names;

/// Why a field is left out that has no counterpart.
pub(super) const NO_COUNTERPART: &str = "gemini has no counterpart";

/// What every part of the encoder knows.
#[derive(Debug)]
struct Cx<'c> {
    /// What the model takes.
    model: Model,
    /// Who speaks the format.
    host: Host,
    /// Its name, for messages.
    name: &'c str,
    /// Whether members that no field names are meant for this dialect.
    native: bool,
    /// Whether the client speaks this dialect: it says in its own terms what it wants.
    own: bool,
    changes: &'c mut Changes,
}

impl Cx<'_> {
    /// Records a field that has no counterpart, if it is set.
    fn no_counterpart<T>(&mut self, path: &'static str, field: Option<&T>) {
        if field.is_some() {
            self.changes.dropped(path, NO_COUNTERPART);
        }
    }

    /// "not taken by gemini-3-pro"
    fn not_taken(&self) -> String {
        format!("{} does not take it", self.name)
    }
}

/// A call, written.
#[derive(Debug)]
pub(super) struct Body {
    /// The body.
    pub(super) bytes: Vec<u8>,
    /// For the decoder.
    pub(super) memo: Memo,
    /// The tier of service, where it is asked for in a header.
    pub(super) tier: Option<String>,
}

/// The body of a call.
///
/// # Errors
/// When the call cannot be expressed: a tool result without its call, a file that would have to be
/// fetched, no message at all.
pub(super) fn body(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<Body> {
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
    let mut cx = Cx {
        model: Model::of(cx.model),
        host: Host::of(cx.spec),
        name: cx.model,
        native: origin.is_none_or(|origin| origin == Dialect::Gemini),
        own: *origin == Some(Dialect::Gemini),
        changes: cx.changes,
    };
    let native = Native::read(extra)?;
    let mut names = Names::new(tooling, messages);

    let mut turns = message::Turns::new(&mut cx, &mut names);
    for (index, message) in messages.iter().enumerate() {
        turns.message(index, message)?;
    }
    let conversation = turns.finish()?;

    let mut body = wire::Request { contents: Some(conversation.contents.into()), ..wire::Request::default() };
    if native.is_cached() {
        cached(request, &mut cx);
    } else {
        body.system_instruction = conversation.system;
        let tools = tool::tools(tooling, web_search.as_ref(), &mut names, &mut cx)?;
        body.tool_config = tool::config(tooling, &tools, &mut names, &mut cx);
        body.tools = (!tools.list.is_empty()).then_some(tools.list.into());
    }

    let mut config = native.config()?;
    option::sampling(sampling, &mut config, &mut cx);
    option::output(output, &mut config, &mut cx)?;
    option::limits(limits, &mut config, &mut cx);
    option::resolution(conversation.resolution, &mut config);
    thinking::thinking(reasoning, &mut config, &mut cx);
    if !is_empty(&config) {
        body.generation_config = Some(config);
    }
    let tier = option::delivery(delivery, &mut cx);
    let header = tier.as_deref().filter(|_| cx.host.takes_tier_in_header()).map(str::to_owned);
    body.service_tier = tier.filter(|_| header.is_none()).map(Str);
    unsupported(cache, identity, &mut cx);
    extra::members(extra, &native, &mut body, &mut cx);

    let bytes = serde_json::to_vec(&body)
        .map_err(|error| ApiError::bad_request("the request cannot be written as JSON").with_source(error))?;
    let memo =
        Memo { tool_names: names.rewritten(), custom_tools: custom::names(tooling), ..Memo::default() };
    Ok(Body { bytes, memo, tier: header })
}

/// Cached content brings its own instructions and tools; beside it they are a 400.
fn cached(request: &ChatRequest, cx: &mut Cx<'_>) {
    const WHY: &str = "cached content brings its own";
    for (index, message) in request.messages.iter().enumerate() {
        if cx.model.system && matches!(message.role, Role::System | Role::Developer) {
            cx.changes.dropped(format!("messages[{index}]"), WHY);
        }
    }
    let tools = [
        ("tools", !request.tooling.tools.is_empty()),
        ("tool_choice", request.tooling.choice.is_some()),
        ("web_search_options", request.web_search.is_some()),
    ];
    for (path, _) in tools.into_iter().filter(|(_, set)| *set) {
        cx.changes.dropped(path, WHY);
    }
}

fn unsupported(cache: &CacheOptions, identity: &Identity, cx: &mut Cx<'_>) {
    let CacheOptions { key, retention, options, control } = cache;
    cx.no_counterpart("prompt_cache_key", key.as_ref());
    cx.no_counterpart("prompt_cache_retention", retention.as_ref());
    cx.no_counterpart("prompt_cache_options", options.as_ref());
    cx.no_counterpart("cache_control", control.as_ref());
    let Identity { user, safety_identifier, metadata } = identity;
    cx.no_counterpart("user", user.as_ref());
    cx.no_counterpart("safety_identifier", safety_identifier.as_ref());
    cx.no_counterpart("metadata", metadata.as_ref());
}

/// Whether nothing is set: an empty object would only be noise.
fn is_empty(config: &wire::GenerationConfig<'_>) -> bool {
    serde_json::to_string(config).is_ok_and(|json| json == "{}")
}
