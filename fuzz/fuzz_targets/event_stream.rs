//! `cargo +nightly fuzz run event_stream`
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::event_stream(data));
