//! Watches a stream that is passed through.
//!
//! No client speaks this dialect to us, so that nothing is passed yet.

use llm_types::{Flow, Usage};

use super::super::wire::Reply;
use super::error::broke_off;
use super::finish::usage;
use super::stream::unreadable;
use crate::codec::{Memo, Seen, StreamTap};
use crate::frame::JsonLines;

/// Watches a streamed answer.
#[derive(Debug, Default)]
pub(in super::super) struct Tap {
    usage: Option<Usage>,
    done: bool,
}

impl StreamTap for Tap {
    fn see(&mut self, event: &[u8]) -> Seen {
        let mut seen = Seen::Quiet;
        let mut lines = JsonLines::default();
        let mut each = |line: &[u8]| {
            seen = self.line(&serde_json::from_slice(line).map_err(unreadable)?);
            Ok(Flow::Continue(()))
        };
        let fed = lines.feed(event, &mut each).and_then(|_| lines.finish(&mut each));
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
    fn line(&mut self, line: &Reply<'_>) -> Seen {
        if let Some(error) = &line.error {
            return Seen::Failed(broke_off(error));
        }
        if line.done == Some(true) {
            self.usage = usage(line, &Memo::default());
            self.done = true;
            return Seen::Done;
        }
        Seen::Content
    }
}
