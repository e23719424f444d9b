//! A file on its way to its provider: never held, and with the provider's names in the lines of a batch.
//!
//! Clients send the fields of the form in any order. What says where the file goes has to come before it (or in the
//! query, or as a header); whether it is a batch is seen in its first line where `purpose` comes behind it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use llm_providers::bulk::{self, Line, Lines};
use llm_providers::form::{FieldHead, Parts, Piece};
use llm_providers::transport::ByteStream;
use llm_types::{ApiError, Changes, ErrorKind, Result};
use parking_lot::Mutex;

use super::place::{Desk, Hints, Place};
use crate::through::Fault;

/// The field that says how long a file is wanted.
const WANTED: &str = "expires_after[seconds]";
/// The longest field that is no file, in bytes.
const TEXT_LIMIT: usize = 64 * 1024;

/// A form as it comes.
struct Coming {
    parts: Parts,
    source: ByteStream,
}

impl Coming {
    async fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.parts.next_piece()? {
                return Ok(Some(piece));
            }
            if self.parts.is_over() {
                return Ok(None);
            }
            match self.source.next().await {
                Some(chunk) => self.parts.feed(&chunk?),
                None => {
                    return Err(ApiError::bad_request("the form breaks off: its last boundary is missing"));
                }
            }
        }
    }
}

/// What a field holds, as it is read.
enum Now {
    Text(FieldHead, BytesMut),
    /// A file as it is.
    Raw,
    /// A file line by line.
    Lines(Lines),
    Between,
}

/// A form up to the beginning of its file.
pub(super) struct Begun {
    coming: Coming,
    /// The fields before it.
    fields: Vec<(FieldHead, Bytes)>,
    file: FieldHead,
    purpose: Option<String>,
    now: Now,
    /// What of the file was read to see what it is.
    ahead: Vec<(u64, Bytes)>,
    /// That was all of it.
    ended: bool,
    /// The model that its first request names.
    pub(super) model: Option<String>,
}

impl Begun {
    /// Reads as far as it has to be known.
    ///
    /// # Errors
    /// 400 for what is no form with a file.
    pub(super) async fn read(parts: Parts, source: ByteStream, hints: &mut Hints) -> Result<Self> {
        let mut coming = Coming { parts, source };
        let (mut fields, mut purpose) = (Vec::new(), None);
        let file = loop {
            match coming.next().await? {
                Some(Piece::Begin(head)) if head.file.is_some() => break head,
                Some(Piece::Begin(head)) => {
                    let text = text(&mut coming, &head.name).await?;
                    let value = std::str::from_utf8(&text).unwrap_or_default();
                    if head.name == "purpose" {
                        purpose = Some(value.trim().to_owned());
                    }
                    if !hints.take(&head.name, value) {
                        fields.push((head, text));
                    }
                }
                Some(Piece::Data(_) | Piece::End) => {}
                None => {
                    let error = ApiError::bad_request("the form holds no file: add it as `file`");
                    return Err(error.with_param("file"));
                }
            }
        };
        let now = Now::Raw;
        let mut begun =
            Self { coming, fields, file, purpose, now, ahead: Vec::new(), ended: false, model: None };
        let is_jsonl = begun.file.file.as_deref().is_some_and(|name| name.ends_with(".jsonl"));
        let is_batch = begun.purpose.as_deref().map(|purpose| purpose == "batch");
        if is_batch.unwrap_or(is_jsonl) {
            begun.look().await?;
        }
        Ok(begun)
    }

