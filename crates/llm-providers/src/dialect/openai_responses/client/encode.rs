//! A call in the neutral form, written as a Responses request.

use std::borrow::Cow;

use bytes::Bytes;
use llm_types::chat::{
    CacheControl, CacheOptions, ChatRequest, Delivery, Identity, Limits, Sampling, Tooling, WebSearch,
};
use llm_types::{
    ApiError, Changes, Dialect, Edits, ErrorKind, Extra, Head, Members, MessageQuirk, Result, Str,
};

use super::super::wire::{Input, Request, StreamOptions, Tool};
use super::{choice, item, option, tool};
use crate::codec::{EncodeCx, WireRequest};
use crate::dialect::path::Path;
use crate::quirk::Row;

/// Members whose unknown members are kept under their name, and are added to what is written.
const INNER: [&str; 3] = ["reasoning", "text", "stream_options"];
/// Members that were for the gateway, which has read them.
const GATEWAY: [&str; 3] = ["fallbacks", "tags", "drop_params"];
/// Why something of another API is left out.
const NO_COUNTERPART: &str = "the Responses API has no counterpart";

/// The whole body.
pub(super) fn request(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let effort = option::effort_of(&request.reasoning);
    let effort = effort.map(llm_types::chat::Effort::name);
    let row = Row::of(Dialect::OpenaiResponses, cx.spec, cx.model, effort);
    let mut writer = Writer {
        row: &row,
        changes: cx.changes,
        own: matches!(request.origin, None | Some(Dialect::OpenaiResponses)),
        said: request.origin == Some(Dialect::OpenaiResponses),
    };
    let json = writer.request(request)?;
    let head = Head::scan(json)?;
    let mut edits = Edits::default();
    row.apply(&head, &mut edits, cx.changes);
    Ok(super::wire_request(edits.apply(&head), &row))
}

/// What the functions that write a request share.
#[derive(Debug)]
pub(super) struct Writer<'r, 'a> {
    /// The provider's quirks.
    pub(super) row: &'r Row<'a>,
    /// Takes what is dropped or altered.
    pub(super) changes: &'r mut Changes,
    /// Whether members that no field names are of this dialect, or for whoever answers.
    pub(super) own: bool,
    /// Whether a client of this API wrote the request: what it left out has the API's own default.
    pub(super) said: bool,
}

impl Writer<'_, '_> {
    /// Records that what is at `path` is left out.
    pub(super) fn dropped(&mut self, path: &Path<'_>, why: &'static str) {
        self.changes.dropped(path.to_string(), why);
    }

    /// Records a field that this API does not have, if it is set.
    fn lacks<T>(&mut self, field: Option<&T>, name: &'static str) {
        if field.is_some() {
            self.changes.dropped(name, NO_COUNTERPART);
        }
    }

    /// Records a breakpoint of the prompt cache, if there is one: caching is automatic here.
    pub(super) fn cache(&mut self, cache: Option<&CacheControl>, path: &Path<'_>) {
        if cache.is_some() {
            self.dropped(&path.key("cache_control"), "the prompt is cached without breakpoints");
        }
    }

    /// Members that no field names, except those named in `apart`.
    pub(super) fn extras<'a>(&mut self, extra: &'a Extra, path: &Path<'_>, apart: &[&str]) -> Members<'a> {
        let mut kept = Members::default();
        for (name, value) in extra.members().iter() {
            if apart.contains(&name) {
                continue;
            }
            if self.own {
                kept.push(Cow::Owned(name.to_owned()), value);
            } else {
                self.dropped(&path.key(name), NO_COUNTERPART);
            }
        }
        kept
    }

    /// Whether thoughts go back as text.
    pub(super) fn replays(&self) -> bool {
        self.row.has(MessageQuirk::ReplayReasoning)
    }

