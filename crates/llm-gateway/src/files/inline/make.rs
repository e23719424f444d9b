//! A batch is made: the lines of its file, in one call, as they are read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Method;
use llm_providers::bulk::inline::{Record, Requests};
use llm_providers::bulk::{Line, Lines};
use llm_providers::codec::batch::BatchPath;
use llm_providers::transport::{ByteStream, Progress};
use llm_types::{ApiError, Head, Result};

use crate::files::held::Whole;
use crate::files::place::{Place, Serving};
use crate::files::{Sending, Visit};
use crate::through::Fault;

/// The longest metadata, in bytes.
const METADATA: usize = 64 * 1024;

/// A batch that is to be made.
pub(in crate::files) struct Making<'a> {
    pub(in crate::files) place: &'a Place,
    pub(in crate::files) serving: &'a Serving,
    /// The file of its requests.
    pub(in crate::files) file: &'a str,
    /// Its lines, which were all written once to see whether they can be.
    pub(in crate::files) surveyed: Box<Requests>,
    pub(in crate::files) metadata: Option<BTreeMap<String, String>>,
}

/// What a new batch says of itself.
///
/// # Errors
/// 400 for what such a provider has not.
pub(in crate::files) fn metadata(
    head: &Head,
    metadata: Option<&[u8]>,
) -> Result<Option<BTreeMap<String, String>>> {
    let window = head.read::<String>("completion_window")?;
    if window.is_some_and(|window| window != "24h") {
        let message = "completion_window must be `24h`: the provider knows no other";
        return Err(ApiError::bad_request(message).with_param("completion_window"));
    }
    let bad = |what: &str| ApiError::bad_request(what.to_owned()).with_param("metadata");
    let Some(json) = metadata else { return Ok(None) };
    if json.len() > METADATA {
        return Err(bad("metadata is too long"));
    }
    serde_json::from_slice(json).map_err(|_| bad("metadata must be an object of texts"))
}

impl Visit {
    /// Makes a batch, and remembers it; in OpenAI's form. What is wrong with the file is in `fault`: then nothing was
    /// made.
    pub(in crate::files) async fn make(
        &self,
        making: Making<'_>,
        progress: Option<&Progress>,
        (fault, whole): (&Fault, &Whole),
    ) -> Result<Bytes> {
        let Making { place, serving, file, surveyed, metadata } = making;
        let inline = super::at(&serving.target)?;
        let (source, _) = self.shelf()?.content(file).await.inspect_err(|error| fault.note(error))?;
        let requests = inline.requests(self.snapshot.strict);
        let stream = body(source, requests, (fault.clone(), Arc::clone(whole)));
        let Requests { headers, recalls, .. } = *surveyed;
        let path = inline.path(BatchPath::Make);
        let made =
            self.object(place, (Method::POST, &path), Sending::Stream(headers, stream), progress).await?;
        let record =
            Record { endpoint: super::ENDPOINT.to_owned(), input_file: Some(file.to_owned()), metadata };
        let id = inline.standing(&made)?.id;
        let shown = inline.shown(&made, Some(&record))?;
        if let Err(error) = self.shelf()?.remember(&id, record, recalls).await {
            // It is made: its id leads to it all the same.
            tracing::error!(%error, batch = id, "a batch cannot be remembered: it is in no list");
        }
        Ok(shown)
    }
}

/// The body of the call, as it is written.
fn body(source: ByteStream, requests: Requests, told: (Fault, Whole)) -> ByteStream {
    let state = Some((source, Lines::default(), requests, told));
    Box::pin(stream::unfold(state, |state| async move {
        let (mut source, mut lines, mut requests, told) = state?;
        loop {
            let next = source.next().await;
            let over = next.is_none();
            match written(next, &mut lines, &mut requests) {
                Ok(out) if out.is_empty() => {}
                Ok(out) => {
                    told.1.store(over, Ordering::Relaxed);
                    return Some((Ok(out.into()), (!over).then_some((source, lines, requests, told))));
                }
                Err(error) => {
                    told.0.note(&error);
                    return Some((Err(error), None));
                }
            }
        }
    }))
}

fn written(next: Option<Result<Bytes>>, lines: &mut Lines, requests: &mut Requests) -> Result<Vec<u8>> {
    let over = next.is_none();
    lines.feed(&next.transpose()?.unwrap_or_default());
    let mut out = Vec::new();
    while let Some((number, line)) =
        lines.next_line()?.or_else(|| if over { lines.last_line() } else { None })
    {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let line = Line::read(number, &line)?;
        let line = line.ok_or_else(|| ApiError::bad_request("the file is no file of a batch"))?;
        out.extend_from_slice(&requests.add(&line)?);
    }
    if over {
        out.extend_from_slice(&requests.close());
    }
    Ok(out)
}