    /// Reads the file's first line that says anything.
    async fn look(&mut self) -> Result<()> {
        let mut lines = Lines::default();
        let (mut blank, mut first) = (BytesMut::new(), None);
        while first.is_none() && !self.ended {
            match self.coming.next().await? {
                Some(Piece::Data(data)) => lines.feed(&data),
                Some(Piece::End) | None => self.ended = true,
                Some(Piece::Begin(_)) => {}
            }
            while let Some((number, line)) =
                lines.next_line()?.or_else(|| if self.ended { lines.last_line() } else { None })
            {
                if !line.trim_ascii().is_empty() {
                    first = Some((number, line));
                    break;
                }
                add(&mut blank, &line, "file")?;
            }
        }
        if !blank.is_empty() {
            self.ahead.push((0, blank.freeze()));
        }
        self.ahead.extend(first.clone());
        let first = first.map(|(number, line)| Line::read(number, &line)).transpose()?.flatten();
        let is_request = first.is_some();
        self.model = first.and_then(|line| line.model);
        self.now = if is_request || self.purpose.is_some() {
            Now::Lines(lines)
        } else {
            // It is something else: what was read of it goes first.
            self.ahead.extend(lines.last_line());
            Now::Raw
        };
        Ok(())
    }

    /// The file alone, with the provider's names in its lines.
    ///
    /// # Errors
    /// 400 for a file that is none of a batch.
    pub(super) fn bare(self, desk: Desk, place: Place) -> Result<Bare> {
        let file = self.file.file.clone().unwrap_or_default();
        Ok(Bare { writer: self.writer((desk, place), Lost::default(), true)?, file })
    }

    /// The form for its provider. What is wrong with it is in `fault` when the stream fails, and what is lost of its lines
    /// in `lost` when it ends.
    pub(super) fn written(
        self,
        (desk, place): (Desk, Place),
        fault: Fault,
        lost: Lost,
    ) -> Result<ByteStream> {
        let state = Some((self.writer((desk, place), lost, false)?, fault));
        Ok(Box::pin(stream::unfold(state, |state| async move {
            let (mut writer, fault) = state?;
            match writer.next().await {
                Ok(bytes) => Some((Ok(bytes?), Some((writer, fault)))),
                Err(error) => {
                    fault.note(&error);
                    Some((Err(error), None))
                }
            }
        })))
    }

    fn writer(self, (desk, place): (Desk, Place), lost: Lost, bare: bool) -> Result<Writer> {
        let Self { coming, fields, file, purpose, now, ahead, ended, model: _ } = self;
        let mut writer = Writer {
            bare,
            told: Vec::new(),
            queue: VecDeque::new(),
            desk,
            place,
            coming,
            purpose,
            now,
            model: None,
            lost,
            is_lines: false,
            over: false,
        };
        for (head, text) in &fields {
            writer.field(head, text);
        }
        let head = writer.file_head(&file);
        writer.begin(&head);
        writer.is_lines = matches!(writer.now, Now::Lines(_));
        for (number, line) in ahead {
            let line = if writer.is_lines { writer.line(number, &line)? } else { line };
            writer.queue.push_back(line);
        }
        if ended {
            writer.end()?;
        }
        Ok(writer)
    }
}

/// What a field that is no file holds.
async fn text(coming: &mut Coming, name: &str) -> Result<Bytes> {
    let mut text = BytesMut::new();
    while let Some(Piece::Data(data)) = coming.next().await? {
        add(&mut text, &data, name)?;
    }
    Ok(text.freeze())
}

fn add(text: &mut BytesMut, data: &[u8], name: &str) -> Result<()> {
    text.extend_from_slice(data);
    if text.len() > TEXT_LIMIT {
        let what = if name == "file" { "begins with too many empty lines" } else { "is too long for a text" };
        let error = ApiError::bad_request(format!("the field `{name}` {what}"));
        return Err(error.with_param(name.to_owned()));
    }
    Ok(())
}

/// What of a file's lines does not reach its provider as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Lost(Arc<Mutex<Changes>>);

impl Lost {
    /// All of it, once nothing follows.
    pub(super) fn take(&self) -> Changes {
        std::mem::take(&mut *self.0.lock())
    }

    fn note(&self, changes: Changes) {
        let mut lost = self.0.lock();
        changes.list().iter().cloned().for_each(|change| lost.push(change));
    }
}

/// The file of a form, and what the form says of it.
pub(super) struct Bare {
    writer: Writer,
    file: String,
}

