//! What a session says of transcripts of what its client speaks: which model is to write them, and what each used.
//!
//! They are asked for in the session's settings, by `input_audio_transcription` in the beta's words and by
//! `audio.input.transcription` since; the provider then makes one of each piece of sound that is handed in.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use llm_types::{ApiError, Result, Units, Usage};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// What a client wants of transcripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The model that is to write them; empty: the provider's own choice. `None`: there are to be none.
    pub model: Option<String>,
    /// What the client calls the event.
    pub event_id: Option<String>,
    /// The events that say the same of transcripts, and of nothing else.
    pub again: Vec<String>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    event_id: Option<String>,
    #[serde(default)]
    session: Option<Settings>,
    #[serde(default, deserialize_with = "stated")]
    input_audio_transcription: Option<Option<Box<RawValue>>>,
}

#[derive(Deserialize, Default)]
struct Settings {
    #[serde(default, deserialize_with = "stated")]
    input_audio_transcription: Option<Option<Box<RawValue>>>,
    #[serde(default)]
    audio: Option<Audio>,
}

#[derive(Deserialize)]
struct Audio {
    #[serde(default)]
    input: Option<Input>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default, deserialize_with = "stated")]
    transcription: Option<Option<Box<RawValue>>>,
}

#[derive(Deserialize)]
struct Transcription {
    #[serde(default)]
    model: Option<String>,
}

/// `null` says something: it turns them off.
fn stated<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Box<RawValue>>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Reads an event of the client; `None`: it says nothing of transcripts.
///
/// # Errors
/// 400 for settings that cannot be read: nobody could say what they cost.
pub fn wishes(event: &Bytes) -> Result<Option<Wish>> {
    let mentions = |word: &str| memchr::memmem::find(event, word.as_bytes()).is_some();
    // Words may also stand there in escapes. Sound has none, and is not read.
    let escaped = mentions("\\u");
    let plain = mentions("session.update") && mentions("transcription");
    if !escaped && !plain {
        return Ok(None);
    }
    let unread = |error: serde_json::Error| {
        ApiError::bad_request("the session's settings cannot be read")
            .with_param("session")
            .with_source(error)
    };
    let event = match serde_json::from_slice::<Event<'_>>(event) {
        Ok(event) => event,
        // Whatever it is, it may not set anything.
        Err(_) if escaped && !mentions("session") && !mentions("transcription") => return Ok(None),
        Err(error) => return Err(unread(error)),
    };
    let Event { kind, event_id, session, input_audio_transcription } = event;
    if !matches!(&*kind, "session.update" | "transcription_session.update") {
        return Ok(None);
    }
    let Settings { input_audio_transcription: own, audio } = session.unwrap_or_default();
    let newer = audio.and_then(|audio| audio.input).and_then(|input| input.transcription);
    let all = [input_audio_transcription, own, newer];
    let mut said = all.into_iter().flatten().peekable();
    if said.peek().is_none() {
        return Ok(None);
    }
    // Of several that are turned on, whichever counts is one of them.
    let Some(on) = said.flatten().last() else {
        return Ok(Some(Wish { model: None, event_id, again: OFF.map(str::to_owned).into() }));
    };
    let Transcription { model } = serde_json::from_str(on.get()).map_err(unread)?;
    let again = OFF.map(|off| off.replace(NONE, &format!(":{on}"))).into();
    Ok(Some(Wish { model: Some(model.unwrap_or_default()), event_id, again }))
}

/// Whether an event of the client hands in sound, and how many bytes of it.
#[must_use]
pub fn sound(event: &[u8]) -> Option<u64> {
    // The sound stands behind its name, or before it.
    let ends =
        [event.get(..END).unwrap_or(event), event.get(event.len().saturating_sub(END)..).unwrap_or(event)];
    ends.into_iter().find_map(|end| memchr::memmem::find(end, b"input_audio_buffer.append"))?;
    // Four characters of base64 are three bytes.
    Some(u64::try_from(event.len()).unwrap_or(u64::MAX) / 4 * 3)
}

/// Where the name of an event that hands in sound is looked for: its first and its last bytes.
const END: usize = 256;
/// What stands there for no transcripts.
const NONE: &str = ":null";
/// The event that turns transcripts off, in both spellings of the settings.
pub const OFF: [&str; 2] = [
    r#"{"type":"session.update","session":{"type":"realtime","audio":{"input":{"transcription":null}}}}"#,
    r#"{"type":"session.update","session":{"input_audio_transcription":null}}"#,
];

