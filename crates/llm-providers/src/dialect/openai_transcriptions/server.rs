//! A client calls us.

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderValue;
use llm_types::{
    ApiError, Call, Content, Dialect, Head, Op, Output, Result, Stretch, TranscribeRequest, Transcript,
    TranscriptFormat, Upload,
};
use serde::Serialize;

use super::write;
use crate::codec::{Asked, Peek, ReplyCx, ServerCodec, StreamEncoder};
use crate::dialect::{media, openai_chat};
use crate::form::{self, Field};

/// The half that a client calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Server;

impl ServerCodec for Server {
    fn is_opaque(&self, _asked: &Asked) -> bool {
        true
    }

    fn peek(&self, head: &Head, asked: &Asked) -> Result<Peek> {
        let fields = form::read(&asked.headers, head.body())?;
        let text = |name: &str| {
            let found = fields.iter().find(|field| field.name == name && !field.is_file);
            found.map(Field::text).transpose()
        };
        let model = text("model")?
            .filter(|model| !model.is_empty())
            .ok_or_else(|| missing("model", "name the model"))?;
        Ok(Peek { model: model.to_owned(), stream: text("stream")? == Some("true"), ..Peek::default() })
    }

    fn decode(&self, body: &[u8], asked: &Asked) -> Result<Call> {
        self.decode_shared(&Bytes::copy_from_slice(body), asked)
    }

    fn decode_shared(&self, body: &Bytes, asked: &Asked) -> Result<Call> {
        let translate = match asked.op {
            Op::Transcribe => false,
            Op::Translate => true,
            other => {
                let message = format!("this route cannot carry {other}: use the route of that operation");
                return Err(ApiError::bad_request(message));
            }
        };
        let fields = form::read(&asked.headers, body)?;
        request(fields, translate, &asked.files).map(|request| Call::Transcribe(Box::new(request)))
    }

    fn encode(&self, output: &Output, _cx: &ReplyCx) -> Vec<u8> {
        match output {
            Output::Transcript(transcript) => write::whole(transcript),
            // No row asks this dialect for anything else.
            _ => b"{}".to_vec(),
        }
    }

    fn content_type(&self, output: &Output) -> Option<HeaderValue> {
        let Output::Transcript(transcript) = output else { return None };
        use TranscriptFormat::{Srt, Text, Vtt};
        matches!(transcript.format, Text | Srt | Vtt)
            .then_some(HeaderValue::from_static("text/plain; charset=utf-8"))
    }

    fn streamed(&self, output: &Output, _cx: &ReplyCx) -> Option<Bytes> {
        let Output::Transcript(transcript) = output else { return None };
        Some(events(transcript))
    }

    fn encode_error(&self, error: &ApiError) -> (StatusCode, Vec<u8>) {
        openai_chat::Server.encode_error(error)
    }

    fn encoder(&self, cx: ReplyCx) -> Box<dyn StreamEncoder> {
        openai_chat::Server.encoder(cx)
    }
}

pub(in crate::dialect) fn missing(name: &str, what: &str) -> ApiError {
    ApiError::bad_request(format!("`{name}` is missing: {what}")).with_param(name)
}

fn request(fields: Vec<Field>, translate: bool, filed: &[Stretch]) -> Result<TranscribeRequest> {
    let mut filed = filed.iter().cloned();
    let mut out = TranscribeRequest {
        translate,
        origin: Some(Dialect::OpenaiTranscriptions),
        ..TranscribeRequest::default()
    };
    for field in fields {
        if field.is_file {
            if field.name != "file" {
                let message = format!("`{}` is no field for a file: send the sound as `file`", field.name);
                return Err(ApiError::bad_request(message).with_param(field.name));
            }
            let Upload { name, kind, data } = field.file;
            let data = filed.next().map_or(Content::Held(data), Content::Filed);
            out.file = Upload { name, kind, data };
            continue;
        }
        let text = field.text()?.to_owned();
        match &*field.name {
            "model" => out.model = text,
            "file" => {
                let message = "`file` must be a file: send it with a file name";
                return Err(ApiError::bad_request(message).with_param("file"));
            }
            "language" => out.language = Some(text),
            "prompt" => out.prompt = Some(text),
            "response_format" => out.format = TranscriptFormat::from(text),
            "temperature" => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                let wrong =
                    || ApiError::bad_request("`temperature` must be a number").with_param("temperature");
                out.temperature = Some(number.ok_or_else(wrong)?);
            }
            "timestamp_granularities[]" | "timestamp_granularities" => out.granularities.push(text),
            "stream" => out.stream = text == "true",
            _ => out.fields.push((field.name, text)),
        }
    }
    let elsewhere = ["url", "file_url", "file_id"];
    let is_elsewhere = out.fields.iter().any(|(name, _)| elsewhere.contains(&name.as_str()));
    if out.file.data.is_empty() && !is_elsewhere {
        return Err(missing("file", "send the sound"));
    }
    Ok(out)
}

/// A transcript that came whole, as the events of one that is streamed.
fn events(transcript: &Transcript) -> Bytes {
    #[derive(Serialize)]
    struct Event<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        delta: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<Box<llm_types::RawValue>>,
    }
    let text = transcript.text.as_str();
    let usage = transcript.usage.as_ref().and_then(media::counted);
    let delta = Event { kind: "transcript.text.delta", delta: Some(text), text: None, usage: None };
    let done = Event { kind: "transcript.text.done", delta: None, text: Some(text), usage };
    let mut out = Vec::new();
    for event in [delta, done] {
        out.extend_from_slice(b"data: ");
        out.extend(serde_json::to_vec(&event).unwrap_or_default());
        out.extend_from_slice(b"\n\n");
    }
    out.extend_from_slice(b"data: [DONE]\n\n");
    Bytes::from(out)
}
