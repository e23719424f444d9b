//! One line: a request of a batch, or the answer to one.

use bytes::Bytes;
use llm_types::{ApiError, BatchForm, Edits, Head, Result};

/// A request of a batch.
#[derive(Debug)]
pub struct Line {
    number: u64,
    head: Head,
    body: Head,
    /// Where it would be asked alone; `None`: where the batch says.
    pub url: Option<String>,
    /// The model, as the line names it.
    pub model: Option<String>,
}

impl Line {
    /// Reads a line; `None`: it is no request of a batch.
    ///
    /// # Errors
    /// 400 for one whose members are of the wrong type.
    pub fn read(number: u64, line: &Bytes) -> Result<Option<Self>> {
        let Ok(head) = Head::scan(line.slice_ref(line.trim_ascii())) else { return Ok(None) };
        if head.get("custom_id").is_none() {
            return Ok(None);
        }
        let at = |error: ApiError| fault(number, &error.message);
        let Some(body) = head.nested("body").map_err(at)? else { return Ok(None) };
        let url = head.read::<String>("url").map_err(at)?;
        let model = body.read::<String>("model").map_err(at)?;
        Ok(Some(Self { number, head, body, url, model }))
    }

    /// Which it is, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The id that its client gave it.
    ///
    /// # Errors
    /// 400 for one that is no text.
    pub fn custom_id(&self) -> Result<String> {
        let id = self.head.read::<String>("custom_id").map_err(|error| fault(self.number, &error.message))?;
        id.ok_or_else(|| fault(self.number, "its `custom_id` is no text"))
    }

    /// What it asks, in its members.
    #[must_use]
    pub fn asked(&self) -> &Head {
        &self.body
    }

    /// What it asks.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.body.body()
    }

    /// The line for a provider, where the model has this name.
    ///
    /// # Errors
    /// When the name cannot be written.
    pub fn written(&self, model: &str, form: BatchForm) -> Result<Bytes> {
        let name = serde_json::to_vec(model).map_err(|error| {
            ApiError::bad_request("the model's name cannot be written").with_source(error)
        })?;
        let mut edits = Edits::default();
        let bare = form == BatchForm::Mistral;
        if bare {
            // Where the whole batch says it.
            edits.remove(&self.head, "method");
            edits.remove(&self.head, "url");
        }
        if self.model.as_deref() != Some(model) {
            let mut inner = Edits::default();
            inner.set(&self.body, "model", name);
            edits.set(&self.head, "body", inner.apply(&self.body).to_bytes());
        }
        let mut line = edits.apply(&self.head).to_bytes().to_vec();
        line.push(b'\n');
        Ok(line.into())
    }
}

/// The fault of a line.
pub(super) fn fault(number: u64, what: &str) -> ApiError {
    ApiError::bad_request(format!("line {number} of the file: {what}")).with_param("file")
}

/// What a line of answers holds, where the request was answered and not refused.
#[must_use]
pub fn answer_body(line: &Bytes) -> Option<Bytes> {
    let head = Head::scan(line.slice_ref(line.trim_ascii())).ok()?;
    let response = head.nested("response").ok()??;
    let status = response.read::<u16>("status_code").ok()?.unwrap_or(200);
    let body = response.get("body")?;
    (200..300).contains(&status).then(|| response.body().slice_ref(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Option<Line>> {
        Line::read(3, &Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn the_model_of_a_line_is_replaced_and_nothing_else() {
        let check = |text: &str, form, expect: &str| {
            let written = line(text).unwrap().unwrap().written("gpt-4o", form).unwrap();
            assert_eq!(written, format!("{expect}\n"));
        };
        let own = r#"{"custom_id": "a", "method":"POST","url":"/v1/chat/completions","x":1,"body":{"model":"smart","messages":[ ]}}"#;
        check(
            &format!("{own}\r\n"),
            BatchForm::Openai,
            r#"{"custom_id": "a", "method":"POST","url":"/v1/chat/completions","x":1,"body":{"model":"gpt-4o","messages":[ ]}}"#,
        );
        check(
            own,
            BatchForm::Mistral,
            r#"{"custom_id": "a","x":1,"body":{"model":"gpt-4o","messages":[ ]}}"#,
        );
        check(
            r#"{"custom_id":"a","body":{"input":"x"}}"#,
            BatchForm::Openai,
            r#"{"custom_id":"a","body":{"input":"x","model":"gpt-4o"}}"#,
        );
        let read = line(own).unwrap().unwrap();
        assert_eq!(
            (read.model.as_deref(), read.url.as_deref()),
            (Some("smart"), Some("/v1/chat/completions"))
        );
        for other in ["", "x", "[]", r#"{"messages":[]}"#, r#"{"custom_id":"a"}"#] {
            assert!(line(other).unwrap().is_none(), "{other}");
        }
        let error = line(r#"{"custom_id":"a","body":{"model":1}}"#).unwrap_err();
        assert!(error.message.contains("line 3"), "{error}");
    }

    #[test]
    fn answers_are_found_and_refusals_are_not() {
        let check = |text: &str, expect: Option<&str>| {
            let body = answer_body(&Bytes::copy_from_slice(text.as_bytes()));
            assert_eq!(body.as_deref(), expect.map(str::as_bytes), "{text}");
        };
        check(
            r#"{"id":"r","custom_id":"a","response":{"status_code":200,"body":{"id":1}},"error":null}"#,
            Some(r#"{"id":1}"#),
        );
        check(r#"{"response":{"status_code":400,"body":{"error":1}}}"#, None);
        check(r#"{"response":null,"error":{"code":"x"}}"#, None);
        check("garbage", None);
    }
}