impl Bare {
    /// The next bytes of the file; `None`: that was all.
    ///
    /// # Errors
    /// What is wrong with the form or a line.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        self.writer.next().await
    }

    /// The name of the file, what it is for, and how long it is wanted, in seconds; once all of it was read.
    ///
    /// # Errors
    /// 400 for a file that is none of a batch.
    pub(super) fn told(self) -> Result<(String, String, Option<i64>)> {
        let Self { writer: Writer { purpose, told, .. }, file } = self;
        let bad = |what: &str, name: &'static str| ApiError::bad_request(what.to_owned()).with_param(name);
        let purpose = purpose.filter(|purpose| purpose == "batch").ok_or_else(|| {
            bad("`purpose` must be `batch`: the provider of that model keeps no other files here", "purpose")
        })?;
        let wanted = told.iter().find(|(name, _)| name == WANTED).map(|(_, text)| {
            let seconds = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse::<i64>().ok());
            seconds.filter(|seconds| *seconds > 0)
        });
        let wanted = match wanted {
            Some(None) => {
                return Err(bad("`expires_after[seconds]` must be a number of seconds", "expires_after"));
            }
            other => other.flatten(),
        };
        Ok((file, purpose, wanted))
    }
}

/// Writes the form anew.
struct Writer {
    /// Of the form only what the file holds.
    bare: bool,
    /// The fields that were not written then.
    told: Vec<(String, Bytes)>,
    queue: VecDeque<Bytes>,
    desk: Desk,
    place: Place,
    coming: Coming,
    purpose: Option<String>,
    now: Now,
    /// What the lines ask, by its name at the provider.
    model: Option<String>,
    /// What of the lines is lost.
    lost: Lost,
    is_lines: bool,
    over: bool,
}

