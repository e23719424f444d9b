//! Watches a stream that is passed through.
//!
//! No client speaks this dialect to us, so that nothing is passed yet.

use llm_types::{Flow, Usage};

use super::super::wire::StreamEvent;
use super::error::broke_off;
use super::finish::is_failure;
use super::stream::unreadable;
use super::usage::usage;
use crate::codec::{Seen, StreamTap};
use crate::dialect::scalar::Word;
use crate::frame::SseFrames;

/// Watches a streamed answer.
#[derive(Debug, Default)]
pub(in super::super) struct Tap {
    usage: Option<Usage>,
    done: bool,
}

impl StreamTap for Tap {
    fn see(&mut self, event: &[u8]) -> Seen {
        let mut seen = Seen::Quiet;
        let fed = SseFrames::default().feed(event, |event| {
            if event.data != b"[DONE]" {
                seen = self.event(serde_json::from_slice(event.data).map_err(unreadable)?);
            }
            Ok(Flow::Continue(()))
        });
        match fed {
            Ok(_) => seen,
            Err(error) => Seen::Error(error),
        }
    }

    fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

impl Tap {
    fn event(&mut self, event: StreamEvent<'_>) -> Seen {
        match event.kind.unwrap_or_default().as_str() {
            "content-delta" | "tool-plan-delta" | "tool-call-start" | "tool-call-delta" => Seen::Content,
            "message-end" => {
                let delta = event.delta.unwrap_or_default();
                self.usage = delta.usage.as_ref().and_then(usage);
                let reason = delta.finish_reason.unwrap_or_default();
                if is_failure(reason.as_str()) {
                    let said = delta.error.and_then(Word::non_empty).unwrap_or_default();
                    return Seen::Failed(broke_off(reason.as_str(), &said));
                }
                self.done = true;
                Seen::Done
            }
            _ => Seen::Quiet,
        }
    }
}
