//! The model that a form names which goes on as it comes, and whether its answer goes elsewhere.

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use super::elsewhere::{ELSEWHERE, says_so};
use crate::form::{Parts, Piece};

/// The fields that name one.
const NAMES: [&str; 2] = ["model", "model_id"];
/// The longest name that is kept, in bytes.
const LIMIT: usize = 256;

/// Reads a form on its way for the model that it names.
#[derive(Debug)]
pub struct FormModel {
    /// `None`: it is no form, after all.
    parts: Option<Parts>,
    /// What the field holds that is being read.
    open: Option<Vec<u8>>,
    /// Which field of those that send the answer elsewhere that is; `None`: it names the model.
    what: Option<&'static str>,
    found: Option<String>,
    elsewhere: Option<&'static str>,
}

impl FormModel {
    /// Of a body with these headers; `None`: they announce no form that can be read.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let parts = Parts::of(headers).ok().filter(|_| !headers.contains_key(CONTENT_ENCODING))?;
        Some(Self { parts: Some(parts), open: None, what: None, found: None, elsewhere: None })
    }

    /// Looks at the next bytes.
    pub fn see(&mut self, chunk: &[u8]) {
        let Some(parts) = &mut self.parts else { return };
        parts.feed(chunk);
        loop {
            match parts.next_piece() {
                Ok(Some(Piece::Begin(head))) => {
                    self.what = ELSEWHERE.into_iter().find(|name| *name == head.name);
                    let named = NAMES.contains(&head.name.as_str()) || self.what.is_some();
                    self.open = (head.file.is_none() && named).then(Vec::new);
                }
                Ok(Some(Piece::Data(data))) => {
                    if let Some(open) = &mut self.open {
                        open.extend_from_slice(&data);
                        if open.len() > LIMIT {
                            // However long it is, it says something.
                            self.elsewhere = self.elsewhere.or(self.what);
                            self.open = None;
                        }
                    }
                }
                Ok(Some(Piece::End)) => {
                    let text = self.open.take().and_then(|open| String::from_utf8(open).ok());
                    if let Some(name) = self.what {
                        let says = text.is_some_and(|text| says_so(&text));
                        self.elsewhere = self.elsewhere.or(says.then_some(name));
                        continue;
                    }
                    // Of two the last one counts, as where such forms are read.
                    self.found = text.filter(|text| !text.is_empty()).or(self.found.take());
                }
                Ok(None) => return,
                Err(_) => {
                    self.parts = None;
                    return;
                }
            }
        }
    }

    /// The model, as far as the form is read.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// The field that has the answer sent elsewhere, as far as the form is read.
    #[must_use]
    pub fn elsewhere(&self) -> Option<&'static str> {
        self.elsewhere
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;

    fn form() -> FormModel {
        let kind = HeaderValue::from_static("multipart/form-data; boundary=b");
        FormModel::of(&HeaderMap::from_iter([(CONTENT_TYPE, kind)])).unwrap()
    }

    fn field(head: &str, value: &str) -> String {
        format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
    }

    #[test]
    fn the_model_is_found_wherever_it_is_cut() {
        let check = |fields: &[String], expect: Option<&str>| {
            let body = format!("{}--b--\r\n", fields.concat());
            for size in [1, 7, 4096] {
                let mut form = form();
                body.as_bytes().chunks(size).for_each(|chunk| form.see(chunk));
                assert_eq!(form.model(), expect, "{body} {size}");
            }
        };
        let file = |text: &str| field("name=\"file\"; filename=\"a.mp3\"", text);
        let model = |name: &str| field("name=\"model_id\"", name);
        check(&[file("RIFF"), model("scribe_v1")], Some("scribe_v1"));
        check(&[field("name=\"model\"", "whisper-1"), file("RIFF")], Some("whisper-1"));
        check(&[model("a"), model("b")], Some("b"));
        check(&[file("name=\"model_id\"\r\n\r\nscribe_v1"), field("name=\"models\"", "x")], None);
        check(&[field("name=\"model\"; filename=\"m\"", "x"), model(""), model(&"m".repeat(300))], None);
    }

    #[test]
    fn an_answer_that_goes_elsewhere_is_seen_on_its_way() {
        let check = |value: &str, expect: Option<&str>| {
            let mut form = form();
            let file = field("name=\"file\"; filename=\"a.mp3\"", "RIFF");
            form.see(format!("{file}{}--b--\r\n", field("name=\"webhook\"", value)).as_bytes());
            assert_eq!(form.elsewhere(), expect, "{value}");
        };
        check("true", Some("webhook"));
        check(&"t".repeat(300), Some("webhook"));
        check("false", None);
        check("", None);
    }

    #[test]
    fn what_is_no_form_names_none() {
        assert!(FormModel::of(&HeaderMap::new()).is_none());
        let mut broken = form();
        broken.see(b"--b oh no\r\n");
        broken.see(field("name=\"model\"", "m").as_bytes());
        assert_eq!(broken.model(), None);
    }
}
