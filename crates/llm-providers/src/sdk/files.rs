//! Files that a provider keeps, and batches of requests.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use llm_types::{ApiError, BatchForm, ErrorKind, Head, Result, Segments, Upload};
use serde::{Deserialize, Serialize};

use super::batches::no_files;
use super::client::{Client, REPLY_LIMIT, named};
use crate::codec::{Memo, WireRequest};
use crate::form::{self, FileStream, Form};
use crate::target::Target;
use crate::transport::{ByteStream, RequestBody, collect};
use crate::{bulk, dialect};

/// The type of what is sent in JSON.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The most that is read of an error's body, in bytes.
const ERROR_LIMIT: usize = 1024 * 1024;

/// A file that a provider keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredFile {
    /// Its id.
    pub id: String,
    /// How large it is.
    #[serde(alias = "size_bytes")]
    pub bytes: u64,
    /// When it was made, in seconds since 1970.
    pub created_at: i64,
    /// Its name.
    pub filename: String,
    /// What it is for.
    pub purpose: String,
}

/// A batch, in OpenAI's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredBatch {
    /// Its id.
    pub id: String,
    /// `validating`, `in_progress`, `finalizing`, `completed`, `failed`, `expired`, `cancelling`, `cancelled`.
    pub status: String,
    /// What its requests are.
    pub endpoint: String,
    /// The file of its requests.
    pub input_file_id: Option<String>,
    /// The file of its answers, once there are any.
    pub output_file_id: Option<String>,
    /// The file of what failed.
    pub error_file_id: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created_at: i64,
    /// How many requests there are, and how far they are.
    pub request_counts: Option<RequestCounts>,
}

/// How far the requests of a batch are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestCounts {
    /// All.
    pub total: u64,
    /// Answered.
    pub completed: u64,
    /// Failed.
    pub failed: u64,
}

/// A batch to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// The file of its requests, one in each line.
    pub file: String,
    /// What they are, such as `/v1/chat/completions`.
    pub endpoint: String,
    /// The model, where the provider wants to know it beside the lines (Mistral).
    pub model: String,
    /// Words to find it by.
    pub metadata: BTreeMap<String, String>,
}

impl NewBatch {
    /// Of a file of such requests.
    #[must_use]
    pub fn new(file: impl Into<String>, endpoint: impl Into<String>) -> Self {
        let (file, endpoint) = (file.into(), endpoint.into());
        Self { file, endpoint, model: String::new(), metadata: BTreeMap::new() }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    input_file_id: &'a str,
    endpoint: &'a str,
    completion_window: &'static str,
}

impl Client {
    /// Sends a file to be kept, e.g. by `openai` for the purpose `batch`.
    ///
    /// # Errors
    /// When the provider keeps no files, its key is missing, it cannot be reached or refuses.
    pub async fn upload(&self, provider: &str, file: &Upload, purpose: &str) -> Result<StoredFile> {
        let (target, _) = self.keeper(provider)?;
        let mut form = Form::default();
        form.text("purpose", purpose);
        form.file("file", file);
        let (kind, body) = form.finish()?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
        self.told(&target, (Method::POST, "/files"), (headers, body), "file").await
    }

