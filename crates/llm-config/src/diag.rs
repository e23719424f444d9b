//! What is wrong with a configuration, shown so that it can be corrected at once.
//!
//! A diagnostic carries the text it points into, so that it can be rendered wherever it ends up: on a
//! terminal, in a log line, in an admin answer, as JSON for an editor.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use crate::source::Source;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but probably does not do what was meant.
    Warning,
}

/// What kind of fault, as a stable word for tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// The file cannot be read.
    UnreadableFile,
    /// The text is not TOML.
    Syntax,
    /// No such key.
    UnknownKey,
    /// A key of a later version.
    NotAvailable,
    /// A key that must be there is not.
    MissingKey,
    /// A value of another type.
    WrongType,
    /// A value of the right type that makes no sense.
    BadValue,
    /// A `${…}` that cannot be resolved.
    Interpolation,
    /// The same name twice.
    Duplicate,
    /// A model without deployments.
    NoDeployments,
    /// A provider that nobody knows.
    UnknownProvider,
    /// A model that is not there.
    UnknownModel,
    /// A provider that has no address of its own.
    MissingBase,
    /// A `*` where it cannot stand.
    BadWildcard,
    /// Reachable by others without a key.
    NoMasterKey,
    /// No key for a provider.
    NoApiKey,
    /// A setting that never takes effect.
    NoEffect,
}

/// Whether output may be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Text only.
    #[default]
    Plain,
    /// With ANSI colours.
    Coloured,
}

/// One fault, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    source: Arc<Source>,
    finding: Finding,
}

/// A fault before it is tied to the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) code: Code,
    pub(crate) span: Option<Range<usize>>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Finding {
    pub(crate) fn error(code: Code, span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, span, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A diagnostic for tools; lines and columns count from 1, columns in characters, the end exclusive. 0: the
/// fault is nowhere in particular.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiagnosticJson<'a> {
    /// The file.
    pub file: &'a str,
    /// First line.
    pub line: usize,
    /// First column.
    pub column: usize,
    /// Last line.
    pub end_line: usize,
    /// The column behind the last one.
    pub end_column: usize,
    /// How bad.
    pub severity: Severity,
    /// What kind.
    pub code: Code,
    /// What is wrong.
    pub message: &'a str,
    /// What to do.
    pub help: Option<&'a str>,
}

impl Diagnostic {
    pub(crate) fn new(source: Arc<Source>, finding: Finding) -> Self {
        Self { source, finding }
    }

    /// The file, as it was named.
    #[must_use]
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// Line and column from 1; `None`: the fault is nowhere in particular.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        Some(self.source.position(self.finding.span.as_ref()?.start))
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.finding.severity
    }

    /// What kind of fault.
    #[must_use]
    pub fn code(&self) -> Code {
        self.finding.code
    }

    /// What is wrong, as a lowercase fragment.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.finding.message
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.finding.help.as_deref()
    }

    /// For tools.
    #[must_use]
    pub fn json(&self) -> DiagnosticJson<'_> {
        let span = self.finding.span.as_ref();
        let (line, column) = span.map_or((0, 0), |span| self.source.position(span.start));
        let (end_line, end_column) = span.map_or((0, 0), |span| self.source.position(span.end));
        DiagnosticJson {
            file: self.file(),
            line,
            column,
            end_line,
            end_column,
            severity: self.finding.severity,
            code: self.finding.code,
            message: self.message(),
            help: self.help(),
        }
    }

    /// For people: the message, the place, the line with a caret under it, and what to do.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let level = match self.finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message());
        let group = match &self.finding.span {
            Some(span) => {
                let annotation = AnnotationKind::Primary.span(self.first_line(span));
                let snippet = Snippet::source(self.source.text()).path(self.file()).annotation(annotation);
                title.element(snippet)
            }
            None => Group::with_title(title).element(annotate_snippets::Origin::path(self.file())),
        };
        let group = match self.help() {
            Some(help) => group.element(Level::HELP.message(help)),
            None => group,
        };
        let renderer = match style {
            Style::Plain => Renderer::plain(),
            Style::Coloured => Renderer::styled(),
        };
        renderer.decor_style(DecorStyle::Ascii).render(&[group])
    }

    /// A table may go on for pages: its first line is enough to find it.
    fn first_line(&self, span: &Range<usize>) -> Range<usize> {
        let text = self.source.text().get(span.clone()).unwrap_or_default();
        let length = text.find(['\r', '\n']).unwrap_or(text.len());
        span.start..span.start + length
    }
}

impl fmt::Display for Diagnostic {
    /// One line: `file:line:column: message; help`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file())?;
        if let Some((line, column)) = self.position() {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message())?;
        match self.help() {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Why a configuration cannot be used: at least one error, and the warnings beside it, in the order of
/// the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn new(diagnostics: Vec<Diagnostic>) -> Self {
        Self { diagnostics }
    }

    /// Each fault.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// All of it for people, one blank line between faults.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        render_all(&self.diagnostics, style)
    }
}

/// Renders several diagnostics for people, one blank line between them.
#[must_use]
pub fn render_all(diagnostics: &[Diagnostic], style: Style) -> String {
    let parts: Vec<String> = diagnostics.iter().map(|diagnostic| diagnostic.render(style)).collect();
    parts.join("\n\n")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

impl std::error::Error for Report {}
