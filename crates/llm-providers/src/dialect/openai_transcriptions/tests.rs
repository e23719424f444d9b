//! Transcripts: requests, answers in each form, recordings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use llm_testkit::{exchanges, is_complete};
use llm_types::{
    Call, Changes, Dialect, Head, Op, Output, ProviderSpec, Spoken, TranscribeRequest, Transcript,
    TranscriptFormat, Upload,
};
use serde_json::Value;

use super::{Client, Server, write};
use crate::codec::{Asked, ClientCodec, DecodeCx, EncodeCx, Memo, Seen, ServerCodec};
use crate::dialect;
use crate::form;
use crate::frame::split_event;
use crate::table::ProviderTable;

fn row(name: &str) -> ProviderSpec {
    ProviderTable::builtin().get(name).unwrap().as_ref().clone()
}

fn asked(kind: &str) -> Asked {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap())]);
    Asked { dialect: Some(Dialect::OpenaiTranscriptions), headers, ..Asked::of(Op::Transcribe) }
}

/// A form as its fields, files by their length.
fn shown(headers: &HeaderMap, body: &Bytes) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = form::read(headers, body)
        .unwrap()
        .into_iter()
        .map(|field| {
            let text = if field.is_file {
                format!("{} {} bytes", field.file.name, field.file.data.len())
            } else {
                field.text().unwrap().to_owned()
            };
            (field.name, text)
        })
        .collect();
    fields.sort();
    fields
}

#[test]
fn recorded_forms_are_read_and_written_again() {
    let mut read = 0;
    for (name, all) in exchanges("transcription", &["cohere", "mistral", "openai", "xai"]) {
        let Some(base64) = all["request"]["base64"].as_str() else { continue };
        let body = Bytes::from(STANDARD.decode(base64).unwrap());
        let mut asked = asked(all["request"]["headers"]["content-type"].as_str().unwrap());
        let provider = all["provider"].as_str().unwrap();
        let mut expect = shown(&asked.headers, &body);
        if !expect.iter().any(|(name, _)| name == "model") {
            // xAI has one service and is told no model; a client of ours names it.
            assert_eq!(provider, "xai");
            expect.retain(|(name, _)| name != "model");
            asked.op = Op::Transcribe;
        }
        let call = Server.decode_shared(&body, &asked).unwrap();
        let Call::Transcribe(request) = &call else { panic!("{name}") };
        let (spec, model) = (row(provider), request.model.clone());
        let mut changes = Changes::default();
        let mut cx = EncodeCx { spec: &spec, model: &model, asked: &asked, changes: &mut changes };
        let wire = Client.encode(&call, &mut cx).unwrap();
        // What is sent is what was recorded; a stream is asked for of nobody who has none.
        assert_eq!(shown(&wire.headers, &wire.body.to_bytes()), expect, "{name}");
        assert!(changes.is_empty(), "{name}: {changes:?}");
        let address = all["request"]["url"].as_str().unwrap();
        assert!(address.ends_with(&*wire.path), "{name}: {}", wire.path);
        let pieces: Vec<_> =
            wire.body.pieces().filter(|piece| piece.len() == request.file.data.len()).collect();
        let lies = |held: Option<&Bytes>| held.map(|held| held.as_ptr()).unwrap();
        assert_eq!(lies(pieces[0].held()), lies(request.file.data.held()), "{name}: the file was copied");
        if let Some(answer) = all["response"].get("body") {
            let cx = DecodeCx { spec: &spec, model: &model, memo: &wire.memo };
            let Output::Transcript(heard) =
                Client.decode(Op::Transcribe, answer.to_string().as_bytes(), &cx).unwrap()
            else {
                panic!("{name}")
            };
            assert_eq!(heard.text, answer["text"].as_str().unwrap(), "{name}");
            let words = answer["words"].as_array().map_or(0, Vec::len);
            let segments = answer["segments"].as_array().map_or(0, Vec::len);
            assert_eq!((heard.words.len(), heard.segments.len()), (words, segments), "{name}");
            let usage = heard.usage.unwrap();
            // The file is 3.7 s long, by its own head where the provider does not say it.
            assert!((3000..4000).contains(&usage.units.input_audio_ms), "{name}: {usage:?}");
        }
        read += 1;
    }
    assert!(!is_complete() || read == 4, "{read}");
}

