//! A model's answer, printed: what `llmctl chat` and `llmctl complete` have in common.

use std::time::{SystemTime, UNIX_EPOCH};

use llm_providers::codec::{ReplyCx, ServerCodec};
use llm_providers::{ChatReply, ChatStream};
use llm_types::{Changes, FinishKind, Usage};

use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::print::{self, StreamPrinter};

/// How an answer is written as JSON.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    /// In whose words.
    pub(super) server: &'static dyn ServerCodec,
    /// The model that was asked.
    pub(super) model: &'a str,
}

impl Form<'_> {
    /// What to write where the provider says nothing.
    fn cx(self) -> ReplyCx {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (model, created) = (self.model.to_owned(), now.as_secs());
        ReplyCx { include_usage: true, model, created, ..ReplyCx::default() }
    }
}

/// Prints a whole answer.
pub(super) fn whole(answer: &ChatReply, form: Form<'_>, out: &mut Output) -> Result<Exit, Failure> {
    match out.json {
        true => print::json(&answer.reply, form.server, &form.cx(), &mut out.out)?,
        false => print::text(&answer.reply, &mut out.out)?,
    }
    remark(out, answer.reply.finish(), answer.reply.usage.as_ref(), &answer.changes)?;
    Ok(Exit::Ok)
}

/// Prints an answer as it comes.
pub(super) async fn stream(
    mut stream: ChatStream,
    form: Form<'_>,
    out: &mut Output,
) -> Result<Exit, Failure> {
    let mut printer = match out.json {
        true => StreamPrinter::json(form.server, form.cx()),
        false => StreamPrinter::text(),
    };
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(llm_types::Event::Error(error)) | Err(error) => {
                printer.close(&mut out.out)?;
                return Err(error.into());
            }
            Ok(event) => event,
        };
        printer.event(&event, &mut out.out)?;
    }
    printer.end(&mut out.out)?;
    remark(out, printer.finish, printer.usage.as_ref(), stream.changes())?;
    Ok(Exit::Ok)
}

/// What was changed is always said; the rest only to a person.
fn remark(
    out: &mut Output,
    finish: Option<FinishKind>,
    usage: Option<&Usage>,
    changes: &Changes,
) -> Result<(), Failure> {
    let (finish, usage) = match out.attended && !out.json {
        true => (finish, usage),
        false => (None, None),
    };
    for line in print::remarks(finish, usage, changes) {
        writeln!(out.err, "{line}")?;
    }
    Ok(())
}
