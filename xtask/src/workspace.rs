//! Where things are.
//!
//! Builds go to one directory outside the clone unless `CARGO_TARGET_DIR` says otherwise, so that several
//! clones share what they compiled and a clone stays small.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::shell;

/// The directories of one run.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The clone.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Finds them from the manifest that cargo ran, else from the current directory.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let root = match env::var_os("CARGO_MANIFEST_DIR").as_deref().map(Path::new).and_then(Path::parent) {
            Some(parent) => parent.to_owned(),
            None => located()?,
        };
        let target = match env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
            Some(dir) => root.join(dir),
            None => shared_target(&root),
        };
        Ok(Self { root, target })
    }

    /// A cargo that works in the clone and builds into the target directory.
    pub(crate) fn cargo(&self, args: &str) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target).args(args.split_whitespace());
        // What cargo tells us about xtask is not true of what we run.
        for (name, _) in env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
            {
                command.env_remove(name);
            }
        }
        command
    }

    /// A git that works in the clone.
    pub(crate) fn git(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.root).args(args);
        command
    }

    /// What cargo knows of the members.
    pub(crate) fn metadata(&self) -> anyhow::Result<cargo_metadata::Metadata> {
        let mut command = cargo_metadata::MetadataCommand::new();
        command.current_dir(&self.root).no_deps().exec().context("reading the workspace with cargo metadata")
    }
}

fn located() -> anyhow::Result<PathBuf> {
    let manifest = shell::output(Command::new("cargo").args([
        "locate-project",
        "--workspace",
        "--message-format=plain",
    ]))?;
    Path::new(manifest.trim()).parent().map(Path::to_owned).context("the workspace manifest has no directory")
}

fn shared_target(root: &Path) -> PathBuf {
    match env::var_os("HOME").filter(|home| !home.is_empty()) {
        Some(home) => Path::new(&home).join(".cache/llm-gateway/target"),
        None => root.join("target"),
    }
}