    /// The same with a file that is read while it is sent, and never held whole.
    ///
    /// # Errors
    /// As [`Client::upload`]; what reading the file fails with.
    pub async fn upload_stream(&self, provider: &str, file: FileStream, purpose: &str) -> Result<StoredFile> {
        let (target, _) = self.keeper(provider)?;
        let form::Sent { kind, length, body } = form::sent(&[("purpose", purpose)], ("file", file))?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind), (CONTENT_LENGTH, length.into())]);
        let wire = wire((Method::POST, "/files"), (headers, Segments::default()));
        let request = target.request(wire)?.map(|_| RequestBody::Stream(body));
        read(&collect(self.heard(&target, request).await?, REPLY_LIMIT).await?, "file")
    }

    /// A file, without what it holds.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub async fn file(&self, provider: &str, id: &str) -> Result<StoredFile> {
        let (target, _) = self.keeper(provider)?;
        self.told(&target, (Method::GET, &format!("/files/{}", segment(id)?)), nothing(), "file").await
    }

    /// What a file holds, as it comes; also the answers of a batch where no files are kept.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub async fn file_content(&self, provider: &str, id: &str) -> Result<ByteStream> {
        if !self.form(provider)?.1.keeps_files() {
            return self.shelfless_answers(provider, id, None).await;
        }
        let (target, _) = self.keeper(provider)?;
        let path = format!("/files/{}/content", segment(id)?);
        self.answered(&target, (Method::GET, &path), nothing()).await
    }

    /// Deletes a file.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub async fn delete_file(&self, provider: &str, id: &str) -> Result<()> {
        let (target, _) = self.keeper(provider)?;
        let path = format!("/files/{}", segment(id)?);
        self.whole(&target, (Method::DELETE, &path), nothing()).await.map(drop)
    }

    /// Has the requests in a file answered within a day.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub async fn create_batch(&self, provider: &str, batch: &NewBatch) -> Result<StoredBatch> {
        let (target, form) = self.keeper(provider)?;
        let NewBatch { file, endpoint, model, metadata } = batch;
        let unwritten = |_| ApiError::bad_request("the batch cannot be written");
        let body = Body { input_file_id: file, endpoint, completion_window: "24h" };
        let head = Head::scan(serde_json::to_vec(&body).map_err(unwritten)?.into())?;
        let metadata = serde_json::to_vec(metadata).map_err(unwritten)?;
        let given = (!batch.metadata.is_empty()).then_some(&*metadata);
        let body = bulk::create(&head, form, (file, model), given)?;
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
        let path = bulk::batch_path(form);
        let made = self.whole(&target, (Method::POST, path), (headers, Segments::from(body))).await?;
        read(&bulk::shown_batch(made, form)?, "batch")
    }

    /// How a batch stands.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub async fn batch(&self, provider: &str, id: &str) -> Result<StoredBatch> {
        self.of_batch(provider, (Method::GET, id, "")).await
    }

    /// Cancels a batch: what is answered by then stays.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub async fn cancel_batch(&self, provider: &str, id: &str) -> Result<StoredBatch> {
        self.of_batch(provider, (Method::POST, id, "/cancel")).await
    }

    async fn of_batch(
        &self,
        provider: &str,
        (method, id, deed): (Method, &str, &str),
    ) -> Result<StoredBatch> {
        let (target, form) = self.form(provider)?;
        if !form.keeps_files() {
            return self.shelfless_batch(provider, method, id).await;
        }
        let path = format!("{}/{}{deed}", bulk::batch_path(form), segment(id)?);
        let body = self.whole(&target, (method, &path), nothing()).await?;
        read(&bulk::shown_batch(body, form)?, "batch")
    }

    /// Where a provider keeps files.
    pub(super) fn keeper(&self, provider: &str) -> Result<(Target, BatchForm)> {
        let found = self.form(provider)?;
        if found.1.keeps_files() { Ok(found) } else { Err(no_files(provider)) }
    }

    async fn told<T: serde::de::DeserializeOwned>(
        &self,
        target: &Target,
        call: (Method, &str),
        body: (HeaderMap, Segments),
        what: &str,
    ) -> Result<T> {
        read(&self.whole(target, call, body).await?, what)
    }

    pub(super) async fn whole(
        &self,
        target: &Target,
        call: (Method, &str),
        body: (HeaderMap, Segments),
    ) -> Result<Bytes> {
        collect(self.answered(target, call, body).await?, REPLY_LIMIT).await
    }

    pub(super) async fn answered(
        &self,
        target: &Target,
        call: (Method, &str),
        body: (HeaderMap, Segments),
    ) -> Result<ByteStream> {
        self.heard(target, target.request(wire(call, body))?.map(RequestBody::from)).await
    }

    async fn heard(&self, target: &Target, request: http::Request<RequestBody>) -> Result<ByteStream> {
        let answer = self.transport().send(request).await.map_err(|error| named(error, target))?;
        let (head, body) = answer.into_parts();
        if head.status.is_success() {
            return Ok(body);
        }
        Err(self.refusal(target, http::Response::from_parts(head, body)).await)
    }

    /// What an answer that is none says.
    pub(super) async fn refusal(&self, target: &Target, answer: http::Response<ByteStream>) -> ApiError {
        let (head, body) = answer.into_parts();
        let body = match collect(body, ERROR_LIMIT).await {
            Ok(body) => body,
            Err(error) => return named(error, target),
        };
        let codec = dialect::client(target.dialect());
        let error = codec.map_or_else(
            || {
                ApiError::upstream(
                    ErrorKind::UpstreamFormat,
                    format!("the provider answered {}", head.status),
                )
            },
            |codec| codec.decode_error(head.status, &head.headers, &body),
        );
        self.refused(target, head.status, &error);
        named(error, target)
    }
}

fn wire((method, path): (Method, &str), (headers, body): (HeaderMap, Segments)) -> WireRequest {
    WireRequest { method, path: path.to_owned(), headers, body, memo: Memo::default() }
}

pub(super) fn nothing() -> (HeaderMap, Segments) {
    (HeaderMap::new(), Segments::default())
}

pub(super) fn read<T: serde::de::DeserializeOwned>(json: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| {
        let message = format!("the provider's answer is no {what}");
        ApiError::upstream(ErrorKind::UpstreamFormat, message).with_source(error)
    })
}

/// An id as a segment of a path.
pub(super) fn segment(id: &str) -> Result<String> {
    if id.is_empty() || id.starts_with('.') {
        return Err(ApiError::bad_request("the id is none"));
    }
    Ok(crate::url::escape(id))
}
