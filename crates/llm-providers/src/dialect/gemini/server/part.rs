//! The parts of a turn.

use llm_types::chat::{Audio, File, Image, Media, Opaque, Part, Reasoning, Text, ToolCall};
use llm_types::{ApiError, Dialect, Extra, RawValue, Result, Str};

use super::super::encode::camel;
use super::super::ids::Calls;
use super::super::wire;
use super::seal::unseal;

/// A part that is neither a call nor a result.
///
/// # Errors
/// When it cannot be kept.
pub(super) fn of_model(part: wire::Part<'_>) -> Result<Part> {
    let thought = part.thought.unwrap_or_default();
    if part.inline_data.is_some() || part.file_data.is_some() {
        return if thought { opaque(&part) } else { media(part) };
    }
    if part.text.is_none() && !part.extra.is_empty() {
        return opaque(&part);
    }
    let wire::Part { text, thought_signature, extra, video_metadata, media_resolution, .. } = part;
    let words = text.unwrap_or_default().0.into_lossy().into_owned();
    let signature = thought_signature.map(Str::into_string);
    let mut extra = extra.to_extra();
    keep(&mut extra, "videoMetadata", video_metadata.as_ref());
    keep(&mut extra, "mediaResolution", media_resolution.as_ref());
    if !thought {
        return Ok(Part::Text(Text { text: words, signature, extra, ..Text::default() }));
    }
    Ok(match signature.as_deref().and_then(|signature| unseal(signature, &words)) {
        Some(Part::Reasoning(reasoning)) => Part::Reasoning(Reasoning { extra, ..reasoning }),
        Some(part) => part,
        None => {
            let origin = signature.is_some().then_some(Dialect::Gemini);
            Part::Reasoning(Reasoning { text: words, signature, origin, extra, ..Reasoning::default() })
        }
    })
}

/// The model calls a function.
///
/// # Errors
/// When the call has no name.
pub(super) fn call(part: wire::Part<'_>, calls: &mut Calls) -> Result<Part> {
    let known = part.function_call.as_ref().is_some_and(|call| {
        call.extra.is_empty() && call.partial_args.is_none() && call.will_continue.is_none()
    });
    if !known {
        return opaque(&part);
    }
    let wire::Part { function_call, thought_signature, extra, .. } = part;
    let wire::FunctionCall { id, name, args, .. } = function_call.unwrap_or_default();
    let name = name.map(Str::into_string).unwrap_or_default();
    if name.is_empty() {
        return Err(ApiError::bad_request("a `functionCall` has no name: name its function"));
    }
    Ok(Part::ToolCall(ToolCall {
        id: calls.call(id.as_ref().map(Str::as_str), &name),
        name,
        arguments: args.map_or_else(|| "{}".to_owned(), |args| args.get().to_owned()),
        signature: thought_signature.map(Str::into_string),
        extra: extra.to_extra(),
        ..ToolCall::default()
    }))
}

/// What only this dialect understands, whole.
fn opaque(part: &wire::Part<'_>) -> Result<Part> {
    let json = serde_json::value::to_raw_value(part)
        .map_err(|error| ApiError::bad_request("a part cannot be kept").with_source(error))?;
    let kind = if part.function_call.is_some() {
        "functionCall".to_owned()
    } else if part.inline_data.is_some() {
        "inlineData".to_owned()
    } else if part.file_data.is_some() {
        "fileData".to_owned()
    } else {
        part.extra.iter().next().map_or_else(|| "part".to_owned(), |(name, _)| camel(name))
    };
    Ok(Part::Opaque(Opaque { dialect: Dialect::Gemini, kind, json }))
}

fn keep(extra: &mut Extra, name: &str, value: Option<&impl serde::Serialize>) {
    if let Some(value) = value {
        // Whatever was read from JSON can be written as such.
        let _ = extra.set_json(name, value);
    }
}

/// A picture, sound or a file.
fn media(part: wire::Part<'_>) -> Result<Part> {
    let wire::Part {
        text,
        inline_data,
        file_data,
        thought_signature,
        video_metadata,
        media_resolution,
        extra,
        ..
    } = part;
    if text.is_some() {
        return Err(ApiError::bad_request("a part is text or data, not both"));
    }
    let mut extra = extra.to_extra();
    keep(&mut extra, "videoMetadata", video_metadata.as_ref());
    keep(&mut extra, "thoughtSignature", thought_signature.as_ref());
    let (media, kind, more) = match (inline_data, file_data) {
        (Some(blob), _) => {
            let wire::Blob { mime_type, data, extra } = blob;
            let media_type = mime_type.map(Str::into_string).unwrap_or_default();
            let data = standard(data.map(Str::into_string).unwrap_or_default());
            (Media::Base64 { media_type: media_type.clone(), data }, media_type, extra)
        }
        (None, file) => {
            let wire::FileData { mime_type, file_uri, extra } = file.unwrap_or_default();
            let uri = file_uri.map(Str::into_string).unwrap_or_default();
            (Media::Url(uri), mime_type.map(Str::into_string).unwrap_or_default(), extra)
        }
    };
    // `displayName` and its kind: of the data, kept beside it.
    let filename = name_of(&more);
    for (name, value) in more.iter().filter(|(name, _)| camel(name) != "displayName") {
        extra.set(name, value.to_owned());
    }
    // Bytes say it themselves.
    let media_type = matches!(media, Media::Url(_)).then(|| kind.clone()).filter(|kind| !kind.is_empty());
    if kind.starts_with("image/") {
        let detail = media_resolution.as_ref().and_then(detail);
        if detail.is_none() {
            keep(&mut extra, "mediaResolution", media_resolution.as_ref());
        }
        keep(&mut extra, "displayName", filename.as_ref());
        return Ok(Part::Image(Image { media, detail, media_type, cache: None, extra }));
    }
    keep(&mut extra, "mediaResolution", media_resolution.as_ref());
    if kind.starts_with("audio/") {
        keep(&mut extra, "displayName", filename.as_ref());
        let format = Some(sound_format(&kind).to_owned());
        return Ok(Part::Audio(Audio { media: Some(media), format, extra, ..Audio::default() }));
    }
    Ok(Part::File(File { media, filename, media_type, cache: None, extra }))
}

fn name_of(members: &llm_types::Members<'_>) -> Option<String> {
    let (_, json): (_, &RawValue) = members.iter().find(|(name, _)| camel(name) == "displayName")?;
    serde_json::from_str(json.get()).ok()
}

/// Base64 in the standard alphabet: Google's clients write the one for URLs.
fn standard(data: String) -> String {
    if !data.contains(['-', '_']) {
        return data;
    }
    data.replace('-', "+").replace('_', "/")
}

fn detail(level: &wire::Level<'_>) -> Option<String> {
    let word = match level.level.as_ref().map(Str::as_str)? {
        "MEDIA_RESOLUTION_LOW" => "low",
        "MEDIA_RESOLUTION_MEDIUM" => "medium",
        "MEDIA_RESOLUTION_HIGH" => "high",
        "MEDIA_RESOLUTION_ULTRA_HIGH" => "ultra_high",
        _ => return None,
    };
    level.extra.is_empty().then(|| word.to_owned())
}

/// The encoding that a media type names.
fn sound_format(kind: &str) -> &str {
    let kind = kind.split(';').next().unwrap_or_default();
    match kind.strip_prefix("audio/").unwrap_or(kind) {
        "mpeg" | "mpga" => "mp3",
        "x-wav" | "wave" => "wav",
        "l16" | "L16" | "pcm" => "pcm16",
        other => other,
    }
}