/// What an event of the server says of transcripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A piece of sound was handed in: a transcript begins, if there are to be any.
    Begun {
        /// The item that it is of.
        item: String,
    },
    /// A transcript is there.
    Done {
        /// The item that it is of.
        item: String,
        /// What it used, where that is said.
        usage: Option<Box<Usage>>,
    },
    /// There is none.
    Failed {
        /// The item that it would be of.
        item: String,
    },
    /// The session's settings are these.
    Settings {
        /// The model that writes transcripts, empty where it is not named; `None`: none are written.
        model: Option<String>,
    },
    /// Nothing.
    Other,
}

const UPDATED: &str = "session.updated";
const COMMITTED: &str = "input_audio_buffer.committed";
const COMPLETED: &str = "conversation.item.input_audio_transcription.completed";
const FAILED: &str = "conversation.item.input_audio_transcription.failed";

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    item_id: Option<String>,
    #[serde(default)]
    usage: Option<Box<RawValue>>,
    #[serde(default)]
    session: Option<Settings>,
}

/// `{"type": "tokens", …}` or `{"type": "duration", "seconds": …}`.
#[derive(Deserialize)]
struct Counts {
    #[serde(default)]
    seconds: Option<Value>,
    #[serde(default)]
    input_tokens: Option<Value>,
    #[serde(default)]
    output_tokens: Option<Value>,
    #[serde(default)]
    input_token_details: Option<Value>,
}

/// A count, however it is written: `13.0` is one, and what is none says nothing.
fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| Some(Duration::try_from_secs_f64(value.as_f64()?).ok()?.as_secs()))
}

/// Reads an event of the server.
#[must_use]
pub fn heard(event: &[u8]) -> Heard {
    // Most events are sound, which is not read.
    let mentions = |word: &str| memchr::memmem::find(event, word.as_bytes()).is_some();
    if ![UPDATED, COMMITTED, COMPLETED, FAILED].into_iter().any(mentions) {
        return Heard::Other;
    }
    let Ok(Told { kind, item_id, usage, session }) = serde_json::from_slice(event) else {
        return Heard::Other;
    };
    let item = item_id.unwrap_or_default();
    match &*kind {
        COMMITTED => Heard::Begun { item },
        COMPLETED => Heard::Done { item, usage: usage.and_then(|usage| used(&usage)).map(Box::new) },
        FAILED => Heard::Failed { item },
        "session.updated" | "transcription_session.updated" => {
            let Settings { input_audio_transcription, audio } = session.unwrap_or_default();
            let newer = audio.and_then(|audio| audio.input).and_then(|input| input.transcription);
            let on = [input_audio_transcription, newer].into_iter().flatten().flatten().last();
            let read = |on: Box<RawValue>| serde_json::from_str::<Transcription>(on.get()).ok()?.model;
            Heard::Settings { model: on.map(|on| read(on).unwrap_or_default()) }
        }
        _ => Heard::Other,
    }
}

