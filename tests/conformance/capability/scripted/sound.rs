//! Transcripts and speech.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_conform::{Feature, Verdict};
use llm_providers::Client;
use llm_testkit::{Gate, Received, Script, Upstream};
use llm_types::{Call, Op};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::must;
use crate::media;

/// What is heard.
const HEARD: &str = "A harbour. It is calm.";
const SRT: &str =
    "1\n00:00:00,000 --> 00:00:01,000\nA harbour.\n\n2\n00:00:01,000 --> 00:00:02,500\nIt is calm.\n\n";
const VTT: &str = "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nA harbour. It is calm.\n\n";
/// How long a piece of sound may be waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The fields of a form, but for its file; there must be one.
fn fields(request: &Received) -> Result<Vec<(String, String)>, String> {
    let kind = request.header("content-type").unwrap_or_default();
    let all = media::fields(kind, &request.body);
    must(
        all.iter().any(|(name, file, data)| name == "file" && file.is_some() && data.starts_with(b"RIFF")),
        "no file",
    )?;
    let texts = all.into_iter().filter(|(_, file, _)| file.is_none());
    Ok(texts.map(|(name, _, text)| (name, String::from_utf8(text).unwrap())).collect())
}

fn field<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(field, _)| field == name).map(|(_, text)| text.as_str())
}

fn words(text: &str) -> Value {
    ["A", "harbour.", "It", "is", "calm."]
        .iter()
        .enumerate()
        .map(|(at, word)| json!({text: word, "start": at as f64 * 0.5, "end": at as f64 * 0.5 + 0.4}))
        .collect()
}

fn segments() -> Value {
    json!([{"id": 0, "start": 0.0, "end": 1.0, "text": " A harbour."}, {"id": 1, "start": 1.0, "end": 2.5, "text": " It is calm."}])
}

/// OpenAI's form, in any of the forms of transcripts that are named.
fn openai_form(request: &Received, known: &[&str]) -> Result<Script, String> {
    let path = request.path();
    must(path.ends_with("/audio/transcriptions") || path.ends_with("/audio/translations"), "another path")?;
    let fields = fields(request)?;
    must(field(&fields, "model").is_some() || path.contains("/deployments/"), "no model")?;
    let form = field(&fields, "response_format").unwrap_or("json");
    must(known.contains(&form), format!("it writes no {form}"))?;
    let text = |text: &str| {
        Script::status(200).header("content-type", "text/plain; charset=utf-8").body(text.to_owned())
    };
    Ok(match form {
        "text" => text("A harbour. It is calm.\n"),
        "srt" => text(SRT),
        "vtt" => text(VTT),
        "verbose_json" => {
            let mut out = json!({"task": "transcribe", "language": "english", "duration": 2.5, "text": HEARD,
                "segments": segments(), "usage": {"type": "duration", "seconds": 3}});
            if fields.iter().any(|(name, text)| name == "timestamp_granularities[]" && text == "word") {
                out["words"] = words("word");
            }
            Script::json(&out)
        }
        _ => Script::json(&json!({"text": HEARD, "usage": {"type": "duration", "seconds": 3}})),
    })
}

pub(super) fn openai_heard(request: &Received) -> Result<Script, String> {
    openai_form(request, &["json", "text", "srt", "vtt", "verbose_json"])
}

pub(super) fn groq_heard(request: &Received) -> Result<Script, String> {
    openai_form(request, &["json", "text", "verbose_json"])
}

pub(super) fn together_heard(request: &Received) -> Result<Script, String> {
    openai_form(request, &["json", "verbose_json"])
}

pub(super) fn deepgram_heard(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/listen" && request.query().contains("model=nova-3"), "another path")?;
    must(request.body.starts_with(b"RIFF"), "no sound")?;
    let mut results = json!({"channels": [{"alternatives": [{"transcript": HEARD, "confidence": 0.9, "words": words("punctuated_word")}]}]});
    if request.query().contains("utterances=true") {
        results["utterances"] = json!([{"start": 0.0, "end": 2.5, "transcript": HEARD, "channel": 0}]);
    }
    Ok(Script::json(&json!({"metadata": {"duration": 2.5, "channels": 1}, "results": results})))
}

