//! `llmctl config check|schema|show`.

use std::path::{Path, PathBuf};

use llm_config::{Config, Diagnostic, Elsewhere, Env, Known, ProcessEnv, Severity, render_all};

use crate::args::ConfigCommand;
use crate::exit::{Exit, Failure};
use crate::known;
use crate::output::Output;

/// Carries a command out.
pub(crate) fn run(command: ConfigCommand, out: &mut Output) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Check { strict, files } => {
            let worst = if strict { Severity::Warning } else { Severity::Error };
            check(&files, &Elsewhere(&ProcessEnv), worst, out)
        }
        ConfigCommand::Schema => {
            write!(out.out, "{}", llm_config::schema())?;
            Ok(Exit::Ok)
        }
        ConfigCommand::Show { file } => show(&file, &ProcessEnv, out),
    }
}

/// Checks files; what is at least as bad as `bad` makes them invalid.
fn check(files: &[PathBuf], env: &dyn Env, bad: Severity, out: &mut Output) -> Result<Exit, Failure> {
    let mut all = Vec::new();
    for file in files {
        let (summary, diagnostics) = check_one(file, env);
        if !out.json {
            if !diagnostics.is_empty() {
                writeln!(out.out, "{}\n", render_all(&diagnostics, out.style))?;
            }
            writeln!(out.out, "{}: {summary}", file.display())?;
        }
        all.extend(diagnostics);
    }
    if out.json {
        out.json(&all.iter().map(Diagnostic::json).collect::<Vec<_>>())?;
    }
    let bad = all.iter().any(|one| one.severity() <= bad);
    Ok(if bad { Exit::Config } else { Exit::Ok })
}

fn check_one(file: &Path, env: &dyn Env) -> (String, Vec<Diagnostic>) {
    match Config::load(file, env, Known { providers: &known::providers() }) {
        Ok((config, warnings)) => {
            let served = match config.models.len() {
                0 => "every model whose key is in the environment".to_owned(),
                count => counted(count, "model"),
            };
            let summary = match warnings.len() {
                0 => format!("ok, {served}"),
                count => format!("ok, {served}, {}", counted(count, "warning")),
            };
            (summary, warnings)
        }
        Err(report) => {
            let diagnostics = report.diagnostics().to_vec();
            let errors = diagnostics.iter().filter(|one| one.severity() == Severity::Error).count();
            (format!("invalid, {}", counted(errors, "error")), diagnostics)
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn show(file: &Path, env: &dyn Env, out: &mut Output) -> Result<Exit, Failure> {
    match Config::load(file, env, Known { providers: &known::providers() }) {
        Ok((config, warnings)) => {
            for warning in warnings {
                writeln!(out.err, "{warning}")?;
            }
            match out.json {
                true => out.json(&config)?,
                false => write!(out.out, "{}", llm_config::show(&config))?,
            }
            Ok(Exit::Ok)
        }
        Err(report) => {
            match out.json {
                true => {
                    let all: Vec<_> = report.diagnostics().iter().map(Diagnostic::json).collect();
                    writeln!(out.err, "{}", serde_json::to_string_pretty(&all)?)?;
                }
                false => writeln!(out.err, "{}", report.render(out.style))?,
            }
            Ok(Exit::Config)
        }
    }
}

#[cfg(test)]
mod tests {
    use llm_config::FixedEnv;

    use super::*;
    use crate::output::testing::output;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_valid_file_is_summed_up() {
        let file =
            file("[[models]]\nname = 'a'\ndeployments = [{ model = 'openai/gpt-4o', api_key = 'sk' }]\n");
        let (mut output, out, _) = output(false);
        let exit =
            check(&[file.path().to_owned()], &FixedEnv::default(), Severity::Error, &mut output).unwrap();
        assert_eq!(exit, Exit::Ok);
        assert_eq!(out.text(), format!("{}: ok, 1 model\n", file.path().display()));
    }

    #[test]
    fn an_invalid_file_is_explained_in_text_and_json() {
        let file =
            file("[server]\nlisen = 1\n[[models]]\nname = 'a'\ndeployments = [{ model = 'opanai/x' }]\n");
        let files = [file.path().to_owned()];
        let (mut text, out, _) = output(false);
        assert_eq!(check(&files, &FixedEnv::default(), Severity::Error, &mut text).unwrap(), Exit::Config);
        assert!(out.text().contains("did you mean `listen`?"), "{}", out.text());
        assert!(out.text().ends_with("invalid, 2 errors\n"), "{}", out.text());
        let (mut json, out, _) = output(true);
        check(&files, &FixedEnv::default(), Severity::Error, &mut json).unwrap();
        let list: Vec<serde_json::Value> = serde_json::from_str(&out.text()).unwrap();
        let places: Vec<_> = list.iter().map(|one| (one["line"].as_u64(), one["code"].as_str())).collect();
        assert_eq!(places, [(Some(2), Some("unknown-key")), (Some(5), Some("unknown-provider"))]);
    }

    fn examples() -> Vec<PathBuf> {
        let folder = llm_testkit::workspace().join("config-examples");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
        assert!(!files.is_empty());
        files
    }

    #[test]
    fn the_examples_fit_the_built_in_providers() {
        let (mut output, out, _) = output(true);
        let exit = check(&examples(), &Everything, Severity::Warning, &mut output).unwrap();
        assert_eq!(exit, Exit::Ok, "{}", out.text());
        assert_eq!(out.text(), "[]\n");
    }

    #[test]
    fn the_examples_pass_on_a_machine_that_has_none_of_their_secrets() {
        let bare = FixedEnv::default();
        let (mut lenient, out, _) = output(false);
        let exit = check(&examples(), &Elsewhere(&bare), Severity::Error, &mut lenient).unwrap();
        assert_eq!(exit, Exit::Ok, "{}", out.text());
        assert!(out.text().contains("OPENAI_KEY_MAIN is not set"), "{}", out.text());
        let (mut strict, ..) = output(false);
        let exit = check(&examples(), &Elsewhere(&bare), Severity::Warning, &mut strict).unwrap();
        assert_eq!(exit, Exit::Config);
    }

    /// An environment in which every variable is set and every file is there.
    #[derive(Debug)]
    struct Everything;

    impl Env for Everything {
        fn var(&self, _: &str) -> Option<String> {
            Some("sk-of-nobody-but-the-test".to_owned())
        }

        fn file(&self, _: &str) -> std::io::Result<String> {
            Ok("sk-of-nobody-but-the-test".to_owned())
        }
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        let file = file("[auth]\nmaster_key = '${KEY}'\n");
        let env = FixedEnv::new([("KEY", "sk-secret")]);
        for json in [false, true] {
            let (mut output, out, _) = output(json);
            assert_eq!(show(file.path(), &env, &mut output).unwrap(), Exit::Ok);
            assert!(out.text().contains("[redacted]") && !out.text().contains("sk-secret"), "{}", out.text());
        }
    }
}
