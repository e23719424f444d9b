//! Transcripts, in each of their forms.
//!
//! Providers that give words and no segments get segments here: a new one begins with another speaker, behind a
//! pause, behind the end of a sentence, and where a line would be too long to read.

use std::fmt::Write as _;

use llm_types::{Dialect, Extra, Spoken, Transcript, TranscriptFormat};

use super::wire;
use crate::dialect::media;

/// The longest line of subtitles, in characters: two rows of 42, as broadcasters have it.
const LINE: usize = 84;
/// The shortest pause that parts segments, in seconds.
const PAUSE: f64 = 1.0;

/// A transcript as its client wants it.
pub(in crate::dialect) fn whole(transcript: &Transcript) -> Vec<u8> {
    if transcript.written {
        return transcript.text.clone().into_bytes();
    }
    match &transcript.format {
        TranscriptFormat::Text => format!("{}\n", transcript.text.trim_end()).into_bytes(),
        TranscriptFormat::Srt => subtitles(transcript, Style::Srt).into_bytes(),
        TranscriptFormat::Vtt => subtitles(transcript, Style::Vtt).into_bytes(),
        TranscriptFormat::Json => object(transcript, false),
        TranscriptFormat::VerboseJson | TranscriptFormat::Other(_) => object(transcript, true),
    }
}

fn object(transcript: &Transcript, verbose: bool) -> Vec<u8> {
    let mut out = Extra::default();
    if verbose {
        wire::set(&mut out, "task", if transcript.translated { "translate" } else { "transcribe" });
        if let Some(language) = &transcript.language {
            wire::set(&mut out, "language", language);
        }
        if let Some(duration) = transcript.duration {
            wire::set(&mut out, "duration", &duration);
        }
    }
    wire::set(&mut out, "text", &transcript.text);
    if verbose {
        let segments = segments(transcript);
        let shown = segments.iter().enumerate().map(|(id, one)| wire::Segment {
            id,
            start: one.start,
            end: one.end,
            text: &one.text,
            speaker: one.speaker.as_deref(),
        });
        wire::set(&mut out, "segments", &shown.collect::<Vec<_>>());
        if !transcript.words.is_empty() {
            let words = transcript.words.iter().map(|one| wire::Word {
                word: &one.text,
                start: one.start,
                end: one.end,
                speaker: one.speaker.as_deref(),
            });
            wire::set(&mut out, "words", &words.collect::<Vec<_>>());
        }
    }
    if transcript.origin == Some(Dialect::OpenaiTranscriptions) {
        for (name, json) in transcript.extra.iter() {
            out.set(name, json.to_owned());
        }
    }
    if let Some(usage) = transcript.usage.as_ref().and_then(media::counted) {
        out.set("usage", usage);
    }
    serde_json::to_vec(&out.members()).unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Srt,
    Vtt,
}

fn subtitles(transcript: &Transcript, style: Style) -> String {
    let mut out = String::from(if style == Style::Vtt { "WEBVTT\n\n" } else { "" });
    for (index, one) in segments(transcript).iter().enumerate() {
        if style == Style::Srt {
            let _ = writeln!(out, "{}", index + 1);
        }
        let _ = writeln!(out, "{} --> {}", time(one.start, style), time(one.end, style));
        // An empty line or an arrow in a text would end the cue.
        let text = one.text.trim().replace("\n\n", "\n").replace("-->", "->");
        let _ = writeln!(out, "{text}\n");
    }
    out
}

fn time(seconds: f64, style: Style) -> String {
    let ms = media::millis(seconds);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let point = if style == Style::Srt { ',' } else { '.' };
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{:03}", ms % 1000)
}

/// The segments: the provider's, else made from its words, else all of the text.
fn segments(transcript: &Transcript) -> Vec<Spoken> {
    if !transcript.segments.is_empty() {
        return transcript.segments.clone();
    }
    if transcript.words.is_empty() {
        let end = transcript.duration.unwrap_or_default();
        let text = transcript.text.trim().to_owned();
        return if text.is_empty() { Vec::new() } else { vec![Spoken { text, end, ..Spoken::default() }] };
    }
    let mut out: Vec<Spoken> = Vec::new();
    for word in &transcript.words {
        let text = word.text.trim();
        if let Some(last) = out.last_mut()
            && !parts(last, word)
        {
            last.text.push(' ');
            last.text.push_str(text);
            last.end = word.end;
            continue;
        }
        out.push(Spoken { text: text.to_owned(), extra: Extra::default(), ..word.clone() });
    }
    out
}

fn parts(last: &Spoken, word: &Spoken) -> bool {
    let length = last.text.chars().count() + 1 + word.text.chars().count();
    last.speaker != word.speaker
        || word.start - last.end >= PAUSE
        || last.text.ends_with(['.', '!', '?', '。', '！', '？'])
        || length > LINE
}

/// When the last of the subtitles ends, in milliseconds.
pub(super) fn last_time_ms(text: &str) -> Option<u64> {
    let (_, end) = text.rsplit_once("-->")?;
    let end = end.split_whitespace().next()?;
    let (clock, thousandths) = end.split_once([',', '.'])?;
    let seconds =
        clock.split(':').try_fold(0_u64, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?))?;
    seconds.checked_mul(1000)?.checked_add(thousandths.parse().ok()?)
}
