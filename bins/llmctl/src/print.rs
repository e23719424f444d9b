//! Answers as text for people and as JSON for programs.
//!
//! JSON is OpenAI's: a `chat.completion` object, or one `chat.completion.chunk` per line (`text_completion` of a text that
//! is gone on with), so that whatever reads that API's answers can read these.

use std::io::{self, Write};

use llm_providers::codec::{ReplyCx, ServerCodec, StreamEncoder};
use llm_types::chat::Part;
use llm_types::{Changes, Delta, Event, FinishKind, PartStart, Reply, Usage};

/// A whole answer as JSON.
pub(crate) fn json(
    reply: &Reply,
    server: &dyn ServerCodec,
    cx: &ReplyCx,
    out: &mut dyn Write,
) -> io::Result<()> {
    out.write_all(&server.encode(&reply.clone().into(), cx))?;
    out.write_all(b"\n")
}

/// A whole answer as text.
pub(crate) fn text(reply: &Reply, out: &mut dyn Write) -> io::Result<()> {
    for choice in &reply.choices {
        for part in &choice.parts {
            match part {
                Part::Text(text) => line(&text.text, out)?,
                Part::Refusal(refusal) => line(&refusal.text, out)?,
                Part::ToolCall(call) => writeln!(out, "{}({})", call.name, call.arguments)?,
                Part::Audio(audio) => line(audio.transcript.as_deref().unwrap_or("[sound]"), out)?,
                Part::Image(_) => writeln!(out, "[picture]")?,
                Part::File(_) => writeln!(out, "[file]")?,
                Part::Reasoning(_) | Part::Citation(_) | Part::ToolResult(_) | Part::Opaque(_) => {}
            }
        }
    }
    Ok(())
}

fn line(text: &str, out: &mut dyn Write) -> io::Result<()> {
    match text.is_empty() {
        true => Ok(()),
        false => writeln!(out, "{}", text.strip_suffix('\n').unwrap_or(text)),
    }
}

/// What a person should know of an answer beside its text, one remark per line.
pub(crate) fn remarks(finish: Option<FinishKind>, usage: Option<&Usage>, changes: &Changes) -> Vec<String> {
    let mut remarks = Vec::new();
    if !changes.is_empty() {
        remarks.push(format!("changed for this provider: {}", changes.header()));
    }
    match finish {
        Some(FinishKind::Length) => remarks.push("the answer was cut off at the token limit".to_owned()),
        Some(FinishKind::ContentFilter) => {
            remarks.push("the answer was cut off by a content filter".to_owned())
        }
        Some(FinishKind::Stop | FinishKind::ToolCalls) | None => {}
    }
    if let Some(usage) = usage {
        let (prompt, completion) = (usage.prompt_tokens(), usage.completion_tokens());
        let reasoning = match usage.reasoning {
            0 => String::new(),
            count => format!(" ({count} of them thinking)"),
        };
        remarks.push(format!("tokens: {prompt} in, {completion} out{reasoning}"));
    }
    remarks
}

/// Prints a streamed answer event by event.
pub(crate) struct StreamPrinter {
    /// `None`: as text.
    encoder: Option<Box<dyn StreamEncoder>>,
    /// Whether the last line of text is still open.
    open: bool,
    /// The part that text came from last: parts are told apart by a new line.
    part: Option<(u32, u32)>,
    /// Why the first answer ended.
    pub(crate) finish: Option<FinishKind>,
    /// The last usage seen.
    pub(crate) usage: Option<Usage>,
}

impl StreamPrinter {
    pub(crate) fn text() -> Self {
        Self { encoder: None, open: false, part: None, finish: None, usage: None }
    }

    pub(crate) fn json(server: &dyn ServerCodec, cx: ReplyCx) -> Self {
        Self { encoder: Some(server.encoder(cx)), ..Self::text() }
    }

    /// Prints what an event adds.
    pub(crate) fn event(&mut self, event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        match event {
            Event::Usage(usage) => self.usage = Some(usage.clone()),
            Event::Finish { choice: 0, finish } => self.finish = Some(finish.kind),
            _ => {}
        }
        match &mut self.encoder {
            Some(encoder) => {
                // The flow is the decoder's concern; here every event is wanted.
                let _ = encoder.event(event.clone());
                data_lines(&encoder.take(), out)
            }
            None => self.piece(event, out),
        }?;
        out.flush()
    }

