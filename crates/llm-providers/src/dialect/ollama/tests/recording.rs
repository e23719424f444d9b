//! Recorded exchanges: every answer is read, whole and cut anywhere, and says what it says.

use llm_testkit::{Recording, Recordings};

use super::*;

fn recordings() -> Vec<Recording> {
    let all = Recordings::load().unwrap().provider("ollama").operation("ollama_chat");
    all.iter().cloned().collect()
}

#[test]
fn every_answer_is_read() {
    for recording in recordings() {
        let bytes = recording.response.bytes();
        let memo = Memo::default();
        let reply = if recording.is_stream() { gather([&*bytes], &memo) } else { read_as(&bytes, &memo) };
        let reply = reply.unwrap_or_else(|error| panic!("{recording}: {error}"));
        let usage = reply.usage.clone().unwrap();
        assert!(reply.finish().is_some() && usage.input > 0 && usage.output > 0, "{recording}");
        assert!(!reply.model.is_empty(), "{recording}");
        for (feature, there) in [
            ("tool_call", reply.tool_calls().next().is_some()),
            ("reasoning", !reply.reasoning().is_empty()),
            ("length", reply.finish() == Some(llm_types::FinishKind::Length)),
        ] {
            assert_eq!(recording.has(feature), there, "{recording}: {feature}");
        }
        if recording.is_stream() {
            let shown = format!("{reply:?}");
            assert_eq!(format!("{:?}", gather(bytes.chunks(1), &memo).unwrap()), shown, "{recording}");
            for at in (0..bytes.len()).step_by(bytes.len().div_ceil(400)) {
                let (before, after) = bytes.split_at(at);
                let cut = gather([before, after], &memo).unwrap();
                assert_eq!(format!("{cut:?}"), shown, "{recording}: cut at {at}");
            }
            let early = &bytes[..bytes.len() - 40];
            assert!(gather([early], &memo).is_err(), "{recording}: a stream without its last line");
        } else {
            let tapped = Client.tap(Op::Chat, &bytes).unwrap();
            assert_eq!((tapped.usage, tapped.model.as_deref()), (reply.usage, Some(&*reply.model)));
        }
    }
}
