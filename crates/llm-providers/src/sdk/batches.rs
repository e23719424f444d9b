//! Batches of requests that are at hand: sent as a file where the provider keeps files, else within the call that makes
//! the batch.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use llm_types::{ApiError, BatchForm, Changes, Dialect, ErrorKind, Op, Result, Segments, Upload};

use super::client::Client;
use super::files::{JSON, NewBatch, StoredBatch, read, segment};
use super::list::Pages;
use crate::bulk::inline::{Inline, Recalls, Record, Requests, Which, output_of};
use crate::bulk::{self, Line, Lines};
use crate::codec::Asked;
use crate::codec::batch::BatchPath;
use crate::dialect;
use crate::target::Target;
use crate::transport::ByteStream;

/// What can be asked in batches at providers that keep no files.
const ENDPOINT: &str = "/v1/chat/completions";
/// How much of the requests is cut into lines at once, in bytes.
const CHUNK: usize = 1024 * 1024;

/// A batch that was made of requests at hand.
#[derive(Debug, Clone)]
pub struct MadeBatch {
    /// The batch.
    pub batch: StoredBatch,
    /// What of the requests was dropped or altered.
    pub changes: Changes,
    /// Whether its answers can be read with the requests only ([`Client::batch_answers`]): names of tools had to be
    /// changed, and nobody else remembers them.
    pub needs_requests: bool,
}

/// Who keeps batches but no files.
pub(super) struct Shelfless {
    pub(super) target: Arc<Target>,
    pub(super) inline: Inline,
}

impl Client {
    /// Has requests answered within a day, each a line of `lines`, in OpenAI's form; `batch.file` is not looked at. All are
    /// of one model: that of `batch`, else that of the lines.
    ///
    /// # Errors
    /// When the provider has no batches, its key is missing, it cannot be reached or refuses; 400 for a line that it
    /// cannot be asked, which it names.
    pub async fn create_batch_of(
        &self,
        provider: &str,
        lines: &Upload,
        batch: &NewBatch,
    ) -> Result<MadeBatch> {
        let form = self.form(provider)?.1;
        if form.keeps_files() {
            let (data, changes) = self.in_words(provider, form, (&lines.data, &batch.model))?;
            let lines = Upload { data, ..lines.clone() };
            let file = self.upload(provider, &lines, "batch").await?.id;
            let batch = self.create_batch(provider, &NewBatch { file, ..batch.clone() }).await?;
            return Ok(MadeBatch { batch, changes, needs_requests: false });
        }
        let NewBatch { file: _, endpoint, model, metadata } = batch;
        if endpoint != ENDPOINT {
            let message = format!("batches at {provider} are of {ENDPOINT}");
            return Err(ApiError::bad_request(message).with_param("endpoint"));
        }
        if !metadata.is_empty() {
            let message = format!("{provider} keeps no metadata of batches: leave it out");
            return Err(ApiError::bad_request(message).with_param("metadata"));
        }
        let keeper = self.shelfless(provider, &model_of(&lines.data, model)?)?;
        let mut body = Vec::new();
        let requests = self.requests(&keeper, &lines.data, |bytes| body.extend_from_slice(&bytes))?;
        body.extend_from_slice(&requests.close());
        let Requests { mut headers, recalls, changes, .. } = requests;
        headers.insert(CONTENT_TYPE, JSON);
        let Shelfless { target, inline } = &keeper;
        let path = inline.path(BatchPath::Make);
        let made = self.whole(target, (Method::POST, &path), (headers, Segments::from(body))).await?;
        let batch = keeper.shown(&made)?;
        Ok(MadeBatch { batch, changes, needs_requests: !recalls.is_trivial() })
    }

    /// The answers of a batch, as lines in OpenAI's form: what its `output_file_id` or `error_file_id` holds. `lines` are
    /// its requests, where making it said that they are needed.
    ///
    /// # Errors
    /// As [`Client::create_batch_of`]; 404 where it is not over.
    pub async fn batch_answers(
        &self,
        provider: &str,
        id: &str,
        lines: Option<&Upload>,
    ) -> Result<ByteStream> {
        if self.form(provider)?.1.keeps_files() {
            return self.file_content(provider, id).await;
        }
        self.shelfless_answers(provider, id, lines).await
    }

