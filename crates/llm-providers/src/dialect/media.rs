//! What the operations on sound, pictures and policies share: usages, streams of events, bodies.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use llm_types::{
    ApiError, Changes, Content, ErrorKind, Fields, ImageRequest, ImageTask, Piece, RawValue, Result,
    Segments, Units, Usage, wire_struct,
};
use memchr::memmem;
use serde::Serialize;
use uuid::Uuid;

use super::stated::stated;
use super::{openai_chat, openai_images};
use crate::codec::{ClientCodec as _, Memo, Seen, StreamTap, WireRequest};
use crate::own_api;

wire_struct! {
    /// What was used, in the words of all of them.
    pub(in crate::dialect) struct Counts<'a> {
        kind as "type": &'a RawValue,
        seconds or "prompt_audio_seconds": f64,
        input_tokens or "prompt_tokens": u64,
        output_tokens or "completion_tokens": u64,
        total_tokens: u64,
        input_token_details: Details<'a>,
        input_tokens_details or "prompt_tokens_details": Details<'a>,
        output_tokens_details: Details<'a>,
    }
}

wire_struct! {
    /// What the tokens are.
    pub(in crate::dialect) struct Details<'a> {
        text_tokens: u64,
        audio_tokens: u64,
        image_tokens: u64,
        cached_tokens: u64,
    }
}

/// What of an answer's tokens stands in no detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Made {
    Text,
    Sound,
    Pictures,
}

impl Counts<'_> {
    /// The usage, where anything is counted.
    pub(in crate::dialect) fn usage(&self, made: Made) -> Option<Usage> {
        let given = self.input_token_details.as_ref().or(self.input_tokens_details.as_ref());
        let given = |part: fn(&Details<'_>) -> Option<u64>| given.and_then(part).unwrap_or_default();
        let (audio, image) = (given(|details| details.audio_tokens), given(|details| details.image_tokens));
        let cached = given(|details| details.cached_tokens);
        let input = self.input_tokens.unwrap_or_default();
        let output = self.output_tokens.unwrap_or_default();
        let stated = stated(&self.extra);
        let input_audio_ms = self.seconds.map(millis).unwrap_or_default();
        if input == 0 && output == 0 && input_audio_ms == 0 && stated.is_none() {
            return None;
        }
        let mut usage = Usage {
            input: input.saturating_sub(audio).saturating_sub(image).saturating_sub(cached),
            cache_read: cached,
            input_audio: audio,
            input_image: image,
            units: Units { input_audio_ms, ..Units::default() },
            stated,
            ..Usage::default()
        };
        let details = self.output_tokens_details.as_ref();
        let text = details.and_then(|details| details.text_tokens).unwrap_or_default().min(output);
        match made {
            Made::Text => usage.output = output,
            Made::Sound => (usage.output, usage.output_audio) = (text, output - text),
            Made::Pictures => (usage.output, usage.output_image) = (text, output - text),
        }
        Some(usage)
    }
}

/// Seconds as milliseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float's cast saturates")]
pub(in crate::dialect) fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).round() as u64
}

/// A usage in OpenAI's words: tokens, else how long the sound was.
pub(in crate::dialect) fn counted(usage: &Usage) -> Option<Box<RawValue>> {
    #[derive(Serialize)]
    struct Tokens {
        #[serde(rename = "type")]
        kind: &'static str,
        input_tokens: u64,
        input_token_details: Parts,
        output_tokens: u64,
        total_tokens: u64,
    }
    #[derive(Serialize)]
    struct Parts {
        text_tokens: u64,
        audio_tokens: u64,
    }
    #[derive(Serialize)]
    struct Seconds {
        #[serde(rename = "type")]
        kind: &'static str,
        seconds: u64,
    }
    if usage.total_tokens() > 0 {
        let audio_tokens = usage.input_audio;
        let parts = Parts { text_tokens: usage.prompt_tokens().saturating_sub(audio_tokens), audio_tokens };
        return serde_json::value::to_raw_value(&Tokens {
            kind: "tokens",
            input_tokens: usage.prompt_tokens(),
            input_token_details: parts,
            output_tokens: usage.completion_tokens(),
            total_tokens: usage.total_tokens(),
        })
        .ok();
    }
    let seconds = usage.units.input_audio_ms.div_ceil(1000);
    (seconds > 0).then(|| serde_json::value::to_raw_value(&Seconds { kind: "duration", seconds }).ok())?
}

/// A body of JSON to post.
pub(in crate::dialect) fn json(path: String, body: impl Into<Segments>, memo: Memo) -> WireRequest {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    WireRequest { method: Method::POST, path, headers, body: body.into(), memo }
}

/// A body of JSON with a file in it as base64, which `write` gets as a text. The file is neither copied nor read: its
/// base64 is written while it is sent.
///
/// # Errors
/// When the body cannot be written.
pub(in crate::dialect) fn with_base64(
    file: &Content,
    write: impl FnOnce(&str) -> Result<Segments>,
) -> Result<Segments> {
    // Stands for the file. Drawn anew for each body: no client can write it into its own texts.
    let mark = format!("file-{}", Uuid::new_v4().simple());
    let body = write(&mark)?.read()?;
    let at = memmem::find(&body, mark.as_bytes())
        .ok_or_else(|| ApiError::new(ErrorKind::Internal, "the sound has no place in the request"))?;
    let before = Piece::from(body.slice(..at));
    let behind = Piece::from(body.slice(at + mark.len()..));
    Ok([before, Piece::Base64(file.clone()), behind].into_iter().collect())
}

