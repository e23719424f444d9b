//! Message batches: requests of the Messages API in one call, their answers as lines of a file
//! (docs.anthropic.com/en/docs/build-with-claude/batch-processing).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use llm_types::{ApiError, ErrorKind, Result, Str};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::wire::{BatchLine, BatchResult, MessageBatch, RequestCounts};
use super::{beta, encode, reply, tool};
use crate::codec::WireRequest;
use crate::codec::batch::{
    BatchAnswer, BatchBounds, BatchCodec, BatchCounts, BatchFrame, BatchPath, BatchStanding,
};

const PATH: &str = "/v1/messages/batches";
/// The longest id of a request, in characters.
const ID_LIMIT: usize = 64;

/// Anthropic's batches.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Batches;

#[derive(Serialize)]
struct OneRequest<'a> {
    custom_id: &'a str,
    params: &'a RawValue,
}

impl BatchCodec for Batches {
    fn path(&self, what: BatchPath<'_>) -> String {
        match what {
            BatchPath::Make => PATH.to_owned(),
            BatchPath::List { limit, after: None } => format!("{PATH}?limit={limit}"),
            BatchPath::List { limit, after: Some(after) } => format!("{PATH}?limit={limit}&after_id={after}"),
            BatchPath::One(id) => format!("{PATH}/{id}"),
            BatchPath::Cancel(id) => format!("{PATH}/{id}/cancel"),
            BatchPath::Answers(id) => format!("{PATH}/{id}/results"),
        }
    }

    fn headers(&self) -> HeaderMap {
        HeaderMap::from_iter([encode::VERSION])
    }

    fn bounds(&self) -> BatchBounds {
        BatchBounds { requests: 100_000, bytes: 256_000_000 }
    }

    fn frame(&self) -> BatchFrame {
        BatchFrame { open: "{\"requests\":[", between: ",", close: "]}" }
    }

    fn request(&self, id: &str, wire: &WireRequest) -> Result<Vec<u8>> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > ID_LIMIT || !id.bytes().all(good) {
            let message =
                "Anthropic takes a `custom_id` of 1 to 64 letters, digits, `-` and `_`: choose another";
            return Err(ApiError::bad_request(message).with_param("custom_id"));
        }
        let unwritten = |error: serde_json::Error| {
            ApiError::new(ErrorKind::Internal, "the request cannot be written as JSON").with_source(error)
        };
        let body = wire.body.to_bytes();
        let params: &RawValue = serde_json::from_slice(&body).map_err(unwritten)?;
        serde_json::to_vec(&OneRequest { custom_id: id, params }).map_err(unwritten)
    }

    fn join(&self, headers: &mut HeaderMap, of: &HeaderMap) -> Result<()> {
        for (name, value) in of {
            match headers.get(name) {
                Some(there) if *name == beta::HEADER => {
                    let joined = joined(there, value)?;
                    headers.insert(HeaderName::clone(name), joined);
                }
                Some(_) => {}
                None => {
                    headers.insert(HeaderName::clone(name), value.clone());
                }
            }
        }
        Ok(())
    }

    fn standing(&self, body: &[u8]) -> Result<BatchStanding> {
        let batch: MessageBatch<'_> = serde_json::from_slice(body).map_err(|error| broken("batch", error))?;
        let MessageBatch {
            id,
            processing_status,
            request_counts,
            created_at,
            cancel_initiated_at,
            ended_at,
            expires_at,
            results_url,
            extra: _,
        } = batch;
        let id = id.map(Str::into_string).filter(|id| !id.is_empty()).ok_or_else(|| {
            ApiError::upstream(ErrorKind::UpstreamFormat, "the upstream's answer is no batch: it has no id")
        })?;
        let RequestCounts { processing, succeeded, errored, canceled, expired, extra: _ } =
            request_counts.unwrap_or_default();
        Ok(BatchStanding {
            id,
            is_over: processing_status.is_some_and(|status| status.as_str() == "ended"),
            created: seconds(created_at).unwrap_or_default(),
            cancelled: seconds(cancel_initiated_at),
            ended: seconds(ended_at),
            expires: seconds(expires_at),
            // It is gone when the batch is archived.
            has_answers: results_url.is_some_and(|url| !url.as_str().is_empty()),
            counts: BatchCounts {
                open: processing.unwrap_or_default(),
                answered: succeeded.unwrap_or_default(),
                failed: errored.unwrap_or_default(),
                cancelled: canceled.unwrap_or_default(),
                expired: expired.unwrap_or_default(),
            },
        })
    }

    fn answer(&self, line: &Bytes) -> Result<(String, BatchAnswer)> {
        let read: BatchLine<'_> =
            serde_json::from_slice(line).map_err(|error| broken("line of answers", error))?;
        let BatchLine { custom_id, result, extra: _ } = read;
        let BatchResult { kind, message, error, extra: _ } = result.unwrap_or_default();
        let id = custom_id.map(Str::into_string).unwrap_or_default();
        let kind = kind.unwrap_or_default();
        let answer = match (kind.as_str(), message) {
            ("succeeded", Some(message)) => {
                BatchAnswer::Answered(Bytes::copy_from_slice(message.get().as_bytes()))
            }
            ("canceled", _) => BatchAnswer::Cancelled,
            ("expired", _) => BatchAnswer::Expired,
            ("errored", _) => {
                let error = error.and_then(|envelope| envelope.error).unwrap_or_default();
                BatchAnswer::Failed(Box::new(reply::batch_error(&error)))
            }
            (other, _) => {
                let message = format!("the upstream's answer to `{id}` is of the unknown kind `{other}`");
                BatchAnswer::Failed(Box::new(ApiError::upstream(ErrorKind::UpstreamFormat, message)))
            }
        };
        Ok((id, answer))
    }

    fn json_tool(&self) -> &'static str {
        tool::JSON_TOOL
    }
}

/// Names of features, each once.
fn joined(there: &HeaderValue, more: &HeaderValue) -> Result<HeaderValue> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut all = text(there);
    for name in text(more).split(',').map(str::trim) {
        if !all.split(',').any(|known| known.trim() == name) {
            all.push(',');
            all.push_str(name);
        }
    }
    HeaderValue::from_str(&all)
        .map_err(|error| ApiError::bad_request("anthropic_beta cannot be sent").with_source(error))
}

/// A time of the API (RFC 3339).
fn seconds(text: Option<Str<'_>>) -> Option<i64> {
    text?.as_str().parse::<Timestamp>().ok().map(Timestamp::as_second)
}

fn broken(what: &str, error: serde_json::Error) -> ApiError {
    let message = format!("the upstream's answer is no {what}");
    ApiError::upstream(ErrorKind::UpstreamFormat, message).with_source(error)
}
