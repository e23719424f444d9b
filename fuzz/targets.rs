//! What each target holds, for libFuzzer and for the ordinary tests alike.

use std::ops::ControlFlow;

use bytes::Bytes;
use llm_providers::frame::{EventStreamFrames, JsonLines, SseFrames};
use llm_types::{Head, Result};

/// What was read of a stream, and whether it ended in an error.
type Read = (Vec<String>, bool);

/// The pieces in which a stream arrives: whole, byte by byte, and cut where its own first bytes say.
fn arrivals(data: &[u8]) -> [Vec<&[u8]>; 3] {
    let at = data.iter().take(4).fold(0_usize, |at, byte| at * 31 + usize::from(*byte)) % (data.len() + 1);
    let (before, after) = data.split_at(at);
    [vec![data], data.chunks(1).collect(), vec![before, after]]
}

fn same(data: &[u8], read: fn(&[&[u8]]) -> Read) {
    let [whole, single, cut] = arrivals(data);
    let expect = read(&whole);
    assert_eq!(read(&single), expect, "byte by byte");
    assert_eq!(read(&cut), expect, "cut in two");
}

/// Text events.
pub(crate) fn sse(data: &[u8]) {
    same(data, |pieces| {
        let (mut frames, mut seen) = (SseFrames::default(), Vec::new());
        let mut failed = false;
        for piece in pieces {
            let fed = frames.feed(piece, |event| {
                seen.push(format!("{:?} {:?}", event.name, event.data));
                Ok(ControlFlow::Continue(()))
            });
            failed = fed.is_err();
            if failed {
                break;
            }
        }
        let end = frames.finish(|event| {
            seen.push(format!("{:?} {:?}", event.name, event.data));
            Ok(ControlFlow::Continue(()))
        });
        (seen, failed || end.is_err())
    });
}

/// Lines of JSON.
pub(crate) fn ndjson(data: &[u8]) {
    same(data, |pieces| {
        let (mut lines, mut seen) = (JsonLines::default(), Vec::new());
        let mut fed: Result<_> = Ok(ControlFlow::Continue(()));
        for piece in pieces {
            fed = lines.feed(piece, |line| {
                seen.push(format!("{line:?}"));
                Ok(ControlFlow::Continue(()))
            });
        }
        let end = lines.finish(|line| {
            seen.push(format!("{line:?}"));
            Ok(ControlFlow::Continue(()))
        });
        (seen, fed.is_err() || end.is_err())
    });
}

/// Amazon's binary messages. What follows a broken one is nothing.
pub(crate) fn event_stream(data: &[u8]) {
    same(data, |pieces| {
        let (mut frames, mut seen) = (EventStreamFrames::default(), Vec::new());
        for piece in pieces {
            let fed = frames.feed(piece, |message| {
                seen.push(format!(
                    "{:?} {:?} {:?} {:?}",
                    message.kind, message.name, message.text, message.payload
                ));
                Ok(ControlFlow::Continue(()))
            });
            if fed.is_err() {
                return (seen, true);
            }
        }
        (seen, false)
    });
}

/// The members of an object: those that a whole parser finds, where it finds any.
pub(crate) fn json_scan(data: &[u8]) {
    let scanned = Head::scan(Bytes::copy_from_slice(data));
    let parsed = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(data);
    match (&scanned, &parsed) {
        (Ok(head), Ok(parsed)) => {
            assert_eq!(head.members().len(), parsed.len());
            for member in head.members() {
                let raw = head.get(member.name()).expect("a member has a value");
                let value: serde_json::Value = serde_json::from_slice(raw).expect("a value is JSON");
                assert_eq!(Some(&value), parsed.get(member.name()));
            }
        }
        // Twice the same member, or very many, are refused on purpose.
        (Err(error), Ok(_)) => {
            let said = error.to_string();
            assert!(
                said.contains("duplicate") || said.contains("more than") || said.contains("deep"),
                "{said}"
            );
        }
        (Ok(head), Err(_)) => {
            // What stands inside a member is its reader's business; the members lie in the body all the same.
            assert!(head.members().iter().all(|member| head.get(member.name()).is_some()));
        }
        (Err(_), Err(_)) => {}
    }
}
