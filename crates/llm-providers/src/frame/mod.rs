//! Framing: where an event of a stream begins and ends, wherever the chunks are cut.

mod event_stream;
mod sse;

pub use event_stream::{EventMessage, EventStreamFrames, MessageKind};
pub use sse::{SseEvent, SseFrames, is_whole, split_event};
