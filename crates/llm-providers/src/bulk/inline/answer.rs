//! Lines of a provider's answers, as lines of OpenAI's files.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use llm_types::{ApiError, ErrorKind, Output, Result};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Inline;
use super::recall::{Recall, Recalls};
use crate::bulk::Lines;
use crate::codec::batch::BatchAnswer;
use crate::codec::{DecodeCx, ReplyCx};
use crate::transport::ByteStream;

/// One of the two files of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Of what was answered.
    Output,
    /// Of what was not.
    Errors,
}

/// Writes one of the files of a batch, line by line.
#[derive(Debug)]
pub struct Answers {
    inline: Inline,
    recalls: Recalls,
    which: Which,
    /// When the batch was made, in seconds since 1970.
    created: u64,
    /// How many lines were read.
    read: u64,
}

#[derive(Serialize)]
struct AnswerLine<'a> {
    id: String,
    custom_id: &'a str,
    response: Option<Response<'a>>,
    error: Option<Fault>,
}

#[derive(Serialize)]
struct Response<'a> {
    status_code: u16,
    request_id: Option<String>,
    body: &'a RawValue,
}

#[derive(Serialize)]
struct Fault {
    code: &'static str,
    message: &'static str,
}

const CANCELLED: Fault =
    Fault { code: "batch_cancelled", message: "The batch was cancelled before this request was answered." };
const EXPIRED: Fault = Fault {
    code: "batch_expired",
    message: "This request could not be executed before the completion window expired.",
};

impl Inline {
    /// Writes one of the files of a batch, which was made in this second since 1970.
    #[must_use]
    pub fn answers(&self, which: Which, recalls: Recalls, created: i64) -> Answers {
        let created = u64::try_from(created).unwrap_or_default();
        Answers { inline: self.clone(), recalls, which, created, read: 0 }
    }
}

impl Answers {
    /// The file, from the provider's as it comes.
    #[must_use]
    pub fn of(self, upstream: ByteStream) -> ByteStream {
        let state = Some((upstream, Lines::default(), self));
        Box::pin(stream::unfold(state, |state| async move {
            let (mut upstream, mut lines, mut answers) = state?;
            loop {
                let over = match upstream.next().await {
                    Some(Ok(chunk)) => {
                        lines.feed(&chunk);
                        false
                    }
                    Some(Err(error)) => return Some((Err(error), None)),
                    None => true,
                };
                match answers.rewritten(&mut lines, over) {
                    Ok(out) if out.is_empty() && !over => {}
                    Ok(out) => return Some((Ok(out.into()), (!over).then_some((upstream, lines, answers)))),
                    Err(error) => return Some((Err(error), None)),
                }
            }
        }))
    }

    fn rewritten(&mut self, lines: &mut Lines, over: bool) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        while let Some((_, line)) = lines.next_line()?.or_else(|| if over { lines.last_line() } else { None })
        {
            if let Some(line) = self.line(&line)? {
                out.extend_from_slice(&line);
            }
        }
        Ok(out)
    }

    /// The line of the file for one of the provider's; `None`: it is of the other file.
    ///
    /// # Errors
    /// [`ErrorKind::UpstreamFormat`] when it is no line of answers.
    pub fn line(&mut self, line: &Bytes) -> Result<Option<Bytes>> {
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        let (custom_id, answer) = self.inline.batches.answer(line)?;
        self.read += 1;
        let id = format!("batch_req_{}", self.read);
        let (which, status, request_id, body) = match answer {
            BatchAnswer::Answered(body) => match self.reply(&custom_id, &body, &id) {
                Ok((request_id, body)) => (Which::Output, 200, Some(request_id), body),
                Err(error) => self.failed(error),
            },
            BatchAnswer::Failed(error) => self.failed(*error),
            BatchAnswer::Cancelled => return self.missing(&id, &custom_id, CANCELLED),
            BatchAnswer::Expired => return self.missing(&id, &custom_id, EXPIRED),
        };
        if which != self.which {
            return Ok(None);
        }
        let body: &RawValue = serde_json::from_slice(&body).map_err(unwritten)?;
        let response = Some(Response { status_code: status, request_id, body });
        written(&AnswerLine { id, custom_id: &custom_id, response, error: None }).map(Some)
    }

    /// An answer in the client's dialect, and its id.
    fn reply(&self, custom_id: &str, body: &[u8], id: &str) -> Result<(String, Vec<u8>)> {
        let Inline { target, codec, batches, front, asked } = &self.inline;
        let none = Recall::default();
        let recall = self.recalls.get(custom_id).unwrap_or(&none);
        let memo = recall.memo(batches.json_tool());
        let cx = DecodeCx { spec: target.spec(), model: target.model(), memo: &memo };
        let output = codec.decode(asked.op, body, &cx)?;
        let own = match &output {
            Output::Chat(reply) => reply.id.clone(),
            _ => String::new(),
        };
        let cx = ReplyCx {
            include_usage: true,
            legacy_functions: recall.legacy,
            model: target.model().to_owned(),
            id: id.to_owned(),
            created: self.created,
            upstream: Some(target.dialect()),
            ..ReplyCx::default()
        };
        Ok((own, front.encode(&output, &cx)))
    }

    fn failed(&self, mut error: ApiError) -> (Which, u16, Option<String>, Vec<u8>) {
        let Inline { target, front, .. } = &self.inline;
        target.conceal(&mut error);
        error.provider = Some(target.provider().to_owned());
        let (status, body) = front.encode_error(&error);
        (Which::Errors, status.as_u16(), error.request_id.clone(), body)
    }

    fn missing(&self, id: &str, custom_id: &str, why: Fault) -> Result<Option<Bytes>> {
        if self.which != Which::Errors {
            return Ok(None);
        }
        written(&AnswerLine { id: id.to_owned(), custom_id, response: None, error: Some(why) }).map(Some)
    }
}

fn written(line: &AnswerLine<'_>) -> Result<Bytes> {
    let mut out = serde_json::to_vec(line).map_err(unwritten)?;
    out.push(b'\n');
    Ok(out.into())
}

fn unwritten(error: serde_json::Error) -> ApiError {
    ApiError::new(ErrorKind::Internal, "a line of answers cannot be written").with_source(error)
}
