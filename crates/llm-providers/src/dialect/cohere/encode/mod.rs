//! A call in this dialect.
//!
//! Each group of the neutral request has its own file here and is taken apart without `..`, so that a new field
//! does not compile until it is decided what becomes of it.

mod message;
mod option;
mod part;
mod tool;

use llm_types::chat::ChatRequest;
use llm_types::{ApiError, Changes, Dialect, ErrorKind, Extra, Result, Str};

use super::model;
use super::wire::Request;
use crate::codec::{EncodeCx, Memo};
use crate::dialect::custom;
use crate::dialect::name::{Ids, Names};

/// Why a field is left out that has no counterpart.
const NO_COUNTERPART: &str = "cohere has no counterpart";
/// Members of this dialect's own that clients of any other may send.
const TERMS: [&str; 6] =
    ["documents", "citation_options", "safety_mode", "strict_tools", "raw_prompting", "priority"];

/// State of one encoding.
#[derive(Debug)]
struct Encoder<'r, 'c> {
    /// Whether the model may think.
    thinks: bool,
    /// Takes what is dropped or altered.
    changes: &'c mut Changes,
    /// The tool names.
    names: Names,
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

/// The body of a conversation turn.
///
/// # Errors
/// When the call cannot be expressed: several answers, sound, a file, nothing to answer.
pub(super) fn body(request: &ChatRequest, cx: &mut EncodeCx<'_>) -> Result<(Vec<u8>, Memo)> {
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
        thinks: model::thinks(cx.model),
        changes: cx.changes,
        names: tool::names(request),
        ids: Ids::default(),
    };
    let mut body = Request { model: Some(Str::from(cx.model)), ..Request::default() };
    encoder.tools(tooling, &mut body)?;
    body.messages = Some(encoder.conversation(messages)?);
    encoder.sampling(sampling, &mut body);
    let grounded = extra.get("documents").is_some_and(|documents| !matches!(documents.get(), "[]" | "null"));
    encoder.output(output, grounded, &mut body)?;
    encoder.limits(limits, &mut body);
    encoder.thinking(reasoning, &mut body);
    encoder.delivery(delivery, &mut body);
    encoder.cache(cache);
    encoder.identity(identity);
    encoder.refuse(web_search.as_ref(), "web_search_options");
    encoder.extra(extra, *origin, &mut body);
    let written = serde_json::to_vec(&body).map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the request cannot be written as JSON").with_source(error)
    })?;
    let memo = Memo {
        tool_names: encoder.names.into_memo(),
        custom_tools: custom::names(tooling),
        ..Memo::default()
    };
    Ok((written, memo))
}

impl<'r> Encoder<'r, '_> {
    /// Members that no neutral field names: this dialect's own terms pass whoever sends them.
    fn extra(&mut self, extra: &'r Extra, origin: Option<Dialect>, body: &mut Request<'r>) {
        let own = origin.is_none_or(|origin| origin == Dialect::Cohere);
        for (name, value) in extra.iter() {
            if name == "strict_tools" && body.strict_tools.is_some() {
                self.changes.dropped("strict_tools", "the tools say it");
            } else if own || TERMS.contains(&name) {
                body.extra.push(name.into(), value);
            } else {
                self.changes.dropped(name.to_owned(), NO_COUNTERPART);
            }
        }
    }
}