#[test]
fn a_recorded_stream_is_told_to_its_end() {
    for (name, all) in exchanges("transcription", &["openai"]) {
        let Some(stream) = all["response"]["sse"].as_str() else { continue };
        let mut tap = Client.stream_tap(Op::Transcribe);
        let (mut rest, mut content) = (stream.as_bytes(), 0);
        while let Some((event, after)) = split_event(rest) {
            content += usize::from(matches!(tap.see(event), Seen::Content));
            rest = after;
        }
        assert!(tap.is_done() && content == 11, "{name}: {content}");
        let usage = tap.usage().unwrap();
        assert_eq!((usage.input_audio, usage.output), (37, 12), "{name}");
    }
    let mut tap = Client.stream_tap(Op::Transcribe);
    assert!(matches!(
        tap.see(b"data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\n"),
        Seen::Content
    ));
    assert!(!tap.is_done(), "what is cut must not look whole");
    assert!(matches!(tap.see(b"data: {\"error\":{\"message\":\"down\"}}\n\n"), Seen::Error(_)));
}

#[test]
fn recorded_answers_of_deepgram_are_read() {
    for (name, all) in exchanges("transcription", &["deepgram"]) {
        let (spec, memo) = (row("deepgram"), Memo::default());
        let cx = DecodeCx { spec: &spec, model: "nova-3-general", memo: &memo };
        let answer = &all["response"]["body"];
        let output =
            dialect::deepgram::Client.decode(Op::Transcribe, answer.to_string().as_bytes(), &cx).unwrap();
        let Output::Transcript(heard) = output else { panic!("{name}") };
        assert!(heard.text.starts_with("Yeah. As as much as, it's worth"), "{name}: {}", heard.text);
        assert_eq!((heard.words.len(), heard.words[0].text.as_str()), (62, "Yeah."));
        assert_eq!(
            (heard.duration, heard.usage.as_ref().unwrap().units.input_audio_ms),
            (Some(25.933313), 25_933)
        );
        assert_eq!(heard.segments.len(), answer["results"]["utterances"].as_array().unwrap().len());
        let call = Call::Transcribe(Box::new(TranscribeRequest {
            fields: vec![
                ("smart_format".into(), "true".into()),
                ("utterances".into(), "true".into()),
                ("url".into(), "https://dpgr.am/spacewalk.wav".into()),
            ],
            ..TranscribeRequest::default()
        }));
        let (mut changes, asked) = (Changes::default(), Asked::of(Op::Transcribe));
        let mut cx = EncodeCx { spec: &spec, model: "nova-3-general", asked: &asked, changes: &mut changes };
        let wire = dialect::deepgram::Client.encode(&call, &mut cx).unwrap();
        let sent: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
        assert_eq!(sent, all["request"]["body"], "{name}");
        assert!(all["request"]["url"].as_str().unwrap().ends_with(&*wire.path), "{name}: {}", wire.path);
    }
}

fn spoken(text: &str, start: f64, end: f64) -> Spoken {
    Spoken { text: text.to_owned(), start, end, ..Spoken::default() }
}

#[test]
fn words_become_lines() {
    let transcript =
        |words: Vec<Spoken>, format| Transcript { text: "t".into(), words, format, ..Transcript::default() };
    let check = |words: Vec<Spoken>, expect: &[&str]| {
        let text = String::from_utf8(write::whole(&transcript(words, TranscriptFormat::Vtt))).unwrap();
        let lines: Vec<&str> =
            text.split("\n\n").skip(1).filter_map(|cue| Some(cue.split_once('\n')?.1)).collect();
        assert_eq!(lines, expect);
    };
    check(vec![spoken("a", 0.0, 0.5), spoken("b.", 0.5, 1.0), spoken("c", 1.0, 1.5)], &["a b.", "c"]);
    check(vec![spoken("a", 0.0, 0.5), spoken("b", 1.5, 2.0)], &["a", "b"]);
    let long: Vec<Spoken> =
        (0..12_u32).map(|at| spoken("eightletters", f64::from(at), f64::from(at) + 0.9)).collect();
    check(long, &["eightletters eightletters eightletters eightletters eightletters eightletters"; 2]);
    let mut two = vec![spoken("a", 0.0, 0.5), spoken("b", 0.5, 1.0)];
    two[1].speaker = Some("1".into());
    check(two, &["a", "b"]);
    let hours = transcript(vec![spoken("a --> b", 3661.0015, 3662.9996)], TranscriptFormat::Srt);
    assert_eq!(
        String::from_utf8(write::whole(&hours)).unwrap(),
        "1\n01:01:01,002 --> 01:01:03,000\na -> b\n\n"
    );
}

