//! Sound, pictures and verdicts without a model: small and always the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use llm_types::{
    ApiError, ImageRequest, Images, MadeImage, ModerateRequest, Moderation, Result, Speech, SpeechRequest,
    Spoken, TranscribeRequest, Transcript, Units, Usage, Verdict,
};

use crate::sound;

/// A picture of one white dot.
const DOT: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\nIDATx\x9cc\xf8\x0f\0\x01\x01\x01\0\x1b\xb6\xeeV\0\0\0\0IEND\xaeB`\x82";
/// What is said of any sound.
const HEARD: &str = "This is the built-in demo provider; no model was called.";

/// A text that tells how much was heard.
pub(super) fn transcribe(request: &TranscribeRequest) -> Result<Transcript> {
    super::model(&request.model)?;
    let (input_audio_ms, estimated) = sound::length_ms(&request.file.data);
    let units = Units { input_audio_ms, ..Units::default() };
    let end = f64::from(u32::try_from(input_audio_ms).unwrap_or(u32::MAX)) / 1000.0;
    Ok(Transcript {
        model: request.model.clone(),
        text: HEARD.to_owned(),
        language: request.language.clone(),
        duration: Some(end),
        segments: vec![Spoken { text: HEARD.to_owned(), end, ..Spoken::default() }],
        usage: Some(Usage { units, estimated, ..Usage::default() }),
        translated: request.translate,
        format: request.format.clone(),
        ..Transcript::default()
    })
}

/// What stands before samples.
const HEAD: &[u8] =
    b"RIFF\xe4\x12\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\xc0\x5d\0\0\x80\xbb\0\0\x02\0\x10\0data\xc0\x12\0\0";

/// A tenth of a second of silence, as WAV unless bare samples are wanted.
pub(super) fn speak(request: &SpeechRequest) -> Result<Speech> {
    super::model(&request.model)?;
    let (mut audio, kind) = match request.format.as_deref() {
        None | Some("wav") => (HEAD.to_vec(), "audio/wav"),
        Some("pcm") => (Vec::new(), "audio/pcm"),
        Some(other) => {
            let message = format!("the built-in provider makes no `{other}`: ask for wav or pcm");
            return Err(ApiError::bad_request(message).with_param("response_format"));
        }
    };
    audio.extend(std::iter::repeat_n(0, 4800));
    let characters = u64::try_from(request.input.chars().count()).unwrap_or(u64::MAX);
    let units = Units { characters, output_audio_ms: 100, ..Units::default() };
    let usage = Some(Usage { units, ..Usage::default() });
    Ok(Speech { audio: Bytes::from(audio), kind: kind.to_owned(), usage })
}

/// As many dots as are wanted.
pub(super) fn draw(request: &ImageRequest) -> Result<Images> {
    super::model(&request.model)?;
    let n = request.n.unwrap_or(1).clamp(1, 10);
    let made = MadeImage { base64: Some(STANDARD.encode(DOT)), ..MadeImage::default() };
    let data = (0..n).map(|_| made.clone()).collect();
    let units = Units { images: n.into(), ..Units::default() };
    let usage = Some(Usage { units, ..Usage::default() });
    Ok(Images { model: request.model.clone(), data, usage, ..Images::default() })
}

/// Nothing is against any policy.
pub(super) fn moderate(request: &ModerateRequest) -> Result<Moderation> {
    super::model(&request.model)?;
    let verdict = Verdict {
        categories: vec![("violence".to_owned(), false)],
        scores: vec![("violence".to_owned(), 0.0)],
        ..Verdict::default()
    };
    let count =
        serde_json::from_str::<Vec<&llm_types::RawValue>>(request.input.get()).map_or(1, |list| list.len());
    Ok(Moderation {
        model: request.model.clone(),
        results: vec![verdict; count.min(1000)],
        ..Moderation::default()
    })
}
