//! `cargo xtask test`: everything from a fresh clone to one summary line.
//!
//! The tests start the real binaries and drive them with the official SDKs, so both are made ready
//! first. A test that is skipped or ignored is a failure: a green run means that everything ran.

mod apt;
mod node;
mod postgres;
mod python;
mod redis;
mod summary;

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use cargo_metadata::Message;

use crate::shell::{say, shown, works};
use crate::workspace::Workspace;
use summary::Tally;

/// How long the summary of a test run says something about the code.
const SUMMARY_LIFE: Duration = Duration::from_secs(3600);

/// Runs all tests, and keeps the runner's summary for [`summarise`].
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let _ = fs::remove_file(summary_file(workspace));
    postgres::ready()?;
    redis::ready()?;
    let (python, node) = thread::scope(|scope| {
        let node = scope.spawn(|| node::ready(workspace));
        (python::ready(workspace), node.join())
    });
    let node = node.map_err(|_| anyhow!("installing the SDKs for Node panicked"))??;
    let mut environment = vec![
        ("LLM_PYTHON", python?.into_os_string()),
        ("LLM_NODE", node.into_os_string()),
        // Snapshots are looked for in this clone, whichever clone built the tests.
        ("INSTA_WORKSPACE_ROOT", workspace.root.clone().into()),
    ];
    if let Some(recordings) = recordings(workspace)? {
        environment.push(("LLM_RECORDINGS", recordings.into_os_string()));
    }
    environment.extend(binaries(workspace)?);

    let documented = tests(workspace.cargo("test --doc --workspace"), &environment)?;
    let nextest = works(&mut workspace.cargo("nextest --version"));
    let tested = if nextest {
        let profile = if env::var_os("CI").is_some() { "ci" } else { "default" };
        tests(
            workspace.cargo(&format!("nextest run --workspace --no-fail-fast --profile {profile}")),
            &environment,
        )?
    } else {
        say("cargo-nextest is not installed: running the tests with cargo test, one binary after another");
        tests(
            workspace.cargo("test --workspace --lib --bins --tests --examples --no-fail-fast"),
            &environment,
        )?
    };
    say(&format!("doc tests: {}", documented.tally));
    keep(workspace, &tested.tally.line())?;
    verdict(&documented, &tested)
}

/// Prints the summary of the last test run, which stays on record for a `check` within the hour: the two
/// are run together, and how the tests went is the last line.
pub(crate) fn summarise(workspace: &Workspace) -> anyhow::Result<()> {
    let file = summary_file(workspace);
    let age = fs::metadata(&file).and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
    if age.is_some_and(|age| age < SUMMARY_LIFE) {
        writeln!(io::stdout(), "{}", fs::read_to_string(&file)?)?;
    }
    Ok(())
}

struct Run {
    command: String,
    succeeded: bool,
    tally: Tally,
}

fn verdict(documented: &Run, tested: &Run) -> anyhow::Result<()> {
    for run in [documented, tested] {
        ensure!(run.succeeded, "`{}` failed", run.command);
        ensure!(
            run.tally.skipped == 0,
            "`{}` left out {} tests: make them run or remove them",
            run.command,
            run.tally.skipped
        );
    }
    ensure!(tested.tally.passed > 0, "`{}` ran no test", tested.command);
    Ok(())
}

/// Runs a test runner, passes on what it says and counts.
fn tests(mut command: Command, environment: &[(&str, std::ffi::OsString)]) -> anyhow::Result<Run> {
    let line = shown(&command);
    say(&format!("+ {line}"));
    // One pipe for both streams, which keeps their lines in order.
    let (reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer).stdin(Stdio::null());
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let mut child = command.spawn().with_context(|| format!("`{line}` could not be started"))?;
    // The command holds our ends of the pipe; the reader would wait for them for ever.
    drop(command);
    let mut tally = Tally::default();
    for text in BufReader::new(reader).split(b'\n') {
        let text = String::from_utf8_lossy(&text?).into_owned();
        tally.read(&text);
        say(&text);
    }
    Ok(Run { command: line, succeeded: child.wait()?.success(), tally })
}

/// Builds the binaries as a user would, and names them for the tests.
fn binaries(workspace: &Workspace) -> anyhow::Result<Vec<(&'static str, std::ffi::OsString)>> {
    let mut command = workspace.cargo("build -p gateway -p llmctl --message-format json-render-diagnostics");
    let line = shown(&command);
    say(&format!("+ {line}"));
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("cargo has no standard output")?;
    let mut found = Vec::new();
    for message in Message::parse_stream(BufReader::new(stdout)) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        let name = match (&*artifact.target.name, artifact.executable) {
            ("gateway", Some(path)) => ("GATEWAY_BIN", path.into_os_string()),
            ("llmctl", Some(path)) => ("LLMCTL_BIN", path.into_os_string()),
            _ => continue,
        };
        found.push(name);
    }
    ensure!(child.wait()?.success(), "`{line}` failed");
    ensure!(found.len() == 2, "`{line}` did not make both binaries");
    Ok(found)
}

/// The recorded exchanges, if there are any.
fn recordings(workspace: &Workspace) -> anyhow::Result<Option<PathBuf>> {
    let given = env::var_os("LLM_RECORDINGS").filter(|dir| !dir.is_empty());
    let dir = workspace.root.join(given.unwrap_or_else(|| "../shared/recordings".into()));
    if dir.is_dir() {
        return Ok(Some(dir.canonicalize()?));
    }
    if env::var_os("CI").is_some_and(|ci| ci == "true") {
        bail!("there are no recordings in {}: point LLM_RECORDINGS at them", dir.display());
    }
    say(&format!("no recordings in {}: the tests that play them have nothing to play", dir.display()));
    Ok(None)
}

fn summary_file(workspace: &Workspace) -> PathBuf {
    workspace.target.join("xtask/test-summary.txt")
}

fn keep(workspace: &Workspace, line: &str) -> anyhow::Result<()> {
    let file = summary_file(workspace);
    fs::create_dir_all(workspace.target.join("xtask"))?;
    fs::write(&file, line).with_context(|| format!("writing {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(succeeded: bool, line: &str) -> Run {
        let mut tally = Tally::default();
        tally.read(line);
        Run { command: "cargo x".to_owned(), succeeded, tally }
    }

    #[test]
    fn only_a_run_of_everything_is_green() {
        let documented = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let check = |succeeded, line: &str, expect: Option<&str>| {
            let got =
                verdict(&run(true, documented), &run(succeeded, line)).map_err(|error| error.to_string());
            assert_eq!(got.as_ref().err().map(String::as_str), expect, "{line}");
        };
        check(true, "Summary [   0.1s] 3 tests run: 3 passed, 0 skipped", None);
        check(
            false,
            "Summary [   0.1s] 3 tests run: 2 passed, 1 failed, 0 skipped",
            Some("`cargo x` failed"),
        );
        check(
            true,
            "Summary [   0.1s] 3 tests run: 3 passed, 1 skipped",
            Some("`cargo x` left out 1 tests: make them run or remove them"),
        );
        check(true, "", Some("`cargo x` ran no test"));
        let ignored = "test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out";
        let all = run(true, "Summary [   0.1s] 3 tests run: 3 passed, 0 skipped");
        assert!(verdict(&run(true, ignored), &all).is_err());
    }
}
