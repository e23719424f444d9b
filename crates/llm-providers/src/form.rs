//! Forms with files (`multipart/form-data`, RFC 7578): read where they lie, written in pieces.
//!
//! Nothing is copied: a field is a slice of the body, and a form that is written is a list of pieces in which a file
//! is the client's own bytes. So a large file is held once, however often it is sent. A form that goes on as it comes
//! ([`Parts`]) is not held at all.

use std::fmt::Write as _;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use llm_types::{ApiError, Content, Piece as Segment, Result, Segments, Upload};
use memchr::memmem;
use uuid::Uuid;

mod part;
mod sent;

pub use part::{FieldHead, Parts, Piece};
pub use sent::FileStream;
pub(crate) use sent::{Sent, sent};

/// The most fields that a form may have.
const FIELD_LIMIT: usize = 128;
/// The longest head of a field, in bytes.
const HEAD_LIMIT: usize = 8 * 1024;
/// The longest field that is no file, in bytes.
const TEXT_LIMIT: usize = 1024 * 1024;

/// One field of a form.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it holds; of a text no name and no kind.
    pub file: Upload,
    /// Whether it is a file.
    pub is_file: bool,
}

impl Field {
    /// Its text.
    ///
    /// # Errors
    /// When it is no text, or too long for one.
    pub fn text(&self) -> Result<&str> {
        let wrong = |why: &str| {
            ApiError::bad_request(format!("the field `{}` {why}", self.name)).with_param(self.name.clone())
        };
        if self.file.data.len() > TEXT_LIMIT {
            return Err(wrong("is too long for a text"));
        }
        std::str::from_utf8(&self.file.data).map_err(|_| wrong("is not UTF-8"))
    }
}

/// Whether headers announce a form.
#[must_use]
pub fn is_form(headers: &HeaderMap) -> bool {
    kind(headers)
        .is_some_and(|kind| kind.get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM)))
}

const FORM: &str = "multipart/form-data";

fn kind(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

/// The fields of a form, in their order.
///
/// # Errors
/// [`llm_types::ErrorKind::BadRequest`] when the body is not a whole form.
pub fn read(headers: &HeaderMap, body: &Bytes) -> Result<Vec<Field>> {
    if !is_form(headers) {
        return Err(ApiError::bad_request("the body must be a form: send it as multipart/form-data"));
    }
    let boundary = kind(headers).and_then(boundary).ok_or_else(|| {
        ApiError::bad_request("the content-type names no boundary: send multipart/form-data; boundary=…")
    })?;
    let open = format!("--{boundary}");
    let close = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(close.as_bytes());
    let broken = || ApiError::bad_request("the form breaks off: its last boundary is missing");
    let mut at = match body.strip_prefix(open.as_bytes()) {
        Some(_) => open.len(),
        // What stands before the first boundary means nothing.
        None => finder.find(body).ok_or_else(broken)? + close.len(),
    };
    let mut fields = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(fields);
        }
        // Blanks may follow a boundary.
        let line = memmem::find(rest, b"\r\n").ok_or_else(broken)?;
        if !rest.get(..line).unwrap_or_default().trim_ascii().is_empty() {
            return Err(ApiError::bad_request("the form has a broken boundary"));
        }
        let start = at + line + 2;
        let (head, from) = head(body, start).ok_or_else(broken)?;
        let length = body.get(from..).and_then(|rest| finder.find(rest)).ok_or_else(broken)?;
        if fields.len() == FIELD_LIMIT {
            return Err(ApiError::bad_request(format!("the form has more than {FIELD_LIMIT} fields")));
        }
        fields.push(field(head, body.slice(from..from + length))?);
        at = from + length + close.len();
    }
}

/// The head of a field and where its content begins.
fn head(body: &Bytes, start: usize) -> Option<(&str, usize)> {
    let rest = body.get(start..)?;
    if rest.starts_with(b"\r\n") {
        return Some(("", start + 2));
    }
    let window = rest.get(..rest.len().min(HEAD_LIMIT))?;
    let end = memmem::find(window, b"\r\n\r\n")?;
    Some((std::str::from_utf8(window.get(..end)?).ok()?, start + end + 4))
}

fn field(head: &str, data: Bytes) -> Result<Field> {
    let mut kind = String::new();
    for line in head.split("\r\n") {
        let Some((header, value)) = line.split_once(':') else { continue };
        if header.eq_ignore_ascii_case("content-type") {
            value.trim().clone_into(&mut kind);
        }
    }
    let (name, file) = named(head)?;
    let is_file = file.is_some();
    if !is_file {
        kind.clear();
    }
    Ok(Field { name, file: Upload { name: file.unwrap_or_default(), kind, data }, is_file })
}

