//! One line: a request of a batch, or the answer to one.

use bytes::Bytes;
use llm_types::{ApiError, BatchForm, Changes, Dialect, Edits, Head, Op, Result};

use crate::codec::{Asked, EncodeCx};
use crate::dialect;
use crate::target::Target;

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

    /// The line for a provider: what it asks is written as if it were asked alone, with what the provider's row demands of
    /// it. `changes` takes what is lost by that.
    ///
    /// # Errors
    /// 400 for what the provider cannot be asked.
    pub fn written_for(&self, target: &Target, form: BatchForm, changes: &mut Changes) -> Result<Bytes> {
        // What a provider gets in other words is written when its batch is made.
        let asked = if form.keeps_files() { self.demanded(target, changes)? } else { None };
        let body = match asked {
            Some(body) => Some(body),
            None => self.named(target.model())?,
        };
        Ok(self.with(body, form))
    }

    /// What it asks in the provider's words; `None`: whatever it is, it is not known here in this provider's form.
    fn demanded(&self, target: &Target, changes: &mut Changes) -> Result<Option<Bytes>> {
        let Some((op, spoken)) = self.spoken() else { return Ok(None) };
        let is_spoken = target.dialect_for(op, Some(spoken)) == spoken;
        let (Some(codec), Some(front)) = (dialect::client(spoken), dialect::server(spoken)) else {
            return Ok(None);
        };
        if !is_spoken {
            return Ok(None);
        }
        let asked = Asked { dialect: Some(spoken), ..Asked::of(op) };
        let mut lost = Changes::default();
        let mut cx =
            EncodeCx { spec: target.spec(), model: target.model(), asked: &asked, changes: &mut lost };
        let wire = match codec.splice(&self.body, &mut cx)? {
            Some(wire) => wire,
            None => {
                let mut call = front.decode_shared(self.body(), &asked)?;
                call.set_model(target.model());
                lost = Changes::default();
                let mut cx = EncodeCx {
                    spec: target.spec(),
                    model: target.model(),
                    asked: &asked,
                    changes: &mut lost,
                };
                codec.encode(&call, &mut cx)?
            }
        };
        lost.list().iter().cloned().for_each(|change| changes.push(change));
        Ok(Some(wire.body.to_bytes()))
    }

    /// In which of OpenAI's formats it asks for what; bare lines are told apart by what they hold.
    fn spoken(&self) -> Option<(Op, Dialect)> {
        let path = self.url.as_deref().map(|url| url.strip_prefix("/v1").unwrap_or(url));
        match path {
            Some("/chat/completions") => Some((Op::Chat, Dialect::OpenaiChat)),
            Some("/responses") => Some((Op::Chat, Dialect::OpenaiResponses)),
            Some("/completions") => Some((Op::Chat, Dialect::OpenaiCompletions)),
            Some("/embeddings") => Some((Op::Embed, Dialect::OpenaiMedia)),
            None if self.body.get("messages").is_some() => Some((Op::Chat, Dialect::OpenaiChat)),
            None if self.body.get("input").is_some() => Some((Op::Embed, Dialect::OpenaiMedia)),
            _ => None,
        }
    }

    /// What it asks, where the model has this name; `None`: it has.
    fn named(&self, model: &str) -> Result<Option<Bytes>> {
        if self.model.as_deref() == Some(model) {
            return Ok(None);
        }
        let name = serde_json::to_vec(model).map_err(|error| {
            ApiError::bad_request("the model's name cannot be written").with_source(error)
        })?;
        let mut inner = Edits::default();
        inner.set(&self.body, "model", name);
        Ok(Some(inner.apply(&self.body).to_bytes()))
    }

    /// The line in this form, with another body where there is one.
    fn with(&self, body: Option<Bytes>, form: BatchForm) -> Bytes {
        let mut edits = Edits::default();
        let bare = form == BatchForm::Mistral;
        if bare {
            // Where the whole batch says it.
            edits.remove(&self.head, "method");
            edits.remove(&self.head, "url");
        }
        if let Some(body) = body {
            edits.set(&self.head, "body", body);
        }
        let mut line = edits.apply(&self.head).to_bytes().to_vec();
        line.push(b'\n');
        line.into()
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
    use serde_json::{Value, json};

    use super::*;
    use crate::table::ProviderTable;
    use crate::target::TargetOptions;

    fn line(text: &str) -> Result<Option<Line>> {
        Line::read(3, &Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn the_model_of_a_line_is_replaced_and_nothing_else() {
        let target = target("openai/gpt-4o");
        let check = |text: &str, form, expect: &str| {
            let mut changes = Changes::default();
            let read = line(text).unwrap().unwrap();
            let written = read.written_for(&target, form, &mut changes).unwrap();
            assert_eq!((written, changes.header()), (format!("{expect}\n").into(), String::new()));
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

    fn target(model: &str) -> Target {
        let options = TargetOptions::new(model);
        Target::new(&options, ProviderTable::builtin(), &|name| {
            name.ends_with("_KEY").then(|| "k-of-provider".to_owned())
        })
        .unwrap()
    }

    #[test]
    fn a_line_is_asked_in_the_words_of_its_provider() {
        let check = |model: &str, url: Option<&str>, asked: Value, expect: Value, lost: &[&str]| {
            let name = model.split_once('/').unwrap().1;
            let form = if model.starts_with("mistral") { BatchForm::Mistral } else { BatchForm::Openai };
            let mut whole = json!({"custom_id": "a", "body": asked});
            whole["body"]["model"] = "smart".into();
            if let Some(url) = url {
                whole["url"] = url.into();
            }
            let mut changes = Changes::default();
            let read = line(&whole.to_string()).unwrap().unwrap();
            let written = read.written_for(&target(model), form, &mut changes).unwrap();
            let written: Value = serde_json::from_slice(&written).unwrap();
            let mut expect = expect;
            expect["model"] = name.into();
            assert_eq!(written["body"], expect, "{model}");
            assert_eq!(written.get("url").is_some(), url.is_some() && form == BatchForm::Openai, "{model}");
            for lost in lost {
                assert!(changes.header().contains(lost), "{lost}: {}", changes.header());
            }
            assert_eq!(changes.list().is_empty(), lost.is_empty(), "{}", changes.header());
        };
        let (chat, vectors) = (Some("/v1/chat/completions"), Some("/v1/embeddings"));
        let said = json!([{"role": "user", "content": "Hi"}]);
        let developer = json!([{"role": "developer", "content": "Hi"}]);
        let system = json!([{"role": "system", "content": "Hi"}]);
        let (small, oss) = ("mistral/mistral-small-latest", "groq/openai/gpt-oss-20b");
        let asked =
            json!({"messages": said, "max_completion_tokens": 7, "seed": 1, "temperature": 2, "user": "u"});
        let expect = json!({"messages": said, "max_tokens": 7, "random_seed": 1, "temperature": 1.5});
        for url in [chat, None] {
            check(small, url, asked.clone(), expect.clone(), &["dropped user", "altered temperature"]);
        }
        // What no edit can do is written anew.
        check(
            small,
            chat,
            json!({"messages": developer, "seed": 1}),
            json!({"messages": system, "random_seed": 1}),
            &["altered messages[0].role"],
        );
        let asked = json!({"input": ["a"], "dimensions": 4, "user": "u"});
        check(
            "mistral/mistral-embed",
            vectors,
            asked,
            json!({"input": ["a"], "output_dimension": 4}),
            &["dropped user"],
        );
        let asked = json!({"messages": said, "n": 2, "logit_bias": {}, "seed": 1});
        let lost = ["altered n", "dropped logit_bias"];
        check(oss, chat, asked, json!({"messages": said, "n": 1, "seed": 1}), &lost);
        // What is not known keeps its words.
        let asked = json!({"input": "a", "seed": 1});
        check(small, Some("/v1/moderations"), asked.clone(), asked, &[]);
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
