//! Forms read as they come: heads of fields whole, what they hold in pieces, never held at once.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use llm_types::{ApiError, Result};
use memchr::memmem;

use super::{FIELD_LIMIT, HEAD_LIMIT, boundary, is_form, kind, named};

/// The next piece of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A field begins.
    Begin(FieldHead),
    /// Some of what it holds.
    Data(Bytes),
    /// It is over.
    End,
}

/// What is known of a field before what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldHead {
    /// Its name.
    pub name: String,
    /// The name of the file; `None`: it is a text.
    pub file: Option<String>,
    /// Its head as it came, without the empty line behind it.
    pub raw: Bytes,
}

/// Takes a form apart as it comes.
#[derive(Debug)]
pub struct Parts {
    boundary: String,
    close: Vec<u8>,
    buffer: BytesMut,
    at: At,
    fields: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the first boundary.
    Start,
    /// Behind a boundary.
    Line,
    Head,
    Data,
    /// A boundary was met, and the field is not yet said to be over.
    Ending,
    Over,
}

impl Parts {
    /// Of a body with these headers.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::BadRequest`] when they announce no form.
    pub fn of(headers: &HeaderMap) -> Result<Self> {
        if !is_form(headers) {
            return Err(ApiError::bad_request("the body must be a form: send it as multipart/form-data"));
        }
        let boundary = kind(headers).and_then(boundary).ok_or_else(|| {
            ApiError::bad_request("the content-type names no boundary: send multipart/form-data; boundary=…")
        })?;
        let close = format!("\r\n--{boundary}").into_bytes();
        // As if a line had ended before: so the first boundary is like the others.
        Ok(Self { boundary, close, buffer: BytesMut::from("\r\n"), at: At::Start, fields: 0 })
    }

    /// What stands between the fields.
    #[must_use]
    pub fn boundary(&self) -> &str {
        &self.boundary
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// Whether the last boundary was met.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.at == At::Over
    }

    /// The next piece; `None`: more bytes are needed, or it is over.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::BadRequest`] when it is no form.
    pub fn next_piece(&mut self) -> Result<Option<Piece>> {
        loop {
            match self.at {
                At::Over => return Ok(None),
                At::Start => {
                    let Some(found) = memmem::find(&self.buffer, &self.close) else {
                        // What stands before the first boundary means nothing.
                        let keep = self.close.len().min(self.buffer.len());
                        let _ = self.buffer.split_to(self.buffer.len() - keep);
                        return Ok(None);
                    };
                    let _ = self.buffer.split_to(found + self.close.len());
                    self.at = At::Line;
                }
                At::Line => {
                    if self.buffer.starts_with(b"--") {
                        self.at = At::Over;
                        return Ok(None);
                    }
                    let Some(end) = memmem::find(&self.buffer, b"\r\n") else {
                        return self.short(HEAD_LIMIT).map(|()| None);
                    };
                    if !self.buffer.split_to(end + 2).trim_ascii().is_empty() {
                        return Err(ApiError::bad_request("the form has a broken boundary"));
                    }
                    self.at = At::Head;
                }
                At::Head => return self.head(),
                At::Data => return Ok(self.data()),
                At::Ending => {
                    self.at = At::Line;
                    return Ok(Some(Piece::End));
                }
            }
        }
    }

    fn head(&mut self) -> Result<Option<Piece>> {
        let end = memmem::find(&self.buffer, b"\r\n\r\n").filter(|end| *end <= HEAD_LIMIT);
        let Some(end) = end else {
            return self.short(HEAD_LIMIT).map(|()| None);
        };
        let raw = self.buffer.split_to(end).freeze();
        let _ = self.buffer.split_to(4);
        self.fields += 1;
        if self.fields > FIELD_LIMIT {
            return Err(ApiError::bad_request(format!("the form has more than {FIELD_LIMIT} fields")));
        }
        let text = std::str::from_utf8(&raw)
            .map_err(|_| ApiError::bad_request("the head of a field is not UTF-8"))?;
        let (name, file) = named(text)?;
        self.at = At::Data;
        Ok(Some(Piece::Begin(FieldHead { name, file, raw })))
    }

