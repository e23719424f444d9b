//! The fuzz targets on stable: over every recorded stream and body, whole and damaged, and over bytes at random.
//!
//! `LLM_FUZZ_SECONDS` makes each go on for so long; libFuzzer needs a nightly toolchain (`fuzz/README.md`), and
//! `LLM_FUZZ_CORPUS` names the folder that it finds the recordings in.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::tally::recordings;

/// How many damaged forms of each recording are read in an ordinary run.
const DAMAGED: usize = 2;
/// A recording that is longer is cut: what is long repeats itself.
const LONGEST: usize = 4000;

/// A way to damage bytes: places, and what to do there.
fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..6)
}

fn damaged(bytes: &[u8], how: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for (at, kind, byte) in how.iter().filter(|_| !bytes.is_empty()) {
        let at = at.index(out.len().max(1));
        match kind {
            _ if out.is_empty() => out.push(*byte),
            0 => out[at] = *byte,
            1 => out.insert(at, *byte),
            2 => _ = out.remove(at),
            _ => out.truncate(at),
        }
    }
    out
}

/// Runs a target over the corpus, then over what is made of it, for as long as is wanted.
fn drive(name: &str, target: fn(&[u8]), corpus: &[Vec<u8>]) {
    if let Some(folder) = std::env::var_os("LLM_FUZZ_CORPUS") {
        let folder = std::path::Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (nth, bytes) in corpus.iter().enumerate() {
            std::fs::write(folder.join(format!("{nth:04}")), bytes).unwrap();
        }
    }
    let seconds = std::env::var("LLM_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (until, mut runner) = (Instant::now() + Duration::from_secs(seconds), TestRunner::deterministic());
    let (mut runs, words) = (0_usize, prop::collection::vec(any::<u8>(), 0..200));
    corpus.iter().for_each(|bytes| target(bytes));
    loop {
        for bytes in corpus {
            for _ in 0..DAMAGED {
                let how = damage().new_tree(&mut runner).unwrap().current();
                target(&damaged(bytes, &how));
                runs += 1;
            }
        }
        for _ in 0..200 {
            target(&words.new_tree(&mut runner).unwrap().current());
            runs += 1;
        }
        if Instant::now() >= until {
            break;
        }
        // Another run, another damage.
        runner = TestRunner::default();
    }
    println!("{runs} inputs beside {} of the corpus", corpus.len());
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(LONGEST);
    bytes
}

/// The recorded streams that `wanted` holds for.
fn streams(wanted: fn(&str) -> bool) -> Vec<Vec<u8>> {
    let all = recordings();
    let texts = all.iter().filter_map(|recording| recording.response.stream().map(str::to_owned));
    texts.filter(|text| wanted(text)).map(|text| cut(text.into_bytes())).collect()
}

#[test]
fn sse() {
    let mut corpus = streams(|text| !text.starts_with('{'));
    corpus.extend([
        b"data: a\r\n\r\n:x\rdata\n\n".to_vec(),
        b"\xef\xbb\xbfdata: a\n\nevent: b\ndata:c\ndata:d\n\n".to_vec(),
    ]);
    drive("sse", targets::sse, &corpus);
}

#[test]
fn ndjson() {
    let mut corpus = streams(|text| text.starts_with('{'));
    corpus.push(b"{\"a\":1}\r\n\n{\"b\":2}".to_vec());
    drive("ndjson", targets::ndjson, &corpus);
}

#[test]
fn event_stream() {
    let all = recordings();
    let recorded = all.iter().filter(|recording| recording.response.is_binary_stream());
    let mut corpus: Vec<_> = recorded.map(|recording| cut(recording.response.bytes().to_vec())).collect();
    corpus.push(llm_testkit::event_stream::message(
        "event",
        "contentBlockDelta",
        br#"{"delta":{"text":"a"}}"#,
    ));
    drive("event_stream", targets::event_stream, &corpus);
}

#[test]
fn json_scan() {
    let all = recordings();
    let bodies = all.iter().filter(|recording| recording.request.json().is_some());
    let mut corpus: Vec<_> = bodies
        .map(|recording| recording.request.bytes().to_vec())
        .filter(|bytes| bytes.len() <= LONGEST * 4)
        .collect();
    corpus.push(br#"{"a":1,"\u0061":2}"#.to_vec());
    drive("json_scan", targets::json_scan, &corpus);
}
