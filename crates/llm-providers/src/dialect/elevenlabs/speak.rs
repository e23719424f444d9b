//! Text to speech.

use llm_types::{ApiError, Call, Dialect, Extra, Op, RawValue, Result, SpeechRequest, Str};

use super::wire;
use crate::codec::{EncodeCx, OwnCall, WireRequest};
use crate::dialect::media;
use crate::dialect::openai_speech::{kind_of, spoken_by_character};
use crate::quirk::Row;
use crate::url::escape;

/// The voices that clients of OpenAI's name, as LiteLLM maps them; another name is an id of ElevenLabs's own.
const VOICES: [(&str, &str); 10] = [
    ("alloy", "21m00Tcm4TlvDq8ikWAM"),
    ("amber", "5Q0t7uMcjvnagumLfvZi"),
    ("ash", "AZnzlk1XvdvUeBnXmlld"),
    ("august", "D38z5RcWu1voky8WS1ja"),
    ("blue", "2EiwWnXFnvU5JabPnv8n"),
    ("coral", "9BWtsMINqrJLrRacOk9x"),
    ("lily", "EXAVITQu4vr4xnSDxMaL"),
    ("onyx", "29vD33N1CtxCmqQRPOHJ"),
    ("sage", "CwhRBWXzGAHq8TQ4Fs17"),
    ("verse", "CYw3kZ02Hs0563khs1Fj"),
];

/// How each form of sound is asked for. `pcm` is what OpenAI's is: 24 kHz.
const FORMS: [(&str, &str); 4] =
    [("mp3", "mp3_44100_128"), ("opus", "opus_48000_128"), ("pcm", "pcm_24000"), ("wav", "wav_24000")];

/// Who speaks where nobody is named (elevenlabs.io/docs/api-reference/text-to-speech/convert).
const USUAL: &str = "eleven_multilingual_v2";

/// What a call in the words of ElevenLabs asks for; `None`: it says no text.
pub(super) fn asked(voice: &str, body: &[u8]) -> Option<OwnCall> {
    let wire::Text { text, model_id, voice_settings: _, extra: _ } = serde_json::from_slice(body).ok()?;
    let model = model_id.map_or_else(|| USUAL.to_owned(), Str::into_string);
    let call = Call::Speak(Box::new(SpeechRequest::new(text?.into_string(), voice)));
    Some(OwnCall { op: Op::Speech, model: Some(model), call: Some(call) })
}

/// Writes a request: what is no option of OpenAI's goes along as it is.
///
/// # Errors
/// For a form of sound that ElevenLabs has not, and without a voice.
pub(super) fn encode(request: &SpeechRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let SpeechRequest { model: _, input, voice, instructions, format, speed, events: _, origin, extra } =
        request;
    let row = Row::new(cx.spec, cx.model, None);
    let format = format.as_deref().unwrap_or("mp3");
    let form = FORMS.iter().find(|(name, _)| *name == format).map(|(_, form)| *form).ok_or_else(|| {
        let names: Vec<&str> = FORMS.iter().map(|(name, _)| *name).collect();
        ApiError::bad_request(format!("elevenlabs has no `{format}`: ask for one of {}", names.join(", ")))
            .with_param("response_format")
    })?;
    let voice = voice.as_deref().ok_or_else(|| {
        ApiError::bad_request("`voice` is missing: name the voice or its id").with_param("voice")
    })?;
    let voice = VOICES.iter().find(|(name, _)| *name == voice).map_or(voice, |(_, id)| *id);
    if instructions.is_some() {
        cx.changes.dropped("instructions", row.why());
    }
    let model = row.model();
    let mut own = Extra::default();
    if origin.is_none_or(|origin| origin == Dialect::OpenaiSpeech) {
        own = extra.clone();
    } else {
        for (name, _) in extra.iter() {
            cx.changes.dropped(name.to_owned(), row.why());
        }
    }
    let given = own.remove("voice_settings");
    let voice_settings = settings(given.as_deref(), *speed, cx)?;
    let body = wire::Text {
        text: Some(Str::from(input)),
        model_id: Some(Str::from(&*model)),
        voice_settings,
        extra: own.members(),
    };
    let body = media::beside(&body, cx.changes)?;
    let path = format!("/v1/text-to-speech/{}/stream?output_format={form}", escape(voice));
    Ok(media::json(path, body, spoken_by_character(input, kind_of(Some(format)))))
}

/// How it is said: the client's own settings, with the speed among them unless they name one.
fn settings<'a>(
    own: Option<&'a RawValue>,
    speed: Option<f64>,
    cx: &mut EncodeCx<'_>,
) -> Result<Option<wire::Settings<'a>>> {
    let own: Option<wire::Settings<'a>> = match own {
        None => None,
        Some(json) => serde_json::from_str(json.get()).map_err(|error| {
            ApiError::bad_request("`voice_settings` must be an object")
                .with_param("voice_settings")
                .with_source(error)
        })?,
    };
    let Some(speed) = speed else { return Ok(own) };
    let mut settings = own.unwrap_or_default();
    match settings.speed {
        Some(named) if (named - speed).abs() > f64::EPSILON => {
            cx.changes.dropped("speed", format!("`voice_settings` names another: {named}"));
        }
        _ => settings.speed = Some(speed),
    }
    Ok(Some(settings))
}
