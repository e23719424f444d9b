//! A private Python with the official SDKs, for the tests that drive the gateway as users do.
//!
//! It lives under the target directory and is made once; the pinned versions stand in `requirements.txt`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::apt;
use crate::shell::{self, say, works};
use crate::workspace::Workspace;

const REQUIREMENTS: &str = include_str!("../../requirements.txt");

/// The interpreter: the one that `LLM_PYTHON` names, else the private one, made if need be.
pub(crate) fn ready(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    if let Some(python) = env::var_os("LLM_PYTHON").filter(|python| !python.is_empty()) {
        return Ok(python.into());
    }
    let venv = workspace.target.join("venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == REQUIREMENTS)
        && works(Command::new(&python).arg("-V"))
    {
        return Ok(python);
    }
    let packages: Vec<_> = packages(REQUIREMENTS).collect();
    say(&format!("installing {} into {} for the end-to-end tests", packages.join(", "), venv.display()));
    create(&venv)?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    // A wheel is unpacked; anything else would have to be built.
    install.args(["--only-binary", ":all:"]).args(&packages);
    shell::run(&mut install).context(
        "the tests need these packages: allow the network once, or set LLM_PYTHON to a python that has them",
    )?;
    fs::write(&stamp, REQUIREMENTS)?;
    Ok(python)
}

fn packages(requirements: &str) -> impl Iterator<Item = &str> {
    requirements.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Makes the environment, installing Python's own part of it where the system left that out.
fn create(venv: &Path) -> anyhow::Result<()> {
    if make(venv).is_ok() {
        return Ok(());
    }
    if !apt::may_install() {
        bail!(
            "python3 cannot make a virtual environment: install python3 with venv and pip, or set LLM_PYTHON"
        );
    }
    say("python3 cannot make a virtual environment: installing python3-venv and python3-pip with apt-get");
    apt::install(&["python3", "python3-venv", "python3-pip"])?;
    make(venv)
}

fn make(venv: &Path) -> anyhow::Result<()> {
    // The system's own interpreter may lack `venv` where another one on the path has it, and the reverse.
    let mut last = anyhow::anyhow!("there is no python3");
    for python in ["python3", "/usr/bin/python3"] {
        match shell::output(Command::new(python).args(["-m", "venv", "--clear"]).arg(venv)) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_pinned() {
        let packages: Vec<_> = packages(REQUIREMENTS).collect();
        assert!(packages.iter().any(|package| package.starts_with("openai==")), "{packages:?}");
        assert!(packages.iter().all(|package| package.contains("==")), "{packages:?}");
    }
}
