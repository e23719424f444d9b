//! From text to a checked [`Config`].
//!
//! Parse, walk, deserialise, check: each stage runs on what the one before left over, so that one run
//! reports as many faults as can be told apart. Only a text that is not TOML ends it early.

use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use crate::check::{self, Known};
use crate::diag::{Code, Diagnostic, Finding, Report, Severity};
use crate::env::Env;
use crate::place::Places;
use crate::source::Source;
use crate::walk::Walk;
use crate::{Config, json_schema};

/// The longest file that is read; a larger one is not a configuration.
const MAX_CONFIG: u64 = 16 << 20;
/// Shorter values are not replaced in messages: they are words, not secrets.
const MIN_SCRUBBED: usize = 4;

impl Config {
    /// Reads and checks a file. Beside the configuration come its warnings.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path, env: &dyn Env, known: Known<'_>) -> Result<(Self, Vec<Diagnostic>), Report> {
        let name = path.display().to_string();
        let text = read(path).map_err(|error| {
            let finding =
                Finding::error(Code::UnreadableFile, None, format!("cannot read the file: {error}"))
                    .help("check the path and its permissions");
            report(Source::new(&name, "", &[]), vec![finding])
        })?;
        Self::parse(&name, &text, env, known)
    }

    /// Reads and checks a text; `name` is what diagnostics call it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(
        name: &str,
        text: &str,
        env: &dyn Env,
        known: Known<'_>,
    ) -> Result<(Self, Vec<Diagnostic>), Report> {
        let (mut document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let findings = errors.iter().map(|error| {
                let message = format!("not valid TOML: {}", first_line(error.message()));
                Finding::error(Code::Syntax, error.span(), message)
            });
            return Err(report(Source::unparsed(name, text), findings.collect()));
        }
        let mut walk = Walk::new(env);
        walk.document(json_schema::inlined(), &mut document);
        let Walk { mut findings, hidden, resolved, unsound, .. } = walk;
        let places = Places::new(document);
        let config = match places.read::<Self>() {
            Ok(_) if unsound => None,
            Ok(mut config) => {
                findings.extend(check::run(&config, &places, env, known));
                config.name_deployments();
                Some(config)
            }
            // What serde says is news only if the walk found nothing that explains it.
            Err(error) if findings.is_empty() => {
                findings.push(Finding::error(Code::BadValue, error.span(), first_line(error.message())));
                None
            }
            Err(_) => None,
        };
        scrub(&mut findings, &resolved);
        let report = report(Source::new(name, text, &hidden), findings);
        match config {
            Some(config) if report.diagnostics().iter().all(|one| one.severity() == Severity::Warning) => {
                Ok((config, report.diagnostics().to_vec()))
            }
            _ => Err(report),
        }
    }

    /// Checks a configuration that did not come from a file, such as [`Config::from_models`]; `name` is
    /// what diagnostics call it. Gives the warnings.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check(&self, name: &str, env: &dyn Env, known: Known<'_>) -> Result<Vec<Diagnostic>, Report> {
        let findings = check::run(self, &Places::default(), env, known);
        let report = report(Source::new(name, "", &[]), findings);
        if report.diagnostics().iter().any(|one| one.severity() == Severity::Error) {
            return Err(report);
        }
        Ok(report.diagnostics().to_vec())
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_CONFIG + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > MAX_CONFIG) {
        return Err(std::io::Error::other("longer than 16 MiB, which is no configuration"));
    }
    Ok(text)
}

/// In the order of the file; faults that are nowhere in particular first.
fn report(source: Source, mut findings: Vec<Finding>) -> Report {
    findings.sort_by_key(|finding| finding.span.as_ref().map(|span| span.start));
    let source = Arc::new(source);
    Report::new(findings.into_iter().map(|finding| Diagnostic::new(Arc::clone(&source), finding)).collect())
}

/// A value that came from outside is shown as it is written in the file: it may be a secret.
fn scrub(findings: &mut [Finding], resolved: &[(String, String)]) {
    for (reference, value) in resolved.iter().filter(|(_, value)| value.len() >= MIN_SCRUBBED) {
        for finding in &mut *findings {
            finding.message = finding.message.replace(value.as_str(), reference);
            finding.help = finding.help.take().map(|help| help.replace(value.as_str(), reference));
        }
    }
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}