    /// Prints what must follow the last event.
    pub(crate) fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match &mut self.encoder {
            Some(encoder) => {
                encoder.finish();
                data_lines(&encoder.take(), out)
            }
            None => self.close(out),
        }
    }

    /// Ends an open line.
    pub(crate) fn close(&mut self, out: &mut dyn Write) -> io::Result<()> {
        match std::mem::take(&mut self.open) {
            true => writeln!(out),
            false => Ok(()),
        }
    }

    fn piece(&mut self, event: &Event<'_>, out: &mut dyn Write) -> io::Result<()> {
        let (at, text) = match event {
            Event::PartStart { choice, part, start: PartStart::ToolCall { name, .. } } => {
                ((*choice, *part), format!("{name} "))
            }
            Event::PartStart { choice, part, start: PartStart::Image { .. } } => {
                ((*choice, *part), "[picture]".to_owned())
            }
            Event::Delta {
                choice,
                part,
                delta:
                    Delta::Text(text) | Delta::Refusal(text) | Delta::ToolArgs(text) | Delta::Transcript(text),
            } => ((*choice, *part), text.clone().into_owned()),
            _ => return Ok(()),
        };
        if text.is_empty() {
            return Ok(());
        }
        if self.part.replace(at).is_some_and(|before| before != at) {
            self.close(out)?;
        }
        self.open = !text.ends_with('\n');
        out.write_all(text.as_bytes())
    }
}

/// The data of server-sent events, one JSON document per line.
fn data_lines(events: &[u8], out: &mut dyn Write) -> io::Result<()> {
    for line in events.split(|byte| *byte == b'\n') {
        if let Some(data) = line.strip_prefix(b"data: ").filter(|data| *data != b"[DONE]") {
            out.write_all(data)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use llm_types::chat::{Refusal, ToolCall, ToolCallKind};
    use llm_types::{Choice, Finish, Start};

    use llm_providers::dialect::openai_chat::Server;

    use super::*;

    fn events() -> Vec<Event<'static>> {
        let delta = |part, delta| Event::Delta { choice: 0, part, delta };
        let call = PartStart::ToolCall { id: "c1".into(), name: "f".into(), kind: ToolCallKind::Function };
        vec![
            Event::Start(Start { id: "r1".into(), model: "m".into(), ..Start::default() }),
            Event::PartStart { choice: 0, part: 0, start: PartStart::Text },
            delta(0, Delta::Text("He".into())),
            delta(0, Delta::Text("llo".into())),
            Event::PartEnd { choice: 0, part: 0 },
            Event::PartStart { choice: 0, part: 1, start: call },
            delta(1, Delta::ToolArgs("{\"a\"".into())),
            delta(1, Delta::ToolArgs(":1}".into())),
            Event::PartEnd { choice: 0, part: 1 },
            Event::Finish { choice: 0, finish: Finish::from(FinishKind::ToolCalls) },
            Event::Usage(Usage { input: 3, output: 5, ..Usage::default() }),
        ]
    }

    fn printed(mut printer: StreamPrinter) -> (String, StreamPrinter) {
        let mut out = Vec::new();
        for event in events() {
            printer.event(&event, &mut out).unwrap();
        }
        printer.end(&mut out).unwrap();
        (String::from_utf8(out).unwrap(), printer)
    }

    #[test]
    fn a_stream_is_printed_as_it_comes() {
        let (text, printer) = printed(StreamPrinter::text());
        assert_eq!(text, "Hello\nf {\"a\":1}\n");
        assert_eq!(printer.finish, Some(FinishKind::ToolCalls));
        let remarks = remarks(printer.finish, printer.usage.as_ref(), &Changes::default());
        assert_eq!(remarks, ["tokens: 3 in, 5 out"]);
    }

    #[test]
    fn a_stream_is_printed_as_one_json_object_per_line() {
        let (text, _) =
            printed(StreamPrinter::json(&Server, ReplyCx { include_usage: true, ..ReplyCx::default() }));
        let mut content = String::new();
        for line in text.lines() {
            let chunk: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(chunk["object"], "chat.completion.chunk", "{line}");
            content.push_str(chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
        }
        assert_eq!(content, "Hello");
        assert!(text.contains("\"total_tokens\":8"), "{text}");
    }

    #[test]
    fn a_whole_answer_is_printed() {
        let parts = vec![
            Part::text("Hello\n"),
            Part::ToolCall(ToolCall { name: "f".into(), arguments: "{}".into(), ..ToolCall::default() }),
            Part::Refusal(Refusal { text: "no".into() }),
        ];
        let reply = Reply { choices: vec![Choice { parts, ..Choice::default() }], ..Reply::default() };
        let mut out = Vec::new();
        text(&reply, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "Hello\nf({})\nno\n");
        let mut out = Vec::new();
        json(&reply, &Server, &ReplyCx::default(), &mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["object"], "chat.completion");
    }

    #[test]
    fn remarks_tell_what_the_text_does_not() {
        let mut changes = Changes::default();
        changes.dropped("seed", "not supported by anthropic");
        let usage = Usage { output: 2, reasoning: 4, ..Usage::default() };
        assert_eq!(
            remarks(Some(FinishKind::Length), Some(&usage), &changes),
            [
                "changed for this provider: dropped seed (not supported by anthropic)",
                "the answer was cut off at the token limit",
                "tokens: 0 in, 6 out (4 of them thinking)",
            ]
        );
    }
}