pub(super) fn elevenlabs_heard(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/speech-to-text", "another path")?;
    let fields = fields(request)?;
    must(field(&fields, "model_id") == Some("scribe_v1"), "no model_id")?;
    must(field(&fields, "response_format").is_none(), "it knows no response_format")?;
    let mut words = words("text");
    for word in words.as_array_mut().unwrap() {
        word["type"] = "word".into();
    }
    Ok(Script::json(
        &json!({"language_code": "en", "language_probability": 0.9, "text": HEARD, "words": words}),
    ))
}

/// A turn of a conversation.
pub(super) fn gemini_heard(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with(":generateContent"), "another path")?;
    let body = request.json();
    let parts = body.pointer("/contents/0/parts").and_then(Value::as_array).ok_or("no parts")?;
    let sound = parts.iter().find_map(|part| part.pointer("/inlineData/data")?.as_str()).ok_or("no sound")?;
    must(STANDARD.decode(sound).is_ok_and(|sound| sound.starts_with(b"RIFF")), "the sound is no base64")?;
    Ok(Script::json(
        &json!({"candidates": [{"content": {"role": "model", "parts": [{"text": HEARD}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 40, "candidatesTokenCount": 8, "totalTokenCount": 48}}),
    ))
}

pub(super) fn xai_heard(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/stt", "another path")?;
    let fields = fields(request)?;
    must(field(&fields, "response_format").is_none(), "it knows no response_format")?;
    Ok(Script::json(&json!({"text": HEARD, "language": "en", "duration": 2.5, "words": words("text")})))
}

pub(super) fn mistral_heard(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/audio/transcriptions", "another path")?;
    let fields = fields(request)?;
    must(field(&fields, "response_format").is_none(), "it knows no response_format")?;
    let mut out = json!({"model": "m", "text": HEARD, "language": "en", "segments": [],
        "usage": {"prompt_audio_seconds": 3, "prompt_tokens": 4, "completion_tokens": 8, "total_tokens": 12}});
    if field(&fields, "timestamp_granularities[]").or(field(&fields, "timestamp_granularities"))
        == Some("segment")
    {
        out["segments"] = segments();
    }
    Ok(Script::json(&out))
}

/// OpenRouter has the sound within JSON.
pub(super) fn openrouter_heard(request: &Received) -> Result<Script, String> {
    must(request.path() == "/api/v1/audio/transcriptions", "another path")?;
    let body = request.json();
    let sound = body.pointer("/input_audio/data").and_then(Value::as_str).ok_or("no sound")?;
    must(STANDARD.decode(sound).is_ok_and(|sound| sound.starts_with(b"RIFF")), "the sound is no base64")?;
    must(body.pointer("/input_audio/format") == Some(&json!("wav")), "no format")?;
    Ok(Script::json(&json!({"text": HEARD, "usage": {"seconds": 2.5, "cost": 0.0001}})))
}

pub(super) fn cohere_heard(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v2/audio/transcriptions", "another path")?;
    must(field(&fields(request)?, "response_format").is_none_or(|form| form == "json"), "it writes JSON")?;
    Ok(Script::json(&json!({"text": HEARD})))
}

/// Sound in a form, by the bytes that such sound begins with.
fn sound(form: &str) -> Result<Vec<u8>, String> {
    let head: &[u8] = match form {
        "mp3" => b"ID3\x04",
        "opus" => b"OggS\x00\x02",
        "aac" => b"\xff\xf1\x50\x80",
        "flac" => b"fLaC\x00\x00",
        "wav" => b"RIFF\x24\x00\x00\x00WAVEfmt ",
        "pcm" => b"\x00\x00\x01\x00",
        other => return Err(format!("it makes no {other}")),
    };
    Ok([head, &[0_u8; 64]].concat())
}

/// Sound as it is, under the content type that it has.
fn bare(form: &str) -> Result<Script, String> {
    let kind = match form {
        "mp3" => "audio/mpeg",
        "opus" => "audio/ogg",
        "aac" => "audio/aac",
        "flac" => "audio/flac",
        "wav" => "audio/wav",
        _ => "audio/pcm",
    };
    Ok(Script::status(200).header("content-type", kind).body(sound(form)?))
}

pub(super) fn openai_said(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with("/audio/speech"), "another path")?;
    let body = request.json();
    must(body["input"] == "Harbour." && body["voice"].is_string(), "no input, or no voice")?;
    must(body["model"].is_string(), "no model")?;
    bare(body["response_format"].as_str().unwrap_or("mp3"))
}

/// Mistral has the sound within JSON.
pub(super) fn mistral_said(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/audio/speech", "another path")?;
    let body = request.json();
    must(body["input"] == "Harbour." && body.get("speed").is_none(), "no input, or a speed")?;
    let sound = sound(body["response_format"].as_str().unwrap_or("mp3"))?;
    Ok(Script::json(&json!({"audio_data": STANDARD.encode(sound)})))
}

pub(super) fn xai_said(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/tts", "another path")?;
    let body = request.json();
    must(body["text"] == "Harbour." && body["voice_id"].is_string(), "no text, or no voice")?;
    bare("mp3")
}

pub(super) fn deepgram_said(request: &Received) -> Result<Script, String> {
    must(request.path() == "/v1/speak" && request.json()["text"] == "Harbour.", "another path, or no text")?;
    let query = request.query();
    let of = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    match (of("encoding"), of("container")) {
        (Some("linear16"), Some("wav")) => bare("wav"),
        (Some("linear16"), Some("none")) => bare("pcm"),
        (Some("opus"), Some("ogg")) => bare("opus"),
        (Some(form @ ("mp3" | "aac" | "flac")), None) => bare(form),
        other => Err(format!("{other:?}?")),
    }
}

pub(super) fn elevenlabs_said(request: &Received) -> Result<Script, String> {
    must(request.path().starts_with("/v1/text-to-speech/"), "another path")?;
    let body = request.json();
    must(body["text"] == "Harbour." && body["model_id"].is_string(), "no text, or no model")?;
    must(body.get("speed").is_none(), "the speed is one of the voice's settings")?;
    let form = request.query().strip_prefix("output_format=").unwrap_or_default();
    bare(form.split('_').next().unwrap_or_default())
}

/// Bare samples within a turn of a conversation.
pub(super) fn gemini_said(request: &Received) -> Result<Script, String> {
    must(request.path().ends_with(":generateContent"), "another path")?;
    let body = request.json();
    must(
        body.pointer("/generationConfig/responseModalities") == Some(&json!(["AUDIO"])),
        "no sound is asked for",
    )?;
    must(body.pointer("/generationConfig/speechConfig/voiceConfig").is_some(), "no voice")?;
    let part = json!({"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": STANDARD.encode(sound("pcm")?)}});
    Ok(Script::json(
        &json!({"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 50, "totalTokenCount": 54}}),
    ))
}

/// Whether sound comes while it is made: the rest is held back until the first of it is there.
pub(super) async fn held_back(client: &Client, model: &str, upstream: &Upstream) -> Verdict {
    let gate = Gate::new();
    let script = Script::status(200).header("content-type", "audio/mpeg").chunk(&b"ID3\x04"[..]);
    upstream.push_for("/*", script.gate(&gate).chunk(vec![0_u8; 64]));
    let verdict = async {
        let feature = llm_conform::of(Op::Speech).find(|feature| feature.name == "stream").unwrap();
        let Call::Speak(request) = feature.call() else { return Err("no speech is asked for".to_owned()) };
        let mut stream = client.speak_stream(model, *request).await.map_err(|error| error.to_string())?;
        let first = stream.next().await.ok_or("there is no sound")?.map_err(|error| error.to_string())?;
        gate.open();
        let mut all = first.to_vec();
        while let Some(piece) = stream.next().await {
            all.extend_from_slice(&piece.map_err(|error| error.to_string())?);
        }
        must(first.len() < all.len() && all.len() == 68, format!("{} of {} bytes", first.len(), all.len()))
    };
    let verdict = timeout(PATIENCE, verdict).await;
    gate.open();
    match verdict {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(why)) => Verdict::Failed(why.into()),
        Err(_) => Verdict::Failed("nothing came before all was there".into()),
    }
}

/// Whether a client gets the form of a transcript itself: a gateway writes what its provider does not, so that what the
/// form could be written from is not enough.
pub(super) async fn in_form(client: &Client, model: &str, feature: &Feature) -> Verdict {
    let Call::Transcribe(request) = feature.call() else {
        return Verdict::Failed("no transcript is asked for".into());
    };
    match client.transcribe(model, *request).await {
        Ok(heard) if !heard.output.written => Verdict::Failed("it came in another form".into()),
        Ok(heard) if feature.name == "as_text" && heard.output.text.trim_end() != HEARD => {
            Verdict::Failed(format!("not the text alone: {:?}", heard.output.text).into())
        }
        Ok(_) => Verdict::Passed,
        Err(error) => Verdict::Failed(error.to_string().into()),
    }
}
