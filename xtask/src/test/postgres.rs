//! The PostgreSQL that tests start for themselves, each its own on a free port.

use std::env;
use std::fs;
use std::process::Command;

use anyhow::bail;

use super::apt;
use crate::shell::{say, works};

/// Where Debian has its programs, a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Sees to it that there is one: the folder that `LLM_POSTGRES_BIN` names, else one on the path or where Debian has
/// it, installed where it is missing and may be.
pub(crate) fn ready() -> anyhow::Result<()> {
    if env::var_os("LLM_POSTGRES_BIN").is_some_and(|folder| !folder.is_empty()) {
        return Ok(());
    }
    let mut versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let debian = versions.any(|version| version.path().join("bin/initdb").exists());
    if debian || works(Command::new("initdb").arg("--version")) {
        return Ok(());
    }
    if !apt::may_install() {
        bail!(
            "there is no PostgreSQL: install 14 or newer (Debian: `apt-get install postgresql`), or set \
             LLM_POSTGRES_BIN to the folder with initdb and postgres"
        );
    }
    say(
        "there is no PostgreSQL: installing it with apt-get. Tests start their own, on free ports; the package \
         may start one as a service, too",
    );
    apt::install(&["postgresql"])
}