/// The name of a field, and that of its file; `None`: it is a text.
fn named(head: &str) -> Result<(String, Option<String>)> {
    let disposition = head.rsplit("\r\n").find_map(|line| {
        let (header, value) = line.split_once(':')?;
        header.eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let name = disposition.and_then(|value| parameter(value, "name"));
    let name = name.ok_or_else(|| ApiError::bad_request("a field of the form has no name"))?;
    Ok((name, disposition.and_then(|value| parameter(value, "filename"))))
}

/// A parameter of a header's value, quoted or not.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (text, next) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (text, next) = after.split_once(';').unwrap_or((after, ""));
                (text.trim().to_owned(), next)
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = next.trim_start().trim_start_matches(';');
    }
}

/// A text up to its closing quote, and what follows.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, quoted.get(at + 1..)?)),
            '\\' => match chars.next()? {
                (_, c @ ('"' | '\\')) => out.push(c),
                // Some clients write paths of Windows as they are.
                (_, c) => out.extend(['\\', c]),
            },
            c => out.push(c),
        }
    }
    None
}

fn boundary(kind: &str) -> Option<String> {
    parameter(kind, "boundary").filter(|boundary| !boundary.is_empty() && boundary.len() <= 200)
}

/// A form that is being written.
#[derive(Debug)]
pub struct Form {
    boundary: String,
    pieces: Vec<Segment>,
    text: String,
    /// The names of the fields that decide what is asked: nobody else may say them.
    own: Vec<String>,
}

/// What stands between fields. Drawn anew for each form: what is not known yet cannot be written into a text or a file,
/// by whoever would like to say more fields than it may.
fn boundary_anew() -> String {
    format!("gatewayform-{}", Uuid::new_v4().simple())
}

/// The content type of a form.
fn kind_of(boundary: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"))
        .map_err(|error| ApiError::bad_request("the form cannot be named").with_source(error))
}

impl Default for Form {
    fn default() -> Self {
        Self { boundary: boundary_anew(), pieces: Vec::new(), text: String::new(), own: Vec::new() }
    }
}

impl Form {
    /// Adds a text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.own.push(name.to_owned());
        text_field(&mut self.text, &self.boundary, (name, value));
    }

    /// Adds a text that the client wants to go along, behind those that decide what is asked. False: one of them has
    /// this name already.
    #[must_use]
    pub fn extra(&mut self, name: &str, value: &str) -> bool {
        let is_free = !self.own.iter().any(|own| own == name);
        if is_free {
            text_field(&mut self.text, &self.boundary, (name, value));
        }
        is_free
    }

    /// Adds a file, without copying it.
    pub fn file<D: Clone + Into<Content>>(&mut self, name: &str, file: &Upload<D>) {
        let Upload { name: file_name, kind, data } = file;
        file_head(&mut self.text, &self.boundary, name, (file_name, kind));
        self.pieces.push(Segment::from(Bytes::from(std::mem::take(&mut self.text))));
        self.pieces.push(Segment::Plain(data.clone().into()));
        self.text.push_str("\r\n");
    }

    /// The form and its content type.
    ///
    /// # Errors
    /// None that a field could bring about.
    pub fn finish(mut self) -> Result<(HeaderValue, Segments)> {
        let _ = write!(self.text, "--{}--\r\n", self.boundary);
        self.pieces.push(Segment::from(Bytes::from(self.text)));
        Ok((kind_of(&self.boundary)?, self.pieces.into_iter().collect()))
    }
}

