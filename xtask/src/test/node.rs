//! A private npm project with the official SDKs, for the tests that drive the gateway as users do.
//!
//! It lives under the target directory and is made once; the pinned versions stand in `package.json`.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

use super::apt;
use crate::shell::{self, say, works};
use crate::workspace::Workspace;

const PACKAGES: &str = include_str!("../../package.json");

/// The folder of the project: the one that `LLM_NODE` names, else the private one, made if need be.
pub(crate) fn ready(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    if let Some(folder) = env::var_os("LLM_NODE").filter(|folder| !folder.is_empty()) {
        return Ok(folder.into());
    }
    runtime()?;
    let folder = workspace.target.join("npm");
    let stamp = folder.join("installed.json");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == PACKAGES) {
        return Ok(folder);
    }
    say(&format!("installing SDKs for Node into {} for the end-to-end tests", folder.display()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), PACKAGES)?;
    let mut install = Command::new("npm");
    install.args([
        "install",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--ignore-scripts",
        "--loglevel=error",
    ]);
    shell::run(install.current_dir(&folder)).context(
        "the tests need these packages: allow the network once, or set LLM_NODE to a folder that has them in \
         node_modules",
    )?;
    fs::write(&stamp, PACKAGES)?;
    Ok(folder)
}

/// Installs Node where it is missing and may be installed.
fn runtime() -> anyhow::Result<()> {
    let missing = || ["node", "npm"].into_iter().find(|tool| !works(Command::new(tool).arg("--version")));
    let Some(tool) = missing() else { return Ok(()) };
    if !apt::may_install() {
        bail!("there is no {tool}: install Node 20 or newer with npm");
    }
    say(&format!("there is no {tool}: installing nodejs and npm with apt-get"));
    apt::install(&["nodejs", "npm"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_pinned() {
        let packages: serde_json::Value = serde_json::from_str(PACKAGES).unwrap();
        let packages = packages["dependencies"].as_object().unwrap();
        assert!(packages.contains_key("openai"), "{packages:?}");
        let digits = |version: &serde_json::Value| version.as_str().unwrap().starts_with(char::is_numeric);
        assert!(packages.values().all(digits), "{packages:?}");
    }
}