/// A value as raw JSON.
///
/// # Errors
/// When it cannot be written.
pub(in crate::dialect) fn raw(value: &(impl Serialize + ?Sized)) -> Result<Box<RawValue>> {
    serde_json::value::to_raw_value(value).map_err(unwritable)
}

/// A value as the bytes of a body.
///
/// # Errors
/// When it cannot be written.
pub(in crate::dialect) fn bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(unwritable)
}

/// Refuses what would have the provider send its answer elsewhere: nobody would see what was heard, and what it cost.
///
/// # Errors
/// 400.
pub(in crate::dialect) fn answered_here(fields: &[(String, String)]) -> Result<()> {
    match fields.iter().find(|(name, _)| own_api::ELSEWHERE.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("`{name}` sends the answer elsewhere: leave it out, and read it here");
            Err(ApiError::bad_request(message).with_param(name.clone()))
        }
    }
}

/// Says what is lost of vectors of several types: an answer of OpenAI's kind has one of each.
pub(in crate::dialect) fn one_type(extra: &llm_types::Extra, name: &'static str, changes: &mut Changes) {
    let types = extra.get(name).and_then(|json| serde_json::from_str::<Vec<&RawValue>>(json.get()).ok());
    if types.is_some_and(|types| types.len() > 1) {
        changes
            .altered(name, "an answer has one vector for each input: those of the other types are left out");
    }
}

/// A body as JSON that may hold members of the client's own: what they say of what is decided elsewhere is left out.
///
/// # Errors
/// As [`bytes`].
pub(in crate::dialect) fn beside(
    value: &(impl Serialize + Fields),
    changes: &mut Changes,
) -> Result<Vec<u8>> {
    said_twice(value, changes);
    bytes(value)
}

/// Takes note of the members that are left out.
pub(in crate::dialect) fn said_twice(value: &impl Fields, changes: &mut Changes) {
    for name in value.given_twice() {
        changes.dropped(name.to_owned(), "another field of the request says it already");
    }
}

fn unwritable(error: serde_json::Error) -> ApiError {
    ApiError::bad_request("the request cannot be written as JSON").with_source(error)
}

/// Whether there are words, for whoever changes no picture without.
///
/// # Errors
/// 400.
pub(in crate::dialect) fn words_given(request: &ImageRequest) -> Result<()> {
    if request.prompt.is_empty() && request.task == ImageTask::Edit {
        let message = "`prompt` is missing: this model changes pictures as words say";
        return Err(ApiError::bad_request(message).with_param("prompt"));
    }
    Ok(())
}

/// Refuses an edit whose pictures are not there, or lie where nobody fetches them.
///
/// # Errors
/// 400 with the member in question.
pub(in crate::dialect) fn pictures_given(request: &ImageRequest) -> Result<()> {
    let missing = |param: &'static str, address: Option<&String>| {
        let far =
            address.is_some_and(|address| address.starts_with("https://") || address.starts_with("http://"));
        let message = format!("`{param}` is missing: send the picture itself, as a file or in base64");
        let error = ApiError::bad_request(message).with_param(param);
        Err(if far { error.wants_bytes() } else { error })
    };
    let ImageRequest { images, mask, extra, .. } = request;
    let (elsewhere, masked) = openai_images::named(request);
    if images.is_empty() {
        return missing("image", elsewhere.first());
    }
    if mask.is_none() && extra.get("mask").is_some() {
        return missing("mask", masked.as_ref());
    }
    Ok(())
}

/// The failure of an answer that holds not what was asked for.
pub(in crate::dialect) fn wrong(what: &str, why: impl std::fmt::Display) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, format!("the upstream's answer holds no {what}: {why}"))
}

/// The error that a provider put into a 200.
pub(in crate::dialect) fn contained(body: &[u8]) -> ApiError {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    openai_chat::Client.decode_error(status, &HeaderMap::new(), body)
}

wire_struct! {
    /// What is read of an event.
    struct Happened<'a> {
        kind as "type": llm_types::Str<'a>,
        usage: Counts<'a>,
        error: &'a RawValue,
        model: llm_types::Str<'a>,
    }
}

/// Watches a stream of events that say in `type` what they are, and end with one that ends in `.done` or
/// `.completed`.
#[derive(Debug)]
pub(in crate::dialect) struct Tap {
    made: Made,
    usage: Option<Usage>,
    ended: bool,
}

impl Tap {
    pub(in crate::dialect) fn new(made: Made) -> Self {
        Self { made, usage: None, ended: false }
    }
}

impl StreamTap for Tap {
    fn see(&mut self, event: &[u8]) -> Seen {
        let lines = event.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
        let data = lines.map(<[u8]>::trim_ascii).collect::<Vec<_>>().join(&b'\n');
        if data == b"[DONE]" {
            self.ended = true;
            return Seen::Done;
        }
        if data.is_empty() {
            return Seen::Quiet;
        }
        let Ok(happened) = serde_json::from_slice::<Happened<'_>>(&data) else {
            return Seen::Error(wrong("events", "one of them is no JSON object"));
        };
        if happened.error.is_some_and(|error| error.get() != "null") {
            return Seen::Error(contained(&data));
        }
        let kind = happened.kind.as_ref().map(llm_types::Str::as_str).unwrap_or_default();
        if let Some(usage) = happened.usage.as_ref().and_then(|counts| counts.usage(self.made)) {
            self.usage = Some(self.usage.take().map_or_else(|| usage.clone(), |before| before.and(&usage)));
        }
        // Of several pictures each is completed: the last event is the one behind which nothing comes.
        self.ended |= kind.ends_with(".done") || kind.ends_with(".completed");
        if kind.is_empty() { Seen::Quiet } else { Seen::Content }
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn is_done(&self) -> bool {
        self.ended
    }
}
