//! Parts of an answer as this dialect writes them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_types::chat::{
    Audio, File, Image, Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolCallKind,
};
use llm_types::{Dialect, Extra, RawValue, Str};

use super::super::wire;
use super::seal;

/// What sound is where nobody says it: what OpenAI's models speak too.
pub(super) const SOUND: &str = "audio/L16;codec=pcm;rate=24000";

/// The parts that a part comes to; none for a source, which stands elsewhere. `upstream`: who answers.
pub(super) fn parts(part: &Part, upstream: Option<Dialect>) -> Vec<wire::Part<'_>> {
    let one = match part {
        Part::Text(Text { text: words, cache: _, signature, extra }) => {
            let mut out = text(words);
            out.thought_signature = signature.as_ref().map(Str::from);
            own(&mut out, extra, upstream);
            out
        }
        Part::Refusal(Refusal { text: words }) => text(words),
        Part::Reasoning(reasoning) => thought(reasoning, upstream),
        Part::ToolCall(ToolCall { id, name, arguments, kind, signature, cache: _, extra }) => {
            let mut out = call(id, name, *kind, arguments);
            out.thought_signature = signature.as_ref().map(Str::from);
            own(&mut out, extra, upstream);
            out
        }
        Part::Image(Image { media, detail: _, media_type, cache: _, extra }) => {
            let mut out = data(media, media_type.as_deref().unwrap_or("image/png"));
            own(&mut out, extra, upstream);
            out
        }
        Part::Audio(Audio { media, format, transcript, id: _, expires_at: _, cache: _, extra }) => {
            let words = transcript.as_deref().filter(|words| !words.is_empty()).map(text);
            let sound = media.as_ref().map(|media| {
                let mut out = data(media, &sound_type(extra, format.as_deref()));
                own(&mut out, extra, upstream);
                out
            });
            return sound.into_iter().chain(words).collect();
        }
        Part::File(File { media, filename: _, media_type, cache: _, extra }) => {
            let mut out = data(media, media_type.as_deref().unwrap_or("application/octet-stream"));
            own(&mut out, extra, upstream);
            out
        }
        Part::Opaque(opaque) => self::opaque(opaque),
        // A model does not answer its own calls.
        Part::Citation(_) | Part::ToolResult(_) => return Vec::new(),
    };
    vec![one]
}

/// A part of text.
pub(super) fn text(words: &str) -> wire::Part<'_> {
    wire::Part { text: Some(words.into()), ..wire::Part::default() }
}

fn thought(reasoning: &Reasoning, upstream: Option<Dialect>) -> wire::Part<'_> {
    let Reasoning { text: words, signature, redacted, origin, extra } = reasoning;
    let dialect = origin.or(upstream);
    let mut out = text(words);
    out.thought = Some(true);
    out.thought_signature = match (redacted, signature) {
        (Some(data), _) => Some(Str::from(sealed(dialect, Delta::Redacted(data)))),
        (None, Some(text)) => Some(Str::from(sealed(dialect, Delta::Signature(text)))),
        (None, None) => None,
    };
    own(&mut out, extra, upstream);
    out
}

/// What goes into a thought's signature.
#[derive(Debug, Clone, Copy)]
pub(super) enum Delta<'a> {
    /// A signature.
    Signature(&'a str),
    /// Encrypted thoughts.
    Redacted(&'a str),
}

/// The signature as clients get it: as it is where it is this dialect's own.
pub(super) fn sealed(dialect: Option<Dialect>, delta: Delta<'_>) -> String {
    match (dialect, delta) {
        (Some(dialect), Delta::Signature(text)) if dialect != Dialect::Gemini => {
            seal::signature(dialect, text)
        }
        (_, Delta::Signature(text)) => text.to_owned(),
        (dialect, Delta::Redacted(data)) => seal::redacted(dialect.unwrap_or_default(), data),
    }
}

/// A call of a function. Arguments must be an object: anything else goes into one.
pub(super) fn call<'a>(id: &'a str, name: &'a str, kind: ToolCallKind, arguments: &'a str) -> wire::Part<'a> {
    let call = wire::FunctionCall {
        id: (!id.is_empty()).then(|| Str::from(id)),
        name: Some(Str::from(name)),
        args: arguments_of(kind, arguments),
        ..wire::FunctionCall::default()
    };
    wire::Part { function_call: Some(call), ..wire::Part::default() }
}

fn arguments_of(kind: ToolCallKind, arguments: &str) -> Option<wire::Raw<'_>> {
    if kind == ToolCallKind::Custom {
        return wrapped("input", arguments);
    }
    if arguments.trim().is_empty() {
        return RawValue::from_string("{}".to_owned()).ok().map(wire::Raw::from);
    }
    match serde_json::from_str::<&RawValue>(arguments) {
        Ok(object) if object.get().starts_with('{') => Some(object.into()),
        _ => wrapped("arguments", arguments),
    }
}

fn wrapped(name: &str, text: &str) -> Option<wire::Raw<'static>> {
    let mut object = Extra::default();
    object.set_json(name, &text).ok()?;
    serde_json::value::to_raw_value(&object).ok().map(wire::Raw::from)
}

/// A part of another dialect: nobody but its provider understands it, so that it travels as a thought.
pub(super) fn opaque(opaque: &Opaque) -> wire::Part<'_> {
    if opaque.dialect == Dialect::Gemini
        && let Ok(part) = serde_json::from_str(opaque.json.get())
    {
        return part;
    }
    let mut out = text("");
    out.thought = Some(true);
    out.thought_signature = Some(Str::from(seal::opaque(opaque)));
    out
}

/// Members that no field names, where they are this dialect's.
fn own<'a>(part: &mut wire::Part<'a>, extra: &'a Extra, upstream: Option<Dialect>) {
    if upstream != Some(Dialect::Gemini) {
        return;
    }
    for (name, value) in extra.iter() {
        match name {
            "mimeType" => {}
            "thoughtSignature" => part.thought_signature = serde_json::from_str(value.get()).ok(),
            _ => part.extra.push(Cow::Borrowed(name), value),
        }
    }
}

/// The media type of sound.
pub(super) fn sound_type<'a>(extra: &'a Extra, format: Option<&str>) -> Cow<'a, str> {
    let made = extra.get("mimeType").and_then(|json| serde_json::from_str::<String>(json.get()).ok());
    match (made, format) {
        (Some(kind), _) => Cow::Owned(kind),
        (None, None | Some("pcm16")) => Cow::Borrowed(SOUND),
        (None, Some(format)) => Cow::Owned(format!("audio/{format}")),
    }
}

fn data<'a>(media: &'a Media, kind: &str) -> wire::Part<'a> {
    let owned = |kind: &str| Some(Str::from(kind.to_owned()));
    match media {
        Media::Base64 { media_type, data } => {
            let kind = if media_type.is_empty() { kind } else { media_type };
            inline(kind, Str::from(data))
        }
        Media::Text(text) => inline("text/plain", Str::from(STANDARD.encode(text))),
        Media::Url(uri) | Media::FileId(uri) => wire::Part {
            file_data: Some(wire::FileData {
                mime_type: owned(kind),
                file_uri: Some(Str::from(uri)),
                ..wire::FileData::default()
            }),
            ..wire::Part::default()
        },
    }
}

/// Bytes that stand in the answer.
pub(super) fn inline<'a>(kind: &str, data: Str<'a>) -> wire::Part<'a> {
    let blob =
        wire::Blob { mime_type: Some(Str::from(kind.to_owned())), data: Some(data), ..wire::Blob::default() };
    wire::Part { inline_data: Some(blob), ..wire::Part::default() }
}