/// A text as a field.
fn text_field(out: &mut String, boundary: &str, (name, value): (&str, &str)) {
    let name = quoted(name);
    let _ = write!(out, "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
}

/// What stands before a file as a field.
fn file_head(out: &mut String, boundary: &str, name: &str, (file_name, kind): (&str, &str)) {
    let file_name = if file_name.is_empty() { "file" } else { file_name };
    let kind = if kind.is_empty() { "application/octet-stream" } else { kind };
    let _ = write!(
        out,
        "--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"; filename=\"{}\"\r\ncontent-type: {}\r\n\r\n",
        quoted(name),
        quoted(file_name),
        kind.replace(['\r', '\n'], " "),
    );
}

fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: &str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap())])
    }

    /// Name, file name, kind, content.
    type Shown = (String, Option<String>, String, String);

    fn read_text(kind: &str, body: &str) -> Result<Vec<Shown>> {
        let fields = read(&headers(kind), &Bytes::copy_from_slice(body.as_bytes()))?;
        let shown =
            fields.into_iter().map(|Field { name, file: Upload { name: file, kind, data }, is_file }| {
                (name, is_file.then_some(file), kind, String::from_utf8_lossy(&data).into_owned())
            });
        Ok(shown.collect())
    }

    #[test]
    fn forms_are_read_as_clients_write_them() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
            --x\r\ncontent-disposition: form-data; filename=\"a \\\"b\\\".wav\"; name=file\r\ncontent-type: audio/wav\r\n\r\n\
            RIFF\r\n--\r\n\r\n--x\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--x--\r\n";
        let expect = vec![
            ("model".to_owned(), None, String::new(), "whisper-1".to_owned()),
            (
                "file".to_owned(),
                Some("a \"b\".wav".to_owned()),
                "audio/wav".to_owned(),
                "RIFF\r\n--\r\n".to_owned(),
            ),
            ("empty".to_owned(), None, String::new(), String::new()),
        ];
        for kind in ["multipart/form-data; boundary=x", "Multipart/Form-Data; charset=utf-8; boundary=\"x\""]
        {
            assert_eq!(read_text(kind, body).unwrap(), expect, "{kind}");
        }
        let preamble = format!("nobody reads this\r\n{body}and not this");
        assert_eq!(read_text("multipart/form-data; boundary=x", &preamble).unwrap(), expect);
    }

    #[test]
    fn what_is_no_whole_form_is_refused() {
        let check = |kind: &str, body: &str, expect: &str| {
            let error = read_text(kind, body).unwrap_err();
            assert!(error.message.contains(expect), "{body:?}: {error}");
        };
        let form = "multipart/form-data; boundary=x";
        let whole = "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--";
        for end in 0..whole.len() - 1 {
            assert!(read_text(form, whole.get(..end).unwrap()).is_err(), "{end}");
        }
        assert_eq!(read_text(form, whole).unwrap().len(), 1);
        check("application/json", "{}", "must be a form");
        check("multipart/form-data", whole, "no boundary");
        check(form, "--x\r\ncontent-type: a/b\r\n\r\n1\r\n--x--", "no name");
        check(form, "--xy\r\n\r\n\r\n--x--", "broken boundary");
        let many = "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n".repeat(FIELD_LIMIT + 1)
            + "--x--";
        check(form, &many, "more than 128");
    }

    #[test]
    fn what_is_written_is_read_again_and_files_are_not_copied() {
        let file: Upload = Upload {
            name: "a\"b\r\n.wav".to_owned(),
            kind: "audio/wav".to_owned(),
            data: vec![7_u8; 100_000].into(),
        };
        let mut form = Form::default();
        form.text("model", "m");
        form.file("file", &file);
        form.text("language", "de");
        let (kind, body) = form.finish().unwrap();
        assert!(
            body.pieces().any(|piece| piece.held().is_some_and(|held| held.as_ptr() == file.data.as_ptr())),
            "the file was copied"
        );
        let bytes = body.to_bytes();
        let fields = read(&HeaderMap::from_iter([(CONTENT_TYPE, kind)]), &bytes).unwrap();
        let texts: Vec<_> =
            fields.iter().filter(|field| !field.is_file).map(|field| field.text().unwrap()).collect();
        assert_eq!(texts, ["m", "de"]);
        let read = &fields[1].file;
        assert_eq!((&*read.name, &*read.kind, &read.data), ("a%22b%0D%0A.wav", "audio/wav", &file.data));
    }
    #[test]
    fn nobody_can_write_a_field_into_another_one() {
        let seen = {
            let mut form = Form::default();
            form.text("model", "m");
            let (kind, _) = form.finish().unwrap();
            kind.to_str().unwrap().split_once("boundary=").unwrap().1.to_owned()
        };
        let more = format!("--{seen}\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ndear\r\n");
        let mut form = Form::default();
        form.text("model", "m");
        form.text("prompt", &format!("x\r\n{more}"));
        assert!(
            form.extra("x", &format!("x\r\n{more}")) && form.extra("list", "1") && form.extra("list", "2")
        );
        assert!(!form.extra("model", "dear"));
        form.file("file", &Upload::new("a", more));
        let (kind, body) = form.finish().unwrap();
        let fields = read(&HeaderMap::from_iter([(CONTENT_TYPE, kind)]), &body.to_bytes()).unwrap();
        let names: Vec<_> = fields.iter().map(|field| &*field.name).collect();
        assert_eq!(names, ["model", "prompt", "x", "list", "list", "file"]);
    }
}
