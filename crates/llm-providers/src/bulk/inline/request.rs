//! Lines of a client's file, as requests in one call.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use http::HeaderMap;
use llm_types::{ApiError, Call, Changes, ErrorKind, Result};

use super::Inline;
use super::recall::{Recall, Recalls};
use crate::bulk::Line;
use crate::codec::EncodeCx;

/// Writes the body of a call that makes a batch, line by line.
#[derive(Debug)]
pub struct Requests {
    inline: Inline,
    /// Whether a line is refused of which something would be lost.
    strict: bool,
    /// Hashes of the ids so far.
    ids: HashSet<u64>,
    hash: RandomState,
    bytes: u64,
    count: u64,
    /// What was lost or altered.
    pub changes: Changes,
    /// What the call needs.
    pub headers: HeaderMap,
    /// What a reader of the answers has to know.
    pub recalls: Recalls,
}

impl Inline {
    /// Writes requests for the model of this target; `strict`: nothing of them may be lost.
    #[must_use]
    pub fn requests(&self, strict: bool) -> Requests {
        let frame = self.batches.frame();
        Requests {
            inline: self.clone(),
            strict,
            ids: HashSet::new(),
            hash: RandomState::new(),
            bytes: length(frame.open.len() + frame.close.len()),
            count: 0,
            changes: Changes::default(),
            headers: HeaderMap::new(),
            recalls: Recalls::default(),
        }
    }
}

impl Requests {
    /// The next request, with what goes before it.
    ///
    /// # Errors
    /// 400 for a line that its provider cannot be asked, and says which; 413 for too many of them.
    pub fn add(&mut self, line: &Line) -> Result<Bytes> {
        let id = line.custom_id()?;
        self.written(&id, line).map_err(|mut error| {
            error.message =
                format!("line {} of the file (`custom_id`: `{id}`): {}", line.number(), error.message);
            error
        })
    }

    /// What the body ends with.
    #[must_use]
    pub fn close(&self) -> Bytes {
        Bytes::from_static(self.inline.batches.frame().close.as_bytes())
    }

    fn written(&mut self, id: &str, line: &Line) -> Result<Bytes> {
        let Inline { target, codec, batches, front, asked } = &self.inline;
        let (frame, bounds) = (batches.frame(), batches.bounds());
        if front.peek(line.asked(), asked)?.stream {
            let message = "an answer in a batch is no stream: leave `stream` out";
            return Err(ApiError::bad_request(message).with_param("stream"));
        }
        if asked.dialect != Some(target.dialect())
            && let Some(error) = front.bound(line.asked())?
        {
            return Err(error);
        }
        let mut call = front.decode_shared(line.body(), asked)?;
        call.set_model(target.model());
        let mut changes = Changes::default();
        let mut cx = EncodeCx { spec: target.spec(), model: target.model(), asked, changes: &mut changes };
        let wire = codec.encode(&call, &mut cx)?;
        if self.strict && changes.any_dropped() {
            let message = format!("strict mode refuses what would be lost: {}", changes.header());
            return Err(ApiError::new(ErrorKind::UnsupportedParam, message));
        }
        let one = batches.request(id, &wire)?;
        if !self.ids.insert(self.hash.hash_one(id)) {
            let message = "another line has that `custom_id`: each has to have one of its own";
            return Err(ApiError::bad_request(message).with_param("custom_id"));
        }
        let before = if self.count == 0 { frame.open } else { frame.between };
        self.count += 1;
        self.bytes = self.bytes.saturating_add(length(before.len() + one.len()));
        if self.count > bounds.requests || self.bytes > bounds.bytes {
            let (provider, requests, bytes) = (target.provider(), bounds.requests, bounds.bytes);
            let message = format!(
                "a batch at {provider} has at most {requests} requests in {bytes} bytes: make several files"
            );
            return Err(ApiError::new(ErrorKind::TooLarge, message));
        }
        batches.join(&mut self.headers, &wire.headers)?;
        let legacy = matches!(&call, Call::Chat(request) if request.tooling.legacy);
        self.recalls.add(id, Recall::of(&wire.memo, legacy))?;
        changes.list().iter().cloned().for_each(|change| self.changes.push(change));
        Ok([before.as_bytes(), &one].concat().into())
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
