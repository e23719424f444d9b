//! `cargo xtask tidy`: the house rules that no linter knows.
//!
//! Each rule is a function from text to [`Problem`]s, so that it can be tested on a few lines. The rules look
//! at text and not at syntax trees: they only have to be right about this code, and stay readable.

mod dialect;
mod edges;
mod file;
mod names;
mod paths;
mod text;

use std::fmt;
use std::fs;

use anyhow::bail;

use crate::shell::{self, say};
use crate::workspace::Workspace;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// File or crate.
    place: String,
    /// From 1; 0: the whole of it.
    line: usize,
    /// What to do.
    message: String,
}

impl Problem {
    fn new(place: &str, line: usize, message: impl Into<String>) -> Self {
        Self { place: place.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.place, self.message),
            line => write!(f, "{}:{line}: {}", self.place, self.message),
        }
    }
}

/// A file of the project, tracked or about to be.
#[derive(Debug)]
struct Source {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it is only built for tests, benches or as an example.
    fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        self.path.ends_with("/tests.rs") || parts.any(|part| matches!(part, "tests" | "benches" | "examples"))
    }
}

/// Applies every rule.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let metadata = workspace.metadata()?;
    let sources = sources(workspace)?;
    let mut problems = edges::check(&edges::edges(&metadata));
    let forbidden = paths::of_this_machine(workspace);
    let neutral = dialect::neutral_types(&sources);
    let providers = names::providers(&sources);
    for source in &sources {
        problems.extend(paths::check(source, &forbidden));
        if source.is_rust() {
            problems.extend(file::check(source));
            problems.extend(dialect::check(source, &neutral));
            problems.extend(names::check(source, &providers));
        }
    }
    for problem in &problems {
        say(&problem.to_string());
    }
    if !problems.is_empty() {
        bail!("house rules broken: {}", problems.len());
    }
    Ok(())
}

fn sources(workspace: &Workspace) -> anyhow::Result<Vec<Source>> {
    let list =
        shell::output(&mut workspace.git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let mut paths: Vec<_> = list.split('\0').filter(|path| !path.is_empty()).collect();
    paths.dedup();
    // A file that is listed but gone, or not text, has nothing to say.
    let read = |path: &str| fs::read_to_string(workspace.root.join(path)).ok();
    Ok(paths
        .into_iter()
        .filter_map(|path| Some(Source { path: path.to_owned(), text: read(path)? }))
        .collect())
}

#[cfg(test)]
fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}