    /// As [`Client::batch_answers`], where no files are kept.
    pub(super) async fn shelfless_answers(
        &self,
        provider: &str,
        id: &str,
        lines: Option<&Upload>,
    ) -> Result<ByteStream> {
        let (batch, which) = output_of(id).ok_or_else(|| no_files(provider))?;
        let batch = segment(batch)?;
        let (keeper, recalls) = match lines {
            Some(lines) => {
                let keeper = self.shelfless(provider, &model_of(&lines.data, "")?)?;
                let recalls = self.requests(&keeper, &lines.data, drop)?.recalls;
                (keeper, recalls)
            }
            None => (self.shelfless(provider, "*")?, Recalls::default()),
        };
        self.answers(&keeper, (&batch, which), recalls).await
    }

    /// The batches of a provider that keeps no files.
    pub(super) async fn shelfless_batches(&self, provider: &str, limit: usize) -> Result<Vec<StoredBatch>> {
        let keeper = self.shelfless(provider, "*")?;
        let (mut pages, mut found) = (Pages::new(limit), Vec::new());
        loop {
            let what = BatchPath::List { limit: pages.size(), after: pages.after() };
            let (items, more) = bulk::page(&self.asked(&keeper, (Method::GET, what)).await?)?;
            let last = items.last().map(|item| keeper.inline.standing(item)).transpose()?;
            for item in &items {
                found.push(keeper.shown(item)?);
            }
            if !pages.turn(items.len(), last.as_ref().map(|standing| &*standing.id), more)? {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// One of them, shown or (POST) cancelled.
    pub(super) async fn shelfless_batch(
        &self,
        provider: &str,
        method: Method,
        id: &str,
    ) -> Result<StoredBatch> {
        let keeper = self.shelfless(provider, "*")?;
        let id = segment(id)?;
        let what = if method == Method::POST { BatchPath::Cancel(&id) } else { BatchPath::One(&id) };
        keeper.shown(&self.asked(&keeper, (method, what)).await?)
    }

    async fn answers(
        &self,
        keeper: &Shelfless,
        (batch, which): (&str, Which),
        recalls: Recalls,
    ) -> Result<ByteStream> {
        let Shelfless { target, inline } = keeper;
        let standing = inline.standing(&self.asked(keeper, (Method::GET, BatchPath::One(batch))).await?)?;
        if !standing.is_over || !standing.has_answers {
            let message = format!("the batch `{batch}` is not over yet, or its answers are gone");
            return Err(ApiError::new(ErrorKind::NotFound, message));
        }
        let path = inline.path(BatchPath::Answers(batch));
        let call = (Method::GET, path.as_str());
        let upstream = self.answered(target, call, (inline.headers(), Segments::default())).await?;
        Ok(inline.answers(which, recalls, standing.created).of(upstream))
    }

    async fn asked(&self, keeper: &Shelfless, (method, what): (Method, BatchPath<'_>)) -> Result<Bytes> {
        let path = keeper.inline.path(what);
        self.whole(&keeper.target, (method, &path), (keeper.inline.headers(), Segments::default())).await
    }

    /// Every line in the words of a provider that keeps files, each as if it were asked alone.
    fn in_words(
        &self,
        provider: &str,
        form: BatchForm,
        (lines, model): (&Bytes, &str),
    ) -> Result<(Bytes, Changes)> {
        let (mut words, mut changes) = (Vec::with_capacity(lines.len()), Changes::default());
        each(lines, |line| {
            let number = line.number();
            let at = |mut error: ApiError| {
                error.message = format!("line {number} of the file: {}", error.message);
                error
            };
            let named = line.model.as_deref().filter(|named| !named.is_empty()).unwrap_or(model);
            if named.is_empty() {
                return Err(at(ApiError::bad_request("its body names no model").with_param("file")));
            }
            let target = self.target(&format!("{provider}/{}", bare(named, provider))).map_err(at)?;
            words.extend_from_slice(&line.written_for(&target, form, &mut changes).map_err(at)?);
            words.push(b'\n');
            if self.is_strict() && changes.any_dropped() {
                let message = format!("strict mode refuses what would be lost: {}", changes.header());
                return Err(at(ApiError::new(ErrorKind::UnsupportedParam, message)));
            }
            Ok(())
        })?;
        Ok((words.into(), changes))
    }

    /// Every line as a request, one after the other.
    fn requests(
        &self,
        keeper: &Shelfless,
        lines: &Bytes,
        mut written: impl FnMut(Bytes),
    ) -> Result<Requests> {
        let mut requests = keeper.inline.requests(self.is_strict());
        let own = keeper.target.model();
        let mut any = false;
        each(lines, |line| {
            if let Some(named) = line.model.as_deref()
                && bare(named, keeper.target.provider()) != own
            {
                let number = line.number();
                let message = format!("line {number} of the file is of `{named}`, and the batch of `{own}`");
                return Err(ApiError::bad_request(message).with_param("model"));
            }
            any = true;
            let line = match line.model {
                Some(_) => line,
                // Whoever keeps no files is asked in words of its own: nothing is lost here yet.
                None => {
                    let written =
                        line.written_for(&keeper.target, BatchForm::Openai, &mut Changes::default())?;
                    asking(line.number(), &written)?
                }
            };
            requests.add(&line).map(&mut written)
        })?;
        if !any {
            return Err(ApiError::bad_request("the file holds no requests").with_param("file"));
        }
        Ok(requests)
    }

    fn shelfless(&self, provider: &str, model: &str) -> Result<Shelfless> {
        let target = Arc::new(self.target(&format!("{provider}/{}", bare(model, provider)))?);
        let front = dialect::server(Dialect::OpenaiChat)
            .ok_or_else(|| ApiError::new(ErrorKind::Internal, "nobody reads what batches ask"))?;
        let asked = Asked { dialect: Some(Dialect::OpenaiChat), ..Asked::of(Op::Chat) };
        let inline = Inline::new(Arc::clone(&target), front, asked)?;
        Ok(Shelfless { target, inline })
    }

    /// Where a provider's batches are, and in which form.
    pub(super) fn form(&self, provider: &str) -> Result<(Target, BatchForm)> {
        let target = self.target(&format!("{provider}/*"))?;
        let form = target.spec().batch_form().ok_or_else(|| {
            ApiError::bad_request(format!("{provider} keeps no files and batches that are spoken here"))
        })?;
        Ok((target, form))
    }
}

impl Shelfless {
    fn shown(&self, body: &[u8]) -> Result<StoredBatch> {
        let record = Record { endpoint: ENDPOINT.to_owned(), ..Record::default() };
        read(&self.inline.shown(body, Some(&record))?, "batch")
    }
}

/// What is said where files are asked for and none are kept.
pub(super) fn no_files(provider: &str) -> ApiError {
    let message = format!(
        "{provider} keeps no files: make a batch of the requests themselves (`create_batch_of`; `llmctl batches create --input FILE`), and read its answers by the ids that it names"
    );
    ApiError::bad_request(message)
}

/// The model that all lines are of.
fn model_of(lines: &Bytes, given: &str) -> Result<String> {
    let mut found = (!given.is_empty()).then(|| given.to_owned());
    if found.is_none() {
        each(lines, |line| {
            found = found.take().or(line.model);
            Ok(())
        })?;
    }
    found.ok_or_else(|| {
        ApiError::bad_request("no line names a model: say which the batch is of").with_param("model")
    })
}

/// A line that is a request.
fn asking(number: u64, line: &Bytes) -> Result<Line> {
    Line::read(number, line)?.ok_or_else(|| {
        let message = format!("line {number} of the file is no request: it needs `custom_id` and `body`");
        ApiError::bad_request(message).with_param("file")
    })
}

/// A model's name without the provider's in front.
fn bare<'m>(model: &'m str, provider: &str) -> &'m str {
    model.strip_prefix(provider).and_then(|rest| rest.strip_prefix('/')).unwrap_or(model)
}

/// Reads the lines of a file one by one.
fn each(file: &Bytes, mut each: impl FnMut(Line) -> Result<()>) -> Result<()> {
    let (mut lines, mut chunks) = (Lines::default(), file.chunks(CHUNK));
    loop {
        let chunk = chunks.next();
        lines.feed(chunk.unwrap_or_default());
        while let Some((number, line)) =
            lines.next_line()?.or_else(|| if chunk.is_none() { lines.last_line() } else { None })
        {
            if line.trim_ascii().is_empty() {
                continue;
            }
            each(asking(number, &line)?)?;
        }
        if chunk.is_none() {
            return Ok(());
        }
    }
}
