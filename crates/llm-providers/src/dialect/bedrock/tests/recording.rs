//! Recorded exchanges: every answer is read, whole and cut anywhere, and says what it says.

use llm_testkit::{Recording, Recordings};
use llm_types::chat::Part;
use llm_types::{ErrorKind, FinishKind};

use super::*;

fn recordings() -> Vec<Recording> {
    let all = Recordings::load().unwrap().provider("bedrock").operation("converse");
    all.iter().cloned().collect()
}

fn find(part: &str) -> Option<Recording> {
    recordings().into_iter().find(|recording| recording.id.contains(part))
}

/// Whether an answer is in the binary framing.
fn is_stream(recording: &Recording) -> bool {
    recording.response.is_success() && recording.has("stream")
}

fn read_recorded(recording: &Recording) -> Result<Reply> {
    let bytes = recording.response.bytes();
    if is_stream(recording) { gather([&*bytes], &Memo::default()) } else { read_as(&bytes, &Memo::default()) }
}

#[test]
fn every_answer_is_read() {
    for recording in recordings() {
        if !recording.response.is_success() {
            continue;
        }
        let reply = read_recorded(&recording).unwrap_or_else(|error| panic!("{recording}: {error}"));
        assert!(reply.finish().is_some() && reply.usage.is_some(), "{recording}");
        assert!(!reply.choices[0].parts.is_empty(), "{recording}");
        if is_stream(&recording) {
            let bytes = recording.response.bytes();
            let shown = format!("{reply:?}");
            let one = gather(bytes.chunks(1), &Memo::default()).unwrap();
            assert_eq!(format!("{one:?}"), shown, "{recording}: byte by byte");
            for at in (0..bytes.len()).step_by(bytes.len().div_ceil(400)) {
                let (a, b) = bytes.split_at(at);
                let cut = gather([a, b], &Memo::default()).unwrap();
                assert_eq!(format!("{cut:?}"), shown, "{recording}: cut at {at}");
            }
        }
    }
}

#[test]
fn recorded_streams_with_a_flipped_bit_are_refused() {
    for recording in recordings().iter().filter(|recording| is_stream(recording)) {
        let bytes = recording.response.bytes();
        for bit in (0..bytes.len() * 8).step_by(211) {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(gather([flipped.as_slice()], &Memo::default()).is_err(), "{recording}: bit {bit}");
        }
    }
}

#[test]
fn recorded_answers_say_what_they_say() {
    let check = |part: &str, text: &str, finish: FinishKind, tokens: u64| {
        // The shared recordings may not be there.
        let Some(recording) = find(part) else { return };
        let reply = read_recorded(&recording).unwrap();
        assert_eq!((reply.text().as_str(), reply.finish()), (text, Some(finish)), "{part}");
        assert_eq!(reply.usage.unwrap().total_tokens(), tokens, "{part}");
    };
    check("converse-length-4963e6", "The capital of France is", FinishKind::Length, 18);
    check("converse-stop-2af898", "The city of Paris", FinishKind::Stop, 29);
    check("converse-refusal-2d8c36", "Blocked by guardrail.", FinishKind::ContentFilter, 0);
    check("converse-stream-basic-6e4d6c", "20 + 22 = 42", FinishKind::Stop, 41);
    check("converse-stream-length-stop-5f29de", "I am here and ready to assist", FinishKind::Length, 18);
    if let Some(recording) = find("converse-stream-citations") {
        let reply = read_recorded(&recording).unwrap();
        assert!(reply.choices[0].parts.iter().any(|part| matches!(part, Part::Citation(_))), "{reply:?}");
    }
    if let Some(recording) = find("hosted-tools") {
        let reply = read_recorded(&recording).unwrap();
        assert_eq!(reply.tool_calls().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["final_result"]);
    }
}

#[test]
fn recorded_errors_are_classified() {
    for recording in recordings().iter().filter(|recording| !recording.response.is_success()) {
        let status = http::StatusCode::from_u16(recording.response.status).unwrap();
        let headers = recording.response.headers.iter().map(|(name, value)| {
            (
                http::HeaderName::try_from(name.as_str()).unwrap(),
                http::HeaderValue::try_from(value.as_str()).unwrap(),
            )
        });
        let error = Client.decode_error(status, &headers.collect(), &recording.response.bytes());
        let expect = if status.as_u16() == 404 { ErrorKind::NotFound } else { ErrorKind::BadRequest };
        assert_eq!(error.kind, expect, "{recording}: {error}");
        assert!(!error.message.is_empty() && !error.message.starts_with('{'), "{recording}: {error}");
    }
}
