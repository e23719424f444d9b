//! A call in the neutral form, written as a chat completion request.

use bytes::Bytes;
use llm_types::chat::{
    CacheControl, CacheOptions, ChatRequest, Delivery, Identity, Limits, OutputOptions, Sampling, Tooling,
};
use llm_types::{Changes, Dialect, Edits, Extra, Head, Members, MessageQuirk, Result, Segments, Str};

use super::super::path::Path;
use super::super::wire::{CacheControlJson, Open, Request, Stop, StreamOptions};
use super::foreign::{Foreign, foreign};
use super::{message, option, tool};
use crate::codec::EncodeCx;
use crate::quirk::Row;

/// The whole body.
pub(super) fn request(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<Segments> {
    let effort = option::effort_word(request);
    let row = Row::new(cx.spec, cx.model, effort);
    let mut writer = Writer {
        row: &row,
        changes: cx.changes,
        own: matches!(request.origin, None | Some(Dialect::OpenaiChat)),
    };
    let json = writer.request(request)?;
    let head = Head::scan(json)?;
    let mut edits = Edits::default();
    row.apply(&head, &mut edits, cx.changes);
    Ok(edits.apply(&head))
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
}

impl Writer<'_, '_> {
    /// Records that what is at `path` is left out.
    pub(super) fn dropped(&mut self, path: &Path<'_>) {
        self.changes.dropped(path.to_string(), self.row.why());
    }

    /// Records that what is at `path` is sent in another way.
    pub(super) fn altered(&mut self, path: &Path<'_>, why: &'static str) {
        self.changes.altered(path.to_string(), why);
    }

    /// Records that what is at `path` is left out, with a reason of its own.
    pub(super) fn dropped_because(&mut self, path: &Path<'_>, why: &'static str) {
        self.changes.dropped(path.to_string(), why);
    }

    /// Whether the provider understands breakpoints of the prompt cache.
    pub(super) fn caches(&self) -> bool {
        self.row.has(MessageQuirk::CacheControl)
    }

    /// A breakpoint, if the provider understands it.
    pub(super) fn cache<'a>(
        &mut self,
        cache: Option<&'a CacheControl>,
        path: &Path<'_>,
    ) -> Option<CacheControlJson<'a>> {
        let CacheControl { kind, ttl } = cache?;
        if !self.caches() {
            self.dropped(&path.key("cache_control"));
            return None;
        }
        let (kind, ttl) = (Some(Str::from(kind)), ttl.as_ref().map(Str::from));
        Some(CacheControlJson { kind, ttl, ..CacheControlJson::default() })
    }

    /// Members that no field names, except those named in `apart`.
    pub(super) fn extras<'a>(&mut self, extra: &'a Extra, path: &Path<'_>, apart: &[&str]) -> Members<'a> {
        let mut kept = Members::default();
        for (name, value) in extra.members().iter() {
            if apart.contains(&name) {
                continue;
            }
            if self.own {
                kept.push(std::borrow::Cow::Owned(name.to_owned()), value);
            } else {
                self.dropped(&path.key(name));
            }
        }
        kept
    }

    /// Unknown members of an inner object, which are kept under its name.
    pub(super) fn inner<'a>(&mut self, extra: &'a Extra, object: &str, path: &Path<'_>) -> Members<'a> {
        let Some(raw) = extra.get(object) else {
            return Members::default();
        };
        if !self.own {
            self.dropped(&path.key(object));
            return Members::default();
        }
        serde_json::from_str::<Open<'a>>(raw.get()).map(|open| open.extra).unwrap_or_default()
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
        let model = self.row.model();
        let mut wire = Request { model: Some(Str(model)), ..Request::default() };
        wire.messages = Some(message::messages(self, messages)?);
        self.tooling(tooling, &mut wire);
        sampling_into(sampling, &mut wire);
        self.output(output, &mut wire);
        option::reasoning(self, reasoning, limits.output_tokens(), &mut wire);
        let Limits { max_tokens, max_completion_tokens, stop } = limits;
        wire.max_tokens = *max_tokens;
        wire.max_completion_tokens = *max_completion_tokens;
        wire.stop = (!stop.is_empty()).then(|| Stop(stop.iter().map(Str::from).collect()));
        self.delivery(delivery, extra, &mut wire);
        self.cache_and_identity(cache, identity, &mut wire);
        wire.web_search_options = web_search.as_ref().and_then(option::web_search);
        self.add_extra(extra, wire)
    }

    fn tooling<'a>(&mut self, tooling: &'a Tooling, wire: &mut Request<'a>) {
        let Tooling { tools, choice, parallel, legacy } = tooling;
        let choice = choice.as_ref();
        let few = choice.filter(|_| self.row.has(MessageQuirk::ChoiceWithoutNames)).and_then(tool::few);
        let (names, choice) = match &few {
            Some((names, choice)) => {
                self.changes.altered("tool_choice", "only the tools that may be called are sent");
                (Some(*names), Some(choice))
            }
            None => (None, choice),
        };
        wire.tools = Some(tool::tools(self, tools, names)).filter(|tools| !tools.is_empty());
        wire.tool_choice = choice.and_then(|choice| tool::choice(choice, tools));
        wire.parallel_tool_calls = *parallel;
        if *legacy {
            self.changes.altered("functions", "sent as `tools`, which replaced it");
        }
    }

    fn output<'a>(&mut self, output: &'a OutputOptions, wire: &mut Request<'a>) {
        let OutputOptions { n, format, modalities, audio, logprobs, top_logprobs, prediction, verbosity } =
            output;
        wire.n = *n;
        wire.response_format = format.as_ref().and_then(|format| option::response_format(self, format, wire));
        wire.modalities = (!modalities.is_empty()).then(|| modalities.iter().map(Str::from).collect());
        wire.audio = audio.as_ref().and_then(|audio| option::audio(self, audio));
        wire.logprobs = *logprobs;
        wire.top_logprobs = *top_logprobs;
        wire.prediction = prediction.as_deref();
        wire.verbosity = verbosity.as_ref().map(Str::from);
    }

    fn delivery<'a>(&mut self, delivery: &'a Delivery, extra: &'a Extra, wire: &mut Request<'a>) {
        let Delivery { stream, include_usage, include_obfuscation, service_tier, store } = delivery;
        wire.service_tier = service_tier.as_ref().map(Str::from);
        wire.store = *store;
        if !stream {
            if include_usage.is_some()
                || include_obfuscation.is_some()
                || extra.get("stream_options").is_some()
            {
                self.changes.dropped("stream_options", "the answer is not streamed");
            }
            return;
        }
        wire.stream = Some(true);
        wire.stream_options = Some(StreamOptions {
            // The gateway has to know what was used, whether the client asks or not.
            include_usage: Some(true),
            include_obfuscation: *include_obfuscation,
            extra: self.inner(extra, "stream_options", &Path::Root),
        });
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
        wire.prompt_cache_options = options.as_deref();
        wire.cache_control = self.cache(control.as_ref(), &Path::Root);
        let Identity { user, safety_identifier, metadata } = identity;
        wire.user = user.as_ref().map(Str::from);
        wire.safety_identifier = safety_identifier.as_ref().map(Str::from);
        wire.metadata = metadata.as_deref();
    }

    /// Adds the members that no field names, as far as no field says the same.
    fn add_extra<'a>(&mut self, extra: &'a Extra, mut wire: Request<'a>) -> Result<Bytes> {
        let json = write(&wire)?;
        if extra.is_empty() {
            return Ok(json);
        }
        let head = Head::scan(json)?;
        for (name, value) in extra.members().iter() {
            if name == "stream_options" {
                continue;
            }
            let path = Path::Root;
            if !self.own {
                self.dropped(&path.key(name));
                continue;
            }
            if head.get(name).is_some() {
                self.dropped_because(&path.key(name), "it is given twice");
                continue;
            }
            match foreign(name) {
                Some(Foreign::Gateway) if !self.row.takes(name) => {}
                Some(Foreign::Other) if !self.row.takes(name) => self.dropped(&path.key(name)),
                _ => wire.extra.push(std::borrow::Cow::Owned(name.to_owned()), value),
            }
        }
        write(&wire)
    }
}

fn write(wire: &Request<'_>) -> Result<Bytes> {
    serde_json::to_vec(wire).map(Bytes::from).map_err(|error| {
        llm_types::ApiError::bad_request(format!("the request cannot be written as JSON: {error}"))
            .with_source(error)
    })
}

fn sampling_into<'a>(sampling: &'a Sampling, wire: &mut Request<'a>) {
    let Sampling { temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, logit_bias } =
        sampling;
    wire.temperature = *temperature;
    wire.top_p = *top_p;
    wire.top_k = *top_k;
    wire.frequency_penalty = *frequency_penalty;
    wire.presence_penalty = *presence_penalty;
    wire.seed = *seed;
    wire.logit_bias = logit_bias.as_deref();
}
