//! A request whose sound goes within JSON, for providers that take no forms (recordings/openrouter/transcription-basic).

use llm_types::{Content, RawValue, Result, Segments, Str, Upload, wire_struct};

use crate::dialect::media;

wire_struct! {
    /// What is sent.
    struct Body<'a> {
        sound as "input_audio": Sound<'a>,
    }
}

wire_struct! {
    /// The sound.
    struct Sound<'a> {
        data: Str<'a>,
        format: Str<'a>,
    }
}

/// Writes the fields and the file.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn body(fields: &[(String, String)], file: &Upload<Content>) -> Result<Segments> {
    let values = fields.iter().map(|(name, text)| Ok((name.as_str(), value(name, text)?)));
    let values: Vec<(&str, Box<RawValue>)> = values.collect::<Result<_>>()?;
    media::with_base64(&file.data, |data| {
        let sound =
            Sound { data: Some(Str::from(data)), format: Some(Str::from(format(file))), ..Sound::default() };
        let mut body = Body { sound: Some(sound), ..Body::default() };
        for (name, value) in &values {
            body.extra.push((*name).into(), value);
        }
        media::bytes(&body).map(Segments::from)
    })
}

/// Numbers and switches go as such.
fn value(name: &str, text: &str) -> Result<Box<RawValue>> {
    if matches!(name, "temperature" | "stream")
        && let Ok(raw) = RawValue::from_string(text.to_owned())
    {
        return Ok(raw);
    }
    media::raw(text)
}

/// The ending of the file's name, else what its media type says.
fn format(file: &Upload<Content>) -> &str {
    let ending = file.name.rsplit_once('.').map(|(_, ending)| ending);
    let said = file.kind.rsplit_once('/').map(|(_, kind)| kind);
    match ending.filter(|ending| !ending.is_empty()).or(said).unwrap_or("wav") {
        "mpeg" | "mpga" => "mp3",
        "x-wav" | "wave" => "wav",
        other => other,
    }
}