/// `None`: it says nothing that could be paid.
fn used(usage: &RawValue) -> Option<Usage> {
    let Counts { seconds, input_tokens, output_tokens, input_token_details } =
        serde_json::from_str(usage.get()).ok()?;
    let [input_tokens, output_tokens] = [input_tokens, output_tokens].map(|value| count(&value?));
    if input_tokens.is_none() && output_tokens.is_none() {
        let time = Duration::try_from_secs_f64(seconds?.as_f64()?).ok()?;
        let input_audio_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        return Some(Usage { units: Units { input_audio_ms, ..Units::default() }, ..Usage::default() });
    }
    let input = input_tokens.unwrap_or_default();
    let spoken = input_token_details.and_then(|details| count(details.get("audio_tokens")?));
    let spoken = spoken.unwrap_or_default().min(input);
    Some(Usage {
        input: input - spoken,
        input_audio: spoken,
        output: output_tokens.unwrap_or_default(),
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_say_who_writes_transcripts() {
        let check = |event: Value, expect: Option<Option<&str>>| {
            let wish = wishes(&event.to_string().into()).unwrap();
            let told = wish.map(|wish| {
                // What says the same again means the same.
                for again in &wish.again {
                    let again = wishes(&Bytes::from(again.clone())).unwrap().unwrap();
                    assert_eq!(again.model, wish.model, "{event}");
                }
                wish.model
            });
            assert_eq!(told, expect.map(|model| model.map(str::to_owned)), "{event}");
        };
        let update = |session: Value| json!({"type": "session.update", "session": session});
        let whisper = json!({"model": "whisper-1"});
        check(update(json!({"input_audio_transcription": whisper})), Some(Some("whisper-1")));
        check(update(json!({"audio": {"input": {"transcription": whisper}}})), Some(Some("whisper-1")));
        check(update(json!({"input_audio_transcription": {}})), Some(Some("")));
        check(update(json!({"input_audio_transcription": null})), Some(None));
        check(update(json!({"instructions": "transcription", "audio": {"input": {}}})), None);
        check(json!({"type": "input_audio_buffer.append", "audio": "AAAA"}), None);
        check(json!({"type": "conversation.item.create", "text": "session.update transcription"}), None);
        let escaped =
            r#"{"type":"session\u002eupdate","session":{"input_audio\u005ftranscription":{"model":"m"}}}"#;
        let wish = wishes(&Bytes::from(escaped)).unwrap().unwrap();
        assert_eq!(wish.model.as_deref(), Some("m"));
        let odd = r#"{"type":"session.update","session":{"input_audio_transcription":"whisper-1"}}"#;
        assert_eq!(wishes(&Bytes::from(odd)).unwrap_err().status(), 400);
        for off in OFF {
            assert_eq!(wishes(&Bytes::from(off)).unwrap().unwrap().model, None);
        }
    }

    #[test]
    fn transcripts_say_what_they_used() {
        // platform.openai.com/docs/api-reference/realtime-server-events
        let done = |usage: Value| {
            let event = json!({"type": COMPLETED, "item_id": "i", "transcript": "hi", "usage": usage});
            match heard(event.to_string().as_bytes()) {
                Heard::Done { item, usage } if item == "i" => usage,
                other => panic!("{other:?}"),
            }
        };
        let tokens = json!({"type": "tokens", "total_tokens": 22, "input_tokens": 13, "output_tokens": 9,
            "input_token_details": {"text_tokens": 3, "audio_tokens": 10}});
        let expect = Usage { input: 3, input_audio: 10, output: 9, ..Usage::default() };
        assert_eq!(done(tokens).as_deref(), Some(&expect));
        let seconds = done(json!({"type": "duration", "seconds": 1.5})).unwrap();
        assert_eq!(seconds.units.input_audio_ms, 1_500);
        // What is odd hides neither the rest nor the event.
        let odd = json!({"input_tokens": 13.0, "output_tokens": "9", "input_token_details": [1]});
        assert_eq!(done(odd).as_deref(), Some(&Usage { input: 13, ..Usage::default() }));
        let nothing = json!({"input_tokens": -1, "seconds": {}});
        for nothing in [nothing, json!(7), json!(null), json!({"type": "duration"}), json!({"seconds": -1.0})]
        {
            assert_eq!(done(nothing), None);
        }
        let committed = json!({"type": COMMITTED, "item_id": "i"}).to_string();
        assert_eq!(heard(committed.as_bytes()), Heard::Begun { item: "i".to_owned() });
        let updated = |session: Value| {
            heard(json!({"type": "session.updated", "session": session}).to_string().as_bytes())
        };
        let model = json!({"model": "whisper-1"});
        let on = [
            json!({"input_audio_transcription": model}),
            json!({"audio": {"input": {"transcription": model}}}),
            json!({"input_audio_transcription": null}),
            json!({"voice": "alloy"}),
        ];
        let expect = [Some("whisper-1"), Some("whisper-1"), None, None];
        let expect = expect.map(|model| Heard::Settings { model: model.map(str::to_owned) });
        assert_eq!(on.map(updated), expect);
        let sound_of = |event: Value| sound(event.to_string().as_bytes());
        let bytes = sound_of(json!({"type": "input_audio_buffer.append", "audio": "A".repeat(4_000)}));
        assert!(bytes.is_some_and(|bytes| (3_000..3_100).contains(&bytes)), "{bytes:?}");
        assert_eq!(sound_of(json!({"type": "input_audio_buffer.commit"})), None);
        let words = json!({"type": "response.text.delta", "delta": COMPLETED}).to_string();
        assert_eq!(heard(words.as_bytes()), Heard::Other);
    }
}