    fn data(&mut self) -> Option<Piece> {
        if let Some(found) = memmem::find(&self.buffer, &self.close) {
            let data = self.buffer.split_to(found).freeze();
            let _ = self.buffer.split_to(self.close.len());
            self.at = At::Line;
            if data.is_empty() {
                return Some(Piece::End);
            }
            self.at = At::Ending;
            return Some(Piece::Data(data));
        }
        // A boundary may have begun.
        let ready = self.buffer.len().saturating_sub(self.close.len() - 1);
        (ready > 0).then(|| Piece::Data(self.buffer.split_to(ready).freeze()))
    }

    fn short(&self, limit: usize) -> Result<()> {
        if self.buffer.len() > limit {
            return Err(ApiError::bad_request("the head of a field is too long"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::header::{CONTENT_TYPE, HeaderValue};

    use super::*;

    fn parts() -> Parts {
        let kind = HeaderValue::from_static("multipart/form-data; boundary=x");
        Parts::of(&HeaderMap::from_iter([(CONTENT_TYPE, kind)])).unwrap()
    }

    /// Name, file name, content.
    type Shown = (String, Option<String>, String);

    /// The fields, and whether the form is over.
    fn read(chunks: &[&[u8]]) -> Result<(Vec<Shown>, bool)> {
        let (mut parts, mut fields) = (parts(), Vec::new());
        for chunk in chunks {
            parts.feed(chunk);
            while let Some(piece) = parts.next_piece()? {
                match piece {
                    Piece::Begin(head) => fields.push((head.name, head.file, String::new())),
                    Piece::Data(data) => {
                        fields.last_mut().unwrap().2.push_str(std::str::from_utf8(&data).unwrap());
                    }
                    Piece::End => fields.last_mut().unwrap().2.push('|'),
                }
            }
        }
        Ok((fields, parts.is_over()))
    }

    const FORM: &[u8] = b"nobody reads this\r\n--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
        --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\ncontent-type: a/b\r\n\r\n\
        {}\r\n--\r\n-\r\n--x\r\ncontent-disposition: form-data; name=\"empty\"\r\n\r\n\r\n--x--\r\n";

    #[test]
    fn a_form_is_the_same_wherever_it_is_cut() {
        let expect = vec![
            ("purpose".to_owned(), None, "batch|".to_owned()),
            ("file".to_owned(), Some("a.jsonl".to_owned()), "{}\r\n--\r\n-|".to_owned()),
            ("empty".to_owned(), None, "|".to_owned()),
        ];
        assert_eq!(read(&[FORM]).unwrap(), (expect.clone(), true));
        for at in 0..FORM.len() {
            let (one, two) = FORM.split_at(at);
            assert_eq!(read(&[one, two]).unwrap(), (expect.clone(), true), "{at}");
        }
        let bytes: Vec<&[u8]> = FORM.chunks(1).collect();
        assert_eq!(read(&bytes).unwrap(), (expect, true));
    }

    #[test]
    fn one_that_breaks_off_is_not_over_and_a_broken_one_is_refused() {
        for end in 0..FORM.len() - 4 {
            assert!(!read(&[FORM.get(..end).unwrap()]).unwrap().1, "{end}");
        }
        assert!(read(&[b"--xy\r\n\r\n"]).is_err());
        assert!(read(&[b"--x\r\ncontent-type: a/b\r\n\r\n1\r\n--x--"]).is_err());
        assert!(read(&[b"--x\r\n", &[b'a'; HEAD_LIMIT + 1]]).is_err());
        assert!(read(&[b"--x\r\n", &[b'a'; HEAD_LIMIT + 1], b"\r\n\r\n1\r\n--x--"]).is_err());
        assert!(Parts::of(&HeaderMap::new()).is_err());
    }
}
