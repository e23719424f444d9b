//! Where results go, and in which form.
//!
//! Results are on standard output and nothing else is, so that they can be piped; remarks and errors are on
//! standard error. Tests collect both.

use std::io::{self, IsTerminal as _, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use llm_config::Style;
use serde::Serialize;

use crate::exit::{Exit, Failure};

/// Standard output and standard error.
pub(crate) struct Output {
    pub(crate) out: Box<dyn Write>,
    pub(crate) err: Box<dyn Write>,
    /// Whether results are JSON.
    pub(crate) json: bool,
    /// Whether results may be coloured.
    pub(crate) style: Style,
    /// Whether a person reads the remarks.
    pub(crate) attended: bool,
    /// Whether results can be written over.
    pub(crate) screen: bool,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    message: String,
    #[serde(rename = "type")]
    kind: &'a str,
    code: Option<&'a str>,
    provider: Option<&'a str>,
    exit: u8,
}

impl Output {
    /// The process's own.
    pub(crate) fn of_process(json: bool) -> Self {
        let colour =
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            json,
            style: if colour { Style::Coloured } else { Style::Plain },
            attended: io::stderr().is_terminal(),
            screen: io::stdout().is_terminal(),
        }
    }

    /// One JSON document.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer_pretty(&mut self.out, value)?;
        Ok(writeln!(self.out)?)
    }

    /// One JSON document on a line of its own.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, value)?;
        Ok(writeln!(self.out)?)
    }

    /// Begins anew at the top of an empty screen; elsewhere after an empty line.
    pub(crate) fn start_over(&mut self) -> Result<(), Failure> {
        match self.screen {
            true => write!(self.out, "\x1b[2J\x1b[H")?,
            false => writeln!(self.out)?,
        }
        Ok(())
    }

    /// A table; the header is left out where there are no rows.
    pub(crate) fn table<const N: usize>(
        &mut self,
        header: [&str; N],
        rows: Vec<[String; N]>,
    ) -> Result<(), Failure> {
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(header).add_rows(rows);
        // Words begin where the line does, so that other programs find them.
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
        Ok(writeln!(self.out, "{}", table.trim_fmt())?)
    }

    /// Comma-separated values, as RFC 4180 quotes them.
    pub(crate) fn csv<R: AsRef<[String]>>(&mut self, header: &[&str], rows: &[R]) -> Result<(), Failure> {
        let header: Vec<_> = header.iter().map(|name| name.to_lowercase().replace(' ', "_")).collect();
        writeln!(self.out, "{}", header.join(","))?;
        for row in rows {
            let quoted = row.as_ref().iter().map(|value| match value.contains([',', '"', '\n', '\r']) {
                true => format!("\"{}\"", value.replace('"', "\"\"")),
                false => value.clone(),
            });
            writeln!(self.out, "{}", quoted.collect::<Vec<_>>().join(","))?;
        }
        Ok(())
    }

    /// Says why a command failed and gives its exit code.
    pub(crate) fn failure(&mut self, failure: &Failure) -> Exit {
        if failure.is_broken_pipe() {
            return Exit::Ok;
        }
        let exit = failure.exit();
        // Nothing is left to be done where even standard error is gone.
        let _ = if self.json {
            let json = ErrorJson { error: body(failure, exit) };
            serde_json::to_string(&json)
                .map_err(io::Error::from)
                .and_then(|json| writeln!(self.err, "{json}"))
        } else {
            writeln!(self.err, "llmctl: {failure}")
        };
        exit
    }
}

fn body(failure: &Failure, exit: Exit) -> ErrorBody<'_> {
    let call = match failure {
        Failure::Call(error) => Some(error),
        Failure::Usage(_) | Failure::Other(_) => None,
    };
    ErrorBody {
        message: call.map_or_else(|| failure.to_string(), |error| error.message.clone()),
        kind: call.map_or("cli_error", |error| error.kind.type_name()),
        code: call.and_then(|error| error.public_code()),
        provider: call.and_then(|error| error.provider.as_deref()),
        exit: exit as u8,
    }
}

/// An output whose text can be looked at.
#[cfg(test)]
pub(crate) mod testing {
    use std::cell::RefCell;
    use std::io::{self, Write};
    use std::rc::Rc;

    use super::{Output, Style};

    #[derive(Debug, Clone, Default)]
    pub(crate) struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Shared {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(crate) fn output(json: bool) -> (Output, Shared, Shared) {
        let (out, err) = (Shared::default(), Shared::default());
        let output = Output {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            json,
            style: Style::Plain,
            attended: true,
            screen: false,
        };
        (output, out, err)
    }
}

#[cfg(test)]
mod tests {
    use llm_types::{ApiError, ErrorKind};

    use super::testing::output;
    use super::*;

    #[test]
    fn failures_are_told_in_the_form_that_was_asked_for() {
        let mut error = ApiError::new(ErrorKind::Auth, "no key: set OPENAI_API_KEY");
        error.provider = Some("openai".to_owned());
        let failure = Failure::from(error);
        let (mut text, _, err) = output(false);
        assert_eq!(text.failure(&failure), Exit::Auth);
        assert_eq!(err.text(), "llmctl: openai: no key: set OPENAI_API_KEY\n");
        let (mut json, out, err) = output(true);
        json.failure(&failure);
        assert_eq!(out.text(), "");
        assert_eq!(
            err.text().trim(),
            r#"{"error":{"message":"no key: set OPENAI_API_KEY","type":"authentication_error","code":"invalid_api_key","provider":"openai","exit":4}}"#
        );
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let (mut output, _, err) = output(false);
        let broken = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(output.failure(&broken), Exit::Ok);
        assert_eq!(err.text(), "");
    }
}
