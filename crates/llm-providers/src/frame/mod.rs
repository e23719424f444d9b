//! Framing: where an event of a stream begins and ends, wherever the chunks are cut.

mod event_stream;
mod framing;
mod ndjson;
mod sse;

pub use event_stream::{EventMessage, EventStreamFrames, MessageKind};
pub use framing::Framing;
pub use ndjson::JsonLines;
pub use sse::{SseEvent, SseFrames, is_whole, split_event};