impl Writer {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.queue.pop_front() {
                if bytes.is_empty() {
                    continue;
                }
                return Ok(Some(bytes));
            }
            if self.over {
                return Ok(None);
            }
            match self.coming.next().await? {
                None => self.close()?,
                Some(Piece::Begin(head)) if head.file.is_some() => {
                    let error = ApiError::bad_request("the form holds several files: send one at a time");
                    return Err(error.with_param("file"));
                }
                Some(Piece::Begin(head)) => self.now = Now::Text(head, BytesMut::new()),
                Some(Piece::Data(data)) => self.data(data)?,
                Some(Piece::End) => self.end()?,
            }
        }
    }

    fn begin(&mut self, head: &[u8]) {
        if self.bare {
            return;
        }
        let mut out = format!("--{}\r\n", self.coming.parts.boundary()).into_bytes();
        out.extend_from_slice(head);
        out.extend_from_slice(b"\r\n\r\n");
        self.queue.push_back(out.into());
    }

    fn field(&mut self, head: &FieldHead, text: &Bytes) {
        if self.bare {
            self.told.push((head.name.clone(), text.clone()));
            return;
        }
        self.begin(&head.raw);
        self.queue.push_back(text.clone());
        self.queue.push_back(Bytes::from_static(b"\r\n"));
    }

    /// The head of the file, with whose it is in its name.
    fn file_head(&self, file: &FieldHead) -> Bytes {
        let Some(seal) = &self.place.seal else { return file.raw.clone() };
        let name = bulk::file_name(file.file.as_deref().unwrap_or("file"), Some(seal));
        let name = name.replace('"', "%22").replace(['\r', '\n'], " ");
        let field = file.name.replace('"', "%22");
        let mut head = format!("content-disposition: form-data; name=\"{field}\"; filename=\"{name}\"");
        let raw = String::from_utf8_lossy(&file.raw);
        let is_kind =
            |line: &&str| line.get(..13).is_some_and(|name| name.eq_ignore_ascii_case("content-type:"));
        if let Some(kind) = raw.split("\r\n").find(is_kind) {
            head.push_str("\r\n");
            head.push_str(kind);
        }
        head.into()
    }

    fn data(&mut self, data: Bytes) -> Result<()> {
        match &mut self.now {
            Now::Text(head, text) => {
                let name = head.name.clone();
                add(text, &data, &name)?;
            }
            Now::Raw => self.queue.push_back(data),
            Now::Lines(lines) => {
                lines.feed(&data);
                self.lines()?;
            }
            Now::Between => {}
        }
        Ok(())
    }

    fn lines(&mut self) -> Result<()> {
        let mut out = BytesMut::new();
        while let Now::Lines(lines) = &mut self.now
            && let Some((number, line)) = lines.next_line()?
        {
            let line = self.line(number, &line)?;
            out.extend_from_slice(&line);
        }
        self.queue.push_back(out.freeze());
        Ok(())
    }

    /// A line as its provider takes it, with its name of the model.
    fn line(&mut self, number: u64, line: &Bytes) -> Result<Bytes> {
        if line.trim_ascii().is_empty() {
            return Ok(line.clone());
        }
        let at = |mut error: ApiError| {
            error.message = format!("line {number} of the file: {}", error.message);
            error
        };
        let fault = |what: &str| at(ApiError::bad_request(what.to_owned()).with_param("file"));
        let request = Line::read(number, line)?;
        let request =
            request.ok_or_else(|| fault("no request of a batch, which has `custom_id` and `body`"))?;
        let asked = request.model.as_deref().filter(|model| !model.is_empty());
        let asked = asked.ok_or_else(|| fault("its body names no model"))?;
        let target = self.desk.native(&self.place.owner, asked).map_err(at)?;
        if self.model.as_ref().is_some_and(|other| other != target.model()) {
            return Err(fault("another model than the lines before: make one file for each model"));
        }
        let mut changes = Changes::default();
        let written = request.written_for(&target, self.place.form, &mut changes).map_err(at)?;
        if self.desk.snapshot.strict && changes.any_dropped() {
            let message = format!("strict mode refuses what would be lost: {}", changes.header());
            return Err(at(ApiError::new(ErrorKind::UnsupportedParam, message)));
        }
        self.lost.note(changes);
        self.model = Some(target.model().to_owned());
        Ok(written)
    }

    fn end(&mut self) -> Result<()> {
        // Lines that came with the first one wait for a look.
        self.lines()?;
        match std::mem::replace(&mut self.now, Now::Between) {
            Now::Text(head, text) => {
                let text = text.freeze();
                let value = std::str::from_utf8(&text).unwrap_or_default();
                let mut hints = Hints::default();
                if hints.take(&head.name, value) {
                    let chosen = self.desk.choose(&hints, None)?;
                    if !chosen.owner.is_with(&self.place.owner) {
                        let message = format!(
                            "`{}` comes behind the file: put it before, or into the query",
                            head.name
                        );
                        return Err(ApiError::bad_request(message).with_param(head.name));
                    }
                    return Ok(());
                }
                if head.name == "purpose" {
                    self.purpose = Some(value.trim().to_owned());
                }
                self.field(&head, &text);
            }
            Now::Lines(mut lines) => {
                if let Some((number, line)) = lines.last_line() {
                    let line = self.line(number, &line)?;
                    self.queue.push_back(line);
                }
                self.file_end();
            }
            Now::Raw => self.file_end(),
            Now::Between => {}
        }
        Ok(())
    }

    fn file_end(&mut self) {
        if !self.bare {
            self.queue.push_back(Bytes::from_static(b"\r\n"));
        }
    }

    fn close(&mut self) -> Result<()> {
        if self.purpose.as_deref() == Some("batch") {
            let what = match (self.is_lines, &self.model) {
                (false, _) => Some(
                    "send `purpose` before the file, or call the file `….jsonl`: it is no batch as it is",
                ),
                (true, None) => Some("the file holds no request"),
                (true, Some(_)) => None,
            };
            if let Some(what) = what {
                return Err(ApiError::bad_request(what).with_param("file"));
            }
        }
        if !self.bare {
            self.queue.push_back(format!("--{}--\r\n", self.coming.parts.boundary()).into());
        }
        self.over = true;
        Ok(())
    }
}
