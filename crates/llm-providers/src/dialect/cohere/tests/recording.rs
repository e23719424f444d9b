//! Recorded exchanges: every answer is read, whole and cut anywhere, and says what it says.

use llm_testkit::{Recording, Recordings};
use llm_types::ErrorKind;

use super::*;

fn recordings() -> Vec<Recording> {
    let all = Recordings::load().unwrap().provider("cohere").operation("chat_v2");
    all.iter().cloned().collect()
}

#[test]
fn every_answer_is_read() {
    for recording in recordings() {
        let bytes = recording.response.bytes();
        if !recording.response.is_success() {
            let status = http::StatusCode::from_u16(recording.response.status).unwrap();
            let error = Client.decode_error(status, &http::HeaderMap::new(), &bytes);
            let expect = if status == 401 { ErrorKind::Auth } else { ErrorKind::ContextWindow };
            assert_eq!(error.kind, expect, "{recording}: {error}");
            assert!(!error.message.is_empty() && !error.message.starts_with('{'), "{recording}: {error}");
            continue;
        }
        let memo = Memo::default();
        let reply = if recording.is_stream() { gather([&*bytes], &memo) } else { read_as(&bytes, &memo) };
        let reply = reply.unwrap_or_else(|error| panic!("{recording}: {error}"));
        let usage = reply.usage.clone().unwrap();
        assert!(reply.finish().is_some() && !reply.text().is_empty(), "{recording}");
        assert!(usage.billed.unwrap().input < usage.prompt_tokens(), "{recording}: {usage:?}");
        if recording.is_stream() {
            let shown = format!("{reply:?}");
            assert_eq!(format!("{:?}", gather(bytes.chunks(1), &memo).unwrap()), shown, "{recording}");
            for at in (0..bytes.len()).step_by(bytes.len().div_ceil(400)) {
                let (before, after) = bytes.split_at(at);
                let cut = gather([before, after], &memo).unwrap();
                assert_eq!(format!("{cut:?}"), shown, "{recording}: cut at {at}");
            }
        }
    }
}