    fn request(&mut self, request: &ChatRequest) -> Result<Bytes> {
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
            origin: _,
            extra,
        } = request;
        let mut wire = Request { model: Some(Str(self.row.model())), ..Request::default() };
        let (instructions, items) = item::items(self, messages)?;
        wire.instructions = instructions;
        wire.input = Some(Input::Items(items));
        self.tooling(tooling, web_search.as_ref(), &mut wire);
        option::output(self, output, &mut wire)?;
        wire.reasoning = option::reasoning(self, reasoning);
        self.limits(limits, &mut wire);
        self.sampling(sampling, &mut wire);
        self.delivery(delivery, &mut wire);
        self.cache_and_identity(cache, identity, &mut wire);
        self.add_extra(extra, wire)
    }

    fn tooling<'a>(
        &mut self,
        tooling: &'a Tooling,
        web_search: Option<&'a WebSearch>,
        wire: &mut Request<'a>,
    ) {
        let Tooling { tools, choice, parallel, legacy } = tooling;
        let mut list = tool::tools(self, tools);
        let searches = |tool: &Tool<'_>| matches!(tool, Tool::Hosted(kind, _) if kind.as_str().starts_with("web_search"));
        if !list.iter().any(searches) {
            list.extend(web_search.map(tool::web_search));
        }
        wire.tools = (!list.is_empty()).then_some(list);
        wire.tool_choice = choice.as_ref().map(|choice| choice::choice(choice, tools));
        wire.parallel_tool_calls = *parallel;
        if *legacy {
            self.changes.altered("functions", "sent as `tools`, which replaced it");
        }
    }

    fn limits(&mut self, limits: &Limits, wire: &mut Request<'_>) {
        let Limits { max_tokens, max_completion_tokens, stop } = limits;
        if let (Some(older), Some(newer)) = (max_tokens, max_completion_tokens)
            && older != newer
        {
            self.changes.dropped("max_tokens", "`max_completion_tokens` is given too");
        }
        wire.max_output_tokens = limits.output_tokens();
        self.lacks((!stop.is_empty()).then_some(stop), "stop");
    }

    fn sampling(&mut self, sampling: &Sampling, wire: &mut Request<'_>) {
        let Sampling { temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, logit_bias } =
            sampling;
        wire.temperature = *temperature;
        wire.top_p = *top_p;
        self.lacks(top_k.as_ref(), "top_k");
        self.lacks(frequency_penalty.as_ref(), "frequency_penalty");
        self.lacks(presence_penalty.as_ref(), "presence_penalty");
        self.lacks(seed.as_ref(), "seed");
        self.lacks(logit_bias.as_ref(), "logit_bias");
    }

    fn delivery<'a>(&mut self, delivery: &'a Delivery, wire: &mut Request<'a>) {
        let Delivery { stream, include_usage, include_obfuscation, service_tier, store } = delivery;
        wire.service_tier = service_tier.as_ref().map(Str::from);
        // A client of this API that says nothing has its exchange stored, and may rely on it.
        wire.store = store.or((!self.said).then_some(false));
        // A model that takes no `reasoning` has none to encrypt, and says so with a 400.
        let encrypts = (self.said || wire.store == Some(false))
            && !self.row.drops("reasoning")
            && !self.row.drops("include");
        if encrypts {
            wire.include.get_or_insert_default().push(Str::from(option::ENCRYPTED));
        }
        if *stream {
            wire.stream = Some(true);
            let options =
                |padded| StreamOptions { include_obfuscation: Some(padded), ..StreamOptions::default() };
            wire.stream_options = include_obfuscation.map(options);
        } else if include_usage.is_some() || include_obfuscation.is_some() {
            self.changes.dropped("stream_options", "the answer is not streamed");
        }
    }

    fn cache_and_identity<'a>(
        &mut self,
        cache: &'a CacheOptions,
        identity: &'a Identity,
        wire: &mut Request<'a>,
    ) {
        let CacheOptions { key, retention, options, control } = cache;
        wire.prompt_cache_key = key.as_ref().map(Str::from);
        wire.prompt_cache_retention = retention.as_ref().map(Str::from);
        wire.prompt_cache_options = options.as_deref().map(Into::into);
        self.cache(control.as_ref(), &Path::Root);
        let Identity { user, safety_identifier, metadata } = identity;
        wire.user = user.as_ref().map(Str::from);
        wire.safety_identifier = safety_identifier.as_ref().map(Str::from);
        wire.metadata = metadata.as_deref().map(Into::into);
    }

    /// Adds the members that no field names, as far as no field says the same.
    fn add_extra<'a>(&mut self, extra: &'a Extra, mut wire: Request<'a>) -> Result<Bytes> {
        for (name, value) in extra.members().iter() {
            if GATEWAY.contains(&name) {
                continue;
            }
            if !self.own {
                self.changes.dropped(name.to_owned(), NO_COUNTERPART);
            } else if name == "include" {
                option::include(value, &mut wire);
            } else if INNER.contains(&name) && option::inner(name, value, &mut wire) {
            } else {
                wire.extra.push(Cow::Owned(name.to_owned()), value);
            }
        }
        if wire.extra.is_empty() {
            return write(&wire);
        }
        let extra = std::mem::take(&mut wire.extra);
        let head = Head::scan(write(&wire)?)?;
        for (name, value) in extra.iter() {
            if head.get(name).is_some() {
                self.changes.dropped(name.to_owned(), "it is given twice");
            } else {
                wire.extra.push(Cow::Owned(name.to_owned()), value);
            }
        }
        write(&wire)
    }
}

fn write(wire: &Request<'_>) -> Result<Bytes> {
    serde_json::to_vec(wire).map(Bytes::from).map_err(|error| {
        ApiError::new(ErrorKind::BadRequest, format!("the request cannot be written as JSON: {error}"))
            .with_source(error)
    })
}
