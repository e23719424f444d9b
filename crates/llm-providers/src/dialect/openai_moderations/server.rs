//! A client calls us.

use http::StatusCode;
use llm_types::{
    ApiError, Call, Dialect, Extra, Head, ModerateRequest, Moderation, Op, Output, Result, Str, Usage,
    Verdict,
};
use serde::Serialize;

use super::wire;
use crate::codec::{Asked, Peek, ReplyCx, ServerCodec, StreamEncoder};
use crate::dialect::openai_chat;
use crate::dialect::openai_transcriptions::server::missing;

/// The model where a client names none, as at OpenAI.
const USUAL: &str = "omni-moderation-latest";

/// The half that a client calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Server;

impl ServerCodec for Server {
    fn peek(&self, head: &Head, _asked: &Asked) -> Result<Peek> {
        let model = head.read::<Str<'_>>("model")?.map_or_else(|| USUAL.to_owned(), Str::into_string);
        Ok(Peek { model, ..Peek::default() })
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call> {
        match asked.op {
            Op::Moderate => request(body).map(|request| Call::Moderate(Box::new(request))),
            other => Err(ApiError::bad_request(format!(
                "this route cannot carry {other}: use the route of that operation"
            ))),
        }
    }

    fn encode(&self, output: &Output, cx: &ReplyCx) -> Vec<u8> {
        match output {
            Output::Moderation(moderation) => reply(moderation, cx),
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

fn request(body: &[u8]) -> Result<ModerateRequest> {
    let wrong = |error| ApiError::bad_request(format!("the body is not what OpenAI takes: {error}"));
    let wire: wire::Request<'_> = serde_json::from_slice(body).map_err(wrong)?;
    let wire::Request { model, input, extra } = wire;
    let input = input.ok_or_else(|| missing("input", "send what is to be looked at"))?;
    Ok(ModerateRequest {
        model: model.map_or_else(|| USUAL.to_owned(), Str::into_string),
        input: input.0.into_owned(),
        origin: Some(Dialect::OpenaiModerations),
        extra: extra.to_extra(),
    })
}

fn reply(moderation: &Moderation, cx: &ReplyCx) -> Vec<u8> {
    let Moderation { id, model, results, usage, origin, extra } = moderation;
    let shown: Vec<Extra> = results.iter().map(verdict).collect();
    let mut out = Extra::default();
    let mut set = |name: &str, json: serde_json::Result<Box<llm_types::RawValue>>| {
        if let Ok(json) = json {
            out.set(name, json);
        }
    };
    set("id", serde_json::value::to_raw_value(if id.is_empty() { &cx.id } else { id }));
    set("model", serde_json::value::to_raw_value(if model.is_empty() { &cx.model } else { model }));
    let list: Vec<_> = shown.iter().map(Extra::members).collect();
    set("results", serde_json::value::to_raw_value(&list));
    // OpenAI counts nothing here; who does is not silenced.
    if let Some(used) = usage.as_ref().filter(|used| used.total_tokens() > 0) {
        set("usage", serde_json::value::to_raw_value(&Used::of(used)));
    }
    if *origin == Some(Dialect::OpenaiModerations) {
        for (name, json) in extra.iter() {
            set(name, Ok(json.to_owned()));
        }
    }
    serde_json::to_vec(&out.members()).unwrap_or_default()
}

/// What was used, in the words of Mistral, the only one that tells it.
#[derive(Serialize)]
struct Used {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl Used {
    fn of(used: &Usage) -> Self {
        Self {
            prompt_tokens: used.prompt_tokens(),
            completion_tokens: used.completion_tokens(),
            total_tokens: used.total_tokens(),
        }
    }
}

fn verdict(verdict: &Verdict) -> Extra {
    let Verdict { flagged, categories, scores, extra } = verdict;
    let mut out = Extra::default();
    let mut set = |name: &str, json: serde_json::Result<Box<llm_types::RawValue>>| {
        if let Ok(json) = json {
            out.set(name, json);
        }
    };
    set("flagged", serde_json::value::to_raw_value(flagged));
    set("categories", serde_json::value::to_raw_value(&named(categories).members()));
    set("category_scores", serde_json::value::to_raw_value(&named(scores).members()));
    for (name, json) in extra.iter() {
        out.set(name, json.to_owned());
    }
    out
}

fn named<T: Serialize>(values: &[(String, T)]) -> Extra {
    let mut out = Extra::default();
    for (name, value) in values {
        if let Ok(json) = serde_json::value::to_raw_value(value) {
            out.set(name.as_str(), json);
        }
    }
    out
}
