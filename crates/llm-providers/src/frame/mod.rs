//! Framing: where an event of a stream begins and ends, wherever the chunks are cut.

mod sse;

pub use sse::{SseEvent, SseFrames, is_whole, split_event};
