//! A call in this dialect.
//!
//! Each group of the neutral request has its own file here and is taken apart without `..`, so that a new field
//! does not compile until it is decided what becomes of it.

mod message;
mod option;
mod part;
mod tool;

use llm_types::chat::{ChatRequest, Message, Part, Role, Text};
use llm_types::{ApiError, Changes, Dialect, ErrorKind, Extra, RawValue, Result, Str};
use serde::Serialize;

use super::wire::{Options, Raw, Request};
use crate::codec::{EncodeCx, Memo};
use crate::dialect::custom;
use crate::dialect::name::Ids;
use crate::estimate;

/// Why a field is left out that has no counterpart.
pub(super) const NO_COUNTERPART: &str = "ollama has no counterpart";
/// Members of this dialect's own that clients of any other may send.
const TERMS: [&str; 10] =
    ["keep_alive", "think", "format", "truncate", "shift", "raw", "template", "context", "system", "suffix"];
/// What a model is run with, beside what the neutral form has fields for
/// (<https://docs.ollama.com/modelfile>, `PARAMETER`). Clients of any dialect may send it beside its other options.
pub(super) const OPTIONS: &[&str] = &[
    "num_ctx",
    "num_predict",
    "num_keep",
    "num_batch",
    "num_gpu",
    "num_thread",
    "main_gpu",
    "low_vram",
    "use_mmap",
    "use_mlock",
    "numa",
    "min_p",
    "typical_p",
    "tfs_z",
    "repeat_last_n",
    "repeat_penalty",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "penalize_newline",
];

/// State of one encoding.
#[derive(Debug)]
struct Encoder<'r, 'c> {
    /// Whether the model thinks at levels, and not just or not at all.
    levels: bool,
    /// Takes what is dropped or altered.
    changes: &'c mut Changes,
    /// The call ids.
    ids: Ids<'r>,
}

impl Encoder<'_, '_> {
    /// Records a field that is set but has no counterpart.
    fn refuse<T>(&mut self, field: Option<&T>, path: &'static str) {
        if field.is_some() {
            self.changes.dropped(path, NO_COUNTERPART);
        }
    }
}

/// The path, the body, and what the decoder must know of a conversation turn.
///
/// # Errors
/// When the call cannot be expressed: several answers, sound, a picture at an address, nothing to answer.
pub(super) fn call(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<(&'static str, Vec<u8>, Memo)> {
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
    let own = origin.is_none_or(|origin| origin == Dialect::Ollama);
    // A level is a word to the models that know levels, and no more than "yes" to all others.
    let levels = cx.model.contains("gpt-oss");
    let given = extra.get("options").map(members).transpose()?.unwrap_or_default();
    let mut encoder = Encoder { levels, changes: cx.changes, ids: Ids::default() };
    let mut body = Request { model: Some(Str::from(cx.model)), ..Request::default() };
    let mut options = Options::default();
    encoder.tools(tooling, &mut body)?;
    // Whoever wants a text gone on with sends one prompt, and no turns.
    let prompt = match cx.asked.dialect {
        Some(Dialect::OpenaiCompletions) => alone(messages),
        _ => None,
    };
    match prompt {
        Some(prompt) => body.prompt = Some(prompt.into()),
        None => body.messages = Some(encoder.conversation(messages)?),
    }
    encoder.sampling(sampling, &mut options);
    encoder.output(output, &mut body)?;
    encoder.limits(limits, &mut options);
    encoder.thinking(reasoning, &mut body);
    encoder.delivery(delivery, &mut body);
    encoder.cache(cache);
    encoder.identity(identity);
    encoder.refuse(web_search.as_ref(), "web_search_options");
    encoder.extra(extra, own, &mut body, &mut options);
    encoder.options(&given, &mut options);
    if !is_empty(&options) {
        body.options = Some(options);
    }
    let path = if prompt.is_some() { "/api/generate" } else { "/api/chat" };
    let prompt = Some(estimate::prompt(request));
    let memo = Memo { custom_tools: custom::names(tooling), prompt, ..Memo::default() };
    Ok((path, written(&body)?, memo))
}

/// The text of a request that is one text of the user's, with nothing said beside it.
fn alone(messages: &[Message]) -> Option<&str> {
    let [Message { role: Role::User, parts, name: None, extra }] = messages else { return None };
    let [Part::Text(Text { text, cache: None, signature: None, extra: beside })] = parts.as_slice() else {
        return None;
    };
    (extra.is_empty() && beside.is_empty()).then_some(text)
}

fn is_empty(options: &Options<'_>) -> bool {
    // What says nothing is not written.
    serde_json::to_string(options).is_ok_and(|json| json == "{}")
}

/// A body as JSON.
pub(super) fn written(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the request cannot be written as JSON").with_source(error)
    })
}

/// A value as raw JSON.
fn raw<'r>(value: &impl Serialize) -> Option<Raw<'r>> {
    serde_json::value::to_raw_value(value).ok().map(Raw::from)
}

impl<'r> Encoder<'r, '_> {
    /// Members that no neutral field names: this dialect's own terms pass whoever sends them, and options of the
    /// model find their place.
    fn extra(&mut self, extra: &'r Extra, own: bool, body: &mut Request<'r>, options: &mut Options<'r>) {
        for (name, value) in extra.iter() {
            let set = match name {
                "format" => body.format.is_some(),
                "think" => body.think.is_some(),
                "num_predict" => options.num_predict.is_some(),
                _ => false,
            };
            if set {
                self.changes.dropped(name.to_owned(), "another member of the request says it too");
            } else if OPTIONS.contains(&name) {
                options.extra.push(name.into(), value);
            } else if name == "options" {
                // Its members are added at the end.
            } else if own || TERMS.contains(&name) {
                body.extra.push(name.into(), value);
            } else {
                self.changes.dropped(name.to_owned(), NO_COUNTERPART);
            }
        }
    }

    /// Adds what the client put into `options` itself, unless the request says it elsewhere.
    fn options<'o>(&mut self, given: &'o Extra, options: &mut Options<'o>)
    where
        'r: 'o,
    {
        let said = serde_json::value::to_raw_value(&*options).ok();
        let said = said.and_then(|said| members(&said).ok()).unwrap_or_default();
        for (name, value) in given.iter() {
            if said.get(name).is_some() {
                self.changes.dropped(format!("options.{name}"), "another member of the request says it too");
            } else {
                options.extra.push(name.into(), value);
            }
        }
    }
}

/// The members of an object that the client wrote.
fn members(value: &RawValue) -> Result<Extra> {
    let head = llm_types::Head::scan(bytes::Bytes::copy_from_slice(value.get().as_bytes()))
        .map_err(|error| error.with_param("options"))?;
    let mut out = Extra::default();
    for member in head.members() {
        if let Some(raw) = head.read::<&RawValue>(member.name())? {
            out.set(member.name(), raw.to_owned());
        }
    }
    Ok(out)
}