#[test]
fn what_passes_unread_is_measured_by_its_last_line() {
    let tap = |text: &str| {
        Client.tap(Op::Transcribe, text.as_bytes()).unwrap().usage.map(|usage| usage.units.input_audio_ms)
    };
    assert_eq!(tap("1\n00:00:00,000 --> 00:01:02,500\nHello.\n\n"), Some(62_500));
    assert_eq!(tap("WEBVTT\n\n00:00.000 --> 00:02.250 align:start\nHello.\n\n"), Some(2250));
    assert_eq!(tap("Hello --> there"), None);
    assert_eq!(tap("Hello."), None);
    assert!(Client.tap(Op::Transcribe, b"{\"error\":{\"message\":\"no\"}}").is_err());
}

#[test]
fn a_model_that_tells_no_times_is_not_asked_for_them() {
    let check = |provider: &str,
                 model: &str,
                 format: TranscriptFormat,
                 expect: Result<(Option<&str>, bool), &str>| {
        let request =
            TranscribeRequest { format, ..TranscribeRequest::new(Upload::new("a.wav", &b"RIFF"[..])) };
        let (spec, mut changes, asked) = (row(provider), Changes::default(), Asked::of(Op::Transcribe));
        let mut cx = EncodeCx { spec: &spec, model, asked: &asked, changes: &mut changes };
        let wire = Client.encode(&Call::Transcribe(Box::new(request)), &mut cx);
        let wire = wire.map_err(|error| error.param.clone().unwrap());
        let sent = wire.as_ref().map(|wire| {
            let fields = shown(&wire.headers, &wire.body.to_bytes());
            let sent = fields.into_iter().find(|(name, _)| name == "response_format").map(|(_, text)| text);
            (sent, wire.memo.rewrites())
        });
        let expect = expect.map(|(sent, anew)| (sent.map(str::to_owned), anew));
        assert_eq!(sent.map_err(String::as_str), expect.clone(), "{provider} {model}");
    };
    check("openai", "whisper-1", TranscriptFormat::Srt, Ok((Some("srt"), false)));
    check("openai", "gpt-4o-transcribe", TranscriptFormat::Json, Ok((None, false)));
    check("openai", "gpt-4o-transcribe", TranscriptFormat::Text, Ok((None, true)));
    check("openai", "gpt-4o-mini-transcribe", TranscriptFormat::Vtt, Err("response_format"));
    check(
        "openai",
        "gpt-4o-transcribe-diarize",
        TranscriptFormat::Other("diarized_json".into()),
        Ok((Some("diarized_json"), false)),
    );
    check("groq", "whisper-large-v3", TranscriptFormat::Vtt, Ok((Some("verbose_json"), true)));
    check("mistral", "voxtral-mini-latest", TranscriptFormat::Srt, Ok((None, true)));
    check(
        "groq",
        "whisper-large-v3",
        TranscriptFormat::Other("diarized_json".into()),
        Err("response_format"),
    );
}

#[test]
fn peeking_finds_the_model_wherever_it_is() {
    let body = b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\"model\"\r\n--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n--x--";
    let head = Head::opaque(Bytes::from_static(body));
    let peek = Server.peek(&head, &asked("multipart/form-data; boundary=x")).unwrap();
    assert_eq!((peek.model.as_str(), peek.stream), ("m", false));
}

#[test]
fn sound_within_json_is_not_copied() {
    for language in ["en", "here-stands-a-file-in-base64"] {
        let file = Upload::new("a.mp3", vec![7_u8; 100_000]);
        let request =
            TranscribeRequest { language: Some(language.to_owned()), ..TranscribeRequest::new(file.clone()) };
        let call = Call::Transcribe(Box::new(request));
        let (spec, model) = (row("openrouter"), "m".to_owned());
        let (asked, mut changes) = (Asked::of(Op::Transcribe), Changes::default());
        let mut cx = EncodeCx { spec: &spec, model: &model, asked: &asked, changes: &mut changes };
        let wire = Client.encode(&call, &mut cx).unwrap();
        let is_it = |held: &Bytes| held.as_ptr() == file.data.as_ptr();
        assert!(wire.body.pieces().any(|piece| piece.held().is_some_and(is_it)), "{language}: it was copied");
        let sent: serde_json::Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
        assert_eq!(sent["input_audio"]["data"].as_str().map(str::len), Some(133_336), "{language}");
        assert_eq!(
            (&sent["language"], &sent["input_audio"]["format"]),
            (&language.into(), &"mp3".into()),
            "{language}"
        );
    }
}
